// The same for receive queues of several rings, and of one whose completions are named or told
// apart by the turn: every spec that the ring engine drives.
#include <gtest/gtest.h>

#include "dataplane/ring_rx_driver.h"
#include "tests/support/rounds.h"
#include "tests/unit/burst/rx_sides.h"
#include "tests/unit/dataplane/without_plan.h"

namespace qsplit::dataplane::testing {
namespace {

using Sides = RxSides<RingRxDriver>;

// As large as a packet may be where each is to have one buffer.
constexpr uint32_t kPacketBytes = 1500;

class RxRingBursts : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxRingBursts, SayWhatTheEngineSays) {
  Random random(12);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(36); ++run) {
    const bool hostile = run % 6 != 0;
    const RxFields wanted = run % 5 < 2 ? RxFields::All() : RxFields(random());
    Sides s(GetParam(), wanted, run % 4 == 3 ? 0 : kPacketBytes);
    ASSERT_TRUE(s.driven());
    ASSERT_NE(s.device, nullptr);
    uint32_t cookie = 0;
    for (uint32_t step = 0; step < (hostile ? 20 : 150); ++step) {
      s.PostSame(&random, &cookie);
      if (HasFatalFailure()) return;
      s.CompleteSome(&random);
      // A hostile device and its driver soon disagree on where they are.
      if (hostile && step > 3) s.Spoil(&random);
      s.Spread();
      s.PollSame(random() % 50);
      if (HasFatalFailure()) return;
    }
    for (const auto& memory : s.memory) EXPECT_EQ(memory->BrokenGuard(), "");
    EXPECT_GT(s.taken, 0u);
  }
}

TEST_P(RxRingBursts, AreThereAndCompiled) {
  const Sides s(GetParam(), RxFields::All(), kPacketBytes);
  ASSERT_TRUE(s.driven());
  EXPECT_EQ(s.driver[0]->Access().mode, AccessMode::kEngine);
  const bool there = HasPlan(PlanOf::kRxDriver, GetParam().name);
  EXPECT_EQ(s.driver[1]->Access().mode, there ? AccessMode::kInterpreted : AccessMode::kEngine);
  EXPECT_EQ(s.driver[2]->Access().mode, there ? AccessMode::kCompiled : AccessMode::kEngine)
      << s.driver[2]->Access().why_not_compiled;
}

INSTANTIATE_TEST_SUITE_P(Specs, RxRingBursts, ::testing::ValuesIn(CasesOf<RingRxDriver>()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
