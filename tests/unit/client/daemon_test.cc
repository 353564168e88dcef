// The library against a real qsplitd with two software NICs wired to each other, over layouts that
// have nothing in common: what a program that uses the library notices.
#include "tests/unit/client/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>
#include <qsplit/rpc_session.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "qsplit/v1/admin.grpc.pb.h"
#include "tests/support/sample_layouts.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using ::testing::HasSubstr;
using testing_support::Daemon;
using testing_support::Datagram;
using testing_support::Fill;
using testing_support::PortOf;
using testing_support::Swapped;
using testing_support::Text;

constexpr absl::Duration kLong = absl::Seconds(10);

class WithDaemon : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<Daemon>(std::string(GetParam()) == "simple"
                                           ? layout::testing::SimpleLayout()
                                           : layout::testing::BigLayout());
  }

  Session Connect() {
    absl::StatusOr<Session> session = Session::Connect(daemon_->Options());
    EXPECT_TRUE(session.ok()) << session.status();
    return *session;
  }
  Lease Acquire(const std::string& device, const LeaseOptions& options = {}) {
    absl::StatusOr<Device> opened = Connect().OpenDevice(device);
    EXPECT_TRUE(opened.ok()) << opened.status();
    absl::StatusOr<Lease> lease = opened->Acquire(options);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return *std::move(lease);
  }
  DeviceInfo Info(const std::string& device) { return Connect().OpenDevice(device)->info(); }

  // A lease that gets UDP to `port`.
  Lease Listen(const std::string& device, uint16_t port, const LeaseOptions& options = {}) {
    Lease lease = Acquire(device, options);
    absl::StatusOr<uint32_t> rule =
        lease.AddRule("flow-type udp4 dst-port " + std::to_string(port) + " action 0");
    EXPECT_TRUE(rule.ok()) << rule.status();
    return lease;
  }

  // Waits for packets until there are `count`.
  static std::vector<Packet> Collect(RxQueue& rx, size_t count) {
    std::vector<Packet> all;
    std::array<Packet, 16> burst;
    while (all.size() < count) {
      const absl::Status status = rx.Wait(kLong);
      EXPECT_TRUE(status.ok()) << status << "; " << all.size() << " of " << count << " came";
      if (!status.ok()) break;
      const size_t n = rx.Receive(burst);
      for (size_t i = 0; i < n; ++i) all.push_back(std::move(burst[i]));
    }
    return all;
  }
  static void SendAll(TxQueue& tx, std::span<Packet> packets) {
    while (!packets.empty()) {
      packets = packets.subspan(tx.Send(packets));
      if (packets.empty()) break;
      ASSERT_TRUE(tx.Wait(kLong).ok());
    }
  }
  static Packet Make(TxQueue& tx, const std::string& bytes) {
    Packet packet = tx.Allocate(static_cast<uint32_t>(bytes.size()));
    EXPECT_TRUE(packet);
    Fill(packet, bytes);
    return packet;
  }

  std::unique_ptr<Daemon> daemon_;
};

TEST_P(WithDaemon, TrafficGoesBothWaysWithoutACopy) {
  Lease a = Listen("nic0", 1000);
  Lease b = Listen("nic1", 4242);
  constexpr int kCount = 2000;
  std::thread echo([&b] {
    std::array<Packet, 32> packets;
    int echoed = 0;
    while (echoed < kCount) {
      ASSERT_TRUE(b.rx(0).Wait(kLong).ok()) << echoed;
      const size_t n = b.rx(0).Receive(packets);
      for (size_t i = 0; i < n; ++i) Fill(packets[i], Swapped(Text(packets[i])));
      SendAll(b.tx(0), std::span(packets).first(n));
      echoed += static_cast<int>(n);
    }
  });
  int received = 0;
  std::array<Packet, 32> burst;
  for (int sent = 0; received < kCount;) {
    if (sent < kCount && sent - received < 100) {
      Packet packet = Make(a.tx(0), Datagram(1000, 4242, "number " + std::to_string(sent)));
      packet.RequestChecksums();
      if (a.tx(0).Send(std::move(packet))) ++sent;
      if (sent < kCount) continue;
    }
    ASSERT_TRUE(a.rx(0).Wait(kLong).ok()) << received << " of " << sent;
    const size_t n = a.rx(0).Receive(burst);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_EQ(Text(burst[i]).substr(42, 7 + std::to_string(received).size()),
                "number " + std::to_string(received));
      ++received;
    }
  }
  echo.join();
  EXPECT_EQ(b.tx(0).counters().copied, 0u);
  EXPECT_TRUE(a.status().ok());
}

