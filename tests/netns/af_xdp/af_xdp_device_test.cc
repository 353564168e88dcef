// A netdev as a device, without the daemon: leases and rules in the kernel's veth.
#include "daemon/backend/af_xdp/af_xdp_device.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/af_xdp/netdevs.h"
#include "daemon/device/held_queue.h"
#include "daemon/linux/netdev_settings.h"
#include "tests/netns/af_xdp/device_fixture.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(AfXdpDeviceTest, SaysWhatItIs) {
  const auto device = Make({.queues = 3});
  ASSERT_NE(device, nullptr);
  const device::DeviceInfo& info = device->info();
  EXPECT_EQ(info.rx_queues, 3u);
  EXPECT_EQ(info.tx_queues, 3u);
  EXPECT_TRUE(info.regions_adjoin && info.transmit_needs_grant && info.queues_pair);
  EXPECT_EQ(info.iova_first, 0u);
  EXPECT_THAT(info.protections, ElementsAre(device::Protection::kKernel));
  ASSERT_TRUE(info.netdev.has_value());
  EXPECT_EQ(info.netdev->driver, "veth");
  EXPECT_EQ(info.netdev->xdp_mode, "native");
  EXPECT_EQ(info.netdev->steering, "xdp");
  EXPECT_FALSE(info.netdev->zero_copy);
  EXPECT_THAT(info.netdev->copy_reason, HasSubstr("veth has no zero copy"));
  // veth has it on.
  EXPECT_THAT(info.netdev->missing, Contains(HasSubstr("`ethtool -K d0 rxvlan off`")));
  EXPECT_EQ(device->State().mtu_bytes, 1500u);
  EXPECT_TRUE(device->State().link_up);
}

TEST_F(AfXdpDeviceTest, ANicThatLeavesTagsWhereTheyAreLacksNothingOfThem) {
  Run("ethtool -K d0 rxvlan off");
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  EXPECT_THAT(device->info().netdev->missing, Not(Contains(HasSubstr("VLAN"))));
}

TEST_F(AfXdpDeviceTest, AGrantHasASocketForEachQueueAndItsRings) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  const auto grant = device->OpenQueues(Request(1, {0, 1}, {1, 2}));
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_THAT(grant->fds, SizeIs(3)) << "queue 1 has one socket for both directions";
  EXPECT_THAT(grant->areas, SizeIs(8));
  ASSERT_THAT(grant->rx, SizeIs(2));
  ASSERT_THAT(grant->tx, SizeIs(2));
  for (const device::QueueGrant& queue : grant->rx) {
    ASSERT_THAT(queue.rings, SizeIs(2));
    EXPECT_TRUE(queue.event_fd.has_value());
    EXPECT_EQ(queue.rings[0].wakeup_fd, queue.event_fd);
    EXPECT_EQ(queue.rings[0].slot_count, 64u);
    EXPECT_EQ(queue.rx_buffer_bytes, 2048u);
  }
  // Whoever has a queue has it in both directions.
  const auto other = device->OpenQueues(Request(2, {2}, {}));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kResourceExhausted) << other.status();
  EXPECT_TRUE(device->CloseQueues(1).ok());
}

TEST_F(AfXdpDeviceTest, AQueueWhoseSocketIsHeldIsBusyAndFreeSoonAfterwards) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  auto grant = device->OpenQueues(Request(1, {0}, {0}));
  ASSERT_TRUE(grant.ok()) << grant.status();
  ASSERT_TRUE(device->CloseQueues(1).ok());
  const auto busy = device->OpenQueues(Request(2, {0}, {0}));
  EXPECT_EQ(busy.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(device::HeldQueueOf(busy.status()), 0u);
  EXPECT_THAT(
      busy.status().message(),
      AllOf(HasSubstr("another AF_XDP socket has queue 0 of netdev d0"), HasSubstr("ss --xdp")));
  // The kernel would have followed by then.
  absl::SleepFor(absl::Milliseconds(1100));
  const auto held = device->OpenQueues(Request(2, {0}, {0}));
  EXPECT_EQ(held.status().code(), absl::StatusCode::kResourceExhausted) << held.status();
  EXPECT_EQ(device::HeldQueueOf(held.status()), 0u);
  EXPECT_THAT(held.status().message(),
              HasSubstr("the program that had the queue before still runs"));
  EXPECT_TRUE(device->Kept(0));
  EXPECT_FALSE(device->Kept(1));
  const std::string pid = absl::StrCat(::getpid());
  EXPECT_THAT(held.status().message(), Not(HasSubstr(pid))) << "others' processes are theirs";
  const auto checks = device->ExamineQueue(0, false);
  const auto former = std::ranges::find(checks, "former holder", &device::QueueCheck::subject);
  ASSERT_NE(former, checks.end());
  EXPECT_THAT(former->finding, HasSubstr(absl::StrCat("process ", pid, " (af_xdp_device")));
  grant->fds.clear();  // the last holder lets go
  EXPECT_FALSE(device->Kept(0)) << "that is known at once";
  // A machine that is busy with others for a moment is measured again.
  std::vector<absl::Duration> took;
  device::LeaseId lease = 3;
  for (int measurement = 0; measurement < 3; ++measurement) {
    took.clear();
    for (int round = 0; round < 11; ++round, ++lease) {
      const absl::Time begin = absl::Now();
      const auto again = OpenSoon(*device, Request(lease, {0}, {0}));
      took.push_back(absl::Now() - begin);
      EXPECT_TRUE(again.ok()) << again.status();
      EXPECT_TRUE(device->CloseQueues(lease).ok());
    }
    std::ranges::sort(took);
    if (took[9] < absl::Milliseconds(100)) break;
  }
  EXPECT_LT(took[9], absl::Milliseconds(100)) << "all but one";
}

