// RxQueue against the device's side, without a daemon, over every layout that this build drives.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "client-lib/src/lease_state.h"
#include "client-lib/src/rx_queue_impl.h"
#include "dataplane/rx_device.h"
#include "tests/unit/client/memory.h"
#include "tests/unit/client/packets.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::internal {
namespace {

using dataplane::RingFault;
using dataplane::RxField;
using dataplane::testing::NamedLayout;
using dataplane::testing::TestRing;
using testing_support::Memory;
using testing_support::Text;

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

}  // namespace
}  // namespace qsplit::internal
