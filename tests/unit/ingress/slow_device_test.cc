// Calls that a device takes long for: they occupy none of gRPC's threads, and what nobody waits for
// any more is given back.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/ingress/rpc_server.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"
#include "tests/support/fake_device.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::ingress {
namespace {

class SlowDeviceTest : public ::testing::Test {
 protected:
  static device::DeviceInfo Info(const std::string& name) {
    device::DeviceInfo info;
    info.name = name;
    info.rx_queues = info.tx_queues = 64;
    info.default_slots = 64;
    info.protections = {device::Protection::kDirect};
    info.layouts = {layout::testing::SimpleLayout()};
    return info;
  }

  SlowDeviceTest() {
    lease::BrokerOptions options;
    options.devices = {slow_, fast_};
    options.clock = [] { return absl::Now(); };
    options.random = [next = uint8_t{0}](std::span<uint8_t> bytes) mutable {
      std::fill(bytes.begin(), bytes.end(), ++next);
    };
    broker_ = std::make_unique<lease::Broker>(std::move(options));
    const std::string path = absl::StrCat(::testing::TempDir(), "slow", ::getpid(), ".sock");
    server_ = RpcServer::Start({.path = path}, *broker_).value();
    channel_ = grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials());
    auto opened = broker_->OpenSession({0, 0, 1}, "test").value();
    token_ = opened.token;
    region::OfferedMemory memory;
    memory.fd = std::make_shared<const linux_sys::OwnedFd>();
    memory.is_memfd = memory.seal_shrink = memory.writable = true;
    memory.size_bytes = 1 << 20;
    memory.page_bytes = 4096;
    v1::RegisterRegionRequest region;
    region.set_length_bytes(0x10000);
    region_ = broker_->RegisterRegion(opened.id, region, memory)->region().region_id();
  }
  ~SlowDeviceTest() override {
    slow_->LetGo();
    server_.reset();
  }

  grpc::Status Acquire(const std::string& device, std::chrono::milliseconds timeout) {
    grpc::ClientContext context;
    context.AddMetadata("qsplit-session", token_);
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    v1::AcquireLeaseRequest request;
    request.set_device(device);
    request.set_rx_queue_count(1);
    request.add_region_ids(region_);
    v1::AcquireLeaseResponse response;
    return v1::LeaseService::NewStub(channel_)->AcquireLease(&context, request, &response);
  }

  std::shared_ptr<device::testing::FakeDevice> slow_ =
      std::make_shared<device::testing::FakeDevice>(Info("slow"));
  std::shared_ptr<device::testing::FakeDevice> fast_ =
      std::make_shared<device::testing::FakeDevice>(Info("fast"));
  std::unique_ptr<lease::Broker> broker_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::string token_;
  uint64_t region_ = 0;
};

TEST_F(SlowDeviceTest, CallsThatWaitForItHoldNobodyUp) {
  slow_->Hold();
  std::vector<std::thread> waiting;
  waiting.reserve(24);
  // More than gRPC has threads.
  for (int i = 0; i < 24; ++i) {
    waiting.emplace_back([this] {
      const grpc::Status status = Acquire("slow", std::chrono::seconds(60));
      EXPECT_TRUE(status.ok()) << status.error_message();
    });
  }
  slow_->WaitHeld();
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(Acquire("fast", std::chrono::seconds(30)).ok());
    grpc::ClientContext context;
    v1::ListDevicesResponse devices;
    EXPECT_TRUE(v1::DeviceService::NewStub(channel_)->ListDevices(&context, {}, &devices).ok());
    EXPECT_EQ(devices.devices_size(), 2);
  }
  slow_->LetGo();
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(broker_->totals().leases, 32U);
}

TEST_F(SlowDeviceTest, ALeaseThatNobodyWaitsForIsGivenBack) {
  slow_->Hold();
  // Long enough for the call to reach the device.
  EXPECT_EQ(Acquire("slow", std::chrono::seconds(2)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(broker_->totals().leases, 1U) << "the device has it";
  // The server hears of the end of the call a moment after the client.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  slow_->LetGo();
  broker_->Settle();
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_THAT(slow_->calls(), ::testing::ElementsAre("OpenQueues 1", "CloseQueues 1"));
}

}  // namespace
}  // namespace qsplit::ingress
