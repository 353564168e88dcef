// Which layout a lease gets, and which ring and buffer sizes go with it.
//
// Pure functions over verified layouts; any thread.
#ifndef QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_
#define QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::lease {

struct LayoutWish {
  std::string name;  // empty: the smallest that has the roles
  bool receive = false;
  bool transmit = false;
  std::vector<std::string> rx_roles;  // in the receive queue's completions
  std::vector<std::string> tx_roles;  // in the transmit queue's descriptors
  std::vector<std::string> features;  // choices that must be, "Completion=extended"
};

struct LayoutChoice {
  layout::VerifiedLayout layout;
  std::vector<uint32_t> features;              // for each of Layout.features, the choice
  std::vector<std::string> roles_in_software;  // asked for, not there, computable by software
};

// Whether software can compute what the role says from the packet's bytes alone.
bool SoftwareCanCompute(std::string_view role);

// Of the layouts that have all roles that software cannot compute: the one that lacks the fewest of
// the others, then the one with the smallest slots, then the first. INVALID_ARGUMENT (MALFORMED):
// no such role in the vocabulary, more than 64 roles, words that choose no feature. NOT_FOUND: the
// device does not offer the layout named, or none with such features. UNIMPLEMENTED: MISSING_ROLES,
// or UNSUPPORTED (no queue of that direction).
absl::StatusOr<LayoutChoice> ChooseLayout(std::span<const layout::VerifiedLayout> offered,
                                          const LayoutWish& wish);

// Slots for each ring of a queue. wanted 0: `normal`, or the nearest count that all rings allow.
// INVALID_ARGUMENT (OUT_OF_RANGE): a ring does not allow it; `field` names the request's field.
absl::StatusOr<uint32_t> ChooseSlots(const v1::Queue& queue, uint32_t wanted, uint32_t normal,
                                     std::string_view field);

// Bytes of each receive buffer. wanted 0: 2048, or the nearest that the queue allows.
// INVALID_ARGUMENT (OUT_OF_RANGE): the queue does not allow it.
absl::StatusOr<uint32_t> ChooseBufferBytes(const v1::Queue& queue, uint32_t wanted);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_
