// Everything that most programs need. Includes neither gRPC nor protobuf.
#ifndef QSPLIT_QSPLIT_H_
#define QSPLIT_QSPLIT_H_

#include "qsplit/device.h"
#include "qsplit/error.h"
#include "qsplit/flow_rule.h"
#include "qsplit/lease.h"
#include "qsplit/packet.h"
#include "qsplit/queue_access.h"
#include "qsplit/region.h"
#include "qsplit/rx_queue.h"
#include "qsplit/session.h"
#include "qsplit/tx_queue.h"

#endif  // QSPLIT_QSPLIT_H_
