// Grants that contradict themselves: each is refused, and nothing is mapped or touched past its
// end.
#include "client-lib/src/grant_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace qsplit::internal {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPage = 4096;

// A receive queue of 64 slots of 16 bytes: slots at 0, doorbell at 1024, event request at 1032,
// need_wakeup at 1036, in a memfd of two pages.
v1::Layout TestLayout() {
  v1::Layout layout;
  v1::Queue* queue = layout.add_queues();
  queue->set_direction(v1::DIRECTION_RECEIVE);
  v1::Ring* ring = queue->add_rings();
  ring->set_slot_bytes(16);
  v1::Doorbell* doorbell = ring->add_producer_doorbells();
  doorbell->set_target(v1::DOORBELL_TARGET_REGISTER);
  doorbell->set_bytes(4);
  v1::Doorbell* wakeup = ring->add_producer_doorbells();
  wakeup->set_target(v1::DOORBELL_TARGET_WAKEUP);
  return layout;
}

v1::Grant TestGrant() {
  v1::Grant grant;
  grant.add_descriptors()->set_kind(v1::GRANT_DESCRIPTOR_KIND_MEMORY);
  grant.add_descriptors()->set_kind(v1::GRANT_DESCRIPTOR_KIND_EVENT);
  v1::Area* area = grant.add_areas();
  area->set_length_bytes(2 * kPage);
  area->set_access(v1::AREA_ACCESS_READ_WRITE);
  v1::RingGrant* ring = grant.add_rx()->add_rings();
  ring->mutable_slots();
  ring->set_slot_count(64);
  ring->add_producer_doorbells()->set_offset_bytes(1024);
  ring->mutable_need_wakeup()->set_offset_bytes(1036);
  ring->set_wakeup_descriptor(1);
  return grant;
}

