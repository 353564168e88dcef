#include "daemon/lease/layout_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/error.h"
#include "tests/support/choosy_layout.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

class ChooseLayoutTest : public ::testing::Test {
 protected:
  absl::StatusOr<LayoutChoice> Choose(LayoutWish wish) {
    wish.receive = true;
    return ChooseLayout(offered_, wish);
  }
  // The big one first: order alone does not decide.
  const std::vector<layout::VerifiedLayout> offered_ = {layout::testing::BigLayout(),
                                                        layout::testing::SimpleLayout()};
};

TEST_F(ChooseLayoutTest, TakesTheSmallestThatHasTheRoles) {
  const auto any = Choose({});
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_EQ(any->layout.name(), "test.simple");
  const auto timed = Choose({.rx_roles = {"packet.length", "timestamp"}});
  ASSERT_TRUE(timed.ok()) << timed.status();
  EXPECT_EQ(timed->layout.name(), "test.big");
  EXPECT_THAT(timed->roles_in_software, IsEmpty());
}

TEST_F(ChooseLayoutTest, ByName) {
  EXPECT_EQ(Choose({.name = "test.big"})->layout.name(), "test.big");
  const absl::Status none = Choose({.name = "test.none"}).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.message()), HasSubstr("test.big, test.simple"));
}

