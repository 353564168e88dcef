// Why a queue is empty, and what stands in its rings: who may ask, and what the answer says.
#include <future>

#include "daemon/backend/common/unusable_device.h"
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class BrokerQueuesTest : public BrokerTest {
 protected:
  absl::StatusOr<v1::ExplainQueueResponse> Ask(SessionId caller, uint32_t queue,
                                               bool transmit = false) {
    v1::ExplainQueueRequest request;
    request.set_device("nic0");
    request.set_queue(queue);
    request.set_transmit(transmit);
    return broker_->ExplainQueue(caller, request);
  }
  std::string Answer(SessionId caller, uint32_t queue, bool transmit = false) {
    const auto response = Ask(caller, queue, transmit);
    return response.ok() ? response->answer() : std::string(response.status().message());
  }
  // What a second look says, 300 ms later, after `meanwhile`.
  std::string Second(SessionId caller, const std::function<void()>& meanwhile) {
    v1::ExplainQueueRequest request;
    request.set_device("nic0");
    *request.mutable_since() = Ask(caller, 0)->sample();
    meanwhile();
    now_ += absl::Milliseconds(300);
    return broker_->ExplainQueue(caller, request)->answer();
  }
  static v1::ReadQueueRequest Ring(uint32_t queue) {
    v1::ReadQueueRequest request;
    request.set_device("nic0");
    request.set_queue(queue);
    return request;
  }
  // A lease whose grant has been fetched: rx queue 0, tx queue 0.
  v1::Lease Mapped(SessionId session) {
    v1::Lease lease = Acquire(session);
    EXPECT_TRUE(broker_->FetchGrant(session, lease.lease_id()).ok());
    return lease;
  }
  void AddRule(SessionId session, LeaseId lease) {
    v1::AddRuleRequest request;
    request.set_lease_id(lease);
    request.set_lease_queue(0);
    request.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
    request.mutable_match()->mutable_dst_port()->set_value(4242);
    request.mutable_match()->mutable_dst_port()->set_mask(0xffff);
    ASSERT_TRUE(broker_->AddRule(session, request).ok());
  }
};

TEST_F(BrokerQueuesTest, SaysThatNobodyLeasesIt) {
  const auto response = Ask(Open(1000), 3);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(response->answer(), HasSubstr("no lease holds receive queue 3"));
  EXPECT_EQ(response->lease_id(), 0U);
  EXPECT_EQ(response->checks(0).subject(), "link");
}

TEST_F(BrokerQueuesTest, WhoHadAQueueBeforeIsAnAdministratorsMatter) {
  nic_->SetChecks({{"former holder", device::CheckVerdict::kNote, "process 77 runs", ""}});
  const auto subjects = [&](SessionId caller) {
    const auto response = Ask(caller, 3);
    std::vector<std::string> found;
    for (const auto& check : response->checks()) found.push_back(check.subject());
    return found;
  };
  EXPECT_THAT(subjects(Open(1000)), ::testing::Not(::testing::Contains("former holder")));
  EXPECT_THAT(subjects(Open(0)), ::testing::Contains("former holder"));
  // Perhaps that is why nobody can lease it.
  EXPECT_THAT(Answer(Open(0), 3),
              AllOf(HasSubstr("no lease holds receive queue 3"), HasSubstr("process 77 runs")));
  EXPECT_THAT(Answer(Open(1000), 3), ::testing::Not(HasSubstr("77")));
}

TEST_F(BrokerQueuesTest, NobodyElseWaitsForADeviceThatCounts) {
  const SessionId red = Open(1000);
  std::future<Totals> other;
  bool waited = true;
  nic_->OnCount([&] {
    other = std::async(std::launch::async, [&] { return broker_->totals(); });
    waited = other.wait_for(std::chrono::seconds(5)) != std::future_status::ready;
  });
  EXPECT_TRUE(Ask(red, 0).ok());
  EXPECT_FALSE(waited);
}

TEST_F(BrokerQueuesTest, SaysThatTheGrantWasNotFetched) {
  const SessionId red = Open(1000);
  AddRule(red, Acquire(red).lease_id());
  EXPECT_THAT(Answer(red, 0), HasSubstr("has not fetched its grant"));
}

TEST_F(BrokerQueuesTest, SaysThatNothingSteersToIt) {
  const SessionId red = Open(1000);
  Mapped(red);
  EXPECT_THAT(Answer(red, 0),
              StartsWith("no rule sends to queue 0, and the RSS table does not name it; add one"));
}

TEST_F(BrokerQueuesTest, SaysWhatTheDeviceFound) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  nic_->SetChecks({{"fill ring", device::CheckVerdict::kWrong, "nothing is posted", "post"}});
  EXPECT_EQ(Answer(red, 0), "nothing is posted; post");
  const auto response = Ask(red, 0);
  std::vector<std::string> subjects;
  for (const auto& check : response->checks()) subjects.push_back(check.subject());
  EXPECT_THAT(subjects, ::testing::ElementsAre("link", "wire", "MAC filter", "rules and RSS",
                                               "lease", "fill ring", "drops", "traffic"));
}

