// What a receive queue's driver reads out of descriptors for a program that reads these fields of
// packets. Pure; any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_RX_FIELDS_H_
#define QSPLIT_CLIENT_LIB_SRC_RX_FIELDS_H_

#include "client-lib/src/software.h"
#include "dataplane/metadata.h"
#include "qsplit/packet.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::internal {

// Those fields, and what they, or the software's part of them, cannot be found out without.
dataplane::RxFields FieldsToRead(const v1::Layout& layout, PacketFields fields,
                                 const SoftwareWork& work);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_RX_FIELDS_H_
