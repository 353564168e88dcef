#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "daemon/backend/vfio/vfio_device.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/memfd.h"
#include "tests/support/fake_hosted_function.h"
#include "tests/support/fake_nic.h"

namespace qsplit::vfio {
namespace {

using device::Protection;
using test::FakeHostedFunction;
using test::FakeNic;

constexpr uint64_t kRegionBytes = 0x20000;
constexpr uint64_t kRegionIova = 0x1'0000'0000;

layout::VerifiedLayout Shipped(const std::string& name) {
  std::ifstream file(std::filesystem::path(QSPLIT_LAYOUT_DIR) / (name + ".layout"),
                     std::ios::binary);
  return *layout::VerifiedLayout::FromBytes(std::string(std::istreambuf_iterator<char>(file), {}));
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

class VfioDeviceTest : public testing::Test {
 protected:
  void Make(Protection protection) {
    auto function = std::make_unique<FakeHostedFunction>();
    auto nic = std::make_unique<FakeNic>();
    function_ = function.get();
    nic_ = nic.get();
    VfioConfig config;
    config.name = "nic0";
    config.protection = protection;
    config.layouts = {Shipped("intel.igb.advanced"), Shipped("virtio.split")};
    auto made = VfioDevice::Create(std::move(config), std::move(function), std::move(nic), nullptr);
    ASSERT_TRUE(made.ok()) << made.status();
    device_ = *std::move(made);
  }

  device::QueueRequest Request(device::LeaseId lease, uint32_t queue) {
    auto memory = linux_sys::CreateSealedMemfd("region", kRegionBytes);
    const std::vector<device::RegionMapping> regions = {
        {.region = 1,
         .memory = std::make_shared<linux_sys::OwnedFd>(*std::move(memory)),
         .length_bytes = kRegionBytes,
         .iova = kRegionIova}};
    device::QueueRequest request{.lease = lease,
                                 .layout = device_->info().layouts.at(0),
                                 .rx_queues = {queue},
                                 .tx_queues = {queue},
                                 .rx_slots = 128,
                                 .tx_slots = 128,
                                 .protection = device_->info().protections.at(0),
                                 .regions = regions};
    return request;
  }

  // Mappings of the size of a region.
  long MappedRegions() const {
    return std::count_if(function_->mapped.begin(), function_->mapped.end(),
                         [](const auto& one) { return one.second.bytes == kRegionBytes; });
  }

  FakeHostedFunction* function_ = nullptr;
  FakeNic* nic_ = nullptr;
  std::unique_ptr<VfioDevice> device_;
};

TEST_F(VfioDeviceTest, OffersWhatTheDriverDrives) {
  Make(Protection::kDirect);
  ASSERT_EQ(device_->info().layouts.size(), 1u);
  EXPECT_EQ(device_->info().layouts[0].name(), "intel.igb.advanced");
  EXPECT_EQ(device_->info().rx_queues, 4u);
  EXPECT_TRUE(device_->info().whole_function_only);
  const auto& features = device_->info().layouts[0].message().features();
  for (int i = 0; i < features.size(); ++i) {
    EXPECT_EQ(device_->info().allowed[0][static_cast<size_t>(i)], 1u) << features[i].name();
  }
}

TEST_F(VfioDeviceTest, ADirectLeaseHasTheFunctionAndNothingElseIsMapped) {
  Make(Protection::kDirect);
  auto grant = device_->OpenQueues(Request(1, 0));
  ASSERT_TRUE(grant.ok()) << grant.status();
  // The region where its client knows it, and the rings.
  ASSERT_EQ(function_->mapped.size(), 2u);
  EXPECT_TRUE(function_->mapped.contains(kRegionIova));
  ASSERT_EQ(grant->rx.size(), 1u);
  ASSERT_EQ(grant->tx.size(), 1u);
  EXPECT_EQ(nic_->running.at({false, 0}).rings[0].slots_iova, grant->rx[0].rings[0].iova);
  // The rings stand in the other one, which comes first.
  const auto& [rings, of_rings] = *function_->mapped.begin();
  for (const uint64_t iova : {grant->rx[0].rings[0].iova, grant->tx[0].rings[0].iova}) {
    EXPECT_GE(iova, rings);
    EXPECT_LT(iova, rings + of_rings.bytes);
  }
  // The doorbells are the registers', in pages of the BAR, each page once.
  const device::Place rdt = grant->rx[0].rings[0].producer_doorbells.at(0);
  const device::Place tdt = grant->tx[0].rings[0].producer_doorbells.at(0);
  EXPECT_EQ(grant->areas[rdt.area].offset_bytes + rdt.offset_bytes, FakeNic::DoorbellOf(false, 0));
  EXPECT_EQ(grant->areas[tdt.area].offset_bytes + tdt.offset_bytes, FakeNic::DoorbellOf(true, 0));
  EXPECT_EQ(grant->fds[grant->areas[rdt.area].fd].kind, device::GrantFdKind::kVfioDevice);
  EXPECT_FALSE(grant->rx[0].event_request.has_value());
  ASSERT_TRUE(grant->rx[0].event_fd.has_value());
  EXPECT_EQ(grant->fds[*grant->rx[0].event_fd].fd->get(), function_->vector_fds[1]);
  // All of RSS comes to the lease that has all of the function.
  EXPECT_EQ(nic_->rss.indirection, std::vector<uint32_t>(128, 0));
  EXPECT_EQ(device_->OpenQueues(Request(2, 1)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(VfioDeviceTest, AFunctionIsFreeWhenItsLastHolderIsGone) {
  Make(Protection::kDirect);
  ASSERT_TRUE(device_->OpenQueues(Request(1, 0)).ok());
  function_->held_elsewhere = true;
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  EXPECT_TRUE(function_->mapped.empty());
  EXPECT_TRUE(Eventually([&] { return !function_->open; }));
  EXPECT_TRUE(Eventually([&] { return !device_->State().trouble.empty(); }));
  EXPECT_NE(device_->State().trouble.find("still holds"), std::string::npos);
  EXPECT_EQ(function_->reopened, 0);
  function_->held_elsewhere = false;
  auto grant = device_->OpenQueues(Request(2, 1));
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(nic_->starts, 2);
  EXPECT_EQ(device_->State().trouble, "");
}

TEST_F(VfioDeviceTest, WhatHasBeenSetSurvivesTheReset) {
  Make(Protection::kDirect);
  ASSERT_TRUE(device_->Set({.mtu_bytes = 9000, .promiscuous = true}).ok());
  device::FlowRule rule;
  rule.location = 3;
  ASSERT_TRUE(device_->AddRule(rule).ok());
  ASSERT_TRUE(device_->OpenQueues(Request(1, 0)).ok());
  nic_->rules.clear();  // a reset takes them
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  ASSERT_TRUE(Eventually([&] { return nic_->starts == 2; }));
  ASSERT_TRUE(device_->OpenQueues(Request(2, 0)).ok());
  EXPECT_EQ(nic_->last_settings.mtu_bytes, 9000u);
  EXPECT_EQ(nic_->last_set.promiscuous, true);
  EXPECT_TRUE(nic_->rules.contains(3));
}

TEST_F(VfioDeviceTest, RulesThatPassOrReflectAreNotImplementedByName) {
  Make(Protection::kDirect);
  for (const auto& [action, words] :
       {std::pair{device::FlowAction::kPass, "cannot pass packets to the kernel by a rule"},
        std::pair{device::FlowAction::kReflect,
                  "cannot send packets back to the wire by a rule"}}) {
    device::FlowRule rule;
    rule.action.queue = action;
    const absl::Status status = device_->AddRule(rule);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(status.message().find(words), std::string::npos) << status;
  }
  EXPECT_TRUE(nic_->rules.empty());
}

TEST_F(VfioDeviceTest, NothingIsLeftOfALeaseThatFails) {
  Make(Protection::kDirect);
  nic_->refuse_queue = {true, 2};
  EXPECT_EQ(device_->OpenQueues(Request(1, 2)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(function_->mapped.empty());
  EXPECT_TRUE(nic_->running.empty());
  // The second mapping is the region.
  function_->refuse_maps_after = 1;
  const absl::Status refused = device_->OpenQueues(Request(2, 1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("dma_entry_limit"), std::string::npos);
  EXPECT_TRUE(function_->mapped.empty());
  function_->refuse_maps_after = UINT32_MAX;
  device::QueueRequest bad = Request(3, 1);
  bad.features = {1};
  EXPECT_EQ(device_->OpenQueues(bad).status().code(), absl::StatusCode::kInvalidArgument);
  bad = Request(4, 9);
  EXPECT_EQ(device_->OpenQueues(bad).status().code(), absl::StatusCode::kInvalidArgument);
  bad = Request(5, 1);
  bad.protection = Protection::kGuarded;
  EXPECT_EQ(device_->OpenQueues(bad).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(device_->OpenQueues(Request(6, 2 - 1)).ok());
}

TEST_F(VfioDeviceTest, GuardedLeasesShareTheFunctionAtAddressesOfTheirOwn) {
  Make(Protection::kGuarded);
  EXPECT_FALSE(device_->info().whole_function_only);
  device::QueueRequest in_rss = Request(1, 0);
  in_rss.join_rss = true;
  auto first = device_->OpenQueues(in_rss);
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = device_->OpenQueues(Request(2, 1));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(MappedRegions(), 2);
  // Nobody gets the function's descriptor, nor the rings that it reads.
  for (const device::GrantFd& fd : first->fds) {
    EXPECT_NE(fd.kind, device::GrantFdKind::kVfioDevice);
  }
  EXPECT_TRUE(first->rx[0].event_request.has_value());
  EXPECT_TRUE(first->tx[0].rings[0].need_wakeup.has_value());
  EXPECT_EQ(nic_->rss.indirection, std::vector<uint32_t>(128, 0));
  EXPECT_EQ(device_->OpenQueues(Request(3, 1)).status().code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  EXPECT_EQ(nic_->running.count({false, 0}), 0u);
  EXPECT_EQ(nic_->running.count({false, 1}), 1u);
  EXPECT_EQ(MappedRegions(), 1);
  EXPECT_EQ(nic_->rss.indirection, std::vector<uint32_t>(128, device::kNoQueue));
  EXPECT_EQ(nic_->stops, 0);  // the other lease goes on
}

TEST_F(VfioDeviceTest, MemoryOfAQueueThatDoesNotStopIsUnmappedAllTheSame) {
  Make(Protection::kGuarded);
  ASSERT_TRUE(device_->OpenQueues(Request(1, 0)).ok());
  nic_->stop_status = absl::UnavailableError("RXDCTL says that it runs");
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  EXPECT_EQ(MappedRegions(), 0);
  EXPECT_NE(device_->State().trouble.find("RXDCTL"), std::string::npos);
}

TEST_F(VfioDeviceTest, HardwareThatCannotBeSharedHasOneGuardedLeaseAtATime) {
  auto function = std::make_unique<FakeHostedFunction>();
  auto nic = std::make_unique<FakeNic>();
  function_ = function.get();
  nic->facts_.leases_may_share = false;
  VfioConfig config;
  config.name = "nic0";
  config.layouts = {Shipped("intel.igb.advanced")};
  auto made = VfioDevice::Create(std::move(config), std::move(function), std::move(nic), nullptr);
  ASSERT_TRUE(made.ok()) << made.status();
  device_ = *std::move(made);
  ASSERT_TRUE(device_->OpenQueues(Request(1, 0)).ok());
  const absl::Status second = device_->OpenQueues(Request(2, 1)).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(second.message().find("holding each other up"), std::string::npos);
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  EXPECT_TRUE(device_->OpenQueues(Request(3, 1)).ok());
}

TEST_F(VfioDeviceTest, AGuardedQueueExplainsItself) {
  Make(Protection::kGuarded);
  EXPECT_TRUE(device_->ExamineQueue(0, false).empty()) << "nobody leases it";
  auto grant = device_->OpenQueues(Request(1, 0));
  ASSERT_TRUE(grant.ok()) << grant.status();
  const auto checks = device_->ExamineQueue(0, false);
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].verdict, device::CheckVerdict::kWrong);
  EXPECT_TRUE(checks[1].finding.starts_with("qsplitd takes them in bursts, ")) << checks[1].finding;
  EXPECT_EQ(checks[0].finding, "0 slots are posted to the device");
  EXPECT_EQ(device_->ExamineQueue(0, true).at(0).verdict, device::CheckVerdict::kGood);
  EXPECT_TRUE(device_->ExamineQueue(1, false).empty());
}

// Who has the whole function rings its doorbells himself; its registers say what became of that.
TEST_F(VfioDeviceTest, ADirectQueueExplainsItselfWhereRegistersDo) {
  Make(Protection::kDirect);
  ASSERT_TRUE(device_->OpenQueues(Request(1, 0)).ok());
  EXPECT_NE(device_->ExamineQueue(0, false).at(0).finding.find("not to be seen from here"),
            std::string::npos);
  ASSERT_TRUE(device_->CloseQueues(1).ok());
  nic_->says_how_far = true;
  ASSERT_TRUE(device_->OpenQueues(Request(2, 0)).ok());
  const auto posted = [&] { return device_->ExamineQueue(0, false).at(0); };
  EXPECT_EQ(posted().verdict, device::CheckVerdict::kWrong);
  EXPECT_EQ(posted().finding, "0 slots are posted to the device");
  const auto before = device_->ReadProgress(0, false);
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(device_->ReadProgress(0, false)->position, before->position);
  test::FakeWindow& bar = function_->function.AddBar(0, FakeHostedFunction::kBarBytes);
  bar.Poke(FakeNic::DoorbellOf(false, 0), 5);
  EXPECT_NE(device_->ReadProgress(0, false)->position, before->position);
  bar.Poke(FakeNic::DoorbellOf(false, 0) - 8, 120);  // round the ring's end
  EXPECT_EQ(posted().finding, "13 slots are posted to the device");
  EXPECT_EQ(posted().verdict, device::CheckVerdict::kGood);
  // The holder can write what he likes there.
  bar.Poke(FakeNic::DoorbellOf(false, 0), 128);
  EXPECT_NE(posted().finding.find("not to be seen from here"), std::string::npos);
  EXPECT_FALSE(device_->ReadProgress(1, false).has_value());
}

TEST_F(VfioDeviceTest, WhetherTheHolderOfAGuardedQueueGoesOnIsSeen) {
  Make(Protection::kGuarded);
  auto grant = device_->OpenQueues(Request(1, 0));
  ASSERT_TRUE(grant.ok()) << grant.status();
  const device::Place bell = grant->rx[0].rings[0].producer_doorbells.at(0);
  const device::GrantArea& area = grant->areas[bell.area];
  auto mapped = linux_sys::Mapping::Map(grant->fds[area.fd].fd->get(), area.offset_bytes,
                                        area.length_bytes, linux_sys::Mapping::Access::kReadWrite);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const auto before = device_->ReadProgress(0, false);
  ASSERT_TRUE(before.has_value());
  mapped->data()[bell.offset_bytes] = std::byte{4};
  EXPECT_NE(device_->ReadProgress(0, false)->position, before->position);
}

TEST_F(VfioDeviceTest, ADumpShowsTheRingThatTheClientWrites) {
  for (const Protection protection : {Protection::kGuarded, Protection::kDirect}) {
    Make(protection);
    auto grant = device_->OpenQueues(Request(1, 0));
    ASSERT_TRUE(grant.ok()) << grant.status();
    const device::RingGrant& ring = grant->rx[0].rings[0];
    const device::GrantArea& area = grant->areas[ring.slots.area];
    auto mapped =
        linux_sys::Mapping::Map(grant->fds[area.fd].fd->get(), area.offset_bytes, area.length_bytes,
                                linux_sys::Mapping::Access::kReadWrite);
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    std::byte* const slots = mapped->data() + ring.slots.offset_bytes;
    slots[3 * 16 + 5] = std::byte{0x5a};
    const auto image = device_->ReadRing({.queue = 0, .ring = 0, .first_slot = 2, .slots = 3});
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->slot_count, 128u);
    ASSERT_EQ(image->slots.size(), 3u * 16);
    EXPECT_EQ(image->slots[16 + 5], std::byte{0x5a});
    // A doorbell in registers is not read.
    EXPECT_EQ(image->producer_doorbells.size(), protection == Protection::kGuarded ? 1u : 0u);
    EXPECT_EQ(device_->ReadRing({.queue = 0, .ring = 9, .slots = 1}).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(device_->ReadRing({.queue = 1, .ring = 0, .slots = 1}).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(
        device_->ReadRing({.queue = 0, .ring = 0, .first_slot = 127, .slots = 9})->slots.size(),
        16u);
  }
}

TEST_F(VfioDeviceTest, TellsOfTheLink) {
  Make(Protection::kGuarded);
  std::atomic<int> told{0};
  device_->SetEvents({.fault = {}, .state = [&](const device::DeviceState&) { ++told; }});
  EXPECT_TRUE(device_->State().link_up);
  nic_->link_up = false;
  EXPECT_TRUE(Eventually([&] { return !device_->State().link_up && told > 0; }));
  EXPECT_TRUE(Eventually([&] { return nic_->services > 2; }));
  EXPECT_EQ(device_->ReadCounters().wire_rx_packets, 7u);
  device_->SetEvents({});
}

}  // namespace
}  // namespace qsplit::vfio
