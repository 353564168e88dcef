// The daemon in this process: the real broker, two software NICs wired to each other, both sockets.
#ifndef QSPLIT_TESTS_UNIT_DAEMON_DAEMON_FIXTURE_H_
#define QSPLIT_TESTS_UNIT_DAEMON_DAEMON_FIXTURE_H_

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "daemon/backend/softnic/softnic.h"
#include "daemon/ingress/broker_sessions.h"
#include "daemon/ingress/fd_channel.h"
#include "daemon/ingress/rpc_server.h"
#include "daemon/lease/broker.h"
#include "daemon/linux/random.h"
#include "daemon/linux/reaper.h"
#include "daemon/policy/error.h"
#include "qsplit/v1/admin.grpc.pb.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/error.pb.h"
#include "qsplit/v1/layout_service.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "qsplit/v1/region.grpc.pb.h"
#include "qsplit/v1/stats.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"
#include "tests/support/sample_layouts.h"
#include "tests/unit/ingress/raw_client.h"

namespace qsplit::daemon_test {

inline bool Eventually(const std::function<bool()>& holds,
                       absl::Duration within = absl::Seconds(20)) {
  const absl::Time end = absl::Now() + within;
  while (absl::Now() < end) {
    if (holds()) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return holds();
}

inline std::string ReasonOf(const grpc::Status& status) {
  v1::RpcStatus full;
  v1::ErrorDetail detail;
  if (!full.ParseFromString(status.error_details()) || full.details_size() != 1 ||
      full.code() != static_cast<int>(status.error_code()) ||
      full.details(0).type_url() != policy::kErrorDetailUrl ||
      !detail.ParseFromString(full.details(0).value())) {
    return "no detail";
  }
  return v1::ErrorReason_Name(detail.reason());
}

// A connection to qsplitd.sock of its own, not one of the process's shared ones.
// `window_bytes`: the most that its streams take in before they are read; 0: as gRPC likes.
inline std::shared_ptr<grpc::Channel> Dial(const std::string& path, int window_bytes = 0) {
  grpc::ChannelArguments arguments;
  if (window_bytes != 0) {
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, window_bytes);
  }
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
}

// A context with a deadline, and a session's token unless it is empty.
struct Context {
  explicit Context(const std::string& token = {}, absl::Duration timeout = absl::Seconds(20)) {
    if (!token.empty()) context.AddMetadata("qsplit-session", token);
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
  grpc::ClientContext* operator&() { return &context; }
  grpc::ClientContext context;
};

inline linux_sys::OwnedFd SealedMemfd(size_t bytes, unsigned seals = F_SEAL_SHRINK | F_SEAL_GROW) {
  linux_sys::OwnedFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

class DaemonFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qsplit-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    session_path_ = folder_ + "/session.sock";
    rpc_path_ = folder_ + "/qsplitd.sock";
  }

