// Grants that contradict themselves: each is refused, and nothing is mapped or touched past its
// end.
#include "client-lib/src/grant_map.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace qsplit::internal {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPage = 4096;
constexpr uint32_t kWindowOffset = 16 * kPage;

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

// With a window of registers, in a file that stands for a VFIO device: fstat says nothing of its
// length, as with a device, and it is mapped at the offset that the grant says.
v1::Grant WindowGrant(v1::AreaAccess access = v1::AREA_ACCESS_WRITE) {
  v1::Grant grant = TestGrant();
  grant.add_descriptors()->set_kind(v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE);
  v1::Area* window = grant.add_areas();
  window->set_descriptor_index(2);
  window->set_offset_bytes(kWindowOffset);
  window->set_length_bytes(kPage);
  window->set_access(access);
  v1::Place* doorbell = grant.mutable_rx(0)->mutable_rings(0)->mutable_producer_doorbells(0);
  doorbell->set_area(1);
  doorbell->set_offset_bytes(0x18);
  return grant;
}

std::vector<OwnedFd> WithDevice() {
  std::vector<OwnedFd> fds = Descriptors();
  fds.emplace_back(::memfd_create("device", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(fds[2].get(), kWindowOffset + kPage), 0);
  return fds;
}

TEST(GrantMap, DoorbellsStandInWindowsOfRegisters) {
  for (const v1::AreaAccess access : {v1::AREA_ACCESS_WRITE, v1::AREA_ACCESS_READ_WRITE}) {
    std::vector<OwnedFd> fds = WithDevice();
    const OwnedFd device(::dup(fds[2].get()));
    const v1::Grant grant = WindowGrant(access);
    absl::StatusOr<GrantMap> map = GrantMap::Map(grant, std::move(fds));
    ASSERT_TRUE(map.ok()) << map.status();
    absl::StatusOr<dataplane::QueueView> view = ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx");
    ASSERT_TRUE(view.ok()) << view.status();
    const uint32_t value = 0x12345678;
    std::memcpy(view->rings[0].producer_doorbells[0], &value, sizeof value);
    uint32_t there = 0;
    ASSERT_EQ(::pread(device.get(), &there, sizeof there, kWindowOffset + 0x18), 4);
    EXPECT_EQ(there, value);
  }
}

// A function is free when its last holder is gone: after this nothing here holds it, and a thread
// that still rings a doorbell harms nobody.
TEST(GrantMap, LetsGoOfADeviceWhileDoorbellsRing) {
  std::vector<OwnedFd> fds = WithDevice();
  const OwnedFd device(::dup(fds[2].get()));
  const int held = fds[2].get();
  const v1::Grant grant = WindowGrant();
  absl::StatusOr<GrantMap> map = GrantMap::Map(grant, std::move(fds));
  ASSERT_TRUE(map.ok()) << map.status();
  std::byte* doorbell =
      *map->At(grant.rx(0).rings(0).producer_doorbells(0), 4, 4, GrantMap::Need::kWrite, "bell");
  std::atomic<bool> stop = false;
  std::thread ringer([&] {
    for (uint32_t i = 0; !stop; ++i) {
      __atomic_store_n(reinterpret_cast<uint32_t*>(doorbell), i, __ATOMIC_RELAXED);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  map->LetGoOfDevice();
  EXPECT_EQ(::fcntl(held, F_GETFD), -1) << "closed";
  const uint32_t mark = 0xfeedbeef;
  ASSERT_EQ(::pwrite(device.get(), &mark, sizeof mark, kWindowOffset + 0x18), 4);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  stop = true;
  ringer.join();
  uint32_t there = 0;
  ASSERT_EQ(::pread(device.get(), &there, sizeof there, kWindowOffset + 0x18), 4);
  EXPECT_EQ(there, mark) << "what was rung afterwards went nowhere";
  std::string maps;
  for (std::ifstream in("/proc/self/maps"); std::getline(in, maps);) {
    EXPECT_THAT(maps, ::testing::Not(HasSubstr("memfd:device"))) << "unmapped";
  }
  // Rings stay, for whoever looks at them until the lease is gone.
  absl::StatusOr<dataplane::QueueView> view = ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx");
  ASSERT_TRUE(view.ok()) << view.status();
  view->rings[0].slots[0] = std::byte{1};
}

TEST(GrantMap, RegistersAreNoMemory) {
  const auto outcome = [](const std::function<void(v1::Grant&)>& change) {
    v1::Grant grant = WindowGrant(v1::AREA_ACCESS_READ_WRITE);
    change(grant);
    absl::StatusOr<GrantMap> map = GrantMap::Map(grant, WithDevice());
    if (!map.ok()) return std::string(map.status().message());
    return std::string(ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx").status().message());
  };
  EXPECT_EQ(outcome([](v1::Grant&) {}), "");
  EXPECT_THAT(outcome([](v1::Grant& g) {
                g.mutable_rx(0)->mutable_rings(0)->mutable_slots()->set_area(1);
              }),
              HasSubstr("holds a device's registers"));
  EXPECT_THAT(outcome([](v1::Grant& g) {
                g.mutable_rx(0)->mutable_rings(0)->set_counts_for_increments(true);
              }),
              HasSubstr("doorbell 0 is a register, and is to hold counts as memory does"));
  EXPECT_THAT(outcome([](v1::Grant& g) { g.mutable_areas(1)->set_descriptor_index(1); }),
              HasSubstr("has nothing to map"));
}

TEST(GrantMap, ADeviceMayCountItsQueuesInAnotherWay) {
  v1::Grant grant = TestGrant();
  grant.mutable_rx(0)->set_queue(3);
  absl::StatusOr<GrantMap> map = GrantMap::Map(grant, Descriptors());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(ViewOf(*map, grant.rx(0), TestLayout(), 0, "rx")->queue_number.value, 3u);
  absl::StatusOr<GrantMap> again = GrantMap::Map(grant, Descriptors());
  grant.mutable_rx(0)->set_doorbell_number(6);
  EXPECT_EQ(ViewOf(*again, grant.rx(0), TestLayout(), 0, "rx")->queue_number.value, 6u);
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

// The test layout with a ring for each choice of a feature, and a second doorbell and a cell that
// exist with the second only.
v1::Layout ChoosyLayout() {
  v1::Layout layout = TestLayout();
  v1::Feature* feature = layout.add_features();
  feature->set_name("Size");
  feature->add_choices("small");
  feature->add_choices("large");
  v1::Queue* queue = layout.mutable_queues(0);
  *queue->add_rings() = queue->rings(0);
  queue->mutable_rings(0)->add_features()->set_choice(0);
  v1::Ring* large = queue->mutable_rings(1);
  large->add_features()->set_choice(1);
  large->set_slot_bytes(32);
  for (int choice : {0, 1}) {
    v1::Doorbell* doorbell = large->add_producer_doorbells();
    doorbell->set_target(v1::DOORBELL_TARGET_REGISTER);
    doorbell->set_bytes(4);
    doorbell->add_features()->set_choice(static_cast<uint32_t>(choice));
    v1::IndexCell* cell = large->add_cells();
    cell->set_bytes(4);
    cell->add_features()->set_choice(static_cast<uint32_t>(choice));
  }
  return layout;
}

// Set up with the large ring.
v1::QueueGrant ChoosyGrant() {
  v1::QueueGrant grant;
  grant.add_feature_choices(1);
  grant.add_rings();
  v1::RingGrant* ring = grant.add_rings();
  ring->mutable_slots();
  ring->set_slot_count(64);
  ring->set_counts_for_increments(true);
  ring->add_producer_doorbells()->set_offset_bytes(2048);
  ring->add_producer_doorbells()->set_offset_bytes(~uint64_t{0});  // left out
  ring->add_producer_doorbells()->set_offset_bytes(2056);
  ring->add_cells()->set_area(99);  // left out
  ring->add_cells()->set_offset_bytes(2064);
  return grant;
}

TEST(GrantMap, WhatTheFeatureChoicesLeaveOutIsNotThere) {
  absl::StatusOr<GrantMap> map = GrantMap::Map(TestGrant(), Descriptors());
  ASSERT_TRUE(map.ok()) << map.status();
  absl::StatusOr<dataplane::QueueView> view = ViewOf(*map, ChoosyGrant(), ChoosyLayout(), 0, "rx");
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->ring_count, 2u);
  EXPECT_EQ(view->features.choice[0], 1);
  EXPECT_EQ(view->rings[0].slots, nullptr);
  EXPECT_EQ(view->rings[0].slot_count, 0u);
  EXPECT_FALSE(view->rings[0].counts_for_increments);
  const dataplane::RingView& ring = view->rings[1];
  EXPECT_EQ(ring.slot_count, 64u);
  EXPECT_TRUE(ring.counts_for_increments);
  EXPECT_EQ(ring.producer_doorbells[0], ring.slots + 2048);
  EXPECT_EQ(ring.producer_doorbells[1], nullptr) << "a wakeup is no place";
  EXPECT_EQ(ring.producer_doorbells[2], nullptr) << "left out";
  EXPECT_EQ(ring.producer_doorbells[3], ring.slots + 2056);
  EXPECT_EQ(ring.cells[0], nullptr) << "left out";
  EXPECT_EQ(ring.cells[1], ring.slots + 2064);
}

TEST(GrantMap, FeatureChoicesAreThoseOfTheLayout) {
  const auto outcome = [](const std::function<void(v1::QueueGrant&)>& change) {
    absl::StatusOr<GrantMap> map = GrantMap::Map(TestGrant(), Descriptors());
    v1::QueueGrant grant = ChoosyGrant();
    change(grant);
    const absl::Status status = ViewOf(*map, grant, ChoosyLayout(), 0, "rx").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(outcome([](auto& g) { g.clear_feature_choices(); }), HasSubstr("0 feature choices"));
  EXPECT_THAT(outcome([](auto& g) { g.add_feature_choices(0); }), HasSubstr("2 feature choices"));
  EXPECT_THAT(outcome([](auto& g) { g.set_feature_choices(0, 2); }), HasSubstr("choice 2"));
  EXPECT_THAT(outcome([](auto& g) { g.set_feature_choices(0, 257); }), HasSubstr("choice 257"));
  // Of a ring that they leave out nothing may be there, of one that they do not everything must.
  EXPECT_THAT(outcome([](auto& g) { g.set_feature_choices(0, 0); }), HasSubstr("no slots"));
  EXPECT_THAT(outcome([](auto& g) { g.mutable_rings(0)->set_slot_count(64); }),
              HasSubstr("ring 0 is there"));
  EXPECT_THAT(outcome([](auto& g) { g.mutable_rings(0)->mutable_slots(); }),
              HasSubstr("ring 0 is there"));
  EXPECT_THAT(outcome([](auto& g) { g.mutable_rings(1)->mutable_cells()->RemoveLast(); }),
              HasSubstr("1 index cells"));
}

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
