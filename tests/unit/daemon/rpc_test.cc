// The daemon's RPCs as clients see them: who may call what, and what the errors say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/system/pauses.h"
#include "tests/unit/daemon/daemon_fixture.h"
#include "tests/unit/daemon/raw_rpc.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;
using ::testing::HasSubstr;

class RpcTest : public DaemonFixture {};

TEST_F(RpcTest, ReadsNeedNoSession) {
  Start();
  v1::ListDevicesResponse devices;
  Context c1;
  ASSERT_TRUE(Stub<v1::DeviceService>()->ListDevices(&c1, {}, &devices).ok());
  ASSERT_EQ(devices.devices_size(), 2);
  EXPECT_EQ(devices.devices(0).name(), "nic0");
  EXPECT_EQ(devices.devices(0).wire(), "peer nic1");
  EXPECT_TRUE(devices.devices(0).link_up());
  v1::ListLayoutsResponse layouts;
  Context c2;
  ASSERT_TRUE(Stub<v1::LayoutService>()->ListLayouts(&c2, {}, &layouts).ok());
  ASSERT_EQ(layouts.layouts_size(), 2);
  v1::GetLayoutRequest by_digest;
  by_digest.set_digest(layouts.layouts(0).layout().digest());
  v1::GetLayoutResponse layout;
  Context c3;
  ASSERT_TRUE(Stub<v1::LayoutService>()->GetLayout(&c3, by_digest, &layout).ok());
  const auto verified = layout::VerifiedLayout::FromBytes(layout.layout());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->digest(), layouts.layouts(0).layout().digest());
  v1::GetStatsRequest stats;
  stats.set_device("nic1");
  v1::GetStatsResponse counters;
  Context c4;
  ASSERT_TRUE(Stub<v1::StatsService>()->GetStats(&c4, stats, &counters).ok());
  EXPECT_EQ(counters.stats().queues_size(), 16);
  v1::GetRssRequest rss;
  rss.set_device("nic0");
  v1::GetRssResponse table;
  Context c5;
  ASSERT_TRUE(Stub<v1::SteeringService>()->GetRss(&c5, rss, &table).ok());
  EXPECT_EQ(table.rss().key().size(), 40u);
}

