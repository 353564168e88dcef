// What the data plane says of a queue's descriptors, as the public headers have it. Any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_PUBLIC_ACCESS_H_
#define QSPLIT_CLIENT_LIB_SRC_PUBLIC_ACCESS_H_

#include "dataplane/access_report.h"
#include "qsplit/queue_access.h"

namespace qsplit::internal {

QueueAccess PublicAccess(const dataplane::AccessReport& report);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_PUBLIC_ACCESS_H_
