// What the hardware's filters can compare of a packet, and how it is written into their registers.
//
// Pure functions: a flow's match in, register values out. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_TUPLE_FILTER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_TUPLE_FILTER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::vfio::igb {

// 7.1, FTQF and its neighbours: protocol, source and destination address and port, each compared
// whole or not at all. The I350 compares protocol and destination port alone (its datasheet's
// TTQF). Of addresses the hardware compares IPv4's; a filter without any may also take IPv6
// packets.
struct TupleFilter {
  uint32_t ftqf = 0;  // without the queue
  uint32_t saqf = 0, daqf = 0, spqf = 0;
  uint32_t imir = 0, imirext = 0;

  bool operator==(const TupleFilter&) const = default;
};

// UNIMPLEMENTED: names what the rule compares and the hardware does not.
absl::StatusOr<TupleFilter> EncodeTuple(Chip chip, const device::FlowMatch& match);

// 7.1, ETQF: the EtherType alone, compared whole; none of IP, whose packets it would keep from
// being parsed. UNIMPLEMENTED as above.
absl::StatusOr<uint16_t> EncodeEtherType(const device::FlowMatch& match);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_TUPLE_FILTER_H_
