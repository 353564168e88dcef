// Control of a software NIC: leases, settings, faults on demand.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>

#include "dataplane/burst/code_memory.h"
#include "tests/support/system/pauses.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

class Control : public NicPair {
 protected:
  void SetUp() override {
    NicPair::SetUp();
    ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  }
  StatusCode OpenCode(const ClientOptions& options) {
    return NicClient::Open(&right(), layout::testing::SimpleLayout(), options).status().code();
  }
};

size_t OpenFiles() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST_F(Control, WhatItSaysOfItself) {
  const device::DeviceInfo& info = right().info();
  EXPECT_EQ(info.name, "right");
  EXPECT_EQ(info.backend, "softnic");
  EXPECT_EQ(info.rx_queues, 8u);
  EXPECT_EQ(info.wire, "peer left");
  EXPECT_EQ(info.rss_table_size, 128u);
  EXPECT_EQ(info.layouts.size(), 2u);
  EXPECT_TRUE(right().State().link_up);
  EXPECT_EQ(right().State().trouble, "");
  EXPECT_EQ(right().State().mtu_bytes, 1500u);
  EXPECT_EQ(right().State().mac, kRightMac);
}

TEST_F(Control, ARefusedLeaseChangesNothing) {
  auto holder = Open(right(), {.lease = 1, .rx_queues = {1, 2}, .tx_queues = {3}});
  ASSERT_TRUE(holder);
  const size_t files = OpenFiles();
  const device::RssConfig rss = *right().GetRss();
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {0, 2}}), StatusCode::kResourceExhausted);
  EXPECT_EQ(OpenCode({.lease = 2, .tx_queues = {3}}), StatusCode::kResourceExhausted);
  EXPECT_EQ(OpenCode({.lease = 1, .tx_queues = {4}}), StatusCode::kAlreadyExists);
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {8}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {5, 4}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenCode({.lease = 2}), StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {4}, .slots = 7}), StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {4}, .slots = 8192}), StatusCode::kInvalidArgument);
  EXPECT_EQ(right().GetRss()->indirection, rss.indirection);
  EXPECT_EQ(OpenFiles(), files);
  EXPECT_EQ(OpenCode({.lease = 2, .rx_queues = {0, 3}, .tx_queues = {0}}), StatusCode::kOk);
}

TEST_F(Control, CloseIsQuickAndFinal) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  const Bytes frame = MakeFrame(ToRight());
  ASSERT_TRUE(sender->Send(0, frame));
  ASSERT_TRUE(receiver->Receive(0).has_value());
  const qsplit::testing::Pauses pauses;
  const absl::Time before = absl::Now();
  ASSERT_TRUE(right().CloseQueues(1).ok());
  EXPECT_LT(absl::Now() - before, pauses.Allow(absl::Milliseconds(100)));
  // What still comes does not reach the memory.
  const device::RingGrant& ring = receiver->grant().rx[0].rings[0];
  std::memset(receiver->region(), 0x77, receiver->region_bytes());
  const Bytes slots(reinterpret_cast<uint8_t*>(receiver->At(ring.slots)),
                    reinterpret_cast<uint8_t*>(receiver->At(ring.slots)) + ring.slot_count * 16);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(sender->Send(0, frame));
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  EXPECT_EQ(0, std::memcmp(slots.data(), receiver->At(ring.slots), slots.size()));
  for (uint64_t i = 0; i < receiver->region_bytes(); ++i) {
    ASSERT_EQ(receiver->region()[i], std::byte{0x77}) << i;
  }
  EXPECT_EQ(right().ReadCounters().drops_representor, 10u);
  EXPECT_TRUE(right().CloseQueues(1).ok()) << "closing twice is no error";
  EXPECT_TRUE(right().CloseQueues(12345).ok());
}

