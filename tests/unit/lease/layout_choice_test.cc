#include "daemon/lease/layout_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

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

// What a device offers that can be set up in all ways of these layouts.
std::vector<LayoutOffer> Offers(const std::vector<layout::VerifiedLayout>& layouts) {
  return OffersOf(device::DeviceInfo{.layouts = layouts});
}

class ChooseLayoutTest : public ::testing::Test {
 protected:
  absl::StatusOr<LayoutChoice> Choose(LayoutWish wish) {
    wish.receive = true;
    return ChooseLayout(offered_, wish);
  }
  // The big one first: order alone does not decide.
  const std::vector<LayoutOffer> offered_ =
      Offers({layout::testing::BigLayout(), layout::testing::SimpleLayout()});
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
  EXPECT_EQ(policy::DetailOf(missing)->limit(), "test.big");
  EXPECT_EQ(missing.message(),
            "test.simple lacks timestamp; test.big has all the roles asked for: leave layout and "
            "features to the daemon, or do without");
  // No layout has both.
  const absl::Status both = Choose({.rx_roles = {"hash.value", "flow.mark", "timestamp"}}).status();
  EXPECT_EQ(ReasonOf(both), v1::ERROR_REASON_MISSING_ROLES);
  EXPECT_EQ(both.message(),
            "no layout of the device has all the roles asked for; test.simple comes nearest and "
            "lacks timestamp: do without, or choose another device");
  const absl::Status named =
      Choose({.name = "test.big", .rx_roles = {"flow.mark", "timestamp"}}).status();
  EXPECT_THAT(std::string(named.message()), HasSubstr("no other layout of the device has"));
  // The field that is at fault, and roles that software computes are not.
  const absl::Status sending =
      ChooseLayout(offered_, {.receive = true,
                              .transmit = true,
                              .rx_roles = {"checksum.l3.bad"},
                              .tx_roles = {"timestamp.request", "vlan.insert"}})
          .status();
  EXPECT_EQ(policy::DetailOf(sending)->field(), "tx_roles");
  EXPECT_EQ(policy::DetailOf(sending)->value(), "timestamp.request");
}

class ChooseFeaturesTest : public ::testing::Test {
 protected:
  static absl::StatusOr<LayoutChoice> Choose(const std::vector<std::string>& rx_roles,
                                             const std::vector<std::string>& features = {}) {
    const std::vector<LayoutOffer> offered = Offers({layout::testing::ChoosyLayout()});
    return ChooseLayout(offered, {.receive = true, .rx_roles = rx_roles, .features = features});
  }
};

TEST_F(ChooseFeaturesTest, ThoseThatBringTheRolesInTheSmallestSlots) {
  EXPECT_THAT(Choose({})->features, ElementsAre(0, 0));
  EXPECT_THAT(Choose({"hash.value"})->features, ElementsAre(0, 0));
  EXPECT_THAT(Choose({"flow.mark"})->features, ElementsAre(0, 1));
  EXPECT_THAT(Choose({"timestamp"})->features, ElementsAre(1, 0));
  // Large completions have both words: what is chosen for Word brings nothing, and stays.
  EXPECT_THAT(Choose({"flow.mark", "timestamp"})->features, ElementsAre(1, 0));
}

TEST_F(ChooseFeaturesTest, WhatSoftwareCanComputeDecidesLast) {
  // Software computes hashes, so the mark decides; but large slots have both.
  const auto both = Choose({"hash.value", "flow.mark"});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(both->features, ElementsAre(1, 0));
  EXPECT_THAT(both->roles_in_software, IsEmpty());
  const auto small = Choose({"hash.value", "flow.mark"}, {"Size=small"});
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_THAT(small->features, ElementsAre(0, 1));
  EXPECT_THAT(small->roles_in_software, ElementsAre("hash.value"));
}

TEST_F(ChooseFeaturesTest, ThoseThatTheClientInsistsOnStay) {
  EXPECT_THAT(Choose({}, {"Size=large"})->features, ElementsAre(1, 0));
  EXPECT_THAT(Choose({"hash.value"}, {"Word=mark"})->features, ElementsAre(1, 1))
      << "large completions have it";
  const absl::Status status = Choose({"timestamp"}, {"Size=small", "Word=mark"}).status();
  EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_MISSING_ROLES);
  EXPECT_EQ(policy::DetailOf(status)->limit(), "test.choosy with Size=large");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("test.choosy with Word=mark lacks timestamp"));
}