TEST_F(BrokerQueuesTest, TheLinkComesFirst) {
  const SessionId red = Open(1000);
  Mapped(red);
  device::DeviceState down;
  down.trouble = "tap qtap0 is down";
  nic_->ChangeState(down);
  EXPECT_EQ(Answer(red, 0), "tap qtap0 is down");
}

TEST_F(BrokerQueuesTest, AKernelNetdevSaysByItselfWhatToDoAndHasTheKernelsMulticastGroups) {
  device::DeviceInfo info = Info();
  info.netdev.emplace().name = "eth0";
  nic_ = std::make_shared<device::testing::FakeDevice>(info);
  ASSERT_TRUE(broker_->ReplaceDevice(nic_).ok());
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  const auto response = Ask(red, 0);
  EXPECT_THAT(response->checks(2).finding(), HasSubstr("`ip maddress show dev eth0`"));
  device::DeviceState down;
  down.trouble = "netdev eth0 is down; `ip link set eth0 up` brings it up";
  nic_->ChangeState(down);
  EXPECT_EQ(Answer(red, 0), down.trouble);
}

TEST_F(BrokerQueuesTest, SaysThatNothingIsWrong) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  EXPECT_EQ(Answer(red, 0), "nothing is wrong: no packet has come that would be for it");
  nic_->AddTraffic(5);
  EXPECT_EQ(Answer(red, 0), "nothing is wrong: 5 packets went through it");
  EXPECT_EQ(Answer(red, 0, /*transmit=*/true), "nothing is wrong: 5 packets went through it");
}

TEST_F(BrokerQueuesTest, ASecondLookSpeaksOfThePresent) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  nic_->AddTraffic(5);
  EXPECT_EQ(Second(red, [&] { nic_->AddTraffic(2); }),
            "nothing is wrong: 2 packets went through it in 0.3 s");
  EXPECT_EQ(Second(red, [] {}),
            "nothing is wrong: no packet came in 0.3 s, 7 before; no frame came from the wire "
            "meanwhile");
}

TEST_F(BrokerQueuesTest, WhatKeepsPacketsAwayBeatsThoseThatWentThroughBefore) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  nic_->AddTraffic(5);
  const auto astray = [](uint64_t count) {
    return std::vector<device::QueueCheck>{
        {"old", device::CheckVerdict::kNote, "3 packets of old", "", 3},
        {"arrival", device::CheckVerdict::kNote, "packets go astray", "lease all", count}};
  };
  nic_->SetChecks(astray(10));
  EXPECT_EQ(Answer(red, 0), "5 packets went through it so far; 3 packets of old");
  EXPECT_EQ(Second(red, [] {}), "no packet came in 0.3 s, 5 before; 3 packets of old");
  EXPECT_EQ(Second(red, [&] { nic_->SetChecks(astray(11)); }),
            "no packet came in 0.3 s, 5 before; packets go astray; lease all")
      << "it grows";
  EXPECT_EQ(Second(red, [&] { nic_->AddTraffic(1); }),
            "nothing is wrong: 1 packet went through it in 0.3 s");
}

TEST_F(BrokerQueuesTest, SaysThatTheProgramHangs) {
  const SessionId red = Open(1000);
  const v1::Lease lease = Mapped(red);
  AddRule(red, lease.lease_id());
  nic_->SetProgress(device::QueueProgress{.position = 7, .waiting = 20});
  nic_->AddTraffic(20);
  EXPECT_THAT(Second(red, [] {}), StartsWith("20 packets wait in its ring, and it has taken none "
                                             "for 0.3 s; the program hangs"));
  EXPECT_THAT(Second(red, [&] { nic_->AddTraffic(1); }), HasSubstr("the program hangs"));
  const auto goes_on = [&] { nic_->SetProgress(device::QueueProgress{.position = 8}); };
  EXPECT_THAT(Second(red, goes_on), StartsWith("nothing is wrong: no packet came"));
  // Came just before the second look.
  const auto just_came = [&] { nic_->SetProgress(device::QueueProgress{8, 1}); };
  EXPECT_THAT(Second(red, just_came), StartsWith("nothing is wrong: no packet came"));
}

