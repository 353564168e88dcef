// Every kind of transmit descriptor, chain and index that a client must not get past a guard, over
// each layout that is completed in place: the queue stops, its owner is told why, and nothing of it
// stands where the device looks.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "dataplane/field_access.h"
#include "tests/unit/dataplane/tx_pair.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::PushResult;
using dataplane::RingFault;
using dataplane::TxFeature;
using dataplane::TxRequest;
using dataplane::TxSegment;
using dataplane::TxWork;
using dataplane::testing::PacketMemory;
using device::FaultKind;
using testing::Random;
using testing::RawRing;
using testing::TxCase;
using testing::TxGuardRig;

constexpr uint64_t kEnd = PacketMemory::kIova + PacketMemory::kBytes;

class RogueTx : public ::testing::TestWithParam<TxCase> {
 protected:
  void Make(GuardOptions options = {}) {
    rig_.emplace(GetParam(), 64, options);
    shadow_.emplace(*GetParam().layout, rig_->client.View(), testing::UsedRing(GetParam()));
    real_.emplace(*GetParam().layout, rig_->real_memory.view(), testing::UsedRing(GetParam()));
  }
  void SetUp() override { Make(); }

  // Publishes a good packet of so many segments, then changes what stands in the shadow; `first`:
  // the slot of its first data descriptor.
  void PushChanged(const std::function<void(uint32_t first)>& change, uint32_t segments = 1,
                   const TxRequest& request = {}) {
    Random random(3);
    ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, segments), request, 1),
              PushResult::kPushed);
    rig_->client.driver->Publish();
    change(Used() - segments);
  }
  uint32_t Used() const { return rig_->client.driver->Capacity() - rig_->client.driver->Room(); }
  void Change(std::string_view role, uint64_t value, uint32_t slot) {
    ASSERT_TRUE(shadow_->Put(role, value, slot)) << role;
  }

  void ExpectFault(FaultKind kind) {
    const uint64_t rung = real_->Rung();
    rig_->Settle();
    ASSERT_TRUE(rig_->guard->fault().has_value());
    EXPECT_EQ(static_cast<int>(rig_->guard->fault()->kind), static_cast<int>(kind));
    EXPECT_EQ(rig_->guard->counters().faults.Read(), 1u);
    EXPECT_EQ(real_->Rung(), rung) << "the device was told";
    EXPECT_EQ(real_->Escapes(rig_->addresses, 0), "");
    TxWork work;
    EXPECT_EQ(rig_->device->Fetch(&work), RingFault::kEmpty);
    // For good, whatever is published afterwards.
    Random random(4);
    rig_->client.driver->Push(rig_->Segments(random, 1), {}, 2);
    rig_->client.driver->Publish();
    const std::vector<std::byte> bytes = real_->Bytes();
    EXPECT_FALSE(rig_->guard->Poll(64).Any());
    EXPECT_EQ(real_->Bytes(), bytes);
    EXPECT_EQ(rig_->guard->counters().faults.Read(), 1u);
  }
  void ExpectFaultFor(const std::function<void(uint32_t first)>& change, FaultKind kind,
                      uint32_t segments = 1) {
    Make();
    PushChanged(change, segments);
    ExpectFault(kind);
  }

  std::optional<TxGuardRig> rig_;
  std::optional<RawRing> shadow_;
  std::optional<RawRing> real_;
};
INSTANTIATE_TEST_SUITE_P(AllLayouts, RogueTx,
                         ::testing::ValuesIn(testing::InPlace(testing::GuardedTxCases())),
                         testing::CaseName<TxCase>);

