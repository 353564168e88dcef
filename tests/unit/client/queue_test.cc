// RxQueue and TxQueue against the device's side, without a daemon, over every layout that this
// build drives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "client-lib/src/headers.h"
#include "client-lib/src/lease_state.h"
#include "client-lib/src/rx_queue_impl.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/rx_device.h"
#include "dataplane/tx_device.h"
#include "tests/unit/client/packets.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::internal {
namespace {

using dataplane::RingFault;
using dataplane::RxField;
using dataplane::testing::NamedLayout;
using dataplane::testing::TestRing;
using testing_support::Text;

constexpr uint64_t kIova = 0x7'0000'0000;

// Buffers in ordinary memory, as a region's slice.
class Memory {
 public:
  Memory(uint32_t buffers, uint32_t buffer_bytes, const void* owner)
      : bytes_(std::make_shared<std::vector<std::byte>>(size_t{buffers} * buffer_bytes)),
        pool(new BufferPool(*bytes_, buffer_bytes, kIova, owner, bytes_)) {}
  ~Memory() { BufferPool::Abandon(pool); }

  // What the device sees there; fails the test outside of the region.
  std::byte* At(dataplane::Iova at, uint64_t length) {
    const bool inside = at.value >= kIova && at.value + length <= kIova + bytes_->size();
    EXPECT_TRUE(inside) << "an address outside of the region";
    return inside ? bytes_->data() + (at.value - kIova) : nullptr;
  }

 private:
  std::shared_ptr<std::vector<std::byte>> bytes_;

 public:
  BufferPool* const pool;
};

class RxQueues : public testing::TestWithParam<NamedLayout> {
 protected:
  static constexpr uint32_t kBuffers = 64;

  void SetUp() override { Make(SoftwareWork{}); }
  void TearDown() override { EXPECT_TRUE(ring_->GuardsWhole()); }

  void Make(const SoftwareWork& software) {
    queue_.reset();
    const layout::VerifiedLayout& layout = *GetParam().layout;
    const uint32_t bytes = dataplane::testing::QueueBufferBytes(layout);
    ring_ = std::make_unique<TestRing>(layout, v1::DIRECTION_RECEIVE, 16);
    memory_ = std::make_unique<Memory>(kBuffers, bytes, this);
    RxQueueImpl::Setup setup{.buffer_bytes = bytes, .max_posted = 15, .software = software};
    setup.bell.state = &state_;
    device_ = std::make_unique<dataplane::RxDevice>(
        *dataplane::RxDevice::Create(layout, ring_->View(), {bytes}));
    queue_ = std::make_unique<RxQueue>(std::make_unique<RxQueueImpl>(
        *dataplane::RxDriver::Create(layout, ring_->View(), {.buffer_bytes = bytes}), memory_->pool,
        setup));
  }

  // Plays the device: a packet over buffers of these sizes. False: nothing is posted.
  bool Deliver(const std::string& bytes, std::vector<uint32_t> sizes = {},
               const dataplane::RxMetadata& meta = {}) {
    if (sizes.empty()) sizes = {static_cast<uint32_t>(bytes.size())};
    size_t at = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      dataplane::PostedBuffer buffer;
      if (device_->Fetch(&buffer) != RingFault::kNone) return false;
      std::byte* to = memory_->At(buffer.address, buffer.bytes);
      if (to == nullptr) return false;
      const uint32_t prefix = i == 0 ? device_->PrefixBytes() : 0;
      std::memcpy(to + prefix, bytes.data() + at, sizes[i]);
      at += sizes[i];
      device_->Complete({.length = sizes[i], .last = i + 1 == sizes.size(), .meta = meta});
    }
    return true;
  }

  LeaseState state_{1};
  std::unique_ptr<TestRing> ring_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<dataplane::RxDevice> device_;
  std::unique_ptr<RxQueue> queue_;
};

TEST_P(RxQueues, PacketsComeInOrderAndBuffersGoRound) {
  std::vector<Packet> packets(4);
  int sent = 0;
  int got = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(Deliver("packet " + std::to_string(sent++)));
    }
    for (size_t n; (n = queue_->Receive(packets)) > 0;) {
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(Text(packets[i]), "packet " + std::to_string(got++));
        EXPECT_EQ(packets[i].segment_count(), 1u);
      }
    }
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(queue_->counters().packets, static_cast<uint64_t>(sent));
  packets.clear();
  EXPECT_EQ(memory_->pool->free_count() + queue_->posted(), kBuffers) << "no buffer is lost";
}

TEST_P(RxQueues, APacketOverSeveralBuffersIsOnePacket) {
  const uint32_t full = dataplane::testing::QueueBufferBytes(*GetParam().layout);
  const std::string bytes = std::string(full, 'a') + std::string(full, 'b') + "end";
  // The first two are only received later, when the third is there.
  ASSERT_TRUE(Deliver(bytes, {full, full, 3}));
  ASSERT_TRUE(Deliver("next"));
  std::vector<Packet> packets(4);
  ASSERT_EQ(queue_->Receive(packets), 2u);
  EXPECT_EQ(packets[0].segment_count(), 3u);
  EXPECT_EQ(packets[0].length(), bytes.size());
  EXPECT_EQ(Text(packets[0]), bytes);
  EXPECT_EQ(Text(packets[1]), "next");
}

