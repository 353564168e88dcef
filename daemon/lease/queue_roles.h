// Which roles the descriptors of a queue have, and how large its slots are, depending on what is
// chosen for the layout's features.
//
// Made once for a queue of a layout, asked many times. Pure; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::lease {

// One for each of Layout.features: an index into Feature.choices.
using Choices = std::vector<uint32_t>;
// (feature, choice) of all that must be chosen for something to exist, by feature.
using Needs = std::vector<std::pair<uint32_t, uint32_t>>;
// Different needs for the same thing: any of them will do. None: it never exists.
using Ways = std::vector<Needs>;

bool Meets(const Needs& needs, const Choices& choices);
bool MeetsAny(const Ways& ways, const Choices& choices);

class QueueRoles {
 public:
  // Of a verified layout.
  QueueRoles(const v1::Layout& layout, const v1::Queue& queue);

  // How some descriptor of the queue gets the role: in receive queues a completion, a prefix or
  // what stands beside a packet, in transmit queues a posted descriptor or a context as well.
  const Ways& WaysTo(std::string_view role) const;
  bool Has(std::string_view role, const Choices& choices) const {
    return MeetsAny(WaysTo(role), choices);
  }
  // Of all rings that exist, one slot of each.
  uint32_t SlotBytes(const Choices& choices) const;
  // Of the rings that always exist.
  uint32_t LeastSlotBytes() const;

  // Sets features[i] where what is chosen for feature i decides on the role, or on SlotBytes.
  void MarkFeaturesOf(std::string_view role, std::vector<bool>& features) const;
  void MarkFeaturesOfSlots(std::vector<bool>& features) const;

 private:
  class Collector;

  std::map<std::string, Ways, std::less<>> ways_;  // by role
  std::vector<std::pair<Needs, uint32_t>> slots_;  // by ring: its slot bytes
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_
