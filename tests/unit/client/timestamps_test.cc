// When packets left, from a program's request through a real qsplitd to the answer, over each
// layout that has a place for it. The packets arrive at a queue that says when, on the same clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>

#include <array>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/sample_layouts.h"
#include "tests/unit/client/daemon.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using ::testing::HasSubstr;
using testing_support::Daemon;
using testing_support::Datagram;
using testing_support::Fill;

constexpr absl::Duration kLong = absl::Seconds(10);
// Its receive queue has 64 bits for the time of arrival.
constexpr char kReceives[] = "amazon.ena";

layout::VerifiedLayout Shipped(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return layout::VerifiedLayout::FromBytes(bytes.str()).value();
}

uint64_t NowNs() { return static_cast<uint64_t>(absl::GetCurrentTimeNanos()); }

struct Timed {
  const char* layout;
  uint32_t bits = 64;  // of the time
  const char* feature = "";
};

void PrintTo(const Timed& timed, std::ostream* os) { *os << timed.layout; }

class Timestamps : public testing::TestWithParam<Timed> {
 protected:
  Timestamps() : daemon_(Shipped(GetParam().layout), {Shipped(kReceives)}) {}

  absl::StatusOr<Lease> Acquire(const std::string& device, const LeaseOptions& options) {
    absl::StatusOr<Session> session = Session::Connect(daemon_.Options());
    if (!session.ok()) return session.status();
    absl::StatusOr<Device> opened = session->OpenDevice(device);
    if (!opened.ok()) return opened.status();
    return opened->Acquire(options);
  }
  // Of the bits that the layout has.
  static uint64_t Since(uint64_t before_ns, uint64_t time_ns) {
    const uint64_t mask = UINT64_MAX >> (64 - GetParam().bits);
    return (time_ns - before_ns) & mask;
  }
  static TxTimestamp TakeOne(TxQueue& tx) {
    TxTimestamp time{.number = UINT64_MAX, .time_ns = std::nullopt};
    EXPECT_TRUE(tx.Flush(kLong).ok());
    EXPECT_EQ(tx.TakeTimestamps(std::span(&time, 1)), 1u);
    return time;
  }

  Daemon daemon_;
};

TEST_P(Timestamps, StandBetweenSendingAndReceiving) {
  auto sender = Acquire(
      "nic0",
      {.rx_queues = 0, .tx_queues = 1, .tx_roles = {"timestamp"}, .layout = GetParam().layout});
  ASSERT_TRUE(sender.ok()) << sender.status();
  auto receiver = Acquire("nic1", {.tx_queues = 0, .rx_roles = {"timestamp"}, .layout = kReceives});
  ASSERT_TRUE(receiver.ok()) << receiver.status();
  ASSERT_TRUE(receiver->AddRule("flow-type udp4 dst-port 1766 action 0").ok());
  if (GetParam().feature[0] != 0) {
    EXPECT_THAT(sender->features(), testing::Contains(GetParam().feature));
  }
  TxQueue& tx = sender->tx(0);
  ASSERT_TRUE(tx.offloads_timestamps());
  uint64_t last = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const std::string frame = Datagram(2794, 1766, "number " + std::to_string(i));
    Packet packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
    ASSERT_TRUE(packet);
    Fill(packet, frame);
    if (i % 2 == 0) packet.RequestChecksums();
    packet.RequestTimestamp();
    const uint64_t before = NowNs();
    ASSERT_TRUE(tx.Send(std::move(packet)));
    const TxTimestamp time = TakeOne(tx);
    const uint64_t after = NowNs();
    EXPECT_EQ(time.number, i);
    ASSERT_TRUE(time.time_ns.has_value());
    ASSERT_TRUE(receiver->rx(0).Wait(kLong).ok());
    std::array<Packet, 4> got;
    ASSERT_EQ(receiver->rx(0).Receive(got), 1u);
    ASSERT_TRUE(got[0].timestamp().has_value());
    EXPECT_LE(Since(before, *time.time_ns), Since(before, *got[0].timestamp()));
    EXPECT_LE(Since(before, *time.time_ns), after - before);
    EXPECT_TRUE(i == 0 || Since(last, *time.time_ns) < 2000000000u) << "they only grow";
    last = *time.time_ns;
  }
  EXPECT_EQ(tx.counters().timestamps_lost, 0u);
}

TEST_P(Timestamps, APacketThatDoesNotAskHasNoAnswer) {
  auto sender =
      Acquire("nic0", {.rx_queues = 0, .tx_roles = {"timestamp"}, .layout = GetParam().layout});
  ASSERT_TRUE(sender.ok()) << sender.status();
  TxQueue& tx = sender->tx(0);
  const std::string frame = Datagram(1, 2, "nobody wants to know");
  for (int i = 0; i < 20; ++i) {
    Packet packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
    Fill(packet, frame);
    packet.RequestTimestamp(i == 7);
    ASSERT_TRUE(tx.Send(std::move(packet)));
  }
  ASSERT_TRUE(tx.Flush(kLong).ok());
  std::array<TxTimestamp, 8> times;
  ASSERT_EQ(tx.TakeTimestamps(times), 1u);
  EXPECT_EQ(times[0].number, 0u);
  EXPECT_TRUE(times[0].time_ns.has_value());
}

INSTANTIATE_TEST_SUITE_P(Layouts, Timestamps,
                         testing::Values(Timed{"linux.af_xdp", 64, "Metadata=on"},
                                         Timed{"amazon.ena", 64, "Completion=extended"},
                                         Timed{"mellanox.mlx4", 48, "Timestamp=on"},
                                         Timed{"mellanox.mlx5"}, Timed{"nxp.enetc", 32}),
                         [](const auto& tested) {
                           std::string name = tested.param.layout;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(NoTimestamps, AreRefusedByName) {
  // Its device notes the time in a register, if it is asked.
  const Daemon daemon(Shipped("intel.igb.advanced"));
  auto session = Session::Connect(daemon.Options());
  ASSERT_TRUE(session.ok()) << session.status();
  auto device = session->OpenDevice("nic0");
  ASSERT_TRUE(device.ok()) << device.status();
  const absl::Status refused = device->Acquire({.tx_roles = {"timestamp"}}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("timestamp"));
  // Without that wish the packet goes out, and there is no time.
  auto lease = device->Acquire({});
  ASSERT_TRUE(lease.ok()) << lease.status();
  TxQueue& tx = lease->tx(0);
  EXPECT_FALSE(tx.offloads_timestamps());
  const std::string frame = Datagram(1, 2, "when?");
  Packet packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
  Fill(packet, frame);
  packet.RequestTimestamp();
  ASSERT_TRUE(tx.Send(std::move(packet)));
  ASSERT_TRUE(tx.Flush(kLong).ok());
  TxTimestamp time;
  ASSERT_EQ(tx.TakeTimestamps(std::span(&time, 1)), 1u);
  EXPECT_EQ(time.time_ns, std::nullopt);
  EXPECT_EQ(tx.counters().packets, 1u);
}

}  // namespace
}  // namespace qsplit