TEST_F(RpcTest, ErrorsCarryReasonFieldAndWords) {
  Start();
  v1::GetDeviceRequest request;
  request.set_name("nic7");
  v1::GetDeviceResponse response;
  Context context;
  const grpc::Status status = Stub<v1::DeviceService>()->GetDevice(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "ERROR_REASON_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("GetDevice: "));
  EXPECT_THAT(status.error_message(), HasSubstr("nic7"));
}

TEST_F(RpcTest, HealthAndReflectionServeGenericTools) {
  Start();
  // HealthCheckRequest{service}; HealthCheckResponse{status: 1 SERVING, 2 NOT_SERVING}.
  const std::string name = "qsplit.v1.LeaseService";
  const std::string check = std::string("\x0a") + static_cast<char>(name.size()) + name;
  EXPECT_EQ(RawCall(stub_channel_, "/grpc.health.v1.Health/Check", check), "\x08\x01");
  rpc_->SetServing(false);
  EXPECT_EQ(RawCall(stub_channel_, "/grpc.health.v1.Health/Check", check), "\x08\x02");
  // ServerReflectionRequest{list_services: "*"}.
  const std::string services = RawCall(
      stub_channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  for (const char* service :
       {"Device", "Layout", "Region", "Lease", "Steering", "Stats", "Admin"}) {
    EXPECT_THAT(services, HasSubstr("qsplit.v1." + std::string(service) + "Service"));
  }
}

TEST_F(RpcTest, ReflectionDescribesEveryMessageThatACallNeeds) {
  Start();
  // ServerReflectionRequest{file_containing_symbol}; the reply's files are strings in it.
  const std::string symbol = "qsplit.v1.LeaseService";
  const std::string reply =
      RawCall(stub_channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x22") + static_cast<char>(symbol.size()) + symbol);
  for (const char* word : {"qsplit/v1/lease.proto", "AcquireLease", "AcquireLeaseRequest",
                           "rx_queue_count", "producer_doorbells"}) {
    EXPECT_THAT(reply, HasSubstr(word));
  }
}

TEST_F(RpcTest, CallsThatChangeSomethingNeedASession) {
  Start();
  const auto expect = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "ERROR_REASON_NO_SESSION");
  };
  v1::RegisterRegionRequest region;
  region.set_descriptor_handle(1);
  region.set_length_bytes(4096);
  v1::RegisterRegionResponse r1;
  Context c1;
  expect(Stub<v1::RegionService>()->RegisterRegion(&c1, region, &r1));
  v1::AcquireLeaseRequest acquire;
  acquire.set_device("nic0");
  acquire.set_rx_queue_count(1);
  acquire.add_region_ids(1);
  v1::AcquireLeaseResponse r2;
  Context c2;
  expect(Stub<v1::LeaseService>()->AcquireLease(&c2, acquire, &r2));
  v1::AddRuleRequest rule;
  rule.set_device("nic0");
  rule.set_queue(0);
  rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  v1::AddRuleResponse r3;
  Context c3;
  expect(Stub<v1::SteeringService>()->AddRule(&c3, rule, &r3));
  v1::ReloadPolicyResponse r4;
  Context c4;
  expect(Stub<v1::AdminService>()->ReloadPolicy(&c4, {}, &r4));
  v1::ListRegionsResponse r5;
  Context c5;
  expect(Stub<v1::RegionService>()->ListRegions(&c5, {}, &r5));
}

TEST_F(RpcTest, ForgedAndOldTokensAreRefusedEvenForReads) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  ASSERT_EQ(token.size(), 64u);
  EXPECT_TRUE(GetDevice(token).ok());
  std::string forged = token;
  forged.back() = forged.back() == '0' ? '1' : '0';
  for (const std::string& bad : {forged, std::string(64, '0'), token.substr(1), token + "0"}) {
    const grpc::Status status = GetDevice(bad);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ReasonOf(status), "ERROR_REASON_NO_SESSION");
    EXPECT_EQ(status.error_message().find(bad), std::string::npos) << "a token in a message";
  }
  v1::ListDevicesResponse devices;
  Context twice(token);
  twice.context.AddMetadata("qsplit-session", token);
  const grpc::Status doubled = Stub<v1::DeviceService>()->ListDevices(&twice, {}, &devices);
  EXPECT_EQ(doubled.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  client.Close();
  ASSERT_TRUE(Eventually([&] { return broker_->totals().sessions == 0; }));
  const grpc::Status old = GetDevice(token);
  EXPECT_EQ(old.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(old), "ERROR_REASON_SESSION_ENDED");
}

TEST_F(RpcTest, DeathRollsEverythingBackWithin100Ms) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::AcquireLeaseResponse lease;
  const grpc::Status acquired = Acquire(client, token, &lease);
  ASSERT_TRUE(acquired.ok()) << acquired.error_message();
  v1::SessionRequest fetch;
  fetch.mutable_fetch_grant()->set_lease_id(lease.lease().lease_id());
  std::vector<linux_sys::OwnedFd> fds;
  const auto granted = client.Call(fetch, {}, &fds);
  ASSERT_TRUE(granted.has_value());
  EXPECT_EQ(fds.size(), static_cast<size_t>(lease.grant().descriptors_size()));
  const auto again = client.Call(fetch);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->code(), static_cast<uint32_t>(grpc::StatusCode::FAILED_PRECONDITION));
  v1::AddRuleRequest rule;
  rule.set_lease_id(lease.lease().lease_id());
  rule.set_lease_queue(0);
  rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  v1::AddRuleResponse added;
  Context context(token);
  ASSERT_TRUE(Stub<v1::SteeringService>()->AddRule(&context, rule, &added).ok());
  EXPECT_EQ(broker_->totals(), (lease::Totals{1, 1, 1, 1}));
  qsplit::testing::Pauses pauses;
  const absl::Time killed = absl::Now();
  client.Close();
  EXPECT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }));
  const absl::Duration took = absl::Now() - killed;
  EXPECT_LT(took, pauses.Allow(qsplit::testing::kCleanUpTime));
}