TEST_F(AfXdpDeviceTest, WhatAfXdpDoesNotTakeIsRefusedByName) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  const auto refusal = [&](auto change) {
    device::QueueRequest request = Request(1, {0}, {0});
    change(request);
    const auto grant = OpenSoon(*device, request);
    if (grant.ok()) (void)device->CloseQueues(1);
    return grant.ok() ? "granted" : std::string(grant.status().message());
  };
  EXPECT_EQ(refusal([](auto&) {}), "granted");
  EXPECT_THAT(refusal([](auto& r) { r.rx_buffer_bytes = 1024; }),
              HasSubstr("receive buffers of 1024 bytes; AF_XDP takes 2048 or 4096"));
  EXPECT_THAT(refusal([](auto& r) { r.rx_buffer_bytes = 8192; }), HasSubstr("8192 bytes"));
  EXPECT_EQ(refusal([](auto& r) { r.rx_buffer_bytes = 4096; }), "granted");
  EXPECT_THAT(refusal([](auto& r) { r.regions[0].device_writable = false; }),
              HasSubstr("read-only"));
  EXPECT_THAT(refusal([](auto& r) { r.rx_queues = {4}; }), HasSubstr("receive queue 4"));
  EXPECT_THAT(refusal([](auto& r) { r.protection = device::Protection::kDirect; }),
              HasSubstr("kernel leases only"));
  EXPECT_EQ(refusal([](auto& r) { r.features = {1, 0}; }), "granted") << "unaligned chunks";
  EXPECT_EQ(refusal([](auto& r) {
              r.features = {0, 1};
            }),
            device->info().allowed[0][1] == 3 ? "granted" : "transmit metadata");
}

TEST_F(AfXdpDeviceTest, SecondProgramsAreRefused) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  AfXdpConfig config{.name = "again", .netdev = kNetdev, .netns = netns()};
  config.layouts = {AfXdpLayout()};
  const auto again = AfXdpDevice::Create(std::move(config), *journal_);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition) << again.status();
  EXPECT_THAT(again.status().message(), HasSubstr("runs XDP program"));
}

TEST_F(AfXdpDeviceTest, WhatCannotBeUsedIsNotChanged) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  const std::string journal = JournalText();
  AfXdpConfig config{.name = "again", .netdev = kNetdev, .netns = netns(), .channels = 1};
  EXPECT_EQ(AfXdpDevice::Create(config, *journal_).status().code(), absl::StatusCode::kNotFound)
      << "no layout";
  config.layouts = {AfXdpLayout()};
  const auto again = AfXdpDevice::Create(config, *journal_);
  EXPECT_THAT(again.status().message(), HasSubstr("runs XDP program"));
  EXPECT_EQ(JournalText(), journal) << "what is changed, if only for a moment, stands there";
  EXPECT_EQ(Channels(), 4u);
}

TEST_F(AfXdpDeviceTest, ANetdevThatIsChangedInVainIsTriedLessAndLessOften) {
  AfXdpConfig config{.name = "eth", .netdev = kNetdev, .netns = netns(), .channels = 1};
  config.layouts = {AfXdpLayout()};
  config.steering = WhoSteers::kNtuple;  // which no veth has; that shows when it has its channels
  std::vector<absl::Status> troubles;
  {
    Netdevs netdevs({config}, *journal_, [&](const std::string&, const absl::Status& status) {
      troubles.push_back(status);
    });
    EXPECT_THAT(netdevs.Start(), SizeIs(1));
    netdevs.Watch([](const std::shared_ptr<device::Device>&) { return absl::OkStatus(); },
                  [](const std::string&) {});
    absl::SleepFor(absl::Milliseconds(2800));
  }
  EXPECT_THAT(troubles, SizeIs(1));
  const auto record = journal_->Add("test", {});
  ASSERT_TRUE(record.ok()) << record.status();
  // One of each try: at once, after half a second, a second, two.
  EXPECT_LE(*record, 4u);
  EXPECT_GE(*record, 3u);
  EXPECT_EQ(Channels(), 4u);
}

TEST_F(AfXdpDeviceTest, GoesWhileItsNetdevHasNews) {
  auto settings = linux_sys::NetdevSettings::Open(netns(), kNetdev);
  ASSERT_TRUE(settings.ok()) << settings.status();
  std::atomic<bool> stop{false};
  std::thread noise([&] {
    for (uint32_t i = 0; !stop.load(); ++i) (void)settings->SetMtu(1400 + i % 2);
  });
  for (int i = 0; i < 20; ++i) Make().reset();
  stop.store(true);
  noise.join();
}

