// TxQueue against the device's side, without a daemon, over every layout that this build drives.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client-lib/src/headers.h"
#include "client-lib/src/lease_state.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/tx_device.h"
#include "tests/unit/client/memory.h"
#include "tests/unit/client/packets.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::internal {
namespace {

using dataplane::RingFault;
using dataplane::testing::NamedLayout;
using dataplane::testing::TestRing;
using testing_support::Memory;
using testing_support::Text;

class TxQueues : public testing::TestWithParam<NamedLayout> {
 protected:
  static constexpr uint32_t kBuffers = 256;
  static constexpr uint32_t kBufferBytes = 512;

  void SetUp() override {
    const layout::VerifiedLayout& layout = *GetParam().layout;
    ring_ = std::make_unique<TestRing>(layout, v1::DIRECTION_TRANSMIT, 16);
    memory_ = std::make_unique<Memory>(kBuffers, kBufferBytes, this);
    device_ = std::make_unique<dataplane::TxDevice>(
        *dataplane::TxDevice::Create(layout, ring_->View(), {}));
    dataplane::TxDriver driver = *dataplane::TxDriver::Create(layout, ring_->View(), {});
    shortest_ = driver.MinPacketBytes();
    TxQueueImpl::Setup setup;
    setup.bell.state = &state_;
    queue_ = std::make_unique<TxQueue>(
        std::make_unique<TxQueueImpl>(std::move(driver), memory_->pool, setup));
  }
  void TearDown() override {
    EXPECT_TRUE(ring_->GuardsWhole());
    queue_.reset();
    EXPECT_EQ(memory_->pool->free_count(), kBuffers) << "no buffer is lost";
  }

  struct Sent {
    std::string bytes;
    dataplane::TxRequest request;
  };
  // Plays the device: the next packet; nullopt: none is there.
  std::optional<Sent> Take() {
    dataplane::TxWork work;
    if (device_->Fetch(&work) != RingFault::kNone) return std::nullopt;
    Sent sent;
    for (const dataplane::TxSegment& segment : work.segments) {
      const std::byte* at = memory_->At(segment.address, segment.bytes);
      if (at == nullptr) return std::nullopt;
      sent.bytes.append(reinterpret_cast<const char*>(at), segment.bytes);
    }
    sent.request = work.request;
    device_->Complete(work.handle);
    return sent;
  }

