// Chains that a client must not get past a guard: in a table that two rings name slots of, and in a
// ring with a phase. Written raw, as a client without scruples does.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "dataplane/barriers.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::RingFault;
using dataplane::TxWork;
using dataplane::testing::PacketMemory;
using dataplane::testing::Region;
using device::FaultKind;
using testing::RxCase;
using testing::RxGuardRig;
using testing::TxCase;
using testing::TxGuardRig;

// Virtio 1.2, 2.7.5 and 2.8.13.
struct SplitDescriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
struct PackedDescriptor {
  uint64_t address;
  uint32_t length;
  uint16_t id;
  uint16_t flags;
};
constexpr uint16_t kNext = 1;
constexpr uint16_t kDeviceWrites = 2;
constexpr uint16_t kIndirect = 4;
constexpr uint16_t kAvailable = 0x80;  // in the ring's first pass
constexpr uint64_t kIova = PacketMemory::kIova;
constexpr uint64_t kEnd = kIova + PacketMemory::kBytes;

template <typename Case>
Case CaseOf(std::string_view layout, const std::vector<Case>& all) {
  for (const Case& c : all) {
    if (c.layout->name() == layout) return c;
  }
  ADD_FAILURE() << "no guarded queue of " << layout;
  return all.front();
}

class RogueChains : public ::testing::Test {
 protected:
  void Make(GuardOptions options = {}) {
    rig_.emplace(CaseOf("virtio.split", testing::GuardedTxCases()), 64, options);
    posted_ = 0;
  }
  void SetUp() override { Make(); }

  const dataplane::QueueView& view() { return rig_->client.View(); }
  void Describe(uint32_t slot, const SplitDescriptor& descriptor) {
    std::memcpy(view().rings[0].slots + slot * sizeof descriptor, &descriptor, sizeof descriptor);
  }
  void Name(uint16_t head) {
    std::memcpy(view().rings[1].slots + 2 * (posted_ % 64), &head, sizeof head);
    SetCount(++posted_);
  }
  void SetCount(uint16_t count) {
    dataplane::StoreRelease<uint16_t>(view().rings[1].slots - 2, count);
  }
  // A good packet of one descriptor.
  void Good(uint16_t slot) {
    Describe(slot, {kIova + 4096, 100, 0, 0});
    Name(slot);
  }
  void ExpectFault(FaultKind kind, uint32_t slot, uint32_t packets_before = 0) {
    rig_->Settle();
    ASSERT_TRUE(rig_->guard->fault().has_value());
    EXPECT_EQ(static_cast<int>(rig_->guard->fault()->kind), static_cast<int>(kind));
    EXPECT_EQ(rig_->guard->fault()->slot, slot);
    const testing::RawRing table(*rig_->tx_case.layout, rig_->real_memory.view(), 0);
    EXPECT_EQ(table.Escapes(rig_->addresses, 0), "");
    TxWork work;
    uint32_t packets = 0;
    while (rig_->device->Fetch(&work) == RingFault::kNone) {
      rig_->device->Complete(work.handle);
      ++packets;
    }
    EXPECT_EQ(packets, packets_before);
    EXPECT_EQ(rig_->guard->Poll(64).returned, packets_before);
    Good(60);
    EXPECT_FALSE(rig_->guard->Poll(64).Any());
  }

  std::optional<TxGuardRig> rig_;
  uint16_t posted_ = 0;
};

TEST_F(RogueChains, GoodOnesAreGood) {
  for (uint16_t i = 0; i < 20; ++i) Good(i);
  rig_->Settle();
  EXPECT_FALSE(rig_->guard->fault().has_value());
  EXPECT_EQ(rig_->guard->counters().packets.Read(), 20u);
}

