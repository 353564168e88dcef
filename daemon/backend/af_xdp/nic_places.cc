#include "daemon/backend/af_xdp/nic_places.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace qsplit::af_xdp {
namespace {

using KeyWords = std::array<uint64_t, sizeof(device::FlowKey) / sizeof(uint64_t)>;

// False: no packet matches both. What hangs together in ways that masks do not show may say true.
bool MayMeet(const device::FlowMatch& a, const device::FlowMatch& b) {
  const auto value_a = std::bit_cast<KeyWords>(a.value), mask_a = std::bit_cast<KeyWords>(a.mask);
  const auto value_b = std::bit_cast<KeyWords>(b.value), mask_b = std::bit_cast<KeyWords>(b.mask);
  for (size_t i = 0; i < value_a.size(); ++i) {
    if (((value_a[i] ^ value_b[i]) & mask_a[i] & mask_b[i]) != 0) return false;
  }
  return true;
}

// The order of the two decides where a packet goes.
bool OrderMatters(const device::FlowRule& a, const device::FlowRule& b) {
  return a.action.queue != b.action.queue && MayMeet(a.match, b.match);
}

}  // namespace

NicPlaces::NicPlaces(std::vector<uint32_t> free, uint32_t locations)
    : places_(std::move(free)), locations_(locations) {}

std::vector<uint32_t> NicPlaces::RoomFor(const device::FlowRule& rule, bool among_all) const {
  // Between these two it must stand: a location, and the place of who has it.
  struct Bound {
    int64_t location, at;
  };
  Bound low{-1, -1};
  Bound high{locations_, static_cast<int64_t>(places_.size())};
  std::vector<bool> taken(places_.size());
  for (const auto& [location, other] : placed_) {
    taken[other.at] = true;
    if (!among_all && !OrderMatters(rule, other.rule)) continue;
    const Bound bound{location, static_cast<int64_t>(other.at)};
    if (location < rule.location && bound.at > low.at) low = bound;
    if (location > rule.location && bound.at < high.at) high = bound;
  }
  // As far from the nearer bound as the rule is, and no further than the middle.
  const int64_t middle = (high.at - low.at + 1) / 2;
  const int64_t below = int64_t{rule.location} - low.location;
  const int64_t above = high.location - int64_t{rule.location};
  const int64_t wish =
      below <= above ? low.at + std::min(below, middle) : high.at - std::min(above, middle);
  std::vector<int64_t> room;
  for (int64_t at = low.at + 1; at < high.at; ++at) {
    if (!taken[static_cast<size_t>(at)]) room.push_back(at);
  }
  std::ranges::stable_sort(room, {}, [wish](int64_t at) { return std::abs(at - wish); });
  std::vector<uint32_t> places;
  places.reserve(room.size());
  for (const int64_t at : room) places.push_back(places_[static_cast<size_t>(at)]);
  return places;
}

absl::StatusOr<std::vector<uint32_t>> NicPlaces::RoomFor(const device::FlowRule& rule) const {
  std::vector<uint32_t> places = RoomFor(rule, /*among_all=*/true);
  if (places.empty()) places = RoomFor(rule, /*among_all=*/false);
  if (!places.empty()) return places;
  return absl::ResourceExhaustedError(absl::StrCat(
      "the NIC has ", places_.size(), " locations for rules that bring packets to queues, ",
      placed_.size() == places_.size()
          ? "and all are taken: remove such a rule (those that drop, pass or reflect need none)"
          : "and none is free between rules that take some of the same packets: give the rule "
            "another location"));
}

void NicPlaces::Put(const device::FlowRule& rule, uint32_t place) {
  const auto at = std::ranges::lower_bound(places_, place) - places_.begin();
  placed_.insert_or_assign(rule.location, Placed{rule, static_cast<size_t>(at)});
}

void NicPlaces::Remove(uint32_t location) { placed_.erase(location); }

std::optional<uint32_t> NicPlaces::PlaceOf(uint32_t location) const {
  const auto found = placed_.find(location);
  if (found == placed_.end()) return std::nullopt;
  return places_[found->second.at];
}

}  // namespace qsplit::af_xdp
