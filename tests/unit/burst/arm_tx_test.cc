// Transmit bursts made for aarch64 write what the plan says, over rings of every spec that is
// completed in place, and read no slot.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "dataplane/in_place_tx_driver.h"
#include "tests/unit/burst/arm_burst.h"
#include "tests/unit/burst/random_plans.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using namespace dataplane::testing;  // NOLINT(google-build-using-namespace)

class ArmTx : public ::testing::TestWithParam<TxCase> {};

TEST_P(ArmTx, WritesWhatThePlanSays) {
  const TxCase& c = GetParam();
  QueueMemory memory(*c.layout, c.queue, c.choices, 16);
  const auto driver =
      InPlaceTxDriver::Create(*c.layout, memory.view(), {32, AccessMode::kInterpreted});
  if (!driver.ok()) GTEST_SKIP() << "not driven in place";
  Random random(29);
  uint32_t bursts = 0;
  for (const std::shared_ptr<const TxBurst>& burst : (*driver)->bursts()) {
    if (burst == nullptr) continue;
    ++bursts;
    const TxBurstPlan& plan = burst->plan();
    ArmTxBurst arm(plan);
    uint64_t pushed = 0;
    for (uint32_t step = 0; step < 80 && !HasFailure(); ++step) {
      std::vector<TxPacket> packets = RandomPackets(plan, random);
      TxImage image = RandomImage(plan, random);
      pushed += arm.PushSame(packets, image, RandomSlot(plan.slot_count, random));
    }
    EXPECT_GT(pushed, 0u);
  }
  if (bursts == 0) GTEST_SKIP() << "no burst";
}

INSTANTIATE_TEST_SUITE_P(Specs, ArmTx, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