TEST_F(RogueChains, AddressesAndLengths) {
  const struct {
    SplitDescriptor descriptor;
    FaultKind kind;
  } kBad[] = {
      {{kEnd, 100, 0, 0}, FaultKind::kUnmapped},
      {{kEnd - 99, 100, 0, 0}, FaultKind::kUnmapped},
      {{kIova - 1, 100, 0, 0}, FaultKind::kUnmapped},
      {{0, 100, 0, 0}, FaultKind::kUnmapped},
      {{UINT64_MAX - 10, 100, 0, 0}, FaultKind::kUnmapped},
      {{kIova, UINT32_MAX, 0, 0}, FaultKind::kUnmapped},
      {{kIova, 0, 0, 0}, FaultKind::kBadDescriptor},
      {{kIova, 100, kDeviceWrites, 0}, FaultKind::kBadDescriptor},
      // No header in front, or nothing behind it.
      {{kIova, 11, 0, 0}, FaultKind::kBadPacket},
      {{kIova, 12, 0, 0}, FaultKind::kBadPacket},
  };
  for (const auto& bad : kBad) {
    SCOPED_TRACE(bad.descriptor.address);
    Make();
    Good(3);
    Describe(5, bad.descriptor);
    Name(5);
    ExpectFault(bad.kind, 5, 1);
    // The same at the end of a chain.
    if (bad.kind == FaultKind::kBadPacket) continue;
    Make();
    Describe(7, {kIova, 100, kNext, 9});
    Describe(9, bad.descriptor);
    Name(7);
    ExpectFault(bad.kind, 9);
  }
}

TEST_F(RogueChains, ATableSomewhereElse) {
  // Without the feature the bit means nothing: the device must not see it.
  Describe(1, {kIova, 160, kIndirect, 0});
  Name(1);
  rig_->Settle();
  EXPECT_FALSE(rig_->guard->fault().has_value());
  SplitDescriptor real;
  std::memcpy(&real, rig_->real_memory.view().rings[0].slots + sizeof real, sizeof real);
  EXPECT_EQ(real.flags, 0);
  // With it, there is no guard.
  for (const TxCase& c : dataplane::testing::AllTxCases()) {
    const std::vector<uint32_t> chosen(c.choices.choice.begin(), c.choices.choice.end());
    const v1::Layout& message = c.layout->message();
    for (int i = 0; i < message.features_size(); ++i) {
      if (message.features(i).name() != "Indirect" || chosen[static_cast<size_t>(i)] != 1) continue;
      const testing::QueueMemory shadow(*c.layout, c.queue, c.choices, 64);
      const testing::QueueMemory behind(*c.layout, c.queue, c.choices, 64);
      const absl::Status status = GuardedQueue::Create(*c.layout, v1::DIRECTION_TRANSMIT,
                                                       shadow.view(), behind.view(), {}, {})
                                      .status();
      EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
      EXPECT_NE(status.message().find("table.indirect"), std::string::npos) << status;
    }
  }
}

TEST_F(RogueChains, NamesAndNextsOutsideOfTheTable) {
  for (const uint16_t slot : {uint16_t{64}, uint16_t{65}, uint16_t{0xffff}}) {
    Make();
    Good(0);
    Name(slot);
    ExpectFault(FaultKind::kBadIndex, slot, 1);
    Make();
    Describe(2, {kIova, 100, kNext, slot});
    Name(2);
    ExpectFault(FaultKind::kBadIndex, slot);
  }
}

TEST_F(RogueChains, Loops) {
  Describe(2, {kIova, 100, kNext, 2});
  Name(2);
  ExpectFault(FaultKind::kEndlessChain, 2);
  Make();
  for (uint16_t i = 0; i < 10; ++i) {
    Describe(i, {kIova, 100, kNext, static_cast<uint16_t>((i + 1) % 10)});
  }
  Name(4);
  ExpectFault(FaultKind::kEndlessChain, 4);
}

TEST_F(RogueChains, SlotsThatTheDeviceHas) {
  Good(3);
  Name(3);
  ExpectFault(FaultKind::kBadIndex, 3, 1);
  // The end of another chain.
  Make();
  Describe(1, {kIova, 100, kNext, 9});
  Describe(9, {kIova, 100, 0, 0});
  Describe(2, {kIova, 100, kNext, 9});
  Name(1);
  Name(2);
  ExpectFault(FaultKind::kEndlessChain, 9, 1);
  // Free again when the device is done.
  Make();
  for (int i = 0; i < 200; ++i) {
    Good(3);
    rig_->Settle();
    TxWork work;
    ASSERT_EQ(rig_->device->Fetch(&work), RingFault::kNone);
    rig_->device->Complete(work.handle);
    rig_->Settle();
  }
  EXPECT_FALSE(rig_->guard->fault().has_value());
  EXPECT_EQ(rig_->guard->counters().completions.Read(), 200u);
}

