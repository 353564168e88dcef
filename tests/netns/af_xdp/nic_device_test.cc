// A netdev whose NIC has ntuple filters, as a device: which rules stand where. The NIC is not
// there: its ioctls are answered by a stand-in.
#include <gmock/gmock.h>

#include <vector>

#include "daemon/backend/af_xdp/af_xdp_device.h"
#include "tests/netns/af_xdp/device_fixture.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::SizeIs;

class NicDeviceTest : public AfXdpDeviceTest {};

TEST_F(NicDeviceTest, TheNicSteersWhereItCan) {
  const std::vector<uint32_t> before = nic_.rss_table();
  auto device = Make({}, /*with_nic=*/true);
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->info().netdev->steering, "ntuple");
  EXPECT_THAT(device->info().netdev->steering_reason, HasSubstr("room for 16 rules to queues"));
  const auto grant = device->OpenQueues(Request(1, {2, 3}, {}));
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_THAT(nic_.rss_table(), Each(Lt(2u))) << "its queues are out of RSS";
  ASSERT_TRUE(device->AddRule(UdpTo(0, 3)).ok());
  ASSERT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_EQ(nic_.rules().begin()->second.ring_cookie, 3u);
  device::FlowRule pass = UdpTo(1, 0);
  pass.action.queue = device::FlowAction::kPass;
  ASSERT_TRUE(device->AddRule(pass).ok());
  EXPECT_THAT(nic_.rules(), SizeIs(1)) << "what passes is the program's";
  EXPECT_TRUE(device->RemoveRule(1).ok());
  EXPECT_TRUE(device->RemoveRule(0).ok());
  EXPECT_THAT(nic_.rules(), IsEmpty());
  EXPECT_TRUE(device->CloseQueues(1).ok());
  EXPECT_EQ(nic_.rss_table(), before);
  // With the daemon everything comes back, whatever the order.
  ASSERT_TRUE(device->OpenQueues(Request(2, {1}, {1})).ok());
  ASSERT_TRUE(device->AddRule(UdpTo(0, 1)).ok());
  device.reset();
  EXPECT_EQ(nic_.rss_table(), before);
  EXPECT_THAT(nic_.rules(), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

// The NIC's few places are for rules to queues; the program has room for all others.
TEST_F(NicDeviceTest, RulesOfTheProgramTakeNoPlacesOfTheNic) {
  const auto device = Make({}, /*with_nic=*/true);
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->info().rule_capacity, 1024u);
  ASSERT_TRUE(device->OpenQueues(Request(1, {2, 3}, {})).ok());
  for (uint32_t location = 0; location < 1008; ++location) {
    const uint32_t verdicts[] = {device::FlowAction::kDrop, device::FlowAction::kPass,
                                 device::FlowAction::kReflect};
    ASSERT_TRUE(device->AddRule(UdpTo(location, verdicts[location % 3])).ok()) << location;
  }
  EXPECT_THAT(nic_.rules(), IsEmpty());
  // As the broker chooses them: from the end on.
  for (uint32_t location = 1023; location > 1008; --location) {
    ASSERT_TRUE(device->AddRule(UdpTo(location, 2)).ok()) << location;
  }
  device::FlowRule last = UdpTo(1008, 3);
  last.match.mask.dst_port = last.match.value.dst_port = 0;
  last.match.mask.has_ports = last.match.value.has_ports = 0;
  const absl::Status late = device->AddRule(last);
  EXPECT_EQ(late.code(), absl::StatusCode::kOk) << late;
  EXPECT_THAT(nic_.rules(), SizeIs(16));
  EXPECT_EQ(nic_.rules().at(0).ring_cookie, 3u) << "it comes before all others in either";
  EXPECT_EQ(device->ReadRuleCounters().size(), 1024u);
  // One more to a queue has no place in the NIC, and stands nowhere.
  ASSERT_TRUE(device->RemoveRule(500).ok());
  const absl::Status full = device->AddRule(UdpTo(500, 2));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(full.message(), HasSubstr("the NIC has 16 locations"));
  EXPECT_TRUE(device->AddRule(UdpTo(500, device::FlowAction::kDrop)).ok());
  ASSERT_TRUE(device->RemoveRule(1023).ok());
  ASSERT_TRUE(device->RemoveRule(7).ok());
  EXPECT_TRUE(device->AddRule(UdpTo(1023, 2)).ok());
  EXPECT_THAT(nic_.rules(), SizeIs(16));
}

TEST_F(NicDeviceTest, AQueueIsExaminedInTheNicWhichSteers) {
  const auto device = Make({}, /*with_nic=*/true);
  ASSERT_NE(device, nullptr);
  ASSERT_TRUE(device->OpenQueues(Request(1, {2}, {})).ok());
  ASSERT_TRUE(device->AddRule(UdpTo(0, 2)).ok());
  const auto arrival = [&](uint32_t queue) {
    return *Find(device->ExamineQueue(queue, false), "arrival");
  };
  EXPECT_EQ(arrival(2).verdict, device::CheckVerdict::kGood) << arrival(2).finding;
  EXPECT_THAT(arrival(2).finding, HasSubstr("(`ethtool -n`: rule 0 at 0)"));
  EXPECT_THAT(arrival(1).finding, HasSubstr("spreads packets")) << "nobody leases it";
  // An administrator takes the filter out of the NIC.
  const auto admin = Admin();
  ASSERT_TRUE(admin->DeleteRule(nic_.rules().begin()->first).ok());
  EXPECT_EQ(arrival(2).verdict, device::CheckVerdict::kWrong);
  EXPECT_THAT(arrival(2).finding, HasSubstr("no longer the filter of rule 0"));
  ASSERT_TRUE(device->RemoveRule(0).ok());
  ASSERT_TRUE(device->AddRule(UdpTo(0, 2)).ok());
  EXPECT_EQ(arrival(2).verdict, device::CheckVerdict::kGood) << arrival(2).finding;
  // And spreads its packets over all queues.
  ASSERT_TRUE(admin->ResetRss().ok());
  EXPECT_EQ(arrival(2).verdict, device::CheckVerdict::kNote);
  EXPECT_THAT(arrival(2).finding, HasSubstr("back into the NIC's RSS table"));
  EXPECT_TRUE(device->RemoveRule(0).ok());
}

TEST_F(NicDeviceTest, ALeaseOfAllQueuesLeavesNoneForRss) {
  auto device = Make({}, /*with_nic=*/true);
  ASSERT_NE(device, nullptr);
  const auto grant = device->OpenQueues(Request(1, {0, 1, 2, 3}, {}));
  EXPECT_EQ(grant.status().code(), absl::StatusCode::kResourceExhausted) << grant.status();
  EXPECT_TRUE(OpenSoon(*device, Request(2, {1, 2, 3}, {})).ok()) << "as if nothing had been";
}

}  // namespace
}  // namespace qsplit::af_xdp