// Of most devices it cannot be seen how many packets wait.
TEST_F(BrokerQueuesTest, WhoGivesNoSlotBackMayHang) {
  const SessionId red = Open(1000);
  const v1::Lease lease = Mapped(red);
  AddRule(red, lease.lease_id());
  nic_->SetProgress(device::QueueProgress{.position = 7});
  nic_->AddTraffic(5);
  EXPECT_THAT(Second(red, [] {}), StartsWith("nothing is wrong: no packet came"));
  EXPECT_THAT(Second(red, [&] { nic_->AddTraffic(63); }),
              StartsWith("nothing is wrong: 63 packets went"))
      << "it may give slots back when it has gathered some";
  EXPECT_EQ(Second(red, [&] { nic_->AddTraffic(64); }),
            absl::StrCat("64 packets came in 0.3 s, and it has given no slot back; the program "
                         "hangs, or does not look at the queue: see what pid ",
                         lease.pid(), " does"));
  const auto goes_on = [&] {
    nic_->AddTraffic(64);
    nic_->SetProgress(device::QueueProgress{.position = 8});
  };
  EXPECT_EQ(Second(red, goes_on), "nothing is wrong: 64 packets went through it in 0.3 s");
}

// As the 82574, leased whole.
TEST_F(BrokerQueuesTest, WhereNothingIsCountedTheProgramSaysThatPacketsCome) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  nic_->SetProgress(device::QueueProgress{.position = 7});
  EXPECT_THAT(Second(red, [] {}), ::testing::Not(HasSubstr("has taken packets")));
  EXPECT_EQ(Second(red, [&] { nic_->SetProgress(device::QueueProgress{.position = 8}); }),
            "nothing is wrong: its program has taken packets or posted buffers in 0.3 s");
}

TEST_F(BrokerQueuesTest, SaysThatTheHoldersProcessIsStopped) {
  const SessionId red = Open(1000);
  const v1::Lease lease = Mapped(red);
  AddRule(red, lease.lease_id());
  nic_->AddTraffic(5);
  stopped_pid_ = lease.pid() + 1;
  EXPECT_THAT(Answer(red, 0), StartsWith("nothing is wrong"));
  stopped_pid_ = lease.pid();
  nic_->SetChecks({{"receive ring", device::CheckVerdict::kWrong, "0 slots are posted", "hangs"}});
  for (const bool transmit : {false, true}) {
    EXPECT_THAT(Answer(red, 0, transmit),
                AllOf(HasSubstr("does not run: its process is stopped, by SIGSTOP or a debugger"),
                      HasSubstr(absl::StrCat("`kill -CONT ", lease.pid(), "`"))));
  }
}

TEST_F(BrokerQueuesTest, ASampleOfAnotherLeaseDoesNotCount) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  nic_->AddTraffic(5);
  v1::ExplainQueueRequest request;
  request.set_device("nic0");
  *request.mutable_since() = Ask(red, 0)->sample();
  request.mutable_since()->set_lease_id(99);
  EXPECT_EQ(broker_->ExplainQueue(red, request)->answer(),
            "nothing is wrong: 5 packets went through it");
}

TEST_F(BrokerQueuesTest, SaysWhichRuleTakesThePackets) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  v1::AddRuleRequest all;
  all.set_device("nic0");
  all.mutable_match()->set_flow_type(v1::FLOW_TYPE_IP4);
  all.set_pass(true);
  all.set_location(3);
  const SessionId admin = Open(0);
  ASSERT_TRUE(broker_->AddRule(admin, all).ok());
  EXPECT_EQ(Answer(admin, 0),
            "rule 15 (25 packets) sends to it, but at a lower location stands rule 3 (13 packets), "
            "which passes what it takes to the kernel: nothing is left for the queue; lower "
            "locations win: remove it (`qsplit rule del nic0 3`), or give the queue's rules lower "
            "ones");
  // Which it is, is not the tenant's to know.
  EXPECT_THAT(Answer(red, 0), AllOf(HasSubstr("an operator's rule"), HasSubstr("administrator"),
                                    ::testing::Not(HasSubstr("rule 3"))));
}

TEST_F(BrokerQueuesTest, ARuleThatTakesSomeOfThePacketsIsNoted) {
  const SessionId red = Open(1000);
  AddRule(red, Mapped(red).lease_id());
  v1::AddRuleRequest some;
  some.set_device("nic0");
  some.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  some.mutable_match()->mutable_src_port()->set_value(53);
  some.mutable_match()->mutable_src_port()->set_mask(0xffff);
  some.set_drop(true);
  some.set_location(3);
  const SessionId admin = Open(0);
  ASSERT_TRUE(broker_->AddRule(admin, some).ok());
  EXPECT_THAT(Answer(admin, 0), StartsWith("rule 15 (25 packets) sends to it, but at a lower "
                                           "location stands rule 3 (13 packets), which drops what "
                                           "it takes; lower"));
  // Packets of others went through meanwhile.
  EXPECT_EQ(Second(admin, [&] { nic_->AddTraffic(2); }),
            "nothing is wrong: 2 packets went through it in 0.3 s");
}