TEST_P(RxQueues, AHalfPacketWaitsForItsEnd) {
  const uint32_t full = dataplane::testing::QueueBufferBytes(*GetParam().layout);
  dataplane::PostedBuffer buffer;
  ASSERT_EQ(device_->Fetch(&buffer), RingFault::kNone);
  std::memset(memory_->At(buffer.address, full), 'x', full);
  device_->Complete({.length = full, .last = false});
  std::vector<Packet> packets(1);
  EXPECT_EQ(queue_->Receive(packets), 0u);
  ASSERT_EQ(device_->Fetch(&buffer), RingFault::kNone);
  std::memcpy(memory_->At(buffer.address, 1), "y", 1);
  device_->Complete({.length = 1, .last = true});
  ASSERT_EQ(queue_->Receive(packets), 1u);
  EXPECT_EQ(Text(packets[0]), std::string(full, 'x') + "y");
}

TEST_P(RxQueues, HeldPacketsAreNotWrittenTo) {
  std::vector<Packet> held;
  // A client that gives nothing back: the device runs out of buffers, and nothing breaks.
  for (uint32_t i = 0; i < 2 * kBuffers; ++i) {
    if (!Deliver("held " + std::to_string(i))) break;
    Packet one;
    ASSERT_EQ(queue_->Receive(std::span(&one, 1)), 1u);
    held.push_back(std::move(one));
  }
  EXPECT_EQ(held.size(), kBuffers);
  for (uint32_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(Text(held[i]), "held " + std::to_string(i));
  }
  held.clear();
  std::vector<Packet> none(1);
  EXPECT_EQ(queue_->Receive(none), 0u);
  EXPECT_TRUE(Deliver("again")) << "after buffers came back, the device has some again";
}

TEST_P(RxQueues, MetadataComesByRole) {
  dataplane::RxMetadata meta;
  meta.present = device_->Supported();
  meta.hash = 0x12345678;
  meta.hash_type = dataplane::HashType::kTcp4;
  meta.vlan_tci = 0x2064;
  meta.l3_checksum = dataplane::ChecksumState::kGood;
  meta.l4_checksum = dataplane::ChecksumState::kBad;
  meta.timestamp = 123456;
  ASSERT_TRUE(Deliver("with metadata", {}, meta));
  ASSERT_TRUE(Deliver("without"));
  std::vector<Packet> packets(2);
  ASSERT_EQ(queue_->Receive(packets), 2u);
  const Packet& packet = packets[0];
  if (meta.present.Has(RxField::kHash)) {
    EXPECT_EQ(packet.hash(), 0x12345678u);
    EXPECT_FALSE(packet.computed(PacketField::kHash));
  } else {
    EXPECT_FALSE(packet.hash().has_value());
  }
  if (meta.present.Has(RxField::kVlanTci)) {
    EXPECT_EQ(packet.vlan(), 0x2064);
  }
  if (meta.present.Has(RxField::kL4Checksum)) {
    EXPECT_EQ(packet.checksum_l4(), ChecksumState::kBad);
    EXPECT_EQ(packets[1].checksum_l4(), ChecksumState::kUnknown);
  }
  if (meta.present.Has(RxField::kTimestamp)) {
    EXPECT_EQ(packet.timestamp(), 123456u);
  }
  EXPECT_FALSE(packets[1].vlan().has_value());
}

TEST_P(RxQueues, WaitReturnsWhenSomethingIsThere) {
  EXPECT_EQ(queue_->Wait(absl::Milliseconds(2)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(queue_->Arm()) << "nothing is there: the caller may sleep";
  ASSERT_TRUE(Deliver("x"));
  EXPECT_FALSE(queue_->Arm());
  EXPECT_TRUE(queue_->Wait(absl::ZeroDuration()).ok());
  std::vector<Packet> packets(2);
  EXPECT_EQ(queue_->Receive(packets), 1u) << "what Wait saw is not lost";
  state_.Happen({.kind = LeaseEvent::Kind::kRevoked});
  EXPECT_EQ(queue_->Wait(absl::InfiniteDuration()).code(), absl::StatusCode::kAborted);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, RxQueues, testing::ValuesIn(dataplane::testing::LayoutsToDrive(v1::DIRECTION_RECEIVE)),
    testing::PrintToStringParamName());

class TxQueues : public testing::TestWithParam<NamedLayout> {
 protected:
  static constexpr uint32_t kBuffers = 64;
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
  for (int i = 0; i < 40; ++i) packets.push_back(Make("packet " + std::to_string(i)));
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
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, TxQueues,
    testing::ValuesIn(dataplane::testing::LayoutsToDrive(v1::DIRECTION_TRANSMIT)),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace qsplit::internal
