// A software NIC with several threads: each queue is one thread's, and frames find their way
// between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "daemon/backend/softnic/frame_lane.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using ::testing::HasSubstr;

// What stands in a lane's frame, by its number.
Bytes LaneFrame(uint32_t number) {
  Bytes bytes(60 + number * 37 % 9000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(number + i);
  return bytes;
}

bool Put(FrameLane& lane, uint32_t number) {
  const Bytes bytes = LaneFrame(number);
  const auto what = number % 2 == 0 ? FrameLane::For::kQueue : FrameLane::For::kWire;
  const std::span<uint8_t> to = lane.Reserve(what, static_cast<uint32_t>(bytes.size()));
  if (to.empty()) return false;
  std::ranges::copy(bytes, to.begin());
  return true;
}

// Takes the next frame, which must be that one.
bool Take(FrameLane& lane, uint32_t number) {
  const std::optional<FrameLane::Frame> front = lane.Front();
  if (!front.has_value()) return false;
  EXPECT_EQ(front->what, number % 2 == 0 ? FrameLane::For::kQueue : FrameLane::For::kWire);
  EXPECT_TRUE(std::ranges::equal(front->bytes, LaneFrame(number))) << number;
  lane.Pop(*front);
  lane.Release();
  return true;
}

TEST(FrameLane, KeepsFramesWholeAndInOrder) {
  FrameLane lane;
  uint32_t in = 0, out = 0;
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    for (auto n = random() % 40; n > 0 && Put(lane, in); --n) ++in;
    lane.Publish();
    for (auto n = random() % 40; n > 0 && Take(lane, out); --n) ++out;
  }
  while (Take(lane, out)) ++out;
  EXPECT_EQ(in, out);
  EXPECT_GT(in, 5000u);
}

TEST(FrameLane, WhatIsNotPublishedIsNotThere) {
  FrameLane lane;
  ASSERT_TRUE(Put(lane, 0));
  EXPECT_FALSE(lane.Front().has_value());
  EXPECT_FALSE(lane.Publish());  // nobody sleeps
  EXPECT_TRUE(Take(lane, 0));
  EXPECT_FALSE(lane.Publish());
}

TEST(FrameLane, AFullOneTakesNoMoreAndLosesNothing) {
  FrameLane lane;
  uint32_t in = 0;
  while (Put(lane, in)) ++in;
  EXPECT_GT(in, FrameLane::kBytes / 10000);
  EXPECT_FALSE(Put(lane, in));
  lane.Publish();
  for (uint32_t out = 0; out < in; ++out) ASSERT_TRUE(Take(lane, out));
  EXPECT_TRUE(Put(lane, in));
}

TEST(FrameLane, WhoSleepsIsToBeWoken) {
  FrameLane lane;
  EXPECT_TRUE(lane.Sleep());
  ASSERT_TRUE(Put(lane, 0));
  EXPECT_TRUE(lane.Publish());
  EXPECT_FALSE(lane.Sleep());
  lane.Awake();
  ASSERT_TRUE(Put(lane, 1));
  EXPECT_FALSE(lane.Publish());
}

TEST(FrameLane, BetweenTwoThreads) {
  FrameLane lane;
  constexpr uint32_t kFrames = 20000;
  std::thread writer([&lane] {
    for (uint32_t in = 0; in < kFrames;) {
      if (Put(lane, in)) {
        ++in;
      } else {
        std::this_thread::yield();
      }
      if (in % 7 == 0 || in == kFrames) lane.Publish();
    }
    lane.Publish();
  });
  const absl::Time until = absl::Now() + absl::Seconds(60);
  uint32_t out = 0;
  while (out < kFrames && absl::Now() < until) {
    if (Take(lane, out)) ++out;
  }
  writer.join();
  EXPECT_EQ(out, kFrames);
}

class Threads : public ::testing::Test {
 protected:
  static std::vector<SoftNicConfig> Configs(uint32_t threads) {
    SoftNicConfig left;
    left.name = "left";
    left.mac = kLeftMac;
    left.layouts = {layout::testing::SimpleLayout()};
    left.wire = PeerWire{"right"};
    left.rx_queues = left.tx_queues = 4;
    left.threads = threads;
    SoftNicConfig right = left;
    right.name = "right";
    right.mac = kRightMac;
    right.wire = PeerWire{"left"};
    return {left, right};
  }
  void SetUp() override { Make(Configs(3)); }
  void Make(const std::vector<SoftNicConfig>& configs) {
    nics_.clear();
    auto nics = SoftNic::CreateAll(configs);
    ASSERT_TRUE(nics.ok()) << nics.status();
    nics_ = *std::move(nics);
  }
  // Counters are asked of the thread that a queue is said to belong to.
  void ExpectEachQueueReachesEachQueue();
  SoftNic& left() { return *nics_[0]; }
  SoftNic& right() { return *nics_[1]; }
  std::unique_ptr<NicClient> Open(SoftNic& nic, const ClientOptions& options) {
    auto client = NicClient::Open(&nic, layout::testing::SimpleLayout(), options);
    for (int i = 0; i < 100 && absl::IsUnavailable(client.status()); ++i) {
      client = NicClient::Open(&nic, layout::testing::SimpleLayout(), options);
    }
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }
  void Rule(uint16_t port, uint32_t queue) {
    absl::Status added = right().AddRule(UdpPortRule(port, port, queue));
    while (absl::IsUnavailable(added)) added = right().AddRule(UdpPortRule(port, port, queue));
    ASSERT_TRUE(added.ok()) << added;
  }