TEST_P(RogueTx, AddressesOutsideOfTheRegions) {
  for (const uint64_t address :
       {uint64_t{0}, PacketMemory::kIova - 1, kEnd, kEnd - 1, PacketMemory::kIova + 0x0800'0000,
        UINT64_MAX, UINT64_MAX - 100, uint64_t{0xfee0'0000}}) {
    SCOPED_TRACE(address);
    ExpectFaultFor([&](uint32_t first) { Change("buffer.address", address, first); },
                   FaultKind::kUnmapped);
    EXPECT_EQ(rig_->guard->fault()->iova, address);
    EXPECT_GT(rig_->guard->fault()->length_bytes, 0u);
  }
}

TEST_P(RogueTx, TheLastByteOutside) {
  ExpectFaultFor(
      [&](uint32_t first) {
        Change("buffer.address", kEnd - 1000, first);
        Change("buffer.length", 1001, first);
      },
      FaultKind::kUnmapped);
  Make();
  PushChanged([&](uint32_t first) {
    Change("buffer.address", kEnd - 1000, first);
    Change("buffer.length", 1000, first);
    shadow_->Put("packet.total_length", 1000, first);
  });
  rig_->Settle();
  EXPECT_FALSE(rig_->guard->fault().has_value());
}

TEST_P(RogueTx, AnySegmentOfAChain) {
  for (uint32_t segment = 0; segment < 4; ++segment) {
    ExpectFaultFor([&](uint32_t first) { Change("buffer.address", kEnd, first + segment); },
                   FaultKind::kUnmapped, 4);
    EXPECT_EQ(rig_->guard->fault()->slot, segment);
  }
}

TEST_P(RogueTx, NoLength) {
  ExpectFaultFor([&](uint32_t first) { Change("buffer.length", 0, first); },
                 FaultKind::kBadDescriptor);
}

TEST_P(RogueTx, MoreBytesThanADescriptorMayHave) {
  const uint64_t most =
      GetParam().layout->FindQueue(v1::DIRECTION_TRANSMIT)->limits().max_bytes_per_descriptor();
  bool can_be_said = false;
  PushChanged([&](uint32_t first) {
    can_be_said = most != 0 && shadow_->Put("buffer.length", most + 1, first);
  });
  if (!can_be_said) GTEST_SKIP() << "the field itself is the limit";
  ExpectFault(FaultKind::kBadDescriptor);
}

TEST_P(RogueTx, BytesOfNoForm) {
  ExpectFaultFor([&](uint32_t first) { std::memset(shadow_->slot(first), 0xff, 16); },
                 FaultKind::kBadDescriptor);
}

TEST_P(RogueTx, ADoorbellBehindTheRingsEnd) {
  for (const uint32_t index : {64u, 65u, 0x7fffffffu, 0xffffffffu}) {
    Make();
    shadow_->Ring(index);
    ExpectFault(FaultKind::kBadIndex);
  }
}

TEST_P(RogueTx, SlotsThatTheDeviceHas) {
  Random random(5);
  for (uint32_t i = 0; i < 10; ++i) {
    ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, 1), {}, i), PushResult::kPushed);
  }
  rig_->client.driver->Publish();
  rig_->Settle();
  ASSERT_FALSE(rig_->guard->fault().has_value());
  EXPECT_EQ(real_->Rung(), 10u);
  // One slot back is a whole turn further, over the ten.
  shadow_->Ring(9);
  const std::vector<std::byte> bytes = real_->Bytes();
  rig_->Settle();
  ASSERT_TRUE(rig_->guard->fault().has_value());
  EXPECT_EQ(rig_->guard->fault()->kind, FaultKind::kBadIndex);
  EXPECT_EQ(real_->Bytes(), bytes);
  EXPECT_EQ(real_->Rung(), 10u);
  // What the device has comes back all the same.
  TxWork work;
  while (rig_->device->Fetch(&work) == RingFault::kNone) rig_->device->Complete(work.handle);
  rig_->Settle();
  EXPECT_EQ(rig_->client.ReclaimAll().size(), 10u);
}

TEST_P(RogueTx, AChainWithoutEnd) {
  const uint32_t capacity = rig_->client.driver->Capacity();
  Random random(6);
  for (uint32_t i = 0; i < capacity; ++i) {
    ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, 1), {}, i), PushResult::kPushed);
    Change("packet.last", 0, i);
  }
  shadow_->Ring(capacity);
  ExpectFault(FaultKind::kEndlessChain);
}