// A client that has all queues keeps its sockets for a moment, or for ever.
TEST_F(AfXdpDeviceTest, ChannelsComeBackWhenTheirSocketsAreClosed) {
  Run("ethtool -L d0 rx 1 tx 1");
  auto device = Make({.channels = 4});
  ASSERT_NE(device, nullptr);
  auto grant = device->OpenQueues(Request(1, {0, 1, 2, 3}, {}));
  ASSERT_TRUE(grant.ok()) << grant.status();
  ASSERT_TRUE(device->CloseQueues(1).ok());
  std::thread client([&] {
    absl::SleepFor(absl::Milliseconds(60));
    grant->fds.clear();
  });
  device.reset();
  client.join();
  EXPECT_EQ(Channels(), 1u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
  EXPECT_THAT(troubles_, IsEmpty());
}

TEST_F(AfXdpDeviceTest, ChannelsThatStayAreTold) {
  Run("ethtool -L d0 rx 1 tx 1");
  auto device = Make({.channels = 4});
  ASSERT_NE(device, nullptr);
  auto grant = device->OpenQueues(Request(1, {0, 1, 2, 3}, {}));
  ASSERT_TRUE(grant.ok()) << grant.status();
  device.reset();
  ASSERT_THAT(troubles_, SizeIs(1));
  EXPECT_THAT(troubles_[0], HasSubstr("eth: netdev d0 cannot be changed back; the next start or "
                                      "`qsplitd --clean` tries again: "));
  EXPECT_THAT(troubles_[0], HasSubstr("channels"));
  EXPECT_THAT(journal_->Records(), SizeIs(1));
  grant->fds.clear();
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Channels(), 1u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(AfXdpDeviceTest, WhatItsSocketsHaveIsTold) {
  const auto device = Make({.busy_poll_us = 20});
  ASSERT_NE(device, nullptr);
  ASSERT_TRUE(device->OpenQueues(Request(1, {0}, {})).ok());
  const auto checks = device->ExamineQueue(0, false);
  const device::QueueCheck* const socket = Find(checks, "socket");
  ASSERT_NE(socket, nullptr);
  EXPECT_THAT(socket->finding,
              AllOf(HasSubstr("packets of several buffers"), HasSubstr("polls 20 us")));
  const device::QueueCheck* const drops = Find(checks, "netdev drops");
  ASSERT_NE(drops, nullptr);
  EXPECT_EQ(drops->verdict, device::CheckVerdict::kGood) << drops->finding;
  const auto counters = device->ReadCounters();
  EXPECT_NE(std::ranges::find(counters.more, "netdev_rx_missed", &device::NamedCounter::name),
            counters.more.end());
}

TEST_F(AfXdpDeviceTest, ARuleByATagThatTheNicTakesOffIsTold) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  ASSERT_TRUE(device->OpenQueues(Request(1, {0}, {})).ok());
  device::FlowRule tagged = UdpTo(3, 0);
  tagged.match.value.has_vlan = tagged.match.mask.has_vlan = 1;
  tagged.match.value.vlan_tci = 5;
  tagged.match.mask.vlan_tci = 0xfff;
  ASSERT_TRUE(device->AddRule(tagged).ok());
  const auto tags = [&] {
    const auto checks = device->ExamineQueue(0, false);
    const device::QueueCheck* const check = Find(checks, "VLAN tags");
    return check == nullptr ? device::QueueCheck{} : *check;
  };
  EXPECT_EQ(tags().verdict, device::CheckVerdict::kWrong);
  EXPECT_THAT(tags().finding, HasSubstr("rule 3 asks for a VLAN tag and has taken nothing"));
  EXPECT_EQ(tags().remedy, "`ethtool -K d0 rxvlan off` leaves them where they are");
  ASSERT_TRUE(device->AddRule(UdpTo(4, 0)).ok());
  EXPECT_EQ(tags().verdict, device::CheckVerdict::kNote) << "another rule brings packets";
  EXPECT_THAT(tags().finding, HasSubstr("rule 3 asks"));
  Run("ethtool -K d0 rxvlan off");
  EXPECT_EQ(tags().subject, "") << tags().finding;
}

TEST_F(AfXdpDeviceTest, ANetdevThatIsRemovedIsGone) {
  const auto device = Make();
  ASSERT_NE(device, nullptr);
  ASSERT_TRUE(device->OpenQueues(Request(1, {0}, {0})).ok());
  Run("ip link del d0");
  const absl::Time until = absl::Now() + absl::Seconds(5);
  while (!device->gone() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(device->gone());
  EXPECT_THAT(device->State().trouble, HasSubstr("has been removed"));
  EXPECT_FALSE(device->State().link_up);
  EXPECT_TRUE(device->CloseQueues(1).ok());
  EXPECT_EQ(device->OpenQueues(Request(2, {0}, {0})).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace qsplit::af_xdp