  std::vector<std::unique_ptr<SoftNic>> nics_;
};

void Threads::ExpectEachQueueReachesEachQueue() {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0, 1, 2, 3}});
  // Leases of one queue, and one over several threads.
  auto first = Open(right(), {.lease = 1, .rx_queues = {0}});
  auto rest = Open(right(), {.lease = 2, .rx_queues = {1, 2, 3}});
  for (uint16_t port = 0; port < 4; ++port) Rule(port, port);
  uint32_t sent = 0;
  for (uint32_t round = 0; round < 50; ++round) {
    for (size_t tx = 0; tx < 4; ++tx) {
      for (uint16_t port = 0; port < 4; ++port) {
        const Bytes frame =
            MakeFrame({.dst = kRightMac,
                       .src_port = static_cast<uint16_t>(tx),
                       .dst_port = port,
                       .payload = Bytes(20 + round * 7, static_cast<uint8_t>(round))});
        ASSERT_TRUE(sender->Send(tx, frame));
        ++sent;
        NicClient& receiver = port == 0 ? *first : *rest;
        const std::optional<Received> got = receiver.Receive(port == 0 ? 0 : port - 1u);
        ASSERT_TRUE(got.has_value()) << "round " << round << ", " << tx << " to " << port;
        ASSERT_EQ(got->bytes, frame);
        ASSERT_TRUE(sender->AwaitSent(tx));
      }
    }
  }
  const device::DeviceCounters out = left().ReadCounters();
  const device::DeviceCounters in = right().ReadCounters();
  EXPECT_EQ(out.wire_tx_packets, sent);
  EXPECT_EQ(in.wire_rx_packets, sent);
  EXPECT_EQ(in.drops_wire, 0u);
  const std::vector<device::RuleCounters> rules = right().ReadRuleCounters();
  for (uint32_t q = 0; q < 4; ++q) {
    EXPECT_EQ(out.tx[q].packets, sent / 4) << q;
    EXPECT_EQ(in.rx[q].packets, sent / 4) << q;
    EXPECT_EQ(rules[q].packets, sent / 4) << q;
  }
  EXPECT_TRUE(sender->CanariesWhole() && first->CanariesWhole() && rest->CanariesWhole());
}

TEST_F(Threads, EachQueueReachesEachQueue) {
  ExpectEachQueueReachesEachQueue();
  EXPECT_EQ(left().info().queue_threads, (std::vector<uint32_t>{0, 1, 2, 0}));
  EXPECT_EQ(left().info().worker, right().info().worker);
}

TEST_F(Threads, WorkForTheQueuesThatTheConfigurationGivesThem) {
  std::vector<SoftNicConfig> configs = Configs(3);
  configs[0].queue_threads = {2, 2, 0, 0};
  configs[1].queue_threads = {1, 1, 1, 2};
  ASSERT_NO_FATAL_FAILURE(Make(configs));
  EXPECT_EQ(left().info().queue_threads, configs[0].queue_threads);
  ExpectEachQueueReachesEachQueue();
}

TEST_F(Threads, AFlowKeepsItsOrderBetweenThreads) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}});
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {1}});
  Rule(7, 1);
  uint32_t sent = 0, received = 0;
  while (received < 2000) {
    for (int i = 0; i < 12 && sent < 2000; ++i) {
      Bytes payload(40);
      payload[0] = static_cast<uint8_t>(sent);
      payload[1] = static_cast<uint8_t>(sent >> 8);
      if (!sender->Send(0, MakeFrame({.dst = kRightMac, .dst_port = 7, .payload = payload}))) break;
      ++sent;
    }
    while (received < sent) {
      const std::optional<Received> got = receiver->Receive(0);
      ASSERT_TRUE(got.has_value()) << received;
      ASSERT_EQ(got->bytes[42] | got->bytes[43] << 8, static_cast<int>(received));
      ++received;
    }
    ASSERT_TRUE(sender->AwaitSent(0));
  }
}