TEST_P(WithDaemon, LongPacketsSpanDescriptorsOnBothSides) {
  Lease a = Acquire("nic0", {.buffer_bytes = 256});
  Lease b = Listen("nic1", 4242, {.buffer_bytes = 512});
  std::string payload(1400, '\0');
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 11);
  const std::string frame = Datagram(1000, 4242, payload);
  Packet packet = Make(a.tx(0), frame);
  EXPECT_GT(packet.segment_count(), 4u);
  ASSERT_TRUE(a.tx(0).Send(std::move(packet)));
  std::vector<Packet> got = Collect(b.rx(0), 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].segment_count(), 3u);
  EXPECT_EQ(Text(got[0]), frame);
  // And back as it lies, in three segments.
  absl::StatusOr<uint32_t> rule = a.AddRule("flow-type udp4 dst-port 1000 action 0");
  ASSERT_TRUE(rule.ok()) << rule.status();
  Fill(got[0], Swapped(frame));
  ASSERT_TRUE(b.tx(0).Send(std::move(got[0])));
  std::vector<Packet> back = Collect(a.rx(0), 1);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(Text(back[0]), Swapped(frame));
  EXPECT_EQ(b.tx(0).counters().copied, 0u);
}

TEST_P(WithDaemon, ASleepingReceiverWakes) {
  Lease a = Acquire("nic0");
  Lease b = Listen("nic1", 4242);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(b.rx(0).Wait(absl::Milliseconds(5)).code(), absl::StatusCode::kDeadlineExceeded);
    std::thread sender([&a, i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(i));
      ASSERT_TRUE(a.tx(0).Send(Make(a.tx(0), Datagram(1000, 4242, "wake up"))));
    });
    EXPECT_EQ(Collect(b.rx(0), 1).size(), 1u);
    sender.join();
  }
  EXPECT_TRUE(a.tx(0).Flush(kLong).ok()) << "the sender sleeps until all is sent, too";
}

TEST_P(WithDaemon, TagsAndChecksumsArriveWhoeverMakesThem) {
  Lease a = Acquire("nic0");
  Lease b = Listen("nic1", 4242, {.software_checksums = true});
  Packet packet = Make(a.tx(0), Datagram(1000, 4242, "tagged"));
  packet.RequestChecksums();
  packet.set_vlan(0x6064);
  ASSERT_TRUE(a.tx(0).Send(std::move(packet)));
  Packet spoiled = Make(a.tx(0), Datagram(1000, 4242, "spoiled"));  // no checksum asked for
  const std::string nonsense = "\x11\x22";
  spoiled.CopyFrom({reinterpret_cast<const std::byte*>(nonsense.data()), 2}, 40);
  ASSERT_TRUE(a.tx(0).Send(std::move(spoiled)));
  std::vector<Packet> got = Collect(b.rx(0), 2);
  ASSERT_EQ(got.size(), 2u);
  if (got[0].vlan().has_value()) {
    EXPECT_EQ(*got[0].vlan(), 0x6064);
  } else {
    EXPECT_EQ(Text(got[0]).substr(12, 4), testing_support::Hex("81006064"));
  }
  EXPECT_EQ(got[0].checksum_l3(), ChecksumState::kGood);
  EXPECT_EQ(got[0].checksum_l4(), ChecksumState::kGood);
  EXPECT_EQ(got[1].checksum_l4(), ChecksumState::kBad);
}