  Packet Make(const std::string& bytes) {
    Packet packet = queue_->Allocate(static_cast<uint32_t>(bytes.size()));
    EXPECT_TRUE(packet);
    packet.CopyFrom({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
    return packet;
  }

  // An UDP datagram over IPv4 without checksums, and how it should look with them.
  static std::string Datagram(bool summed) {
    return testing_support::Hex(std::string("020000000002020000000001"
                                            "0800 4500002a12344000 4011") +
                                (summed ? "147b" : "0000") + "0a0900010a090002 03e81092 0016" +
                                (summed ? "2e69" : "0000") +
                                "71 73 70 6c 69 74 20 73 61 79 73 20 68 69");
  }

  LeaseState state_{1};
  uint32_t shortest_ = 0;
  std::unique_ptr<TestRing> ring_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<dataplane::TxDevice> device_;
  std::unique_ptr<TxQueue> queue_;
};

TEST_P(TxQueues, PacketsGoOutInOrderAndBuffersComeBack) {
  int made = 0;
  int taken = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Packet> packets;
    packets.reserve(5);
    for (int i = 0; i < 5; ++i) {
      packets.push_back(Make("packet " + std::to_string(made++) + std::string(60, '.')));
    }
    std::span<Packet> left(packets);
    while (!left.empty()) {
      left = left.subspan(queue_->Send(left));
      while (std::optional<Sent> sent = Take()) {
        EXPECT_EQ(sent->bytes, "packet " + std::to_string(taken++) + std::string(60, '.'));
      }
    }
  }
  EXPECT_EQ(taken, made);
  EXPECT_TRUE(queue_->Flush(absl::Seconds(1)).ok());
  EXPECT_EQ(queue_->outstanding(), 0u);
  EXPECT_EQ(queue_->counters().packets, static_cast<uint64_t>(made));
}

TEST_P(TxQueues, AFullRingLeavesPacketsWithTheCaller) {
  std::vector<Packet> packets;
  for (uint32_t i = 0; i < ring_->slot_count() + 10; ++i) {
    packets.push_back(Make("packet " + std::to_string(i)));
  }
  const size_t sent = queue_->Send(packets);
  EXPECT_GT(sent, 0u);
  EXPECT_LT(sent, packets.size());
  EXPECT_FALSE(packets[sent - 1]);
  EXPECT_TRUE(packets[sent]);
  EXPECT_EQ(Text(packets[sent]).substr(0, 7), "packet ");
  EXPECT_EQ(queue_->Wait(absl::Milliseconds(1)).code(), absl::StatusCode::kDeadlineExceeded);
  while (Take().has_value()) {
  }
  EXPECT_TRUE(queue_->Wait(absl::Seconds(1)).ok());
  EXPECT_GT(queue_->Send(std::span(packets).subspan(sent)), 0u);
}

TEST_P(TxQueues, LongPacketsAreSegmentsOfOnePacket) {
  std::string bytes(3 * kBufferBytes, 'x');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  Packet packet = Make(bytes);
  EXPECT_GT(packet.segment_count(), 1u);
  ASSERT_TRUE(queue_->Send(std::move(packet)));
  const std::optional<Sent> sent = Take();
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->bytes, bytes);
}

TEST_P(TxQueues, ShortPacketsArePaddedWithZeroes) {
  {
    Packet dirty = Make(std::string(400, 'S'));  // a secret in the buffer that comes next
  }
  ASSERT_TRUE(queue_->Send(Make("short")));
  const std::optional<Sent> sent = Take();
  ASSERT_TRUE(sent.has_value());
  std::string expected = "short";
  if (shortest_ > expected.size()) expected.resize(shortest_, '\0');
  EXPECT_EQ(sent->bytes, expected);
}

TEST_P(TxQueues, ChecksumsByDeviceOrLibrary) {
  Packet packet = Make(Datagram(false));
  packet.RequestChecksums();
  ASSERT_TRUE(queue_->Send(std::move(packet)));
  std::optional<Sent> sent = Take();
  ASSERT_TRUE(sent.has_value());
  sent->bytes.resize(Datagram(true).size());
  const bool by_device = sent->request.wants.Has(dataplane::TxFeature::kL4Checksum);
  EXPECT_EQ(by_device, queue_->offloads_checksum_l4());
  if (by_device) {
    // What a device does: the sum over everything behind the IP header, the field included.
    testing_support::TestPool pool;
    const uint64_t sum = AddToSum(pool.Make(sent->bytes), 34, 22, 0);
    EXPECT_EQ(static_cast<uint16_t>(~FoldSum(sum)), 0x2e69);
    EXPECT_TRUE(sent->request.wants.Has(dataplane::TxFeature::kL3Checksum));
    EXPECT_EQ(sent->bytes.substr(24, 2), std::string(2, '\0'));
  } else {
    EXPECT_EQ(sent->bytes, Datagram(true));
  }
}

TEST_P(TxQueues, CutByTheDeviceOrNotSent) {
  const std::string headers = testing_support::Hex(
      "020000000002020000000001 0800 450004d812344000 4006 beef 0a0900010a090002"
      "03e80050 00000001 00000002 50180200 dead 0000");
  std::string bytes = headers;
  for (int i = 0; i < 1200; ++i) bytes.push_back(static_cast<char>(i * 7));
  Packet packet = Make(bytes);
  EXPECT_GT(packet.segment_count(), 1u);
  packet.RequestSegments(500);
  ASSERT_TRUE(queue_->Send(std::move(packet)));
  const std::optional<Sent> sent = Take();
  ASSERT_EQ(sent.has_value(), queue_->offloads_segments());
  EXPECT_EQ(queue_->counters().refused, sent.has_value() ? 0u : 1u);
  if (sent.has_value()) {
    EXPECT_TRUE(sent->request.wants.Has(dataplane::TxFeature::kSegment));
    EXPECT_EQ(sent->request.segment_bytes, 500);
    std::string expected = bytes;
    expected.replace(24, 2, 2, '\0');
    expected.replace(50, 2, testing_support::Hex("141b"));  // of the pseudo header, no length
    EXPECT_EQ(sent->bytes, expected);
  }
  // Nobody cuts UDP.
  Packet datagram = Make(Datagram(true));
  datagram.RequestSegments(500);
  const uint64_t refused = queue_->counters().refused;
  EXPECT_TRUE(queue_->Send(std::move(datagram)));
  EXPECT_EQ(queue_->counters().refused, refused + 1);
  EXPECT_FALSE(Take().has_value());
}

TEST_P(TxQueues, TagsByDeviceOrLibrary) {
  Packet packet = Make(Datagram(true) + std::string(30, '.'));
  packet.set_vlan(0x2064);
  ASSERT_TRUE(queue_->Send(std::move(packet)));
  const std::optional<Sent> sent = Take();
  ASSERT_TRUE(sent.has_value());
  if (queue_->offloads_vlan()) {
    EXPECT_TRUE(sent->request.wants.Has(dataplane::TxFeature::kVlanInsert));
    EXPECT_EQ(sent->request.vlan_tci, 0x2064);
    EXPECT_EQ(sent->bytes, Datagram(true) + std::string(30, '.'));
  } else {
    EXPECT_EQ(sent->bytes.substr(12, 4), testing_support::Hex("81002064"));
    EXPECT_EQ(sent->bytes.substr(16, 2), testing_support::Hex("0800"));
  }
}

TEST_P(TxQueues, PacketsOfAnotherLeaseAreCopied) {
  testing_support::TestPool other(4, 256);
  {
    Packet foreign = other.Make("from elsewhere" + std::string(60, '.'));
    ASSERT_TRUE(queue_->Send(std::move(foreign)));
  }
  EXPECT_EQ(other.get()->free_count(), 4u) << "its own buffer is free at once";
  const std::optional<Sent> sent = Take();
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->bytes, "from elsewhere" + std::string(60, '.'));
  EXPECT_EQ(queue_->counters().copied, 1u);
}

TEST_P(TxQueues, AllocationHasLimits) {
  EXPECT_FALSE(queue_->Allocate(0));
  EXPECT_FALSE(queue_->Allocate(kBuffers * kBufferBytes + 1));
  std::vector<Packet> all;
  for (uint32_t i = 0; i < kBuffers; ++i) all.push_back(queue_->Allocate(100));
  EXPECT_TRUE(all.back());
  EXPECT_FALSE(queue_->Allocate(100));
  EXPECT_FALSE(queue_->Allocate(2000)) << "and a long one that does not fit gives all back";
  all.pop_back();
  EXPECT_TRUE(queue_->Allocate(100));
  all.resize(kBuffers - 2);
  std::array<Packet, 4> burst;
  burst[1] = queue_->Allocate(50);
  EXPECT_EQ(queue_->Allocate(burst, 100), 2u) << "one was there, and one buffer was free";
  EXPECT_EQ(burst[0].length(), 100u);
  EXPECT_EQ(burst[1].length(), 50u);
  EXPECT_FALSE(burst[2]);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, TxQueues,
    testing::ValuesIn(dataplane::testing::LayoutsToDrive(v1::DIRECTION_TRANSMIT)),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace qsplit::internal
