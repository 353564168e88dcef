// The roles that a client asks for choose among the layouts that the build ships.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/layout_files.h"
#include "tests/unit/daemon/daemon_fixture.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RolesTest : public DaemonFixture {
 protected:
  void SetUp() override {
    DaemonFixture::SetUp();
    auto shipped = daemon::LoadLayouts(QSPLIT_LAYOUT_DIR);
    ASSERT_TRUE(shipped.ok()) << shipped.status();
    layouts_ = *std::move(shipped);
    Start();
    client_ = std::make_unique<RawClient>(session_path_);
    token_ = Token(*client_);
    v1::RegisterRegionResponse region;
    ASSERT_TRUE(Register(*client_, token_, SealedMemfd(1 << 16).get(), 1 << 16, &region).ok());
    region_ = region.region().region_id();
  }
  void TearDown() override {
    client_.reset();
    DaemonFixture::TearDown();
  }

  grpc::Status Ask(const std::vector<std::string>& rx_roles, const std::string& layout,
                   v1::AcquireLeaseResponse* response) {
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(1);
    request.add_region_ids(region_);
    request.set_layout(layout);
    for (const std::string& role : rx_roles) request.add_rx_roles(role);
    Context context(token_);
    return Stub<v1::LeaseService>()->AcquireLease(&context, request, response);
  }

  std::unique_ptr<RawClient> client_;
  std::string token_;
  uint64_t region_ = 0;
};

TEST_F(RolesTest, TheLayoutThatHasThemIsPicked) {
  v1::AcquireLeaseResponse plain, hashed, legacy;
  ASSERT_TRUE(Ask({}, "", &plain).ok());
  const grpc::Status status = Ask({"hash.value", "packet.length"}, "", &hashed);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(hashed.lease().layout().name(), "intel.ixgbe.advanced");
  EXPECT_THAT(hashed.roles_in_software(), IsEmpty());
  // The one that is named lacks it: the answer says that software has to compute it.
  ASSERT_TRUE(Ask({"hash.value", "packet.length"}, "intel.e1000.legacy", &legacy).ok());
  EXPECT_EQ(legacy.lease().layout().name(), "intel.e1000.legacy");
  EXPECT_THAT(legacy.roles_in_software(), ElementsAre("hash.value"));
}

TEST_F(RolesTest, WhatNoneHasAndSoftwareCannotComputeIsNamed) {
  v1::AcquireLeaseResponse response;
  const grpc::Status status = Ask({"packet.length", "timestamp"}, "intel.e1000.legacy", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(ReasonOf(status), "ERROR_REASON_MISSING_ROLES");
  EXPECT_THAT(status.error_message(), HasSubstr("timestamp"));
  EXPECT_THAT(status.error_message(), Not(HasSubstr("packet.length")));
  EXPECT_EQ(broker_->totals().leases, 0u);
}

}  // namespace
}  // namespace qsplit::daemon_test