TEST_P(RogueTx, AnUnfinishedPacketIsNotTheDevicesYet) {
  Random random(7);
  const std::vector<TxSegment> segments = rig_->Segments(random, 4);
  ASSERT_EQ(rig_->client.driver->Push(segments, {}, 1), PushResult::kPushed);
  for (uint32_t i = 1; i < 4; ++i) {
    shadow_->Ring(i);
    rig_->Settle();
    EXPECT_EQ(real_->Rung(), 0u);
  }
  rig_->client.driver->Publish();
  rig_->Settle();
  EXPECT_EQ(real_->Rung(), 4u);
  TxWork work;
  ASSERT_EQ(rig_->device->Fetch(&work), RingFault::kNone);
  EXPECT_EQ(rig_->BytesOf(work), dataplane::testing::BytesOf(rig_->client, segments));
}

TEST_P(RogueTx, PacketsTooShortOrTooLong) {
  const uint32_t shortest = rig_->client.driver->MinPacketBytes();
  const auto of = [&](uint64_t bytes) {
    return [this, bytes](uint32_t first) {
      Change("buffer.length", bytes, first);
      shadow_->Put("packet.total_length", bytes, first);
    };
  };
  if (shortest > 1) ExpectFaultFor(of(shortest - 1), FaultKind::kBadPacket);
  GuardOptions options;
  options.max_packet_bytes = 1518;
  Make(options);
  PushChanged(of(1519));
  ExpectFault(FaultKind::kBadPacket);
  Make(options);
  PushChanged(of(1518));
  rig_->Settle();
  EXPECT_FALSE(rig_->guard->fault().has_value());
}

TEST_P(RogueTx, ALengthOfThePacketThatIsNot) {
  bool says = false;
  PushChanged([&](uint32_t first) { says = shadow_->Put("packet.total_length", 7, first); });
  if (!says) GTEST_SKIP() << "data descriptors do not say it";
  ExpectFault(FaultKind::kBadPacket);
}

TEST_P(RogueTx, ContextsThatWereNeverSet) {
  const v1::Queue& queue = *GetParam().layout->FindQueue(v1::DIRECTION_TRANSMIT);
  if (queue.contexts().empty() ||
      !rig_->client.driver->Supports(dataplane::testing::ChecksumRequest())) {
    GTEST_SKIP() << "no contexts";
  }
  // The context in front of the packet is passed over: only its data descriptors are published, in
  // its place.
  Random random(8);
  const std::vector<TxSegment> segments = rig_->Segments(random, 1);
  ASSERT_EQ(rig_->client.driver->Push(segments, dataplane::testing::ChecksumRequest(), 1),
            PushResult::kPushed);
  const uint32_t used = Used();
  if (used == 1) GTEST_SKIP() << "no context for checksums";
  std::memcpy(shadow_->slot(0), shadow_->slot(used - 1), 16);
  shadow_->Ring(1);
  ExpectFault(FaultKind::kBadPacket);
}

TEST_P(RogueTx, AContextInsideOfAPacket) {
  if (!rig_->client.driver->Supports(dataplane::testing::ChecksumRequest())) {
    GTEST_SKIP() << "no contexts";
  }
  Random random(9);
  ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, 3),
                                      dataplane::testing::ChecksumRequest(), 1),
            PushResult::kPushed);
  const uint32_t used = Used();
  if (used != 4) GTEST_SKIP() << "no context for checksums";
  std::memcpy(shadow_->slot(2), shadow_->slot(0), 16);
  shadow_->Ring(4);
  ExpectFault(FaultKind::kBadDescriptor);
}

TEST_P(RogueTx, ContextsWithoutEnd) {
  if (!rig_->client.driver->Supports(dataplane::testing::ChecksumRequest())) {
    GTEST_SKIP() << "no contexts";
  }
  Random random(10);
  ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, 1),
                                      dataplane::testing::ChecksumRequest(), 1),
            PushResult::kPushed);
  const uint32_t used = Used();
  if (used != 2) GTEST_SKIP() << "no context for checksums";
  const uint32_t capacity = rig_->client.driver->Capacity();
  for (uint32_t i = 1; i < capacity; ++i) std::memcpy(shadow_->slot(i), shadow_->slot(0), 16);
  shadow_->Ring(capacity);
  ExpectFault(FaultKind::kEndlessChain);
}

