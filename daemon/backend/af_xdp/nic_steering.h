// Steering by the NIC itself: its ntuple rules, and its RSS table without the queues that are
// leased.
//
//   Leave(queues): out of the RSS table ──► rules bring packets there ──► Return(queues): back in
//   it
//
// It has the rules that bring packets to queues, and no others: the NIC's locations, which are few,
// bound those alone (nic_places.h). Rules of an administrator keep their places, and win or lose by
// location as they did. So does a table that he sets while no queue is out; one that he sets while
// queues are is overwritten. It changes the NIC through NetdevChanges alone. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_STEERING_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_STEERING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/af_xdp/nic_places.h"
#include "daemon/backend/common/rss.h"
#include "daemon/device/device.h"

namespace qsplit::af_xdp {

class NicSteering {
 public:
  // `queues`: receive queues that the netdev has. `locations`: that rules can have; more than the
  // NIC has, or fewer. `changes` outlives it. UNIMPLEMENTED: the NIC has no ntuple rules with
  // locations, or no RSS table, or one queue, which must stay in it; the message says which.
  static absl::StatusOr<std::unique_ptr<NicSteering>> Take(uint32_t queues, uint32_t locations,
                                                           NetdevChanges& changes);

  // Rules at once.
  uint32_t rule_capacity() const { return places_->size(); }

  // Whether it takes a rule by UDP port, which many drivers do not: one is put in, and taken out.
  // UNIMPLEMENTED: it does not, and this is of no use any more.
  absl::Status TryUdpRule();

  // RESOURCE_EXHAUSTED: no queue would be left in the RSS table.
  absl::Status Leave(std::span<const uint32_t> queues);
  absl::Status Return(std::span<const uint32_t> queues);

  // Of a rule that sends to a queue; its location is free. UNIMPLEMENTED: ntuple rules cannot say
  // it. RESOURCE_EXHAUSTED: as NicPlaces::RoomFor. Otherwise as EthtoolLink::InsertRule.
  absl::Status AddRule(const device::FlowRule& rule);
  // NOT_FOUND: it is none that stands here.
  absl::Status RemoveRule(uint32_t location);
  // The NIC's location of the rule that we have at that one of ours.
  std::optional<uint32_t> PlaceOf(uint32_t location) const { return places_->PlaceOf(location); }
  // Whether the NIC itself still says that it has that rule, and brings packets to the queue.
  bool Brings(uint32_t location, uint32_t queue) const;

 private:
  NicSteering(uint32_t queues, uint32_t locations, NetdevChanges& changes)
      : queues_(queues), locations_(locations), changes_(changes) {}

  absl::Status FindTable();
  absl::Status FindPlaces();
  // Filters are as they were.
  absl::Status Useless(absl::Status why);
  absl::Status WriteTable();

  const uint32_t queues_;
  const uint32_t locations_;
  NetdevChanges& changes_;
  backend::Rss rss_{0, 0, true};
  std::set<uint32_t> out_;  // of the table
  std::optional<NicPlaces> places_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NIC_STEERING_H_