TEST_F(Control, QueuesExplainThemselves) {
  EXPECT_TRUE(right().ExamineQueue(0, false).empty()) << "nobody leases it";
  EXPECT_TRUE(right().ExamineQueue(4096, true).empty());
  EXPECT_FALSE(right()
                   .Inject({.fault = device::InjectedFault::kStallQueue,
                            .queue = 4096,
                            .duration = absl::Seconds(1)})
                   .ok());
  auto client = Open(right(), {.lease = 1, .rx_queues = {0, 1}, .tx_queues = {0}, .slots = 64});
  ASSERT_TRUE(client);
  const auto posted = right().ExamineQueue(0, false);
  ASSERT_EQ(posted.size(), 2u);
  EXPECT_EQ(posted[0].verdict, device::CheckVerdict::kGood);
  EXPECT_EQ(posted[0].finding, "63 slots are posted to the device");
  EXPECT_EQ(posted[1].subject, "descriptors");
  EXPECT_EQ(posted[1].verdict, device::CheckVerdict::kGood);
  EXPECT_TRUE(posted[1].finding.starts_with("qsplitd takes them in bursts, by machine code") ||
              !dataplane::burst::CodeMemory::Allowed().ok())
      << posted[1].finding;
  ASSERT_TRUE(right()
                  .Inject({.fault = device::InjectedFault::kStallQueue,
                           .queue = 1,
                           .duration = absl::Seconds(60)})
                  .ok());
  EXPECT_EQ(right().ExamineQueue(1, false).at(0).finding, "an operator stalled the queue");
}

TEST_F(Control, WhetherAHolderGoesOnIsSeen) {
  EXPECT_FALSE(right().ReadProgress(0, false).has_value()) << "nobody leases it";
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .slots = 64, .join_rss = true});
  auto sender = Sender();
  ASSERT_TRUE(receiver && sender);
  const auto before = right().ReadProgress(0, false);
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->waiting, std::nullopt);
  ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
  ASSERT_TRUE(Eventually([&] { return right().ReadCounters().rx[0].packets == 1; }));
  EXPECT_EQ(right().ReadProgress(0, false)->position, before->position) << "it lies there";
  ASSERT_TRUE(receiver->Receive(0).has_value());
  EXPECT_NE(right().ReadProgress(0, false)->position, before->position);
}

TEST_F(Control, RingsAreReadAsTheyAre) {
  const device::RingSelection wanted{.queue = 0, .first_slot = 1, .slots = 2};
  EXPECT_EQ(right().ReadRing(wanted).status().code(), StatusCode::kFailedPrecondition);
  auto client = Open(right(), {.lease = 1, .rx_queues = {0}, .slots = 64});
  ASSERT_TRUE(client);
  const auto image = right().ReadRing(wanted);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->slot_count, 64u);
  EXPECT_EQ(image->slots.size(), 2u * 16);
  EXPECT_THAT(image->slots, ::testing::Contains(::testing::Ne(std::byte{0})))
      << "buffers' addresses";
  EXPECT_THAT(image->producer_doorbells, ::testing::ElementsAre(63u));
  ASSERT_TRUE(right().CloseQueues(1).ok());
  EXPECT_EQ(right().ReadRing(wanted).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(Control, NothingIsLeftOfManyLeases) {
  const auto round = [&](device::LeaseId lease) {
    auto client = Open(right(), {.lease = lease, .rx_queues = {0, 1, 2}, .tx_queues = {0, 1}});
    EXPECT_TRUE(right().CloseQueues(lease).ok());
  };
  round(1);
  const size_t files = OpenFiles();
  for (device::LeaseId lease = 2; lease < 50; ++lease) round(lease);
  EXPECT_EQ(OpenFiles(), files);
}

TEST_F(Control, AllQueuesAtOnce) {
  SoftNicConfig config;
  config.name = "wide";
  config.mac = kLeftMac;
  config.layouts = {layout::testing::SimpleLayout()};
  config.rx_queues = config.tx_queues = 64;
  auto nic = SoftNic::Create(config);
  ASSERT_TRUE(nic.ok()) << nic.status();
  EXPECT_FALSE((*nic)->State().link_up);
  ClientOptions options{.lease = 1, .slots = 16};
  for (uint32_t queue = 0; queue < 64; ++queue) {
    options.rx_queues.push_back(queue);
    options.tx_queues.push_back(queue);
  }
  auto client = Open(**nic, options);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->grant().rx.size(), 64u);
  EXPECT_THAT((*nic)->GetRss()->indirection, ::testing::Each(device::kNoQueue));
  // Down is down: packets are taken and counted.
  ASSERT_TRUE(client->Send(63, Bytes(100, 1)));
  ASSERT_TRUE(client->AwaitSent(63));
  EXPECT_EQ((*nic)->ReadCounters().tx[63].drops_down, 1u);
}