TEST_F(BrokerQueuesTest, AnExceptionOfTheHoldersOwnIsNoneUntilItTakesAll) {
  const SessionId red = Open(1000);
  const LeaseId lease = Mapped(red).lease_id();
  AddRule(red, lease);
  v1::AddRuleRequest own;
  own.set_lease_id(lease);
  own.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  own.mutable_match()->mutable_src_port()->set_value(53);
  own.mutable_match()->mutable_src_port()->set_mask(0xffff);
  own.set_pass(true);
  own.set_location(3);
  ASSERT_TRUE(broker_->AddRule(red, own).ok());
  EXPECT_THAT(Answer(red, 0), StartsWith("nothing is wrong"));
  own.mutable_match()->clear_src_port();
  own.set_location(2);
  ASSERT_TRUE(broker_->AddRule(red, own).ok());
  EXPECT_THAT(Answer(red, 0), AllOf(HasSubstr("stands rule 2 (12 packets), which passes"),
                                    HasSubstr("nothing is left for the queue")));
}

TEST_F(BrokerQueuesTest, OfADeviceThatCannotBeUsedItSaysWhy) {
  device::DeviceInfo none;
  none.name = "nic0";
  const auto gone =
      std::make_shared<backend::UnusableDevice>(none, "another XDP program is on it; take it off");
  ASSERT_TRUE(broker_->ReplaceDevice(gone).ok());
  const SessionId red = Open(1000);
  const auto response = Ask(red, 0);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->answer(),
            "device nic0 cannot be used: another XDP program is on it; take it off");
  EXPECT_EQ(response->checks(0).verdict(), v1::QUEUE_CHECK_VERDICT_WRONG);
  const absl::Status read = broker_->ReadQueue(red, Ring(0)).status();
  EXPECT_EQ(ReasonOf(read), v1::ERROR_REASON_UNUSABLE);
  EXPECT_THAT(read.message(), HasSubstr("another XDP program is on it"));
  ASSERT_TRUE(broker_->ReplaceDevice(nic_).ok());
}

TEST_F(BrokerQueuesTest, SaysThatItWasRevoked) {
  const SessionId red = Open(1000);
  v1::RevokeLeaseRequest revoke;
  revoke.set_lease_id(Mapped(red).lease_id());
  ASSERT_TRUE(broker_->RevokeLease(Open(0), revoke).ok());
  EXPECT_THAT(Answer(red, 0), HasSubstr("no lease holds"));
}

TEST_F(BrokerQueuesTest, OthersQueuesAreForAdmins) {
  const SessionId red = Open(1000);
  Mapped(red);
  const SessionId blue = Open(2000);
  EXPECT_EQ(ReasonOf(Ask(blue, 0).status()), v1::ERROR_REASON_NOT_ALLOWED);
  EXPECT_EQ(ReasonOf(broker_->ReadQueue(blue, Ring(0)).status()), v1::ERROR_REASON_NOT_ALLOWED);
  EXPECT_TRUE(Ask(Open(0), 0).ok());
  EXPECT_TRUE(broker_->ReadQueue(Open(0), Ring(0)).ok());
  EXPECT_EQ(Ask(kNobody, 0).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(BrokerQueuesTest, NamesWhatIsNotThere) {
  const SessionId red = Open(1000);
  EXPECT_THAT(Answer(red, 8), HasSubstr("nic0 has no receive queue 8; it has 8"));
  v1::ExplainQueueRequest request;
  request.set_device("eth0");
  EXPECT_EQ(broker_->ExplainQueue(red, request).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(broker_->ReadQueue(red, Ring(3)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(BrokerQueuesTest, ReadsRings) {
  const SessionId red = Open(1000);
  const v1::Lease lease = Mapped(red);
  const auto all = broker_->ReadQueue(red, Ring(0));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->lease_id(), lease.lease_id());
  EXPECT_EQ(all->layout().name(), lease.layout().name());
  ASSERT_EQ(all->rings_size(), 1);
  EXPECT_EQ(all->rings(0).slot_count(), 16U);
  EXPECT_EQ(all->rings(0).slots().size() % 16, 0U);
  v1::ReadQueueRequest some = Ring(0);
  some.set_first_slot(5);
  some.set_slots(2);
  const auto two = broker_->ReadQueue(red, some);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->rings(0).first_slot(), 5U);
  EXPECT_EQ(two->rings(0).slots().size() * 8, all->rings(0).slots().size());
  EXPECT_EQ(two->rings(0).slots().front(), 5);
  some.set_first_slot(16);
  EXPECT_EQ(ReasonOf(broker_->ReadQueue(red, some).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  some = Ring(0);
  some.set_ring(1);
  EXPECT_EQ(ReasonOf(broker_->ReadQueue(red, some).status()), v1::ERROR_REASON_OUT_OF_RANGE);
}

}  // namespace
}  // namespace qsplit::lease