TEST_F(Threads, RssSpreadsOverAllThreads) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}});
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0, 1, 2, 3}, .join_rss = true});
  for (uint16_t port = 0; port < 400; ++port) {
    ASSERT_TRUE(sender->Send(0, MakeFrame({.dst = kRightMac, .src_port = port})));
    ASSERT_TRUE(sender->AwaitSent(0));
    bool came = false;
    ASSERT_TRUE(Eventually([&] {
      for (size_t q = 0; q < 4 && !came; ++q) {
        came = receiver->Receive(q, absl::ZeroDuration()).has_value();
      }
      return came;
    }));
  }
  for (const device::QueueCounters& queue : right().ReadCounters().rx) {
    EXPECT_GT(queue.packets, 50u);
  }
}

TEST_F(Threads, FaultsAndInjectionsAreOfTheQueueAlone) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0, 1}});
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0, 1}});
  Rule(1, 0);
  Rule(2, 1);
  FaultLog faults(&left());
  ASSERT_EQ(sender->tx(1).Push(dataplane::Iova(0x1000), 64, 0), dataplane::PushResult::kPushed);
  if (sender->tx(1).Publish()) sender->Wake();
  const std::vector<device::Fault> got = faults.Await(1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].queue, 1u);
  ASSERT_TRUE(right()
                  .Inject({.fault = device::InjectedFault::kStallQueue,
                           .queue = 1,
                           .duration = absl::Minutes(1)})
                  .ok());
  ASSERT_TRUE(sender->Send(0, MakeFrame({.dst = kRightMac, .dst_port = 2})));
  ASSERT_TRUE(sender->Send(0, MakeFrame({.dst = kRightMac, .dst_port = 1})));
  EXPECT_TRUE(receiver->Receive(0).has_value());
  EXPECT_TRUE(Eventually([&] { return right().ReadCounters().rx[1].drops_injected == 1; }));
  EXPECT_EQ(right().ExamineQueue(1, false).front().subject, "injected fault");
  EXPECT_TRUE(
      right()
          .Inject({.fault = device::InjectedFault::kLinkDown, .duration = absl::Milliseconds(50)})
          .ok());
  EXPECT_FALSE(right().State().link_up);
  EXPECT_TRUE(Eventually([&] { return right().State().link_up; }));
}

TEST_F(Threads, LeasesComeAndGoWhileFramesFly) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0, 1}});
  auto steady = Open(right(), {.lease = 1, .rx_queues = {0}});
  Rule(1, 0);
  Rule(2, 1);
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    while (!stop) {
      auto guest = Open(right(), {.lease = 2, .rx_queues = {1, 2}});
      absl::Status closed = right().CloseQueues(2);
      while (absl::IsUnavailable(closed)) closed = right().CloseQueues(2);
    }
  });
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(sender->Send(0, MakeFrame({.dst = kRightMac, .dst_port = 2})));
    ASSERT_TRUE(sender->Send(1, MakeFrame({.dst = kRightMac, .dst_port = 1})));
    ASSERT_TRUE(steady->Receive(0).has_value()) << i;
    ASSERT_TRUE(sender->AwaitSent(0) && sender->AwaitSent(1));
  }
  stop = true;
  changer.join();
  EXPECT_EQ(right().ReadCounters().rx[0].packets, 500u);
}

TEST(ThreadConfigs, EachQueueHasAThreadThatIsThere) {
  SoftNicConfig nic;
  nic.name = "a";
  nic.mac = kLeftMac;
  nic.layouts = {layout::testing::SimpleLayout()};
  nic.rx_queues = 2;
  nic.tx_queues = 3;
  nic.threads = 2;
  nic.queue_threads = {1, 1, 0};
  EXPECT_TRUE(CheckConfig(nic).ok());
  nic.queue_threads = {1, 1};
  EXPECT_THAT(CheckConfig(nic).message(), HasSubstr("of 2 queues; give those of all 3"));
  nic.queue_threads = {0, 2, 1};
  EXPECT_THAT(CheckConfig(nic).message(), HasSubstr("a queue of thread 2; the last is 1"));
}

TEST(ThreadConfigs, PeersAgreeOnThreads) {
  auto configs = [](uint32_t left, uint32_t right, std::vector<uint32_t> cpus) {
    SoftNicConfig a;
    a.name = "a";
    a.mac = kLeftMac;
    a.layouts = {layout::testing::SimpleLayout()};
    a.wire = PeerWire{"b"};
    a.threads = left;
    a.cpus = std::move(cpus);
    SoftNicConfig b = a;
    b.name = "b";
    b.mac = kRightMac;
    b.wire = PeerWire{"a"};
    b.threads = right;
    b.cpus.clear();
    return SoftNic::CreateAll({a, b}).status();
  };
  EXPECT_TRUE(configs(2, 2, {}).ok());
  EXPECT_THAT(configs(2, 1, {}).message(), HasSubstr("give both the same"));
  EXPECT_THAT(configs(17, 17, {}).message(), HasSubstr("17 threads; give 1 to 16"));
  EXPECT_THAT(configs(2, 2, {0}).message(), HasSubstr("1 CPUs for 2 threads"));
  EXPECT_TRUE(configs(2, 2, {0, 0}).ok());
}

}  // namespace
}  // namespace qsplit::softnic
