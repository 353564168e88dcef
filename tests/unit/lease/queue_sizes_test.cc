#include "daemon/lease/queue_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;

v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

v1::Queue Rings(std::vector<v1::SlotRange> ranges) {
  v1::Queue queue;
  for (const auto& range : ranges) {
    v1::Ring* ring = queue.add_rings();
    *ring->mutable_slots() = range;
    ring->add_post_forms(0);
  }
  return queue;
}
v1::SlotRange Range(uint32_t min, uint32_t max, uint32_t step, bool powers) {
  v1::SlotRange range;
  range.set_min(min);
  range.set_max(max);
  range.set_step(step);
  range.set_power_of_two(powers);
  return range;
}

TEST(ChooseSlots, HoldsToTheLayout) {
  const v1::Queue stepped = Rings({Range(64, 4096, 8, false)});
  EXPECT_EQ(ChooseSlots(stepped, {}, 0, 1000, "rx_slots").value(), 1000U);
  EXPECT_EQ(ChooseSlots(stepped, {}, 0, 1001, "rx_slots").value(), 1000U);
  EXPECT_EQ(ChooseSlots(stepped, {}, 0, 1, "rx_slots").value(), 64U);
  EXPECT_EQ(ChooseSlots(stepped, {}, 0, 1U << 31, "rx_slots").value(), 4096U);
  EXPECT_EQ(ChooseSlots(stepped, {}, 72, 1000, "rx_slots").value(), 72U);
  const absl::Status odd = ChooseSlots(stepped, {}, 71, 1000, "rx_slots").status();
  EXPECT_EQ(ReasonOf(odd), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(policy::DetailOf(odd)->limit(), "64..4096 step 8");
  EXPECT_THAT(std::string(odd.message()), HasSubstr("take 64"));
  EXPECT_FALSE(ChooseSlots(stepped, {}, 4104, 1000, "rx_slots").ok());
  EXPECT_FALSE(ChooseSlots(stepped, {}, 0xffffffff, 1000, "rx_slots").ok());
}

TEST(ChooseSlots, PowersOfTwo) {
  const v1::Queue powers = Rings({Range(8, 4096, 8, true)});
  EXPECT_EQ(ChooseSlots(powers, {}, 0, 1000, "tx_slots").value(), 512U);
  EXPECT_FALSE(ChooseSlots(powers, {}, 1000, 1000, "tx_slots").ok());
  EXPECT_EQ(ChooseSlots(powers, {}, 8, 1000, "tx_slots").value(), 8U);
}

TEST(ChooseSlots, SuitsAllRings) {
  const v1::Queue two = Rings({Range(64, 4096, 64, false), Range(8, 256, 1, true)});
  EXPECT_EQ(ChooseSlots(two, {}, 0, 1000, "rx_slots").value(), 256U);
  EXPECT_FALSE(ChooseSlots(two, {}, 192, 1000, "rx_slots").ok());
}

TEST(ChooseSlots, RingsInWhichTheDeviceWritesAreItsOwnMatter) {
  v1::Queue two = Rings({Range(64, 4096, 64, false), Range(8, 256, 1, true)});
  two.mutable_rings(1)->clear_post_forms();
  EXPECT_EQ(ChooseSlots(two, {}, 192, 1000, "rx_slots").value(), 192U);
  two.mutable_rings(0)->clear_post_forms();
  EXPECT_EQ(ChooseSlots(two, {}, 0, 1000, "rx_slots").value(), 1000U);
}

TEST(ChooseSlots, LooksAtRingsThatExistOnly) {
  v1::Queue two = Rings({Range(64, 4096, 64, false), Range(8, 256, 1, true)});
  two.mutable_rings(0)->add_features()->set_choice(0);
  two.mutable_rings(1)->add_features()->set_choice(1);
  EXPECT_EQ(ChooseSlots(two, {0}, 192, 1000, "rx_slots").value(), 192U);
  EXPECT_EQ(ChooseSlots(two, {1}, 8, 1000, "rx_slots").value(), 8U);
  EXPECT_FALSE(ChooseSlots(two, {1}, 192, 1000, "rx_slots").ok());
  EXPECT_EQ(ChooseSlots(two, {0}, 0, 1000, "rx_slots").value(), 960U);
}

TEST(ChooseBufferBytes, HoldsToTheLayout) {
  v1::Queue queue;
  EXPECT_EQ(ChooseBufferBytes(queue, 0).value(), 2048U);
  EXPECT_EQ(ChooseBufferBytes(queue, 9000).value(), 9000U);
  EXPECT_FALSE(ChooseBufferBytes(queue, 0xffffffff).ok());
  auto* range = queue.mutable_limits()->mutable_buffer();
  range->set_min_bytes(1024);
  range->set_max_bytes(16384);
  range->set_step_bytes(1024);
  EXPECT_EQ(ChooseBufferBytes(queue, 0).value(), 2048U);
  EXPECT_EQ(ChooseBufferBytes(queue, 16384).value(), 16384U);
  for (uint32_t bytes : {1U, 1023U, 1025U, 16385U, 0xffffffffU}) {
    EXPECT_EQ(ReasonOf(ChooseBufferBytes(queue, bytes).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  }
  range->set_min_bytes(4096);
  EXPECT_EQ(ChooseBufferBytes(queue, 0).value(), 4096U);
  range->set_power_of_two(true);
  EXPECT_EQ(ChooseBufferBytes(queue, 8192).value(), 8192U);
  const absl::Status odd = ChooseBufferBytes(queue, 12288).status();
  EXPECT_THAT(std::string(odd.message()), HasSubstr("powers of two; take 8192"));
}

}  // namespace
}  // namespace qsplit::lease
