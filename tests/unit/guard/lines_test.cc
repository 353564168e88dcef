// What the guard of a queue writes while packets pass shares no cache line with anything else: two
// functions have a thread each, and guards of both stand beside each other in the daemon's heap.
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/heap_blocks.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::testing::MakePacket;
using qsplit::testing::HeapBlocks;
using testing::Random;
using testing::RxCase;
using testing::RxGuardRig;
using testing::TxCase;
using testing::TxGuardRig;

constexpr uint32_t kSlots = 64;

// A guard in the place of the rig's.
template <typename Rig>
HeapBlocks Remake(Rig& rig, const layout::VerifiedLayout& layout, v1::Direction direction,
                  const dataplane::QueueView& shadow, const GuardOptions& options) {
  rig.guard.reset();
  return HeapBlocks::TakenBy([&] {
    auto made = GuardedQueue::Create(layout, direction, shadow, rig.real_memory.view(),
                                     rig.addresses.regions, options);
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) rig.guard.emplace(*std::move(made));
  });
}

class RxGuardLines : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxGuardLines, AreOfOneQueue) {
  const RxCase& c = GetParam();
  RxGuardRig rig(c, kSlots);
  const HeapBlocks blocks =
      Remake(rig, *c.layout, v1::DIRECTION_RECEIVE, rig.client.memory().view(),
             {.rx_buffer_bytes = rig.client.buffer_bytes()});
  for (uint32_t i = 0; i < 3 * kSlots; ++i) {
    rig.client.Post(2);
    rig.client.driver().Publish();
    rig.Settle();
    rig.Send(MakePacket(i, 60 + i));
    rig.Settle();
    rig.client.Poll(kSlots);
  }
  EXPECT_GT(rig.client.got.size(), kSlots);
  EXPECT_GT(blocks.ExpectOwnLines("guard"), 0u);
}

INSTANTIATE_TEST_SUITE_P(AllLayouts, RxGuardLines, ::testing::ValuesIn(testing::GuardedRxCases()),
                         testing::CaseName<RxCase>);

class TxGuardLines : public ::testing::TestWithParam<TxCase> {};

TEST_P(TxGuardLines, AreOfOneQueue) {
  const TxCase& c = GetParam();
  TxGuardRig rig(c, kSlots);
  const HeapBlocks blocks =
      Remake(rig, *c.layout, v1::DIRECTION_TRANSMIT, rig.client.View(), GuardOptions{});
  Random random(5);
  size_t sent = 0;
  for (uint32_t i = 0; i < 3 * kSlots; ++i) {
    rig.client.driver->Push(rig.Segments(random, 1 + i % 2), {}, i % 16);
    rig.client.driver->Publish();
    rig.Settle();
    dataplane::TxWork work;
    while (rig.device->Fetch(&work) == dataplane::RingFault::kNone) {
      rig.device->Complete(work.handle);
    }
    rig.Settle();
    sent += rig.client.ReclaimAll().size();
  }
  EXPECT_GT(sent, kSlots);
  EXPECT_GT(blocks.ExpectOwnLines("guard"), 0u);
}

INSTANTIATE_TEST_SUITE_P(AllLayouts, TxGuardLines, ::testing::ValuesIn(testing::GuardedTxCases()),
                         testing::CaseName<TxCase>);

}  // namespace
}  // namespace qsplit::guard
