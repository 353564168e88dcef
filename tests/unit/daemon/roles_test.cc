// The roles that a client asks for choose among the layouts that the build ships, and among what
// can be chosen for their features.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "daemon/backend/softnic/driven_layouts.h"
#include "daemon/layout_files.h"
#include "daemon/lease/layout_choice.h"
#include "daemon/lease/queue_sizes.h"
#include "tests/unit/daemon/daemon_fixture.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

// A device that offers some of the shipped layouts.
class RolesTest : public DaemonFixture {
 protected:
  void TearDown() override {
    client_.reset();
    DaemonFixture::TearDown();
  }

  // `names` empty: all of them.
  void Offer(const std::vector<std::string>& names) {
    auto shipped = daemon::LoadLayouts(QSPLIT_LAYOUT_DIR);
    ASSERT_TRUE(shipped.ok()) << shipped.status();
    auto picked = daemon::PickLayouts(*shipped, names);
    ASSERT_TRUE(picked.ok()) << picked.status();
    layouts_ = *std::move(picked);
    Start();
    client_ = std::make_unique<RawClient>(session_path_);
    token_ = Token(*client_);
    v1::RegisterRegionResponse region;
    ASSERT_TRUE(Register(*client_, token_, SealedMemfd(1 << 16).get(), 1 << 16, &region).ok());
    region_ = region.region().region_id();
  }

  grpc::Status Ask(const std::vector<std::string>& rx_roles, const std::string& layout,
                   v1::AcquireLeaseResponse* response,
                   const std::vector<std::string>& features = {}) {
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(1);
    request.add_region_ids(region_);
    request.set_layout(layout);
    for (const std::string& role : rx_roles) request.add_rx_roles(role);
    for (const std::string& choice : features) request.add_features(choice);
    Context context(token_);
    return Stub<v1::LeaseService>()->AcquireLease(&context, request, response);
  }

  std::unique_ptr<RawClient> client_;
  std::string token_;
  uint64_t region_ = 0;
};

const std::vector<std::string> kInPlace = {"intel.e1000.legacy", "intel.e1000.extended",
                                           "intel.igb.advanced", "intel.ixgbe.advanced"};

TEST_F(RolesTest, TheLayoutThatHasThemIsPicked) {
  Offer(kInPlace);
  v1::AcquireLeaseResponse plain, hashed, legacy;
  // All have slots of 16 bytes: the first will do.
  ASSERT_TRUE(Ask({}, "", &plain).ok());
  EXPECT_EQ(plain.lease().layout().name(), "intel.e1000.legacy");
  // The first that has a hash.
  const grpc::Status status = Ask({"hash.value", "packet.length"}, "", &hashed);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(hashed.lease().layout().name(), "intel.e1000.extended");
  EXPECT_THAT(hashed.roles_in_software(), IsEmpty());
  EXPECT_THAT(hashed.lease().features(), ElementsAre("Buffers=one", "Dword1=hash"));
  // The one that is named lacks it: the answer says that software has to compute it.
  ASSERT_TRUE(Ask({"hash.value", "packet.length"}, "intel.e1000.legacy", &legacy).ok());
  EXPECT_EQ(legacy.lease().layout().name(), "intel.e1000.legacy");
  EXPECT_THAT(legacy.roles_in_software(), ElementsAre("hash.value"));
}

TEST_F(RolesTest, FeaturesAreChosenForThem) {
  Offer(kInPlace);
  // The dword has the hash or the sum, and software can compute only the hash.
  v1::AcquireLeaseResponse response;
  const grpc::Status status =
      Ask({"hash.value", "checksum.value"}, "intel.igb.advanced", &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(response.lease().features(),
              ElementsAre("Done=descriptor", "Dword1=checksum", "LoopbackTag=little"));
  EXPECT_THAT(response.roles_in_software(), ElementsAre("hash.value"));
  EXPECT_THAT(response.grant().rx(0).feature_choices(), ElementsAre(0, 1, 0));
  const grpc::Status pinned =
      Ask({"checksum.value"}, "intel.igb.advanced", &response, {"Dword1=hash"});
  EXPECT_EQ(pinned.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(pinned.error_message(), HasSubstr("intel.igb.advanced lacks checksum.value"));
}

TEST_F(RolesTest, WhatNoneHasAndSoftwareCannotComputeIsNamed) {
  Offer({"intel.e1000.legacy"});
  v1::AcquireLeaseResponse response;
  for (const char* name : {"intel.e1000.legacy", ""}) {
    const grpc::Status status = Ask({"packet.length", "timestamp"}, name, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(ReasonOf(status), "ERROR_REASON_MISSING_ROLES");
    EXPECT_THAT(status.error_message(), HasSubstr("lacks timestamp"));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("packet.length")));
    EXPECT_THAT(status.error_message(), HasSubstr("choose another device"));
  }
  EXPECT_EQ(broker_->totals().leases, 0u);
}

// With all layouts that the software NIC drives: what is chosen for a role can also be set up.
TEST_F(RolesTest, WhatIsChosenCanBeHad) {
  auto shipped = daemon::LoadLayouts(QSPLIT_LAYOUT_DIR);
  ASSERT_TRUE(shipped.ok()) << shipped.status();
  std::vector<std::string> driven;
  for (const layout::VerifiedLayout& layout : *shipped) {
    if (softnic::CheckDriven(layout, 512).ok()) driven.push_back(layout.name());
  }
  Offer(driven);
  int had = 0;
  for (const layout::RoleInfo& role : layout::AllRoles()) {
    v1::AcquireLeaseResponse response;
    const grpc::Status status = Ask({std::string(role.name)}, "", &response);
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "ERROR_REASON_MISSING_ROLES")
          << role.name << ": " << status.error_message();
      continue;
    }
    ++had;
    v1::ReleaseLeaseRequest release;
    release.set_lease_id(response.lease().lease_id());
    v1::ReleaseLeaseResponse released;
    Context context(token_);
    ASSERT_TRUE(Stub<v1::LeaseService>()->ReleaseLease(&context, release, &released).ok());
  }
  EXPECT_GE(had, 20);
}

