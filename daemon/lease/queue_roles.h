// Which roles the descriptors of a queue have, and how large its slots are, depending on what is
// chosen for the layout's features.
//
// Made for one question: some wanted roles, many choices. Pure; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::lease {

// One for each of Layout.features: an index into Feature.choices.
using Choices = std::vector<uint32_t>;

class QueueRoles {
 public:
  // Of a verified layout, which must outlive this.
  QueueRoles(const v1::Layout& layout, const v1::Queue& queue,
             const std::vector<std::string>& wanted);

  // Whether some descriptor of the queue has the role: in receive queues a completion, a prefix or
  // what stands beside a packet, in transmit queues a posted descriptor or a context as well.
  bool Has(size_t wanted, const Choices& choices) const;
  // Of all rings that exist, one slot of each.
  uint32_t SlotBytes(const Choices& choices) const;

  // Sets features[i] where an answer depends on what is chosen for feature i.
  void MarkFeatures(std::vector<bool>& features) const;

 private:
  // (feature, choice) of all that must be chosen for something to exist.
  using Needs = std::set<std::pair<uint32_t, uint32_t>>;
  using Ways = std::set<Needs>;
  class Collector;

  static bool Meets(const Needs& needs, const Choices& choices);

  std::vector<Ways> ways_;                         // by wanted role; any of them will do
  std::vector<std::pair<Needs, uint32_t>> slots_;  // by ring: its slot bytes
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_ROLES_H_