TEST_P(WithDaemon, ReleasedQueuesCanBeHadAgain) {
  Session session = Connect();
  absl::StatusOr<std::shared_ptr<Region>> region =
      session.RegisterRegion({.bytes = 8 << 20, .name = "mine"});
  ASSERT_TRUE(region.ok()) << region.status();
  Device device = *session.OpenDevice("nic0");
  Lease listener = Listen("nic1", 4242);
  for (int i = 0; i < 10; ++i) {
    absl::StatusOr<Lease> lease =
        device.Acquire({.rx_queues = 2, .tx_queues = 1, .first_rx_queue = 1, .region = *region});
    ASSERT_TRUE(lease.ok()) << "round " << i << ": " << lease.status();
    EXPECT_EQ(lease->rx(0).number(), 1u);
    for (const QueueAccess& access : {lease->rx(0).access(), lease->tx(0).access()}) {
      EXPECT_EQ(access.mode == AccessMode::kCompiled, access.why_not_compiled.ok());
      EXPECT_EQ(access.text() == "in bursts, by machine code", access.why_not_compiled.ok());
      EXPECT_EQ(access.text().starts_with("one by one: "), access.mode == AccessMode::kOneByOne);
    }
    EXPECT_EQ(lease->rx(1).number(), 2u);
    ASSERT_TRUE(lease->AddRule("flow-type udp4 dst-port 7 action 1").ok());
    ASSERT_TRUE(device.Refresh().ok());
    EXPECT_EQ(device.info().free_rx_queues, 2u);
    EXPECT_EQ(device.info().rules, 1u);
    ASSERT_TRUE(lease->tx(0).Send(Make(lease->tx(0), Datagram(1, 4242, "round"))));
    ASSERT_TRUE(lease->tx(0).Flush(kLong).ok());
    ASSERT_TRUE(lease->Release().ok());
    EXPECT_FALSE(lease->ok());
    EXPECT_TRUE(lease->Release().ok()) << "once more does no harm";
    ASSERT_TRUE(device.Refresh().ok());
    EXPECT_EQ(device.info().free_rx_queues, 4u);
    EXPECT_EQ(device.info().rules, 0u);
  }
  EXPECT_EQ(Collect(listener.rx(0), 10).size(), 10u);
}