// Of all that are shipped, without a device that drives them.
class ShippedTest : public ::testing::Test {
 protected:
  ShippedTest()
      : shipped_(daemon::LoadLayouts(QSPLIT_LAYOUT_DIR).value()),
        offered_(lease::OffersOf(device::DeviceInfo{.layouts = shipped_})) {}

  // All roles that a field of the layout has, whatever is chosen.
  static std::set<std::string> RolesOf(const layout::VerifiedLayout& layout) {
    std::set<std::string> roles;
    for (const v1::Form& form : layout.message().forms()) {
      for (const v1::Field& field : form.fields()) roles.insert(field.role());
    }
    return roles;
  }

  const std::vector<layout::VerifiedLayout> shipped_;
  const std::vector<lease::LayoutOffer> offered_;
};

TEST_F(ShippedTest, NoneThatHasTheRolesHasSmallerSlots) {
  const std::vector<std::vector<std::string>> wishes = {{"packet.length"},
                                                        {"hash.value", "hash.type"},
                                                        {"timestamp"},
                                                        {"hash.value", "flow.mark"},
                                                        {"vlan.tci", "checksum.l4.ok"}};
  for (const auto& roles : wishes) {
    const lease::LayoutWish wish{.receive = true, .rx_roles = roles};
    const auto best = lease::ChooseLayout(offered_, wish);
    ASSERT_TRUE(best.ok()) << best.status();
    EXPECT_THAT(best->roles_in_software, IsEmpty());
    EXPECT_THAT(RolesOf(best->layout), IsSupersetOf(roles)) << best->layout.name();
    const auto slots = [&](const lease::LayoutChoice& choice) {
      const v1::Queue& queue = *choice.layout.FindQueue(v1::DIRECTION_RECEIVE);
      uint32_t bytes = 0;
      for (const v1::Ring& ring : queue.rings()) {
        if (layout::Applies(ring.features(), choice.features)) bytes += ring.slot_bytes();
      }
      return bytes;
    };
    int others = 0;
    for (const layout::VerifiedLayout& layout : shipped_) {
      lease::LayoutWish named = wish;
      named.name = layout.name();
      const auto other = lease::ChooseLayout(offered_, named);
      if (!other.ok() || !other->roles_in_software.empty()) continue;
      ++others;
      EXPECT_LE(slots(*best), slots(*other)) << best->layout.name() << ", " << layout.name();
    }
    EXPECT_GE(others, 2) << "there is a choice";
  }
}

// Whichever is named, a queue can be set up with the device's default of slots, and each choice of
// each feature can be insisted on.
TEST_F(ShippedTest, EachCanBeHadByName) {
  for (const layout::VerifiedLayout& layout : shipped_) {
    for (const v1::Direction direction : {v1::DIRECTION_RECEIVE, v1::DIRECTION_TRANSMIT}) {
      const v1::Queue* queue = layout.FindQueue(direction);
      if (queue == nullptr) continue;
      lease::LayoutWish wish{.name = layout.name(),
                             .receive = direction == v1::DIRECTION_RECEIVE,
                             .transmit = direction == v1::DIRECTION_TRANSMIT};
      const auto plain = lease::ChooseLayout(offered_, wish);
      ASSERT_TRUE(plain.ok()) << layout.name() << ": " << plain.status();
      EXPECT_THAT(plain->features, ::testing::Each(0)) << layout.name();
      for (int f = 0; f < layout.message().features_size(); ++f) {
        const v1::Feature& feature = layout.message().features(f);
        for (int c = 0; c < feature.choices_size(); ++c) {
          wish.features = {feature.name() + "=" + feature.choices(c)};
          const auto choice = lease::ChooseLayout(offered_, wish);
          ASSERT_TRUE(choice.ok()) << layout.name() << ": " << choice.status();
          EXPECT_EQ(choice->features[static_cast<size_t>(f)], static_cast<uint32_t>(c));
          const auto slots = lease::ChooseSlots(*queue, choice->features, 0, 512, "slots");
          EXPECT_TRUE(slots.ok()) << layout.name() << ": " << slots.status();
        }
      }
      EXPECT_TRUE(lease::ChooseSlots(*queue, plain->features, 0, 512, "slots").ok())
          << layout.name();
    }
  }
}

// Each role that some receive queue has can be had by asking for it.
TEST_F(ShippedTest, EachRoleThatIsThereIsFound) {
  size_t found = 0;
  for (const layout::RoleInfo& role : layout::AllRoles()) {
    const auto choice =
        lease::ChooseLayout(offered_, {.receive = true, .rx_roles = {std::string(role.name)}});
    if (!choice.ok()) {
      EXPECT_EQ(choice.status().code(), absl::StatusCode::kUnimplemented) << choice.status();
      continue;
    }
    if (choice->roles_in_software.empty()) {
      EXPECT_THAT(RolesOf(choice->layout), Contains(std::string(role.name)));
      ++found;
    }
  }
  EXPECT_GE(found, 20u);
}

}  // namespace
}  // namespace qsplit::daemon_test