TEST_F(RogueChains, MoreNamesThanTheRingHas) {
  for (const uint16_t count : {uint16_t{65}, uint16_t{0x8000}, uint16_t{0xffff}}) {
    Make();
    SetCount(count);
    ExpectFault(FaultKind::kBadIndex, 0);
  }
}

TEST_F(RogueChains, LongerThanTheDeviceBears) {
  GuardOptions options;
  options.max_descriptors = 4;
  options.max_buffer_bytes = 2000;
  options.max_segmented_bytes = 5000;
  const auto chain = [&](uint16_t descriptors, uint32_t bytes) {
    Make(options);
    for (uint16_t i = 0; i < descriptors; ++i) {
      Describe(i, {kIova, bytes, i + 1 < descriptors ? kNext : uint16_t{0},
                   static_cast<uint16_t>(i + 1)});
    }
    Name(0);
  };
  chain(4, 100);
  rig_->Settle();
  EXPECT_FALSE(rig_->guard->fault().has_value());
  chain(5, 100);
  ExpectFault(FaultKind::kEndlessChain, 4);
  chain(1, 2001);
  ExpectFault(FaultKind::kBadDescriptor, 0);
  chain(3, 1671);
  ExpectFault(FaultKind::kBadPacket, 0);
}

TEST_F(RogueChains, WhatIsWrittenOverAfterwardsIsNotReadAgain) {
  Good(3);
  rig_->Settle();
  for (uint32_t i = 0; i < 64; ++i) Describe(i, {kEnd, 0xffffffff, 0xffff, 0xffff});
  TxWork work;
  ASSERT_EQ(rig_->device->Fetch(&work), RingFault::kNone);
  EXPECT_EQ(rig_->BytesOf(work).size(), 88u);
  rig_->device->Complete(work.handle);
  EXPECT_EQ(rig_->guard->Poll(8).returned, 1u);
  EXPECT_FALSE(rig_->guard->fault().has_value());
}

TEST(RogueBuffers, OfReceiveChains) {
  const RxCase c = CaseOf("virtio.split", testing::GuardedRxCases());
  const struct {
    SplitDescriptor descriptor;
    FaultKind kind;
  } kBad[] = {
      {{Region::kIova - 1, 2048, kDeviceWrites, 0}, FaultKind::kUnmapped},
      {{0, 2048, kDeviceWrites, 0}, FaultKind::kUnmapped},
      // Not said to be for the device, or with more behind it.
      {{Region::kIova, 2048, 0, 0}, FaultKind::kBadDescriptor},
      {{Region::kIova, 2048, kDeviceWrites | kNext, 1}, FaultKind::kBadDescriptor},
      {{Region::kIova, 2048, kDeviceWrites | kIndirect, 1}, FaultKind::kBadDescriptor},
      {{Region::kIova, 0, kDeviceWrites, 0}, FaultKind::kBadDescriptor},
      {{Region::kIova, 12, kDeviceWrites, 0}, FaultKind::kBadDescriptor},
  };
  for (const auto& bad : kBad) {
    RxGuardRig rig(c);
    const dataplane::QueueView& view = rig.client.memory().view();
    std::memcpy(view.rings[0].slots, &bad.descriptor, sizeof bad.descriptor);
    dataplane::StoreRelease<uint16_t>(view.rings[1].slots - 2, 1);
    EXPECT_FALSE(rig.guard->Poll(8).Any());
    ASSERT_TRUE(rig.guard->fault().has_value());
    EXPECT_EQ(static_cast<int>(rig.guard->fault()->kind), static_cast<int>(bad.kind));
    dataplane::PostedBuffer none;
    EXPECT_EQ(rig.device->Fetch(&none), RingFault::kEmpty);
  }
}

class RoguePhases : public ::testing::Test {
 protected:
  void Make(GuardOptions options = {}) {
    rig_.emplace(CaseOf("virtio.packed", testing::GuardedTxCases()), 64, options);
  }
  void SetUp() override { Make(); }
  void Describe(uint32_t slot, const PackedDescriptor& descriptor) {
    std::memcpy(rig_->client.View().rings[0].slots + slot * sizeof descriptor, &descriptor,
                sizeof descriptor);
  }
  void ExpectFault(FaultKind kind, uint32_t slot, uint32_t packets_before = 0) {
    rig_->Settle();
    ASSERT_TRUE(rig_->guard->fault().has_value());
    EXPECT_EQ(static_cast<int>(rig_->guard->fault()->kind), static_cast<int>(kind));
    EXPECT_EQ(rig_->guard->fault()->slot, slot);
    TxWork work;
    uint32_t packets = 0;
    while (rig_->device->Fetch(&work) == RingFault::kNone) {
      EXPECT_FALSE(rig_->BytesOf(work).empty());
      rig_->device->Complete(work.handle);
      ++packets;
    }
    EXPECT_EQ(packets, packets_before);
    EXPECT_EQ(rig_->guard->Poll(64).returned, packets_before);
    EXPECT_FALSE(rig_->guard->Poll(64).Any());
  }
  std::optional<TxGuardRig> rig_;
};

