// How many buffers a descriptor gets of a receive queue that has several in each: as many as the
// longest packet needs, which is what the device's MTU says unless the program does.
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/client/daemon.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using testing_support::Daemon;
using testing_support::Datagram;
using testing_support::Fill;
using testing_support::Text;

constexpr uint32_t kSlots = 64;
constexpr size_t kLongestPayload = 1500 - 28;  // of the device's MTU

layout::VerifiedLayout Shipped(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return layout::VerifiedLayout::FromBytes(bytes.str()).value();
}

class PacketBytes : public testing::TestWithParam<const char*> {
 protected:
  PacketBytes() : daemon_(Shipped(GetParam())) {}

  Lease Acquire(const std::string& device, uint32_t packet_bytes) {
    const absl::StatusOr<Session> session = Session::Connect(daemon_.Options());
    EXPECT_TRUE(session.ok()) << session.status();
    LeaseOptions options;
    options.rx_slots = options.tx_slots = kSlots;
    options.packet_bytes = packet_bytes;
    options.buffers_per_pair = 1024;
    absl::StatusOr<Lease> lease = session->OpenDevice(device)->Acquire(options);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return *std::move(lease);
  }

  Daemon daemon_;
};
INSTANTIATE_TEST_SUITE_P(, PacketBytes, testing::Values("mellanox.mlx4", "mellanox.mlx5"),
                         [](const auto& param) { return std::string(param.param).substr(9); });

TEST_P(PacketBytes, OneBufferIsEnoughForTheDevicesMtu) {
  Lease sender = Acquire("nic0", 0);
  Lease receiver = Acquire("nic1", 0);
  EXPECT_GT(receiver.rx(0).posted(), kSlots / 2);
  EXPECT_LE(receiver.rx(0).posted(), kSlots);
  ASSERT_TRUE(receiver.AddRule("flow-type udp4 dst-port 4242 action 0").ok());
  const std::string frame = Datagram(1000, 4242, std::string(kLongestPayload, 'x'));
  std::array<Packet, 1> packet = {sender.tx(0).Allocate(static_cast<uint32_t>(frame.size()))};
  ASSERT_TRUE(packet[0]);
  Fill(packet[0], frame);
  ASSERT_EQ(sender.tx(0).Send(packet), 1u);
  ASSERT_TRUE(receiver.rx(0).Wait(absl::Seconds(10)).ok());
  ASSERT_EQ(receiver.rx(0).Receive(packet), 1u);
  EXPECT_EQ(Text(packet[0]), frame);
}

TEST_P(PacketBytes, WhoExpectsLongerOnesHasSeveral) {
  EXPECT_GT(Acquire("nic0", 3 * 2048).rx(0).posted(), 2 * kSlots);
}

}  // namespace
}  // namespace qsplit
