// Every kind of receive descriptor and index that a client must not get past a guard, over each
// layout that is completed in place.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "dataplane/condition.h"
#include "dataplane/field_access.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::PostedBuffer;
using dataplane::RingFault;
using dataplane::testing::MakePacket;
using dataplane::testing::Region;
using device::FaultKind;
using testing::RawRing;
using testing::RxCase;
using testing::RxGuardRig;

class RogueRx : public ::testing::TestWithParam<RxCase> {
 protected:
  void Make(GuardOptions options = {}) {
    rig_.emplace(GetParam(), 64, options);
    shadow_.emplace(*GetParam().layout, rig_->client.memory().view(),
                    testing::UsedRing(GetParam()));
    real_.emplace(*GetParam().layout, rig_->real_memory.view(), testing::UsedRing(GetParam()));
  }
  void SetUp() override { Make(); }
  uint64_t BufferBytes() { return rig_->client.buffer_bytes(); }
  uint64_t End() { return Region::kIova + rig_->client.region().bytes().size(); }
  uint64_t Middle() { return Region::kIova + rig_->client.region().bytes().size() / 2; }

  // Whether the field has enough bits for it.
  bool CanSay(uint64_t address) {
    rig_->client.Post(1);
    const bool can = shadow_->Put("buffer.address", address, 0);
    Make();
    return can;
  }

  // Of three buffers that are posted the second one is changed; the first one is good.
  void Check(const std::function<void()>& change, FaultKind kind) {
    rig_->client.Post(3);
    rig_->client.driver().Publish();
    change();
    rig_->Settle();
    ASSERT_TRUE(rig_->guard->fault().has_value());
    EXPECT_EQ(static_cast<int>(rig_->guard->fault()->kind), static_cast<int>(kind));
    EXPECT_EQ(rig_->guard->fault()->slot, 1u);
    EXPECT_EQ(real_->Rung(), 1u);
    EXPECT_EQ(real_->Escapes(rig_->addresses, BufferBytes()), "");
    // The first one is the device's, and its packet arrives.
    ASSERT_TRUE(rig_->Send(MakePacket(1, 100)));
    PostedBuffer none;
    EXPECT_EQ(rig_->device->Fetch(&none), RingFault::kEmpty);
    EXPECT_EQ(rig_->guard->Poll(64).returned, 1u);
    EXPECT_EQ(rig_->client.Poll(1), 1u);
    rig_->client.Post(10);
    rig_->client.driver().Publish();
    EXPECT_FALSE(rig_->guard->Poll(64).Any());
    EXPECT_EQ(rig_->guard->counters().faults.Read(), 1u);
  }

  std::optional<RxGuardRig> rig_;
  std::optional<RawRing> shadow_;
  std::optional<RawRing> real_;
};
INSTANTIATE_TEST_SUITE_P(AllLayouts, RogueRx,
                         ::testing::ValuesIn(testing::InPlace(testing::GuardedRxCases())),
                         testing::CaseName<RxCase>);

TEST_P(RogueRx, AddressesOutsideOfTheRegions) {
  for (const uint64_t address :
       {uint64_t{0}, Region::kIova - 1, End(), End() - 1, End() - BufferBytes() + 1,
        Region::kIova + 0x0800'0000, UINT64_MAX - 1, uint64_t{0xfee0'0000}}) {
    SCOPED_TRACE(address);
    Make();
    if (!CanSay(address)) continue;
    Check([&] { shadow_->Put("buffer.address", address, 1); }, FaultKind::kUnmapped);
    EXPECT_EQ(rig_->guard->fault()->iova, address);
  }
}

TEST_P(RogueRx, ABufferOverTheBorderOfTwoRegions) {
  Check([&] { shadow_->Put("buffer.address", Middle() - BufferBytes() / 2, 1); },
        FaultKind::kUnmapped);
}

TEST_P(RogueRx, MemoryThatTheDeviceMayOnlyRead) {
  GuardedRegion read_only = {Region::kIova, 1 << 19, Region::kIova, false};
  const testing::QueueMemory real(*GetParam().layout, GetParam().queue, GetParam().choices, 64);
  GuardOptions options;
  options.rx_buffer_bytes = rig_->client.buffer_bytes();
  auto guard =
      *GuardedQueue::Create(*GetParam().layout, v1::DIRECTION_RECEIVE, rig_->client.memory().view(),
                            real.view(), std::span(&read_only, 1), options);
  rig_->client.Post(1);
  rig_->client.driver().Publish();
  EXPECT_FALSE(guard.Poll(8).Any());
  ASSERT_TRUE(guard.fault().has_value());
  EXPECT_EQ(guard.fault()->kind, FaultKind::kReadOnly);
}

