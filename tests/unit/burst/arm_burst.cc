#include "tests/unit/burst/arm_burst.h"

#include "tests/unit/burst/arm_areas.h"

namespace qsplit::dataplane::burst::testing {
ArmRxBurst::ArmRxBurst(const RxBurstPlan& plan)
    : plan_(plan), code_(Made(a64::GenerateRx(plan))), machine_(code_.bytes) {}

uint32_t ArmRxBurst::PollSame(std::vector<std::byte>& ring, std::vector<PostedSlot>& posted,
                              uint32_t first, uint32_t most) {
  std::vector<RxCompletion> expected(most);
  std::vector<RxCompletion> got(most);
  const uint32_t count =
      RxBurst::PollByPlan(plan_, ring.data(), posted.data(), first, most, expected.data());
  const auto polled =
      machine_.Call(code_.poll, {{Read(ring), Read(posted), Write(got), {}}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(polled, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(got, expected, count)) << "from slot " << first << ", at most " << most;
  CheckReadsOfSlots(machine_, plan_.slot_bytes, plan_.first_word);
  return count;
}

uint32_t ArmRxBurst::PostSame(std::vector<RxBuffer>& buffers, uint32_t first) {
  const auto most = static_cast<uint32_t>(buffers.size());
  std::vector<std::byte> ring(size_t{plan_.slot_count} * plan_.slot_bytes, std::byte{0xa5});
  std::vector<std::byte> same = ring;
  std::vector<PostedSlot> posted(plan_.slot_count);
  std::vector<PostedSlot> same_posted = posted;
  const uint32_t count =
      RxBurst::PostByPlan(plan_, ring.data(), posted.data(), first, most, buffers.data());
  const auto done = machine_.Call(
      code_.post, {{Write(same), Write(same_posted), Read(buffers), {}}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(done, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(ring == same) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(posted, same_posted, posted.size()));
  return count;
}

}  // namespace qsplit::dataplane::burst::testing
