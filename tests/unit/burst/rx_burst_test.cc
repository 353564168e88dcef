// Receive bursts say what the engine says, bit for bit: the engine alone, the plan interpreted, and
// machine code made of it, over equal rings of every spec that is driven in place.
#include <gtest/gtest.h>

#include "dataplane/in_place_rx.h"
#include "tests/support/rounds.h"
#include "tests/unit/burst/rx_sides.h"
#include "tests/unit/dataplane/without_plan.h"

namespace qsplit::dataplane::testing {
namespace {

using Sides = RxSides<InPlaceRxDriver>;

class RxBursts : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxBursts, SayWhatTheEngineSays) {
  Random random(11);
  for (uint32_t run = 0; run < 12; ++run) {
    const RxFields wanted = run < 4 ? RxFields::All() : RxFields(random());
    Sides s(GetParam(), wanted);
    ASSERT_TRUE(s.driven());
    ASSERT_NE(s.device, nullptr);
    uint32_t cookie = 0;
    for (uint32_t step = 0; step < qsplit::testing::Rounds(150); ++step) {
      s.PostSame(&random, &cookie);
      if (HasFatalFailure()) return;
      s.CompleteSome(&random);
      if (run % 2 != 0) s.Spoil(&random);
      s.Spread();
      s.PollSame(random() % 50);
      if (HasFatalFailure()) return;
    }
    for (const auto& memory : s.memory) EXPECT_EQ(memory->BrokenGuard(), "");
  }
}

TEST_P(RxBursts, AreThereAndCompiled) {
  const Sides s(GetParam(), RxFields::All());
  ASSERT_TRUE(s.driven());
  EXPECT_EQ(s.driver[0]->Access().mode, AccessMode::kEngine);
  ASSERT_TRUE(HasPlan(PlanOf::kRxDriver, GetParam().name));
  EXPECT_EQ(s.driver[1]->Access().mode, AccessMode::kInterpreted);
  EXPECT_EQ(s.driver[2]->Access().mode, AccessMode::kCompiled)
      << s.driver[2]->Access().why_not_compiled;
}

INSTANTIATE_TEST_SUITE_P(Specs, RxBursts, ::testing::ValuesIn(CasesOf<InPlaceRxDriver>()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