TEST_F(RpcTest, WhatIsNoSealedMemfdIsNoRegion) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::RegisterRegionResponse response;
  const auto refused = [&](int fd, uint64_t bytes) {
    const grpc::Status status = Register(client, token, fd, bytes, &response);
    EXPECT_FALSE(status.ok());
    return ReasonOf(status);
  };
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const linux_sys::OwnedFd reader(ends[0]), writer(ends[1]);
  EXPECT_EQ(refused(reader.get(), 4096), "ERROR_REASON_NOT_A_MEMFD");
  const std::string path = folder_ + "/file";
  const linux_sys::OwnedFd file(open(path.c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(ftruncate(file.get(), 8192), 0);
  unlink(path.c_str());
  EXPECT_EQ(refused(file.get(), 4096), "ERROR_REASON_NOT_A_MEMFD");
  EXPECT_EQ(refused(SealedMemfd(8192, F_SEAL_GROW).get(), 8192), "ERROR_REASON_MISSING_SEAL");
  EXPECT_EQ(refused(SealedMemfd(4096).get(), 8192), "ERROR_REASON_TOO_SMALL");
  EXPECT_EQ(refused(SealedMemfd(8192).get(), 6144), "ERROR_REASON_MISALIGNED");
  EXPECT_EQ(refused(client.fd(), 4096), "ERROR_REASON_NOT_A_MEMFD");
  EXPECT_EQ(broker_->totals().regions, 0u);
}

TEST_F(RpcTest, AHandleIsUsedUpWhateverTheAnswer) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  const linux_sys::OwnedFd memory = SealedMemfd(8192);
  const auto stored = client.Call(ingress::testing::Put(), {memory.get()});
  ASSERT_TRUE(stored.has_value());
  v1::RegisterRegionRequest request;
  request.set_descriptor_handle(stored->descriptor_stored().handle());
  request.set_length_bytes(4095);
  v1::RegisterRegionResponse response;
  Context first(token);
  EXPECT_EQ(ReasonOf(Stub<v1::RegionService>()->RegisterRegion(&first, request, &response)),
            "ERROR_REASON_MISALIGNED");
  request.set_length_bytes(4096);
  Context second(token);
  EXPECT_EQ(ReasonOf(Stub<v1::RegionService>()->RegisterRegion(&second, request, &response)),
            "ERROR_REASON_NOT_FOUND");
}

TEST_F(RpcTest, WhoIsNoAdminCannotDoWhatAdminsDo) {
  Start({}, {}, /*admin=*/false);
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::ReloadPolicyResponse r1;
  Context c1(token);
  EXPECT_EQ(ReasonOf(Stub<v1::AdminService>()->ReloadPolicy(&c1, {}, &r1)),
            "ERROR_REASON_NOT_ALLOWED");
  v1::InjectFaultRequest fault;
  fault.set_device("nic0");
  fault.set_fault(v1::INJECTED_FAULT_LINK_DOWN);
  fault.set_duration_ns(1);
  v1::InjectFaultResponse r2;
  Context c2(token);
  EXPECT_EQ(ReasonOf(Stub<v1::AdminService>()->InjectFault(&c2, fault, &r2)),
            "ERROR_REASON_NOT_ALLOWED");
}

