// A layout that a device offers, made ready for the question which one a lease gets: what its
// queues have, depending on what is chosen for its features, and what the device lets choose.
//
// Made once for a device. Immutable; any thread.
#ifndef QSPLIT_DAEMON_LEASE_LAYOUT_OFFER_H_
#define QSPLIT_DAEMON_LEASE_LAYOUT_OFFER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/device/device.h"
#include "daemon/lease/queue_roles.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::lease {

struct LayoutOffer {
  layout::VerifiedLayout layout;
  device::AllowedChoices allowed;               // one for each of Layout.features; never 0
  std::optional<QueueRoles> receive, transmit;  // nullopt: no queue of this direction

  bool Allows(size_t feature, uint32_t choice) const {
    return ((allowed[feature] >> choice) & 1) != 0;
  }
  const std::optional<QueueRoles>& queue(v1::Direction direction) const {
    return direction == v1::DIRECTION_TRANSMIT ? transmit : receive;
  }
};

// nullopt: some feature has no choice left. `allowed` {}: every choice.
std::optional<LayoutOffer> OfferOf(const layout::VerifiedLayout& layout,
                                   const device::AllowedChoices& allowed = {});
// All that the device can be set up with, in its order.
std::vector<LayoutOffer> OffersOf(const device::DeviceInfo& device);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_LAYOUT_OFFER_H_