TEST_P(WithDaemon, PairsRunOnThreadsOfTheirOwn) {
  Lease a = Acquire("nic0", {.rx_queues = 2, .tx_queues = 2});
  Lease b = Acquire("nic1", {.rx_queues = 2, .tx_queues = 2});
  ASSERT_TRUE(b.AddRule("flow-type udp4 dst-port 100 action 0").ok());
  ASSERT_TRUE(b.AddRule("flow-type udp4 dst-port 101 action 1").ok());
  constexpr size_t kCount = 500;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 2; ++i) {
    threads.emplace_back([&a, i] {
      for (size_t n = 0; n < kCount; ++n) {
        const std::string frame = Datagram(1, static_cast<uint16_t>(100 + i), "to one of two");
        while (!a.tx(i).Send(Make(a.tx(i), frame))) ASSERT_TRUE(a.tx(i).Wait(kLong).ok());
        // As many as the other side's ring holds may be on their way.
        if (n % 50 == 49) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    threads.emplace_back([&b, i] {
      for (const Packet& packet : Collect(b.rx(i), kCount)) {
        EXPECT_EQ(PortOf(Text(packet)), 100 + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(WithDaemon, PacketsOutliveTheirLease) {
  Packet kept;
  {
    Lease a = Acquire("nic0");
    Lease b = Listen("nic1", 4242);
    ASSERT_TRUE(a.tx(0).Send(Make(a.tx(0), Datagram(1, 4242, "keep me"))));
    std::vector<Packet> got = Collect(b.rx(0), 1);
    ASSERT_EQ(got.size(), 1u);
    kept = std::move(got[0]);
  }
  EXPECT_EQ(Text(kept).substr(42, 7), "keep me");
}

TEST_P(WithDaemon, RevocationReachesSleepers) {
  Lease lease = Listen("nic1", 4242);
  Session admin = Connect();
  const uint64_t id = lease.id();
  std::thread revoker([&admin, id] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    grpc::ClientContext context;
    admin.rpc()->PrepareContext(context);
    v1::RevokeLeaseRequest request;
    request.set_lease_id(id);
    v1::RevokeLeaseResponse response;
    const absl::Status status =
        admin.rpc()->ToStatus(v1::AdminService::NewStub(admin.rpc()->channel())
                                  ->RevokeLease(&context, request, &response));
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_EQ(lease.rx(0).Wait(kLong).code(), absl::StatusCode::kAborted);
  revoker.join();
  EXPECT_FALSE(lease.ok());
  const std::optional<LeaseEvent> event = lease.NextEvent();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, LeaseEvent::Kind::kRevoked);
  Packet packet;
  EXPECT_EQ(lease.rx(0).Receive(std::span(&packet, 1)), 0u);
  EXPECT_FALSE(lease.AddRule("flow-type udp4 dst-port 9 action 0").ok());
  EXPECT_TRUE(lease.Release().ok());
}

TEST_P(WithDaemon, TheDaemonsEndReachesSleepers) {
  Lease lease = Listen("nic1", 4242);
  std::thread killer([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    daemon_->Kill();
  });
  EXPECT_EQ(lease.rx(0).Wait(kLong).code(), absl::StatusCode::kUnavailable);
  killer.join();
  EXPECT_FALSE(lease.Release().ok());
}

TEST_P(WithDaemon, ErrorsSayWhatToDo) {
  Session session = Connect();
  EXPECT_EQ(session.OpenDevice("nic7").status().code(), absl::StatusCode::kNotFound);
  Device device = *session.OpenDevice("nic0");
  const absl::Status many = device.Acquire({.rx_queues = 5}).status();
  EXPECT_EQ(many.code(), absl::StatusCode::kInvalidArgument) << many;
  ASSERT_TRUE(GetErrorDetail(many).has_value()) << many;
  EXPECT_EQ(GetErrorDetail(many)->reason, "ERROR_REASON_OUT_OF_RANGE");
  EXPECT_EQ(GetErrorDetail(many)->value, "5");
  EXPECT_EQ(GetErrorDetail(many)->limit, "4");
  {
    absl::StatusOr<Lease> all = device.Acquire({.rx_queues = LeaseOptions::kAllQueues});
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(all->rx_count(), 4u);
    const absl::Status none = device.Acquire({}).status();
    EXPECT_EQ(none.code(), absl::StatusCode::kResourceExhausted) << none;
  }
  EXPECT_EQ(device.Acquire({.rx_queues = 0, .tx_queues = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(device.info().buffer_bytes, 2048U) << "what Acquire takes where nothing is said";
  EXPECT_EQ(device.Acquire({.buffer_bytes = 100}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(device.Acquire({.layout = "no.such"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(session.RegisterRegion({.bytes = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);

  absl::StatusOr<std::shared_ptr<Region>> small = session.RegisterRegion({.bytes = 4096});
  ASSERT_TRUE(small.ok());
  const absl::Status narrow = device.Acquire({.region = *small}).status();
  EXPECT_EQ(narrow.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(narrow.message()), HasSubstr("buffers_per_pair"));

  absl::StatusOr<Lease> lease = device.Acquire({});
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(lease->AddRule("flow-type udp4 dst-port 5 action 1").status().code(),
            absl::StatusCode::kInvalidArgument)
      << "the lease has one receive queue";
  ASSERT_TRUE(lease->AddRule("flow-type udp4 dst-port 5 action 0 loc 3").ok());
  EXPECT_EQ(lease->AddRule("flow-type udp4 dst-port 6 action 0 loc 3").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(lease->RemoveRule(3).ok());
  EXPECT_EQ(lease->RemoveRule(3).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(device.Refresh().ok());
  EXPECT_EQ(device.info().free_rx_queues, 3u) << "what failed left nothing behind";
}

INSTANTIATE_TEST_SUITE_P(Layouts, WithDaemon, testing::Values("simple", "big"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace qsplit
