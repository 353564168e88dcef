// What bad requests get, through the real sockets: a clear error with field, value and limit, and
// nothing changed. Two tenants are two uids, where the test may take a second one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/daemon/daemon_fixture.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;

constexpr uint32_t kOtherUid = 65534;

v1::ErrorDetail DetailOf(const grpc::Status& status) {
  v1::RpcStatus full;
  v1::ErrorDetail detail;
  if (full.ParseFromString(status.error_details()) && full.details_size() == 1) {
    detail.ParseFromString(full.details(0).value());
  }
  return detail;
}

// Connects as another uid: the kernel notes the thread's own at connect, and each thread has one.
std::unique_ptr<RawClient> ConnectAs(const std::string& path, uint32_t uid) {
  const uint32_t own = geteuid();
  if (syscall(SYS_setresuid, -1, uid, -1) != 0) return nullptr;
  auto client = std::make_unique<RawClient>(path);
  EXPECT_EQ(syscall(SYS_setresuid, -1, own, -1), 0);
  return client;
}

class RefusalTest : public DaemonFixture {
 protected:
  // A client with its session.
  struct Client {
    std::unique_ptr<RawClient> socket;
    std::string token;
  };

  Client Connect() {
    Client client{std::make_unique<RawClient>(session_path_), ""};
    client.token = Token(*client.socket);
    EXPECT_EQ(client.token.size(), 64u);
    return client;
  }

  grpc::Status Region(Client& client, int fd, uint64_t bytes, uint64_t* id = nullptr) {
    v1::RegisterRegionResponse response;
    grpc::Status status = Register(*client.socket, client.token, fd, bytes, &response);
    if (id != nullptr) *id = response.region().region_id();
    return status;
  }
  uint64_t GoodRegion(Client& client) {
    uint64_t id = 0;
    const grpc::Status status = Region(client, SealedMemfd(1 << 16).get(), 1 << 16, &id);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return id;
  }
  static v1::AcquireLeaseRequest Want(uint64_t region, uint32_t rx = 1, uint32_t tx = 1) {
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(rx);
    request.set_tx_queue_count(tx);
    request.add_region_ids(region);
    return request;
  }
  grpc::Status Lease(const Client& client, const v1::AcquireLeaseRequest& request,
                     v1::Lease* lease = nullptr) {
    v1::AcquireLeaseResponse response;
    Context context(client.token);
    grpc::Status status = Stub<v1::LeaseService>()->AcquireLease(&context, request, &response);
    if (lease != nullptr) *lease = response.lease();
    return status;
  }
  v1::Lease GoodLease(Client& client) {
    v1::Lease lease;
    const grpc::Status status = Lease(client, Want(GoodRegion(client)), &lease);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return lease;
  }
  static v1::AddRuleRequest Udp(uint64_t lease, uint32_t port) {
    v1::AddRuleRequest request;
    request.set_device("nic0");
    request.set_lease_id(lease);
    request.set_lease_queue(0);
    request.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
    request.mutable_match()->mutable_dst_port()->set_value(port);
    request.mutable_match()->mutable_dst_port()->set_mask(0xffff);
    return request;
  }
  grpc::Status Rule(const Client& client, const v1::AddRuleRequest& request) {
    v1::AddRuleResponse response;
    Context context(client.token);
    return Stub<v1::SteeringService>()->AddRule(&context, request, &response);
  }

  // The refusal has this reason and names its field, and all is as before.
  void Refused(const grpc::Status& status, v1::ErrorReason reason, const std::string& field) {
    EXPECT_EQ(v1::ErrorReason_Name(DetailOf(status).reason()), v1::ErrorReason_Name(reason))
        << status.error_message();
    EXPECT_EQ(DetailOf(status).field(), field) << status.error_message();
    EXPECT_EQ(broker_->totals(), before_) << status.error_message();
  }
  void Remember() { before_ = broker_->totals(); }

  lease::Totals before_;
};