TEST_F(ChooseFeaturesTest, OnlyThoseThatTheDeviceAllows) {
  // Size is large, a fact of the hardware; Word may be chosen.
  const std::vector<LayoutOffer> fixed = OffersOf(
      device::DeviceInfo{.layouts = {layout::testing::ChoosyLayout()}, .allowed = {{0b10, 0b11}}});
  const auto choose = [&](const std::vector<std::string>& roles,
                          const std::vector<std::string>& features = {}) {
    return ChooseLayout(fixed, {.receive = true, .rx_roles = roles, .features = features});
  };
  EXPECT_THAT(choose({})->features, ElementsAre(1, 0)) << "its default is what it can be";
  EXPECT_THAT(choose({"flow.mark"})->features, ElementsAre(1, 0));
  EXPECT_THAT(choose({}, {"Size=large", "Word=mark"})->features, ElementsAre(1, 1));
  for (const char* name : {"", "test.choosy"}) {
    const absl::Status small =
        ChooseLayout(fixed, {.name = name, .receive = true, .features = {"Size=small"}}).status();
    EXPECT_EQ(small.code(), absl::StatusCode::kUnimplemented);
    EXPECT_EQ(ReasonOf(small), v1::ERROR_REASON_UNSUPPORTED);
    EXPECT_EQ(small.message(),
              "the device cannot be set up with Size=small; with layout test.choosy it can with "
              "Size=large, Word=hash|mark");
  }
  const std::vector<LayoutOffer> small = OffersOf(
      device::DeviceInfo{.layouts = {layout::testing::ChoosyLayout()}, .allowed = {{0b01, 0b10}}});
  EXPECT_EQ(ReasonOf(ChooseLayout(small, {.receive = true, .rx_roles = {"timestamp"}}).status()),
            v1::ERROR_REASON_MISSING_ROLES);
}

TEST_F(ChooseFeaturesTest, ALayoutWithoutAnyChoiceLeftIsNotOffered) {
  EXPECT_THAT(OffersOf(device::DeviceInfo{
                  .layouts = {layout::testing::ChoosyLayout(), layout::testing::SimpleLayout()},
                  .allowed = {{0b100, 0b11}, {}}}),
              ::testing::SizeIs(1));
}

// `flags` features, each of which brings one role of a list when it is on.
layout::VerifiedLayout Flags(int flags, const std::vector<std::string>& roles) {
  v1::Layout message = layout::testing::SimpleMessage();
  for (int i = 0; i < flags; ++i) {
    v1::Feature* feature = message.add_features();
    feature->set_name("F" + std::to_string(100 + i));
    feature->add_choices("off");
    feature->add_choices("on");
  }
  for (v1::Form& form : *message.mutable_forms()) {
    if (form.name() != "RxDone") continue;
    for (v1::Field& field : *form.mutable_fields()) {
      const auto at = std::find(roles.begin(), roles.end(), field.role());
      if (at == roles.end()) continue;
      v1::FeatureChoice* need = field.add_features();
      need->set_feature(static_cast<uint32_t>(at - roles.begin()));
      need->set_choice(1);
    }
  }
  auto layout = layout::VerifiedLayout::FromMessage(message);
  EXPECT_TRUE(layout.ok()) << layout.status();
  return *std::move(layout);
}