TEST_P(RogueTx, SegmentsOfNoSizeOrWithoutPayload) {
  TxRequest request;
  request.wants = TxFeature::kSegment | TxFeature::kL3Checksum | TxFeature::kL4Checksum;
  request.l3 = dataplane::L3Kind::kIp4;
  request.l4 = dataplane::L4Kind::kTcp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  request.l4_header_bytes = 20;
  request.segment_bytes = 1000;
  if (!rig_->client.driver->Supports(request)) GTEST_SKIP() << "no segmentation";
  PushChanged([](uint32_t) {}, 1, request);
  rig_->Settle();
  ASSERT_FALSE(rig_->guard->fault().has_value());

  Make();
  PushChanged([&](uint32_t first) { Change("segment.size", 0, first - 1); }, 1, request);
  ExpectFault(FaultKind::kBadPacket);

  GuardOptions options;
  options.min_segment_bytes = 1001;
  Make(options);
  PushChanged([](uint32_t) {}, 1, request);
  ExpectFault(FaultKind::kBadPacket);

  options = {};
  options.max_segmented_bytes = 100;
  Make(options);
  PushChanged([](uint32_t) {}, 1, request);
  ExpectFault(FaultKind::kBadPacket);

  options = {};
  options.max_packet_bytes = 64;  // pieces are no longer than what leaves whole
  request.segment_bytes = 11;
  Make(options);
  PushChanged([](uint32_t) {}, 1, request);
  ExpectFault(FaultKind::kBadPacket);
}

TEST_P(RogueTx, BitsWithoutAMeaningAreCleared) {
  const std::vector<uint32_t> chosen(GetParam().choices.choice.begin(),
                                     GetParam().choices.choice.end());
  Random random(11);
  ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, 1), {}, 1), PushResult::kPushed);
  const v1::Form* form = shadow_->FormAt(0);
  ASSERT_NE(form, nullptr);
  rig_->client.driver->Publish();
  for (const v1::Field& field : form->fields()) {
    if (!field.role().empty() || field.constraint() != v1::CONSTRAINT_NONE ||
        !layout::Applies(field.features(), chosen) || field.parts().empty()) {
      continue;
    }
    auto access = *dataplane::FieldAccess::Compile(field, form->size_bytes());
    access.StoreRaw(shadow_->slot(0), access.MaxRaw());
  }
  rig_->Settle();
  ASSERT_FALSE(rig_->guard->fault().has_value());
  for (const v1::Field& field : form->fields()) {
    if (!field.role().empty() || field.constraint() != v1::CONSTRAINT_NONE ||
        !layout::Applies(field.features(), chosen) || field.parts().empty()) {
      continue;
    }
    auto access = *dataplane::FieldAccess::Compile(field, form->size_bytes());
    EXPECT_EQ(access.LoadRaw(real_->slot(0)), 0u) << field.name();
  }
}

TEST_P(RogueTx, AnotherQueueGoesOn) {
  TxGuardRig other(GetParam());
  Random random(12);
  shadow_->Ring(64);
  for (uint32_t i = 0; i < 200; ++i) {
    ASSERT_EQ(other.client.driver->Push(other.Segments(random, 1), {}, i), PushResult::kPushed);
    other.client.driver->Publish();
    rig_->guard->Poll(8);
    other.guard->Poll(8);
    TxWork work;
    ASSERT_EQ(other.device->Fetch(&work), RingFault::kNone);
    other.device->Complete(work.handle);
    other.guard->Poll(8);
    EXPECT_EQ(other.client.ReclaimAll().size(), 1u);
  }
  EXPECT_TRUE(rig_->guard->fault().has_value());
  EXPECT_FALSE(other.guard->fault().has_value());
}

}  // namespace
}  // namespace qsplit::guard
