// Which layout a lease gets, and what is chosen for its features.
//
// Pure functions over what a device offers; any thread.
#ifndef QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_
#define QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/lease/layout_offer.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::lease {

// Ways to set a layout up that are tried: the defaults, then those with one feature away from its
// default, then with two, …. A feature's default is the first choice that the device allows.
// Features that decide nothing of what is asked stay at their defaults and do not count.
inline constexpr int kMaxTries = 1024;

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
  Choices features;
  std::vector<std::string> roles_in_software;  // asked for, not there, computable by software
};

// Whether the client library can do without the role: compute it from a received packet's bytes, or
// do to a packet that is sent what the role would ask of the device.
bool SoftwareCanCompute(v1::Direction direction, std::string_view role);

// Of the layouts and what can be chosen for their features, those that have all roles that software
// cannot compute: the one that lacks the fewest of the others, then the one with the smallest
// slots, then the first layout, then the one with the fewest features away from their defaults.
// INVALID_ARGUMENT (MALFORMED): no such role in the vocabulary, more than 64 roles, words that
// choose no feature. NOT_FOUND: the device does not offer the layout named, or none with such
// features. UNIMPLEMENTED: MISSING_ROLES, or UNSUPPORTED (no queue of that direction, or a choice
// that is the layout's and that the device does not allow).
absl::StatusOr<LayoutChoice> ChooseLayout(std::span<const LayoutOffer> offered,
                                          const LayoutWish& wish);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_LAYOUT_CHOICE_H_