TEST_F(Control, MtuLimitsBothWays) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  EXPECT_EQ(right().Set({.mtu_bytes = 67}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(right().Set({.mtu_bytes = 9217}).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(left().Set({.mtu_bytes = 9000}).ok());
  FrameSpec spec = ToRight();
  spec.payload.assign(1600, 1);
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(right().ReadCounters().rx[0].drops_too_long, 1u);
  ASSERT_TRUE(right().Set({.mtu_bytes = 9000}).ok());
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  const std::optional<Received> got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, MakeFrame(spec));
}

TEST_F(Control, DropsWithoutBuffersAreCounted) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true, .post = false});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(right().ReadCounters().rx[0].drops_no_descriptor, 5u);
  receiver->Post(0);
  ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
  EXPECT_TRUE(receiver->Receive(0).has_value());
}

TEST_F(Control, LinkDownForAWhile) {
  std::atomic<int> changes{0};
  right().SetEvents({.state = [&](const device::DeviceState&) { ++changes; }});
  auto sender = Sender();
  ASSERT_TRUE(
      right()
          .Inject({.fault = device::InjectedFault::kLinkDown, .duration = absl::Milliseconds(100)})
          .ok());
  EXPECT_FALSE(right().State().link_up);
  EXPECT_FALSE(left().State().link_up);
  EXPECT_THAT(right().State().trouble, HasSubstr("injected fault"));
  EXPECT_THAT(left().State().trouble, HasSubstr("at the peer"));
  ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(left().ReadCounters().tx[0].drops_down, 1u);
  EXPECT_TRUE(Eventually([&] { return right().State().link_up && left().State().link_up; }));
  EXPECT_TRUE(Eventually([&] { return changes >= 2; }));
  right().SetEvents({});
}

