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
std::vector<TxCase> Cases() { return testing::InPlace(testing::GuardedTxCases()); }
INSTANTIATE_TEST_SUITE_P(AllLayouts, RogueTx, ::testing::ValuesIn(Cases()),
                         testing::CaseName<TxCase>);

// Whether a data descriptor has a field of the role that can say the value.
bool DataSays(const TxCase& c, std::string_view role, uint64_t value) {
  TxGuardRig rig(c);
  Random random(1);
  rig.client.driver->Push(rig.Segments(random, 1), {}, 1);
  return RawRing(*c.layout, rig.client.View(), testing::UsedRing(c)).Put(role, value, 0);
}

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

// Descriptors whose length can say more than the limit.
class RogueTxLengths : public RogueTx {
 public:
  static uint64_t Most(const TxCase& c) {
    return c.layout->FindQueue(v1::DIRECTION_TRANSMIT)->limits().max_bytes_per_descriptor();
  }
  static bool CanBeTooLong(const TxCase& c) {
    return Most(c) != 0 && DataSays(c, "buffer.length", Most(c) + 1);
  }
};
INSTANTIATE_TEST_SUITE_P(LayoutsWithSuch, RogueTxLengths,
                         ::testing::ValuesIn(testing::Where(Cases(), RogueTxLengths::CanBeTooLong)),
                         testing::CaseName<TxCase>);

TEST_P(RogueTxLengths, MoreBytesThanADescriptorMayHave) {
  ExpectFaultFor([&](uint32_t first) { Change("buffer.length", Most(GetParam()) + 1, first); },
                 FaultKind::kBadDescriptor);
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

class RogueTxTotals : public RogueTx {
 public:
  static bool AreSaid(const TxCase& c) { return DataSays(c, "packet.total_length", 7); }
};
INSTANTIATE_TEST_SUITE_P(LayoutsWithTotals, RogueTxTotals,
                         ::testing::ValuesIn(testing::Where(Cases(), RogueTxTotals::AreSaid)),
                         testing::CaseName<TxCase>);

TEST_P(RogueTxTotals, ALengthOfThePacketThatIsNot) {
  ExpectFaultFor([&](uint32_t first) { Change("packet.total_length", 7, first); },
                 FaultKind::kBadPacket);
}

// Layouts that ask for checksums by a context in front of the packet.
class RogueTxContexts : public RogueTx {
 public:
  static bool AreUsed(const TxCase& c) {
    TxGuardRig rig(c);
    const dataplane::TxDriver& driver = *rig.client.driver;
    if (!driver.Supports(dataplane::testing::ChecksumRequest())) return false;
    Random random(1);
    rig.client.driver->Push(rig.Segments(random, 1), dataplane::testing::ChecksumRequest(), 1);
    return driver.Capacity() - driver.Room() == 2;
  }

 protected:
  void PushWithContext(uint32_t segments) {
    Random random(8);
    ASSERT_EQ(rig_->client.driver->Push(rig_->Segments(random, segments),
                                        dataplane::testing::ChecksumRequest(), 1),
              PushResult::kPushed);
    ASSERT_EQ(Used(), 1 + segments);
  }
};
INSTANTIATE_TEST_SUITE_P(LayoutsWithContexts, RogueTxContexts,
                         ::testing::ValuesIn(testing::Where(Cases(), RogueTxContexts::AreUsed)),
                         testing::CaseName<TxCase>);

TEST_P(RogueTxContexts, NeverSet) {
  // The context in front of the packet is passed over: only its data descriptor is published, in
  // its place.
  PushWithContext(1);
  std::memcpy(shadow_->slot(0), shadow_->slot(1), 16);
  shadow_->Ring(1);
  ExpectFault(FaultKind::kBadPacket);
}

TEST_P(RogueTxContexts, InsideOfAPacket) {
  PushWithContext(3);
  std::memcpy(shadow_->slot(2), shadow_->slot(0), 16);
  shadow_->Ring(4);
  ExpectFault(FaultKind::kBadDescriptor);
}

TEST_P(RogueTxContexts, WithoutEnd) {
  PushWithContext(1);
  const uint32_t capacity = rig_->client.driver->Capacity();
  for (uint32_t i = 1; i < capacity; ++i) std::memcpy(shadow_->slot(i), shadow_->slot(0), 16);
  shadow_->Ring(capacity);
  ExpectFault(FaultKind::kEndlessChain);
}

TxRequest SegmentRequest() {
  TxRequest request;
  request.wants = TxFeature::kSegment | TxFeature::kL3Checksum | TxFeature::kL4Checksum;
  request.l3 = dataplane::L3Kind::kIp4;
  request.l4 = dataplane::L4Kind::kTcp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  request.l4_header_bytes = 20;
  request.segment_bytes = 1000;
  return request;
}
class RogueTxSegments : public RogueTx {
 public:
  static bool AreCut(const TxCase& c) {
    return TxGuardRig(c).client.driver->Supports(SegmentRequest());
  }
};
INSTANTIATE_TEST_SUITE_P(LayoutsWithSegments, RogueTxSegments,
                         ::testing::ValuesIn(testing::Where(Cases(), RogueTxSegments::AreCut)),
                         testing::CaseName<TxCase>);

TEST_P(RogueTxSegments, OfNoSizeOrWithoutPayload) {
  TxRequest request = SegmentRequest();
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
