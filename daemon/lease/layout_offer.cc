#include "daemon/lease/layout_offer.h"

#include <utility>

namespace qsplit::lease {
namespace {

// A mask of the first `count` choices; a feature has at most 64.
uint64_t All(int count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

std::optional<QueueRoles> RolesOf(const layout::VerifiedLayout& layout, v1::Direction direction) {
  const v1::Queue* queue = layout.FindQueue(direction);
  if (queue == nullptr) return std::nullopt;
  return QueueRoles(layout.message(), *queue);
}

}  // namespace

std::optional<LayoutOffer> OfferOf(const layout::VerifiedLayout& layout,
                                   const device::AllowedChoices& allowed) {
  device::AllowedChoices masks;
  for (const v1::Feature& feature : layout.message().features()) {
    uint64_t mask = All(feature.choices_size());
    if (masks.size() < allowed.size()) mask &= allowed[masks.size()];
    if (mask == 0) return std::nullopt;
    masks.push_back(mask);
  }
  return LayoutOffer{layout, std::move(masks), RolesOf(layout, v1::DIRECTION_RECEIVE),
                     RolesOf(layout, v1::DIRECTION_TRANSMIT)};
}

std::vector<LayoutOffer> OffersOf(const device::DeviceInfo& device) {
  std::vector<LayoutOffer> offers;
  for (size_t i = 0; i < device.layouts.size(); ++i) {
    static const device::AllowedChoices kAny;
    auto offer = OfferOf(device.layouts[i], i < device.allowed.size() ? device.allowed[i] : kAny);
    if (offer) offers.push_back(*std::move(offer));
  }
  return offers;
}

}  // namespace qsplit::lease