TEST_F(RefusalTest, RegionsThatAreNotInOrder) {
  Start();
  Client client = Connect();
  Remember();
  const linux_sys::OwnedFd memory = SealedMemfd(8192);
  Refused(Region(client, SealedMemfd(8192, F_SEAL_GROW).get(), 8192), v1::ERROR_REASON_MISSING_SEAL,
          "descriptor_handle");
  Refused(Region(client, client.socket->fd(), 4096), v1::ERROR_REASON_NOT_A_MEMFD,
          "descriptor_handle");
  const grpc::Status small = Region(client, memory.get(), 12288);
  Refused(small, v1::ERROR_REASON_TOO_SMALL, "length_bytes");
  EXPECT_EQ(DetailOf(small).value(), "0x3000");
  EXPECT_EQ(DetailOf(small).limit(), "0x2000");
  const grpc::Status misaligned = Region(client, memory.get(), 0x1800);
  Refused(misaligned, v1::ERROR_REASON_MISALIGNED, "length_bytes");
  EXPECT_EQ(misaligned.error_message(),
            "RegisterRegion: length 0x1800 is not a multiple of the page size 0x1000; round up to "
            "0x2000");
  ASSERT_TRUE(Region(client, memory.get(), 8192).ok());
  Remember();
  // Twice, and by another duplicate of the descriptor.
  EXPECT_FALSE(Region(client, memory.get(), 8192).ok());
  const linux_sys::OwnedFd twin(dup(memory.get()));
  const grpc::Status twice = Region(client, twin.get(), 4096);
  EXPECT_EQ(twice.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(DetailOf(twice).reason(), v1::ERROR_REASON_OVERLAP);
  EXPECT_EQ(broker_->totals(), before_);
}

TEST_F(RefusalTest, QueuesThatCannotBeHad) {
  Start();
  Client client = Connect();
  Client other = Connect();
  const uint64_t region = GoodRegion(client);
  const uint64_t theirs = GoodRegion(other);
  const v1::Lease taken = GoodLease(other);
  Remember();
  const grpc::Status many = Lease(client, Want(region, 9, 1));
  Refused(many, v1::ERROR_REASON_OUT_OF_RANGE, "rx_queue_count");
  EXPECT_EQ(DetailOf(many).value(), "9");
  EXPECT_EQ(DetailOf(many).limit(), "8");
  const grpc::Status not_free = Lease(client, Want(region, 1, 8));
  Refused(not_free, v1::ERROR_REASON_NO_FREE_QUEUE, "tx_queue_count");
  EXPECT_EQ(DetailOf(not_free).limit(), "7");
  v1::AcquireLeaseRequest same = Want(region);
  same.set_first_rx_queue(taken.rx_queues(0));
  Refused(Lease(client, same), v1::ERROR_REASON_QUEUE_TAKEN, "first_rx_queue");
  v1::AcquireLeaseRequest nowhere = Want(region);
  nowhere.set_device("nic7");
  Refused(Lease(client, nowhere), v1::ERROR_REASON_NOT_FOUND, "device");
  const grpc::Status foreign = Lease(client, Want(theirs));
  EXPECT_EQ(foreign.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  Refused(foreign, v1::ERROR_REASON_NOT_ALLOWED, "region_ids");
  Refused(Lease(client, Want(987654)), v1::ERROR_REASON_NOT_FOUND, "region_ids");
}

TEST_F(RefusalTest, RulesForQueuesOfOthers) {
  policy::Tenant tenant;
  tenant.name = "tester";
  tenant.uids = {getuid()};
  tenant.any_device = true;
  tenant.scope.any = true;
  tenants_ = {tenant};
  Start();
  Client client = Connect();
  Client other = Connect();
  const v1::Lease mine = GoodLease(client);
  const v1::Lease theirs = GoodLease(other);
  Remember();
  Refused(Rule(client, Udp(theirs.lease_id(), 1)), v1::ERROR_REASON_NOT_FOUND, "lease_id");
  v1::AddRuleRequest queue = Udp(mine.lease_id(), 1);
  queue.set_queue(theirs.rx_queues(0));
  Refused(Rule(client, queue), v1::ERROR_REASON_NOT_ALLOWED, "queue");
  queue.set_lease_queue(1);
  Refused(Rule(client, queue), v1::ERROR_REASON_OUT_OF_RANGE, "lease_queue");
}

class TwoTenants : public RefusalTest {
 protected:
  void SetUp() override {
    RefusalTest::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "only root may connect as two users";
    ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
    for (const uint32_t uid : {kOtherUid, kOtherUid - 1}) {
      policy::Tenant tenant;
      tenant.name = "uid" + std::to_string(uid);
      tenant.uids = {uid};
      tenant.any_device = true;
      tenant.scope.any = true;
      tenants_.push_back(std::move(tenant));
    }
    Start({.mode = 0666});
  }
  Client ConnectAs(uint32_t uid) {
    Client client{daemon_test::ConnectAs(session_path_, uid), ""};
    if (client.socket != nullptr) client.token = Token(*client.socket);
    EXPECT_EQ(client.token.size(), 64u);
    return client;
  }
};

TEST_F(TwoTenants, NeitherTakesSeesOrTouchesWhatIsTheOthers) {
  Client red = ConnectAs(kOtherUid);
  Client blue = ConnectAs(kOtherUid - 1);
  const v1::Lease red_lease = GoodLease(red);
  const v1::Lease blue_lease = GoodLease(blue);
  EXPECT_EQ(red_lease.uid(), kOtherUid);
  EXPECT_EQ(blue_lease.uid(), kOtherUid - 1);
  ASSERT_TRUE(Rule(red, Udp(red_lease.lease_id(), 4242)).ok());
  Remember();
  // A flow of another tenant, whole or in part; the answer names nobody.
  const grpc::Status taken = Rule(blue, Udp(blue_lease.lease_id(), 4242));
  EXPECT_EQ(taken.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(DetailOf(taken).reason(), v1::ERROR_REASON_TRAFFIC_TAKEN);
  EXPECT_EQ(taken.error_message().find("65534"), std::string::npos) << taken.error_message();
  v1::AddRuleRequest wide = Udp(blue_lease.lease_id(), 0);
  wide.mutable_match()->clear_dst_port();
  EXPECT_EQ(DetailOf(Rule(blue, wide)).reason(), v1::ERROR_REASON_TRAFFIC_TAKEN);
  // Somebody else's region, lease, rule; revocation is an operator's.
  Refused(Lease(blue, Want(red_lease.region_ids(0))), v1::ERROR_REASON_NOT_ALLOWED, "region_ids");
  v1::ReleaseLeaseRequest release;
  release.set_lease_id(red_lease.lease_id());
  v1::ReleaseLeaseResponse released;
  Context c1(blue.token);
  Refused(Stub<v1::LeaseService>()->ReleaseLease(&c1, release, &released),
          v1::ERROR_REASON_NOT_FOUND, "lease_id");
  v1::SessionRequest fetch;
  fetch.mutable_fetch_grant()->set_lease_id(red_lease.lease_id());
  std::vector<linux_sys::OwnedFd> fds;
  const auto fetched = blue.socket->Call(fetch, {}, &fds);
  ASSERT_TRUE(fetched.has_value());
  EXPECT_EQ(fetched->code(), static_cast<uint32_t>(grpc::StatusCode::NOT_FOUND));
  EXPECT_TRUE(fds.empty());
  v1::RevokeLeaseRequest revoke;
  revoke.set_lease_id(red_lease.lease_id());
  v1::RevokeLeaseResponse revoked;
  Context c2(blue.token);
  Refused(Stub<v1::AdminService>()->RevokeLease(&c2, revoke, &revoked),
          v1::ERROR_REASON_NOT_ALLOWED, "");
  // What lists say.
  v1::ListLeasesRequest leases;
  leases.set_all(true);
  v1::ListLeasesResponse list;
  Context c3(blue.token);
  ASSERT_TRUE(Stub<v1::LeaseService>()->ListLeases(&c3, leases, &list).ok());
  ASSERT_EQ(list.leases_size(), 1);
  EXPECT_EQ(list.leases(0).lease_id(), blue_lease.lease_id());
  v1::ListRulesRequest rules;
  rules.set_device("nic0");
  rules.set_all(true);
  v1::ListRulesResponse known;
  Context c4(blue.token);
  ASSERT_TRUE(Stub<v1::SteeringService>()->ListRules(&c4, rules, &known).ok());
  EXPECT_EQ(known.rules_size(), 0);
  v1::GetStatsRequest stats;
  stats.set_device("nic0");
  v1::GetStatsResponse counters;
  Context c5(blue.token);
  ASSERT_TRUE(Stub<v1::StatsService>()->GetStats(&c5, stats, &counters).ok());
  for (const v1::QueueStats& queue : counters.stats().queues()) {
    EXPECT_NE(queue.lease_id(), red_lease.lease_id());
  }
  EXPECT_EQ(broker_->totals(), before_);
  // When the one is gone, the flow is free.
  red.socket->Close();
  ASSERT_TRUE(Eventually([&] { return broker_->totals().leases == 1; }));
  EXPECT_TRUE(Rule(blue, Udp(blue_lease.lease_id(), 4242)).ok());
}

TEST_F(TwoTenants, WhoIsNoTenantMayLookAndLeaseNothing) {
  Client stranger{daemon_test::ConnectAs(session_path_, 12345), ""};
  ASSERT_NE(stranger.socket, nullptr);
  stranger.token = Token(*stranger.socket);
  EXPECT_TRUE(GetDevice(stranger.token).ok());
  const uint64_t region = GoodRegion(stranger);
  Remember();
  Refused(Lease(stranger, Want(region)), v1::ERROR_REASON_NOT_ALLOWED, "device");
}

}  // namespace
}  // namespace qsplit::daemon_test