TEST_F(RpcTest, ReloadSaysWhatIsWrongWithTheConfiguration) {
  Start({}, {.reload_policy = [] {
          return absl::StatusOr<uint32_t>(absl::InvalidArgumentError("q.toml:3:1: tenant.x: bad"));
        }});
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::ReloadPolicyResponse response;
  Context context(token);
  const grpc::Status status = Stub<v1::AdminService>()->ReloadPolicy(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "ReloadPolicy: q.toml:3:1: tenant.x: bad");
  EXPECT_EQ(ReasonOf(status), "ERROR_REASON_BAD_CONFIGURATION");
}

TEST_F(RpcTest, WatchersHearOfChangesAndOfTheEnd) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::WatchDevicesRequest request;
  request.set_name("nic0");
  Context watch(token);
  auto devices = Stub<v1::DeviceService>()->WatchDevices(&watch, request);
  v1::WatchDevicesResponse seen;
  ASSERT_TRUE(devices->Read(&seen));
  EXPECT_EQ(seen.device().mtu_bytes(), 1500u);
  v1::SetDeviceRequest set;
  set.set_name("nic0");
  set.set_mtu_bytes(1400);
  v1::SetDeviceResponse response;
  Context context(token);
  ASSERT_TRUE(Stub<v1::DeviceService>()->SetDevice(&context, set, &response).ok());
  ASSERT_TRUE(devices->Read(&seen));
  EXPECT_EQ(seen.device().mtu_bytes(), 1400u);

  Context lease_watch(token);
  auto leases = Stub<v1::LeaseService>()->WatchLeases(&lease_watch, {});
  v1::AcquireLeaseResponse lease;
  // The watch is in place once the first event can come.
  ASSERT_TRUE(Eventually([&] { return rpc_->watches() == 2; }));
  ASSERT_TRUE(Acquire(client, token, &lease).ok());
  v1::WatchLeasesResponse event;
  ASSERT_TRUE(leases->Read(&event));
  EXPECT_EQ(event.event(), v1::LEASE_EVENT_ACQUIRED);
  EXPECT_EQ(event.lease().lease_id(), lease.lease().lease_id());
  client.Close();
  while (leases->Read(&event)) {
  }
  EXPECT_EQ(leases->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  broker_->EndAll();
  while (devices->Read(&seen)) {
  }
  EXPECT_EQ(devices->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Eventually([&] { return rpc_->watches() == 0; }));
}

TEST_F(RpcTest, StatisticsComeAtTheirInterval) {
  Start();
  v1::WatchStatsRequest request;
  request.set_device("nic0");
  request.set_interval_ns(20'000'000);
  Context context;
  auto stream = Stub<v1::StatsService>()->WatchStats(&context, request);
  v1::WatchStatsResponse first, last;
  ASSERT_TRUE(stream->Read(&first));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(stream->Read(&last));
  EXPECT_GE(last.stats().time_ns() - first.stats().time_ns(), 5 * 20'000'000u - 10'000'000u);
  context.context.TryCancel();
  while (stream->Read(&last)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return rpc_->watches() == 0; }));

  request.set_device("nic9");
  Context other;
  auto none = Stub<v1::StatsService>()->WatchStats(&other, request);
  EXPECT_FALSE(none->Read(&first));
  EXPECT_EQ(none->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(RpcTest, WatchesAreLimited) {
  Start({}, {.max_watches = 2});
  v1::WatchDevicesResponse seen;
  Context a, b, c;
  auto stub = Stub<v1::DeviceService>();
  auto first = stub->WatchDevices(&a, {});
  auto second = stub->WatchDevices(&b, {});
  ASSERT_TRUE(first->Read(&seen));
  ASSERT_TRUE(second->Read(&seen));
  auto third = stub->WatchDevices(&c, {});
  EXPECT_FALSE(third->Read(&seen));
  const grpc::Status status = third->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "ERROR_REASON_QUOTA");
  a.context.TryCancel();
  b.context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return rpc_->watches() == 0; }));
}

}  // namespace
}  // namespace qsplit::daemon_test