TEST(ChooseManyFeatures, TheWorkIsBounded) {
  // Roles that software cannot compute. All 2^7 ways are tried.
  const std::vector<std::string> roles = {"packet.is_ip4", "packet.is_ip6", "packet.is_tcp",
                                          "packet.is_udp", "flow.mark",     "packet.length",
                                          "error"};
  const std::vector<LayoutOffer> seven = Offers({Flags(7, roles)});
  const auto all = ChooseLayout(seven, {.receive = true, .rx_roles = roles});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(all->features, ::testing::Each(1));
  // 32 features of which 7 matter are no more than that.
  const std::vector<LayoutOffer> more = Offers({Flags(32, roles)});
  const auto few = ChooseLayout(more, {.receive = true, .rx_roles = roles});
  ASSERT_TRUE(few.ok()) << few.status();
  EXPECT_THAT(few->features, ElementsAre(1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

// 32 features that all matter: of the 2^32 ways the first kMaxTries are tried, those with the
// fewest features away from their defaults.
TEST(ChooseManyFeatures, OfTooManyWaysTheNearestToTheDefaultsAreTried) {
  v1::Layout message = layout::testing::SimpleMessage();
  std::vector<std::string> words;
  for (int i = 0; i < 32; ++i) {
    v1::Feature* feature = message.add_features();
    feature->set_name("F" + std::to_string(100 + i));
    feature->add_choices("off");
    feature->add_choices("on");
    words.push_back(feature->name() + "=on");
  }
  for (v1::Form& form : *message.mutable_forms()) {
    for (v1::Field& field : *form.mutable_fields()) {
      if (form.name() != "RxDone") continue;
      const bool pair = field.role() == "flow.mark";
      if (field.role() != "packet.is_udp" && !pair) continue;
      // The mark needs two of them, the other all 32.
      for (uint32_t i = pair ? 30 : 0; i < 32; ++i) {
        v1::FeatureChoice* need = field.add_features();
        need->set_feature(i);
        need->set_choice(1);
      }
    }
  }
  const auto layout = layout::VerifiedLayout::FromMessage(message);
  ASSERT_TRUE(layout.ok()) << layout.status();
  const std::vector<LayoutOffer> offered = Offers({*layout});
  const auto two = ChooseLayout(offered, {.receive = true, .rx_roles = {"flow.mark"}});
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->features[30], 1u);
  EXPECT_EQ(two->features[31], 1u);
  EXPECT_EQ(std::count(two->features.begin(), two->features.end(), 1u), 2);
  EXPECT_EQ(
      ReasonOf(ChooseLayout(offered, {.receive = true, .rx_roles = {"packet.is_udp"}}).status()),
      v1::ERROR_REASON_MISSING_ROLES);
  // A client that knows better says so.
  const auto told =
      ChooseLayout(offered, {.receive = true, .rx_roles = {"packet.is_udp"}, .features = words});
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_THAT(told->features, ::testing::Each(1));
}

TEST_F(ChooseLayoutTest, RefusesWordsThatAreNoRoles) {
  const absl::Status status = Choose({.rx_roles = {"packet.colour"}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'packet.colour' is no role"));
  EXPECT_FALSE(Choose({.rx_roles = std::vector<std::string>(65, "packet.length")}).ok());
}

TEST_F(ChooseLayoutTest, FeaturesThatAreAskedForAreChosen) {
  const std::vector<LayoutOffer> offered =
      Offers({layout::testing::SimpleLayout(), layout::testing::ChoosyLayout()});
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
  const absl::Status marked = choose({.name = "test.choosy",
                                      .rx_roles = {"flow.mark"},
                                      .features = {"Word=hash", "Size=small"}})
                                  .status();
  EXPECT_EQ(ReasonOf(marked), v1::ERROR_REASON_MISSING_ROLES) << marked;
}

TEST_F(ChooseLayoutTest, FeaturesThatALayoutLacksAreRefused) {
  const std::vector<LayoutOffer> offered =
      Offers({layout::testing::SimpleLayout(), layout::testing::ChoosyLayout()});
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
  constexpr auto kReceive = v1::DIRECTION_RECEIVE;
  constexpr auto kTransmit = v1::DIRECTION_TRANSMIT;
  EXPECT_TRUE(SoftwareCanCompute(kReceive, "checksum.l4.ok"));
  EXPECT_TRUE(SoftwareCanCompute(kReceive, "vlan.tci"));
  EXPECT_TRUE(SoftwareCanCompute(kReceive, "hash.value"));
  EXPECT_TRUE(SoftwareCanCompute(kReceive, "hash.type"));
  EXPECT_FALSE(SoftwareCanCompute(kReceive, "timestamp"));
  EXPECT_FALSE(SoftwareCanCompute(kReceive, "flow.mark"));
  EXPECT_FALSE(SoftwareCanCompute(kReceive, "checksum.value"));
  EXPECT_FALSE(SoftwareCanCompute(kReceive, "vlan.outer.tci"));
  EXPECT_TRUE(SoftwareCanCompute(kTransmit, "checksum.l4.request"));
  EXPECT_TRUE(SoftwareCanCompute(kTransmit, "vlan.insert"));
  EXPECT_FALSE(SoftwareCanCompute(kTransmit, "segment.size"));
  EXPECT_FALSE(SoftwareCanCompute(kTransmit, "hash.value"));
}

}  // namespace
}  // namespace qsplit::lease