TEST_F(RoguePhases, AddressesLengthsFlagsAndTags) {
  const struct {
    PackedDescriptor descriptor;
    FaultKind kind;
  } kBad[] = {
      {{kEnd, 100, 1, kAvailable}, FaultKind::kUnmapped},
      {{kEnd - 99, 100, 1, kAvailable}, FaultKind::kUnmapped},
      {{0, 100, 1, kAvailable}, FaultKind::kUnmapped},
      {{UINT64_MAX, 100, 1, kAvailable}, FaultKind::kUnmapped},
      {{kIova, UINT32_MAX, 1, kAvailable}, FaultKind::kUnmapped},
      {{kIova, 0, 1, kAvailable}, FaultKind::kBadDescriptor},
      {{kIova, 100, 1, kAvailable | kDeviceWrites}, FaultKind::kBadDescriptor},
      {{kIova, 12, 1, kAvailable}, FaultKind::kBadPacket},
      {{kIova, 100, 0, kAvailable}, FaultKind::kBadIndex},  // on its way already
      {{kIova, 100, 64, kAvailable}, FaultKind::kBadIndex},
      {{kIova, 100, 0xffff, kAvailable}, FaultKind::kBadIndex},
  };
  for (const auto& bad : kBad) {
    SCOPED_TRACE(bad.descriptor.address);
    SCOPED_TRACE(bad.descriptor.id);
    Make();
    Describe(0, {kIova, 100, 0, kAvailable});
    Describe(1, bad.descriptor);
    ExpectFault(bad.kind, 1, 1);
    // Behind one that is good: the device sees nothing of the packet.
    Make();
    Describe(0, {kIova, 100, 0, kAvailable});
    Describe(1, {kIova, 100, 1, kAvailable | kNext});
    Describe(2, bad.descriptor);
    if (bad.kind == FaultKind::kBadPacket) continue;
    ExpectFault(bad.kind, 2, 1);
  }
}

TEST_F(RoguePhases, AChainWithoutEnd) {
  for (uint16_t i = 0; i < 64; ++i) Describe(i, {kIova, 100, i, kAvailable | kNext});
  ExpectFault(FaultKind::kEndlessChain, 63);
  GuardOptions options;
  options.max_descriptors = 4;
  Make(options);
  for (uint16_t i = 0; i < 64; ++i) Describe(i, {kIova, 100, i, kAvailable | kNext});
  ExpectFault(FaultKind::kEndlessChain, 3);
}

TEST_F(RoguePhases, AnUnfinishedPacketIsNotTheDevicesYet) {
  Describe(0, {kIova, 100, 1, kAvailable | kNext});
  rig_->Settle();
  TxWork work;
  EXPECT_EQ(rig_->device->Fetch(&work), RingFault::kEmpty);
  Describe(1, {kIova + 1000, 100, 1, kAvailable});
  rig_->Settle();
  ASSERT_EQ(rig_->device->Fetch(&work), RingFault::kNone);
  EXPECT_EQ(rig_->BytesOf(work).size(), 188u);
}

TEST_F(RoguePhases, NoMoreSlotsThanTheRingHas) {
  // All of them marked for both passes, again and again.
  for (uint16_t pass = 0; pass < 4; ++pass) {
    for (uint16_t i = 0; i < 64; ++i) {
      const uint16_t flags = pass % 2 == 0 ? kAvailable : uint16_t{0x8000};
      Describe(i, {kIova, 100, i, flags});
    }
    rig_->Settle();
  }
  EXPECT_EQ(rig_->guard->counters().descriptors.Read(), 64u);
  EXPECT_FALSE(rig_->guard->fault().has_value());
}

}  // namespace
}  // namespace qsplit::guard
