// Which of a NIC's few locations each rule has that stands in the NIC.
//
//   the device's locations   0 1 2 ………………………………………… 1022 1023    many; drop, pass and reflect too
//                            │ │          ╲              │    │
//   the NIC's that are free  0 1 ……………… 7 ………………………… 14   15    few; rules to queues alone
//
// In either the lowest location that matches wins. So of two rules that have packets in common and
// bring them to different queues, the one that comes first there stands first here; so do others,
// as long as there is room between. None is ever moved.
//
// Pure logic; one thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_PLACES_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_PLACES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::af_xdp {

class NicPlaces {
 public:
  // `free`: locations of the NIC that nobody has, ascending. `locations`: that rules can have.
  NicPlaces(std::vector<uint32_t> free, uint32_t locations);

  uint32_t size() const { return static_cast<uint32_t>(places_.size()); }

  // The NIC's locations that the rule can have, the best first. RESOURCE_EXHAUSTED: none; all are
  // taken, or those that are free stand on the wrong side of another rule.
  absl::StatusOr<std::vector<uint32_t>> RoomFor(const device::FlowRule& rule) const;

  // It now stands there, one of RoomFor / no longer stands anywhere.
  void Put(const device::FlowRule& rule, uint32_t place);
  void Remove(uint32_t location);
  // By the rule's own location.
  std::optional<uint32_t> PlaceOf(uint32_t location) const;

 private:
  struct Placed {
    device::FlowRule rule;
    size_t at = 0;  // of places_
  };

  // In order among all rules, or among those with which the order matters; empty: none.
  std::vector<uint32_t> RoomFor(const device::FlowRule& rule, bool among_all) const;

  const std::vector<uint32_t> places_;
  const uint32_t locations_;
  std::map<uint32_t, Placed> placed_;  // by the rule's own location
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_PLACES_H_