  void TearDown() override {
    channel_.reset();
    if (broker_ != nullptr) {
      EXPECT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }))
          << "something outlived its session";
      EXPECT_EQ(broker_->BrokenInvariant(), "");
      broker_->EndAll();
    }
    rpc_.reset();
    sessions_.reset();
    broker_.reset();
    EXPECT_EQ(rmdir(folder_.c_str()), 0) << "a socket was left behind";
  }

  // The caller's uid is admin, unless it is to be a tenant without rights.
  void Start(ingress::FdChannelOptions channel = {}, ingress::RpcServerOptions rpc = {},
             bool admin = true) {
    std::vector<softnic::SoftNicConfig> configs(2);
    for (size_t i = 0; i < 2; ++i) {
      configs[i].name = "nic" + std::to_string(i);
      configs[i].mac = {2, 0, 0, 0, 0, static_cast<uint8_t>(i)};
      configs[i].layouts = layouts_;
      configs[i].rx_queues = configs[i].tx_queues = queues_;
      configs[i].wire = softnic::PeerWire{"nic" + std::to_string(1 - i)};
    }
    auto nics = softnic::SoftNic::CreateAll(configs);
    ASSERT_TRUE(nics.ok()) << nics.status();
    policy::Tenant tenant;
    tenant.name = "tester";
    tenant.uids = {getuid()};
    tenant.admin = admin;
    tenant.any_device = true;
    tenant.quota.max_sessions = 100'000;
    std::vector<policy::Tenant> tenants = tenants_;
    if (tenants.empty()) tenants.push_back(std::move(tenant));
    auto policy = policy::Policy::Create(std::move(tenants), {});
    ASSERT_TRUE(policy.ok()) << policy.status();
    lease::BrokerOptions options;
    for (auto& nic : *nics) options.devices.push_back(std::move(nic));
    options.policy = *policy;
    options.clock = [] { return absl::Now(); };
    options.random = linux_sys::FillRandom;
    options.max_sessions = 100'000;
    options.dispose = [this](auto fd) {
      if (linux_sys::AllocatedBytes(fd->get()) >= linux_sys::kReapBytes) {
        reaper_.Take(
            std::move(fd));  // a copy here could be the last one: freed by who must not wait
      }
    };
    broker_ = std::make_unique<lease::Broker>(std::move(options));
    rpc.path = rpc_path_;
    if (!rpc.reload_policy) rpc.reload_policy = [] { return absl::StatusOr<uint32_t>(1u); };
    auto server = ingress::RpcServer::Start(rpc, *broker_);
    ASSERT_TRUE(server.ok()) << server.status();
    rpc_ = *std::move(server);
    rpc_->SetServing(true);
    sessions_ = std::make_unique<ingress::BrokerSessions>(*broker_);
    channel.path = session_path_;
    auto started = ingress::FdChannel::Start(channel, *sessions_);
    ASSERT_TRUE(started.ok()) << started.status();
    channel_ = *std::move(started);
    stub_channel_ = Dial(rpc_path_);
  }

  // Opens a session; the token, or "" when it failed.
  std::string Token(ingress::testing::RawClient& client) {
    const auto reply = client.Hello();
    return reply ? reply->welcome().token() : "";
  }

  template <typename Service>
  std::unique_ptr<typename Service::Stub> Stub() {
    return Service::NewStub(stub_channel_);
  }

  // Brings a descriptor in and registers it as a region.
  grpc::Status Register(ingress::testing::RawClient& client, const std::string& token, int fd,
                        uint64_t bytes, v1::RegisterRegionResponse* response) {
    const auto stored = client.Call(ingress::testing::Put(), {fd});
    if (!stored || stored->code() != 0) return {grpc::StatusCode::UNKNOWN, "put failed"};
    v1::RegisterRegionRequest request;
    request.set_descriptor_handle(stored->descriptor_stored().handle());
    request.set_length_bytes(bytes);
    Context context(token);
    return Stub<v1::RegionService>()->RegisterRegion(&context, request, response);
  }

  // One receive and one transmit queue of nic0.
  grpc::Status Acquire(ingress::testing::RawClient& client, const std::string& token,
                       v1::AcquireLeaseResponse* response) {
    constexpr size_t kBytes = 1 << 20;
    const linux_sys::OwnedFd memory = SealedMemfd(kBytes);
    v1::RegisterRegionResponse region;
    if (auto status = Register(client, token, memory.get(), kBytes, &region); !status.ok()) {
      return status;
    }
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(1);
    request.set_tx_queue_count(1);
    request.add_region_ids(region.region().region_id());
    Context context(token);
    return Stub<v1::LeaseService>()->AcquireLease(&context, request, response);
  }

  grpc::Status GetDevice(const std::string& token = {}) {
    v1::GetDeviceRequest request;
    request.set_name("nic0");
    v1::GetDeviceResponse response;
    Context context(token);
    return Stub<v1::DeviceService>()->GetDevice(&context, request, &response);
  }

  // Before Start: queues of each device in each direction, other tenants than the caller alone, and
  // the layouts that are offered.
  uint32_t queues_ = 8;
  std::vector<policy::Tenant> tenants_;
  std::vector<layout::VerifiedLayout> layouts_ = {layout::testing::SimpleLayout(),
                                                  layout::testing::BigLayout()};

  std::string folder_, session_path_, rpc_path_;
  linux_sys::Reaper reaper_;
  std::unique_ptr<lease::Broker> broker_;
  std::unique_ptr<ingress::BrokerSessions> sessions_;
  std::unique_ptr<ingress::RpcServer> rpc_;
  std::unique_ptr<ingress::FdChannel> channel_;
  std::shared_ptr<grpc::Channel> stub_channel_;
};

}  // namespace qsplit::daemon_test

#endif  // QSPLIT_TESTS_UNIT_DAEMON_DAEMON_FIXTURE_H_