class RogueRxHeaders : public RogueRx {
 public:
  static bool AreIn(const RxCase& c) {
    RxGuardRig rig(c);
    rig.client.Post(1);
    const RawRing shadow(*c.layout, rig.client.memory().view(), testing::UsedRing(c));
    return shadow.Get("header.address", 0).has_value();
  }
};
INSTANTIATE_TEST_SUITE_P(LayoutsWithHeaders, RogueRxHeaders,
                         ::testing::ValuesIn(testing::Where(
                             testing::InPlace(testing::GuardedRxCases()), RogueRxHeaders::AreIn)),
                         testing::CaseName<RxCase>);

TEST_P(RogueRxHeaders, WhereTheDeviceUsesNone) {
  Check([&] { shadow_->Put("header.address", Region::kIova, 1); }, FaultKind::kBadDescriptor);
  GuardOptions options;
  options.rx_header_bytes = 256;
  Make(options);
  rig_->client.Post(1);
  shadow_->Put("header.address", Region::kIova + 512, 0);
  rig_->client.Post(1);
  shadow_->Put("header.address", End() - 254, 1);
  rig_->client.driver().Publish();
  rig_->Settle();
  EXPECT_EQ(real_->Get("header.address", 0), Region::kIova + 512 + 0x0800'0000);
  ASSERT_TRUE(rig_->guard->fault().has_value());
  EXPECT_EQ(rig_->guard->fault()->kind, FaultKind::kUnmapped);
  EXPECT_EQ(rig_->guard->fault()->slot, 1u);
}

TEST_P(RogueRx, BytesOfNoFormOrDoneAlready) {
  // The device's own mark of completion, set by the client.
  const auto& ring = GetParam()
                         .layout->message()
                         .queues(static_cast<int>(GetParam().queue))
                         .rings(static_cast<int>(testing::UsedRing(GetParam())));
  const auto done =
      *dataplane::Condition::Compile(GetParam().layout->message(), ring.completed().when());
  const auto stores = *done.StoresThatMakeItTrue();
  Check(
      [&] {
        for (const dataplane::FieldStore& store : stores) {
          store.field.StoreRaw(shadow_->slot(1), store.raw);
        }
      },
      FaultKind::kBadDescriptor);
}

TEST_P(RogueRx, DoorbellsThatCannotBe) {
  for (const uint32_t index : {64u, 1000u, 0xffffffffu}) {
    Make();
    shadow_->Ring(index);
    EXPECT_FALSE(rig_->guard->Poll(64).Any());
    ASSERT_TRUE(rig_->guard->fault().has_value());
    EXPECT_EQ(rig_->guard->fault()->kind, FaultKind::kBadIndex);
    EXPECT_EQ(real_->Rung(), 0u);
  }
  // Into slots that the device has.
  Make();
  rig_->client.Post(20);
  rig_->client.driver().Publish();
  rig_->Settle();
  EXPECT_EQ(real_->Rung(), 20u);
  shadow_->Ring(19);
  EXPECT_FALSE(rig_->guard->Poll(64).Any());
  ASSERT_TRUE(rig_->guard->fault().has_value());
  EXPECT_EQ(rig_->guard->fault()->kind, FaultKind::kBadIndex);
}

TEST_P(RogueRx, WhatIsWrittenOverAfterwardsIsNotReadAgain) {
  rig_->client.Post(10);
  rig_->client.driver().Publish();
  rig_->Settle();
  const std::vector<std::byte> bytes = real_->Bytes();
  for (uint32_t i = 0; i < 64; ++i) std::memset(shadow_->slot(i), 0xff, 16);
  EXPECT_FALSE(rig_->guard->Poll(64).Any());
  EXPECT_FALSE(rig_->guard->fault().has_value());
  EXPECT_EQ(real_->Bytes(), bytes);
  for (uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(rig_->Send(MakePacket(i, 100)));
  EXPECT_EQ(rig_->guard->Poll(64).returned, 10u);
}

TEST_P(RogueRx, ACompletionHoldsNoAddressOfTheDevice) {
  rig_->client.Post(4);
  const std::vector<std::byte> posted = shadow_->Bytes();
  rig_->client.driver().Publish();
  rig_->Settle();
  ASSERT_TRUE(rig_->Send(MakePacket(1, 100)));
  rig_->Settle();
  const auto& ring = GetParam()
                         .layout->message()
                         .queues(static_cast<int>(GetParam().queue))
                         .rings(static_cast<int>(testing::UsedRing(GetParam())));
  for (const uint32_t index : ring.complete_forms()) {
    const v1::Form& form = GetParam().layout->message().forms(static_cast<int>(index));
    for (const v1::Field& field : form.fields()) {
      if (field.role() != "buffer.address") continue;
      const auto access = *dataplane::FieldAccess::Compile(field, form.size_bytes());
      EXPECT_EQ(access.Load(shadow_->slot(0)), access.Load(posted.data()));
      EXPECT_NE(access.Load(shadow_->slot(0)), access.Load(real_->slot(0)));
    }
  }
  EXPECT_EQ(rig_->client.Poll(8), 1u);
}

}  // namespace
}  // namespace qsplit::guard