TEST_F(Control, StalledLostAndWrong) {
  using device::InjectedFault;
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  const Bytes frame = MakeFrame(ToRight());
  ASSERT_TRUE(right().Inject({.fault = InjectedFault::kWrongLength}).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  std::optional<Received> got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes.size(), frame.size() + 1);

  ASSERT_TRUE(left()
                  .Inject({.fault = InjectedFault::kStallQueue,
                           .transmit = true,
                           .duration = absl::Milliseconds(150)})
                  .ok());
  ASSERT_TRUE(sender->Send(0, frame));
  EXPECT_FALSE(sender->AwaitSent(0, absl::Milliseconds(50)));
  EXPECT_TRUE(sender->AwaitSent(0));
  EXPECT_TRUE(receiver->Receive(0).has_value());

  ASSERT_TRUE(
      right().Inject({.fault = InjectedFault::kStallQueue, .duration = absl::Hours(1)}).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(right().ReadCounters().rx[0].drops_injected, 1u);
  ASSERT_TRUE(right().Inject({.fault = InjectedFault::kStallQueue}).ok());

  ASSERT_TRUE(right().Inject({.fault = InjectedFault::kLoseCompletion}).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_FALSE(receiver->Receive(0, absl::Milliseconds(50)).has_value());
  ASSERT_TRUE(left().Inject({.fault = InjectedFault::kLoseCompletion, .transmit = true}).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  EXPECT_FALSE(sender->AwaitSent(0, absl::Milliseconds(50)));

  EXPECT_EQ(right().Inject({.fault = InjectedFault::kRepeatCompletion}).code(),
            StatusCode::kUnimplemented);
  EXPECT_EQ(right().Inject({.fault = InjectedFault::kDelayCompletion}).code(),
            StatusCode::kUnimplemented);
  EXPECT_EQ(right().Inject({.fault = InjectedFault::kLoseCompletion, .queue = 5}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(right().Inject({.fault = InjectedFault::kLoseCompletion, .queue = 99}).code(),
            StatusCode::kFailedPrecondition);
}

// Leases, rules and settings change while packets run: none of the traffic is lost.
TEST_F(Control, ChangesDoNotDisturbTraffic) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}});
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 2000, 0)).ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (device::LeaseId lease = 10; !stop; ++lease) {
      auto client = NicClient::Open(&right(), layout::testing::BigLayout(),
                                    {.lease = lease, .rx_queues = {1, 2}, .tx_queues = {1}});
      while (!right().CloseQueues(lease).ok()) {
      }
    }
  });
  threads.emplace_back([&] {
    for (uint32_t i = 0; !stop; ++i) {
      (void)right().AddRule(UdpPortRule(1 + i % 50, static_cast<uint16_t>(i), 3));
      (void)right().RemoveRule(1 + (i + 25) % 50);
      (void)right().Set({.promiscuous = i % 2 == 0});
      (void)right().ReadRuleCounters();
      (void)right().GetRss();
      (void)right().State();
      (void)right().ReadCounters();
    }
  });
  for (uint32_t i = 0; i < 300; ++i) {
    FrameSpec spec = ToRight();
    spec.payload.assign(30 + i, static_cast<uint8_t>(i));
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    const std::optional<Received> got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value()) << i;
    ASSERT_EQ(got->bytes, MakeFrame(spec));
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(SoftNicConfigs, RefusedWithFieldAndLimit) {
  SoftNicConfig good;
  good.name = "nic0";
  good.mac = kLeftMac;
  good.layouts = {layout::testing::SimpleLayout()};
  EXPECT_TRUE(CheckConfig(good).ok());
  const auto refusal = [&](auto change) {
    SoftNicConfig config = good;
    change(config);
    return std::string(SoftNic::Create(config).status().message());
  };
  EXPECT_THAT(refusal([](auto& c) { c.name = "Nic 0"; }), HasSubstr("[a-z0-9_-]"));
  EXPECT_THAT(refusal([](auto& c) { c.rx_queues = 65; }), HasSubstr("65 receive queues"));
  EXPECT_THAT(refusal([](auto& c) { c.tx_queues = 0; }), HasSubstr("0 transmit queues"));
  EXPECT_THAT(refusal([](auto& c) { c.mtu_bytes = 20000; }), HasSubstr("20000"));
  EXPECT_THAT(refusal([](auto& c) { c.mac[0] = 1; }), HasSubstr("multicast"));
  EXPECT_THAT(refusal([](auto& c) { c.layouts.clear(); }), HasSubstr("no layout"));
  EXPECT_THAT(refusal([](auto& c) { c.wire = PeerWire{"nic1"}; }), HasSubstr("no such device"));
  EXPECT_THAT(refusal([](auto& c) { c.wire = PeerWire{"nic0"}; }), HasSubstr("itself"));
  EXPECT_THAT(refusal([](auto& c) { c.cpus = {100000}; }), HasSubstr("cpu 100000"));
  SoftNicConfig a = good;
  SoftNicConfig b = good;
  a.wire = PeerWire{"b"};
  b.wire = PeerWire{"a"};
  a.name = "a";
  b.name = "b";
  a.worker = "1";
  b.worker = "2";
  EXPECT_THAT(std::string(SoftNic::CreateAll({a, b}).status().message()),
              HasSubstr("give both the same"));
  b.worker = "1";
  EXPECT_TRUE(SoftNic::CreateAll({a, b}).ok());
  EXPECT_THAT(std::string(SoftNic::CreateAll({good, good}).status().message()),
              HasSubstr("names are unique"));
}

}  // namespace
}  // namespace qsplit::softnic