std::vector<OwnedFd> Descriptors() {
  std::vector<OwnedFd> fds;
  fds.emplace_back(::memfd_create("grant", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(fds[0].get(), 2 * kPage), 0);
  fds.emplace_back(::eventfd(0, EFD_CLOEXEC));
  return fds;
}

// What comes of the grant after `change`; the queue is looked at as well.
absl::Status Outcome(const std::function<void(v1::Grant&)>& change,
                     std::vector<OwnedFd> fds = Descriptors()) {
  v1::Grant grant = TestGrant();
  change(grant);
  absl::StatusOr<GrantMap> map = GrantMap::Map(grant, std::move(fds));
  if (!map.ok()) return map.status();
  return ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx").status();
}

v1::RingGrant* Ring(v1::Grant& grant) { return grant.mutable_rx(0)->mutable_rings(0); }

TEST(GrantMap, AGoodGrantGivesPointersIntoTheMapping) {
  const v1::Grant grant = TestGrant();
  absl::StatusOr<GrantMap> map = GrantMap::Map(grant, Descriptors());
  ASSERT_TRUE(map.ok()) << map.status();
  absl::StatusOr<dataplane::QueueView> view = ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx");
  ASSERT_TRUE(view.ok()) << view.status();
  const dataplane::RingView& ring = view->rings[0];
  EXPECT_EQ(view->ring_count, 1u);
  EXPECT_EQ(ring.slot_count, 64u);
  EXPECT_EQ(ring.producer_doorbells[0], ring.slots + 1024);
  EXPECT_EQ(ring.producer_doorbells[1], nullptr) << "a wakeup is no place";
  EXPECT_EQ(ring.need_wakeup, ring.slots + 1036);
  ring.slots[64 * 16 - 1] = std::byte{1};  // writable to the last byte
}

struct Hostile {
  const char* name;
  const char* says;
  std::function<void(v1::Grant&)> change;
};

class HostileGrants : public testing::TestWithParam<Hostile> {};

TEST_P(HostileGrants, AreRefused) {
  const absl::Status status = Outcome(GetParam().change);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileGrants,
    testing::Values(
        Hostile{"DescriptorMissing", "1 descriptors and 2 came",
                [](v1::Grant& g) { g.mutable_descriptors()->RemoveLast(); }},
        Hostile{"AreaOfNoDescriptor", "descriptor 2 of 2",
                [](v1::Grant& g) { g.mutable_areas(0)->set_descriptor_index(2); }},
        Hostile{"AreaEmpty", "length 0",
                [](v1::Grant& g) { g.mutable_areas(0)->set_length_bytes(0); }},
        Hostile{"AreaLongerThanMemory", "ends at byte 12288",
                [](v1::Grant& g) { g.mutable_areas(0)->set_length_bytes(3 * kPage); }},
        Hostile{"AreaBehindMemory", "ends at byte 12288",
                [](v1::Grant& g) { g.mutable_areas(0)->set_offset_bytes(kPage); }},
        Hostile{"AreaOffsetUnaligned", "offset 8",
                [](v1::Grant& g) { g.mutable_areas(0)->set_offset_bytes(8); }},
        Hostile{
            "AreaWrapsAround", "offset 18446744073709547520",
            [](v1::Grant& g) { g.mutable_areas(0)->set_offset_bytes(~uint64_t{0} - kPage + 1); }},
        Hostile{"AreaHuge", "length 18446744073709551615",
                [](v1::Grant& g) { g.mutable_areas(0)->set_length_bytes(~uint64_t{0}); }},
        Hostile{
            "AreaAccessUnknown", "access 9",
            [](v1::Grant& g) { g.mutable_areas(0)->set_access(static_cast<v1::AreaAccess>(9)); }},
        Hostile{"TooManyAreas", "areas",
                [](v1::Grant& g) {
                  for (int i = 0; i < 2000; ++i) *g.add_areas() = g.areas(0);
                }},
        Hostile{"SlotsInNoArea", "area 1 of 1",
                [](v1::Grant& g) { Ring(g)->mutable_slots()->set_area(1); }},
        Hostile{"SlotsPastTheEnd", "ends outside",
                [](v1::Grant& g) { Ring(g)->set_slot_count(513); }},
        Hostile{"SlotsMany", "ends outside",
                [](v1::Grant& g) { Ring(g)->set_slot_count(0xffffffff); }},
        Hostile{"SlotsNone", "no slots", [](v1::Grant& g) { Ring(g)->set_slot_count(0); }},
        Hostile{
            "SlotsOffsetWraps", "ends outside",
            [](v1::Grant& g) { Ring(g)->mutable_slots()->set_offset_bytes(~uint64_t{0} - 15); }},
        Hostile{"SlotsUnaligned", "not aligned",
                [](v1::Grant& g) { Ring(g)->mutable_slots()->set_offset_bytes(4); }},
        Hostile{"SlotsReadOnly", "may not write",
                [](v1::Grant& g) { g.mutable_areas(0)->set_access(v1::AREA_ACCESS_READ); }},
        Hostile{"DoorbellPastTheEnd", "ends outside",
                [](v1::Grant& g) {
                  Ring(g)->mutable_producer_doorbells(0)->set_offset_bytes(2 * kPage - 3);
                }},
        Hostile{
            "DoorbellUnaligned", "not aligned",
            [](v1::Grant& g) { Ring(g)->mutable_producer_doorbells(0)->set_offset_bytes(1026); }},
        Hostile{"DoorbellMissing", "no place",
                [](v1::Grant& g) { Ring(g)->clear_producer_doorbells(); }},
        Hostile{"DoorbellTooMany", "2 places for 1",
                [](v1::Grant& g) { Ring(g)->add_producer_doorbells(); }},
        Hostile{"CellThatTheLayoutLacks", "1 index cells",
                [](v1::Grant& g) { Ring(g)->add_cells(); }},
        Hostile{"WakeupCellWithoutDescriptor", "no wakeup descriptor",
                [](v1::Grant& g) { Ring(g)->clear_wakeup_descriptor(); }},
        Hostile{"WakeupCellPastTheEnd", "ends outside",
                [](v1::Grant& g) { Ring(g)->mutable_need_wakeup()->set_offset_bytes(2 * kPage); }},
        Hostile{"RingMissing", "0 rings", [](v1::Grant& g) { g.mutable_rx(0)->clear_rings(); }}),
    [](const testing::TestParamInfo<Hostile>& one) { return one.param.name; });

TEST(GrantMap, RingsMayNotOverlap) {
  v1::Grant grant = TestGrant();
  *grant.add_rx() = grant.rx(0);
  grant.mutable_rx(1)->mutable_rings(0)->mutable_slots()->set_offset_bytes(1008);
  absl::StatusOr<GrantMap> map = GrantMap::Map(grant, Descriptors());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_TRUE(ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx 0").ok());
  const absl::Status second = ViewOf(*map, grant.rx(1), TestLayout(), 0, "rx 1").status();
  EXPECT_EQ(second.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(second.message()), HasSubstr("overlaps"));
}

TEST(GrantMap, DescriptorsAreOfTheKindThatIsNeeded) {
  absl::StatusOr<GrantMap> map = GrantMap::Map(TestGrant(), Descriptors());
  ASSERT_TRUE(map.ok());
  const auto event = v1::GRANT_DESCRIPTOR_KIND_EVENT;
  EXPECT_TRUE(map->Descriptor(1, event, event, "event").ok());
  EXPECT_FALSE(map->Descriptor(0, event, event, "event").ok()) << "memory is no event";
  EXPECT_FALSE(map->Descriptor(2, event, event, "event").ok());
}

TEST(GrantMap, ClosesAndUnmapsWhenItGoes) {
  std::vector<OwnedFd> fds = Descriptors();
  const int fd = fds[0].get();
  { ASSERT_TRUE(GrantMap::Map(TestGrant(), std::move(fds)).ok()); }
  EXPECT_EQ(::lseek(fd, 0, SEEK_CUR), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace qsplit::internal
