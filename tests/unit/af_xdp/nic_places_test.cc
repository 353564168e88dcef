// Which of a NIC's few places rules take: their order stays, and none is moved.
#include "daemon/backend/af_xdp/nic_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>

#include "tests/support/rounds.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {
namespace {

using qsplit::testing::UdpPortRule;
using ::testing::HasSubstr;

constexpr uint32_t kLocations = 1024;

NicPlaces Sixteen() {
  std::vector<uint32_t> free(16);
  std::iota(free.begin(), free.end(), 0);
  return {free, kLocations};
}

// Puts it at the best place.
uint32_t Put(NicPlaces& places, const device::FlowRule& rule) {
  const auto room = places.RoomFor(rule);
  EXPECT_TRUE(room.ok()) << room.status();
  if (!room.ok()) return ~uint32_t{0};
  places.Put(rule, room->front());
  EXPECT_EQ(places.PlaceOf(rule.location), room->front());
  return room->front();
}

device::FlowRule AnyUdp(uint32_t location, uint32_t queue) {
  device::FlowRule rule = UdpPortRule(location, 0, queue);
  rule.match.mask.dst_port = 0;
  return rule;
}

TEST(NicPlaces, LocationsOfEitherEndStandThere) {
  NicPlaces places = Sixteen();
  EXPECT_EQ(Put(places, UdpPortRule(1023, 1, 1)), 15u);
  EXPECT_EQ(Put(places, UdpPortRule(1022, 2, 2)), 14u);
  EXPECT_EQ(Put(places, UdpPortRule(0, 3, 1)), 0u);
  EXPECT_EQ(Put(places, UdpPortRule(5, 4, 1)), 5u);
  EXPECT_EQ(Put(places, UdpPortRule(500, 5, 1)), 10u) << "the middle between 5 and 14";
  places.Remove(1023);
  EXPECT_EQ(places.PlaceOf(1023), std::nullopt);
  EXPECT_EQ(Put(places, UdpPortRule(1023, 1, 1)), 15u);
}

TEST(NicPlaces, AnAdministratorsPlacesAreLeftOut) {
  NicPlaces places({1, 3, 4}, kLocations);
  EXPECT_EQ(places.size(), 3u);
  EXPECT_EQ(Put(places, UdpPortRule(0, 1, 1)), 1u);
  EXPECT_EQ(Put(places, UdpPortRule(1023, 2, 1)), 4u);
  EXPECT_EQ(Put(places, UdpPortRule(7, 3, 1)), 3u);
  EXPECT_THAT(
      std::string(places.RoomFor(UdpPortRule(8, 4, 1)).status().message()),
      HasSubstr("has 3 locations for rules that bring packets to queues, and all are taken"));
}

TEST(NicPlaces, RulesThatMeetKeepTheirOrder) {
  NicPlaces places({0, 1, 2}, kLocations);
  ASSERT_EQ(Put(places, AnyUdp(100, 1)), 1u) << "the middle";
  ASSERT_EQ(Put(places, UdpPortRule(50, 4242, 2)), 0u);
  const auto none = places.RoomFor(UdpPortRule(60, 4243, 2));
  EXPECT_EQ(none.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("none is free between rules"));
  EXPECT_EQ(places.RoomFor(UdpPortRule(60, 4243, 1))->front(), 2u) << "to the same queue";
  device::FlowRule tcp = UdpPortRule(60, 4243, 2);
  tcp.match.value.l4_protocol = 6;
  EXPECT_EQ(places.RoomFor(tcp)->front(), 2u) << "takes none of the other's packets";
  EXPECT_EQ(places.RoomFor(UdpPortRule(200, 4243, 2))->front(), 2u) << "behind it";
}

// Whatever comes and goes: of two that meet, the one of the lower location stands before.
TEST(NicPlaces, OrderHoldsForRandomRules) {
  std::mt19937 engine(20260101);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  uint32_t added = 0;
  NicPlaces places = Sixteen();
  std::map<uint32_t, device::FlowRule> rules;
  for (uint32_t i = 0; i < qsplit::testing::Rounds(20'000); ++i) {
    const uint32_t location = random() % kLocations;
    if (rules.erase(location) != 0) {
      places.Remove(location);
      continue;
    }
    if (rules.size() > random() % 18) {
      places.Remove(rules.begin()->first);
      rules.erase(rules.begin());
    }
    const uint32_t queue = random() % 3;
    const device::FlowRule rule =
        random() % 4 == 0 ? AnyUdp(location, queue)
                          : UdpPortRule(location, static_cast<uint16_t>(random() % 3), queue);
    const auto room = places.RoomFor(rule);
    if (!room.ok()) continue;
    ++added;
    places.Put(rule, room->at(random() % room->size()));
    rules.emplace(location, rule);
    std::map<uint32_t, uint32_t> by_place;
    for (const auto& [at, one] : rules) {
      const uint32_t place = *places.PlaceOf(at);
      ASSERT_TRUE(by_place.emplace(place, at).second) << "two at place " << place;
      for (const auto& [later, other] : rules) {
        const bool apart = one.match.mask.dst_port != 0 && other.match.mask.dst_port != 0 &&
                           one.match.value.dst_port != other.match.value.dst_port;
        if (later <= at || apart || one.action == other.action) continue;
        ASSERT_LT(place, *places.PlaceOf(later)) << at << " and " << later;
      }
    }
  }
  EXPECT_GT(added, qsplit::testing::Rounds(20'000) / 10);
}

}  // namespace
}  // namespace qsplit::af_xdp