TEST_F(ChooseLayoutTest, LeavesToSoftwareWhatItCanCompute) {
  // Only the simple one says that a checksum is bad, only the big one has time stamps.
  const auto choice = Choose({.rx_roles = {"timestamp", "checksum.l3.bad", "checksum.l3.bad"}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->layout.name(), "test.big");
  EXPECT_THAT(choice->roles_in_software, ElementsAre("checksum.l3.bad"));
  const auto checked = Choose({.rx_roles = {"checksum.l3.bad"}});
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(checked->layout.name(), "test.simple");
  EXPECT_THAT(checked->roles_in_software, IsEmpty());
}

TEST_F(ChooseLayoutTest, NamesTheRolesThatAreMissing) {
  const absl::Status missing = Choose({.name = "test.simple", .rx_roles = {"timestamp"}}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ReasonOf(missing), v1::ERROR_REASON_MISSING_ROLES);
  EXPECT_EQ(policy::DetailOf(missing)->value(), "timestamp");
}

TEST_F(ChooseLayoutTest, RefusesWordsThatAreNoRoles) {
  const absl::Status status = Choose({.rx_roles = {"packet.colour"}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'packet.colour' is no role"));
  EXPECT_FALSE(Choose({.rx_roles = std::vector<std::string>(65, "packet.length")}).ok());
}

TEST_F(ChooseLayoutTest, FeaturesThatAreAskedForAreChosen) {
  const std::vector<layout::VerifiedLayout> offered = {layout::testing::SimpleLayout(),
                                                       layout::testing::ChoosyLayout()};
  const auto choose = [&](LayoutWish wish) {
    wish.receive = true;
    return ChooseLayout(offered, wish);
  };
  // The others are the layout's defaults. Naming one leaves out layouts without it.
  const auto large = choose({.features = {"Size=large"}});
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->layout.name(), "test.choosy");
  EXPECT_THAT(large->features, ElementsAre(1, 0));
  EXPECT_THAT(choose({.name = "test.choosy"})->features, ElementsAre(0, 0));
  EXPECT_THAT(choose({.name = "test.simple"})->features, IsEmpty());
  // What they leave out, the layout lacks.
  const absl::Status marked =
      choose({.name = "test.choosy", .rx_roles = {"flow.mark"}, .features = {"Word=hash"}})
          .status();
  EXPECT_EQ(ReasonOf(marked), v1::ERROR_REASON_MISSING_ROLES) << marked;
}

TEST_F(ChooseLayoutTest, FeaturesThatALayoutLacksAreRefused) {
  const std::vector<layout::VerifiedLayout> offered = {layout::testing::SimpleLayout(),
                                                       layout::testing::ChoosyLayout()};
  for (const char* words : {"Size=huge", "Colour=red"}) {
    for (const char* name : {"test.choosy", ""}) {
      const absl::Status status =
          ChooseLayout(offered, {.name = name, .receive = true, .features = {words}}).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
      EXPECT_EQ(policy::DetailOf(status)->field(), "features");
      EXPECT_EQ(policy::DetailOf(status)->value(), words);
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr(*name != 0 ? "it has Size=small|large, Word=hash|mark" : words));
    }
  }
  const absl::Status none =
      ChooseLayout(offered, {.name = "test.simple", .receive = true, .features = {"Size=large"}})
          .status();
  EXPECT_THAT(std::string(none.message()), HasSubstr("it has no features"));
}

TEST_F(ChooseLayoutTest, ADeviceWithoutLayoutsHasNone) {
  EXPECT_EQ(ReasonOf(ChooseLayout({}, {.receive = true}).status()), v1::ERROR_REASON_UNSUPPORTED);
}

TEST(SoftwareCanCompute, WhatFollowsFromThePacketsBytes) {
  EXPECT_TRUE(SoftwareCanCompute("checksum.l4.ok"));
  EXPECT_TRUE(SoftwareCanCompute("vlan.tci"));
  EXPECT_TRUE(SoftwareCanCompute("hash.value"));
  EXPECT_FALSE(SoftwareCanCompute("timestamp"));
  EXPECT_FALSE(SoftwareCanCompute("flow.mark"));
}

v1::Queue Rings(std::vector<v1::SlotRange> ranges) {
  v1::Queue queue;
  for (const auto& range : ranges) *queue.add_rings()->mutable_slots() = range;
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
  EXPECT_EQ(ChooseSlots(stepped, 0, 1000, "rx_slots").value(), 1000U);
  EXPECT_EQ(ChooseSlots(stepped, 0, 1001, "rx_slots").value(), 1000U);
  EXPECT_EQ(ChooseSlots(stepped, 0, 1, "rx_slots").value(), 64U);
  EXPECT_EQ(ChooseSlots(stepped, 0, 1U << 31, "rx_slots").value(), 4096U);
  EXPECT_EQ(ChooseSlots(stepped, 72, 1000, "rx_slots").value(), 72U);
  const absl::Status odd = ChooseSlots(stepped, 71, 1000, "rx_slots").status();
  EXPECT_EQ(ReasonOf(odd), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(policy::DetailOf(odd)->limit(), "64..4096 step 8");
  EXPECT_THAT(std::string(odd.message()), HasSubstr("take 64"));
  EXPECT_FALSE(ChooseSlots(stepped, 4104, 1000, "rx_slots").ok());
  EXPECT_FALSE(ChooseSlots(stepped, 0xffffffff, 1000, "rx_slots").ok());
}

TEST(ChooseSlots, PowersOfTwo) {
  const v1::Queue powers = Rings({Range(8, 4096, 8, true)});
  EXPECT_EQ(ChooseSlots(powers, 0, 1000, "tx_slots").value(), 512U);
  EXPECT_FALSE(ChooseSlots(powers, 1000, 1000, "tx_slots").ok());
  EXPECT_EQ(ChooseSlots(powers, 8, 1000, "tx_slots").value(), 8U);
}

TEST(ChooseSlots, SuitsAllRings) {
  const v1::Queue two = Rings({Range(64, 4096, 64, false), Range(8, 256, 1, true)});
  EXPECT_EQ(ChooseSlots(two, 0, 1000, "rx_slots").value(), 256U);
  EXPECT_FALSE(ChooseSlots(two, 192, 1000, "rx_slots").ok());
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
  EXPECT_THAT(std::string(odd.message()), ::testing::HasSubstr("powers of two; take 8192"));
}

}  // namespace
}  // namespace qsplit::lease
