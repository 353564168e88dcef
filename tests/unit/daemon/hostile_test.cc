// Clients that harm: crowds that say nothing, calls cut off in the middle, readers that do not
// read, descriptors used up. Each time another client must not notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/linux/process_limits.h"
#include "tests/support/system/pauses.h"
#include "tests/unit/daemon/crowd.h"
#include "tests/unit/daemon/daemon_fixture.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;

class HostileTest : public DaemonFixture {
 protected:
  // A whole life of an honest client, from hello to death; false when something failed.
  void LiveAndDie() {
    RawClient client(session_path_);
    const std::string token = Token(client);
    ASSERT_EQ(token.size(), 64u);
    v1::AcquireLeaseResponse lease;
    const grpc::Status acquired = Acquire(client, token, &lease);
    ASSERT_TRUE(acquired.ok()) << acquired.error_message();
    ASSERT_EQ(broker_->totals().leases, 1u);
    pauses_.Restart();
    const absl::Time killed = absl::Now();
    client.Close();
    EXPECT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }));
    const absl::Duration took = absl::Now() - killed;
    EXPECT_LT(took, pauses_.Allow(qsplit::testing::kCleanUpTime));
  }

  qsplit::testing::Pauses pauses_;
};

TEST_F(HostileTest, TenThousandSilentConnections) {
  Crowd crowd;
  const auto limit = linux_sys::RaiseDescriptorLimit();
  ASSERT_TRUE(limit.ok());
  const int count = static_cast<int>(std::min<uint64_t>(10'000, *limit - 500));
  Start({.max_connections = 20'000,
         .max_connections_per_uid = 20'000,
         .hello_timeout = absl::Seconds(5)});
  ASSERT_EQ(crowd.Connect(session_path_, SOCK_SEQPACKET, count), count);
  ASSERT_TRUE(Eventually([&] { return channel_->connections() == static_cast<size_t>(count); }));
  std::printf("%d silent connections\n", count);
  RecordProperty("silent_connections", count);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) LiveAndDie();
  std::printf("20 honest lives took %s\n", absl::FormatDuration(absl::Now() - start).c_str());
  // The 5 s to say hello are over at some time.
  EXPECT_TRUE(Eventually([&] { return channel_->connections() == 0; }, absl::Seconds(10)));
  LiveAndDie();
}

TEST_F(HostileTest, AConnectionsLimitOfOneUidKeepsTheRestForOthers) {
  Crowd crowd;
  Start({.max_connections = 100, .max_connections_per_uid = 50});
  ASSERT_EQ(crowd.Connect(session_path_, SOCK_SEQPACKET, 200), 200);
  EXPECT_TRUE(Eventually([&] { return channel_->connections() == 50; }));
  crowd.Disperse();
  EXPECT_TRUE(Eventually([&] { return channel_->connections() == 0; }));
  LiveAndDie();
}

TEST_F(HostileTest, SilentRpcConnectionsAreLimitedAndClosed) {
  Crowd crowd;
  Start({}, {.max_connections_per_uid = 40});
  ASSERT_TRUE(GetDevice().ok());
  ASSERT_EQ(rpc_->connections(), 1u);
  ASSERT_EQ(crowd.Connect(rpc_path_, SOCK_STREAM, 100), 100);
  EXPECT_TRUE(Eventually([&] { return rpc_->connections() == 40; }));
  EXPECT_TRUE(GetDevice().ok());
  // A connection without an HTTP/2 handshake is closed after 5 s.
  EXPECT_TRUE(Eventually([&] { return rpc_->connections() == 1; }, absl::Seconds(10)));
  LiveAndDie();
}

TEST_F(HostileTest, NoDescriptorsLeftToAcceptWith) {
  Crowd crowd;
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  ASSERT_TRUE(GetDevice(token).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(linux_sys::CountOpenDescriptors()) + 20;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  ASSERT_EQ(crowd.Connect(session_path_, SOCK_SEQPACKET, 60), 60);
  ASSERT_EQ(crowd.Connect(rpc_path_, SOCK_STREAM, 60), 60);
  rusage start{}, end{};
  getrusage(RUSAGE_SELF, &start);
  const absl::Time from = absl::Now();
  while (absl::Now() - from < absl::Milliseconds(500)) {
    ASSERT_TRUE(client.Call(ingress::testing::Ping()).has_value());
    ASSERT_TRUE(GetDevice(token).ok());
    absl::SleepFor(absl::Milliseconds(50));
  }
  const absl::Duration took = absl::Now() - from;
  getrusage(RUSAGE_SELF, &end);
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  const auto cpu =
      absl::DurationFromTimeval(end.ru_utime) + absl::DurationFromTimeval(end.ru_stime) -
      absl::DurationFromTimeval(start.ru_utime) - absl::DurationFromTimeval(start.ru_stime);
  // The two devices' thread may poll; the sockets' threads must not spin on top of it.
  EXPECT_LT(cpu, took + absl::Milliseconds(400));
  crowd.Disperse();
  EXPECT_TRUE(Eventually([&] { return channel_->connections() == 1; }));
  client.Close();
  ASSERT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }));
  LiveAndDie();
}

// A stream of bytes to qsplitd.sock that is no whole call.
void SendAndHangUp(const std::string& path, const std::string& bytes) {
  auto fd = linux_sys::ConnectUnix(path, SOCK_STREAM);
  ASSERT_TRUE(fd.ok()) << fd.status();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  linux_sys::SendPacket(fd->get(), {data, bytes.size()}, {});
}

TEST_F(HostileTest, CallsCutOffInTheMiddle) {
  Start();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  // HEADERS of 100 bytes on stream 1, of which a few come.
  const std::string headers("\0\0\x64\1\4\0\0\0\1\x83\x86", 11);
  const std::string whole = preface + settings + headers;
  for (size_t length = 0; length <= whole.size(); ++length) {
    SendAndHangUp(rpc_path_, whole.substr(0, length));
  }
  SendAndHangUp(rpc_path_, "GET / HTTP/1.1\r\n\r\n");
  SendAndHangUp(rpc_path_, std::string(100'000, '\xff'));
  LiveAndDie();
  EXPECT_TRUE(Eventually([&] { return rpc_->connections() == 1; }));
}

TEST_F(HostileTest, CallsCancelledAtAnyMomentLeaveNothing) {
  Start();
  for (int i = 0; i < 60; ++i) {
    RawClient client(session_path_);
    const std::string token = Token(client);
    const linux_sys::OwnedFd memory = SealedMemfd(1 << 16);
    v1::RegisterRegionResponse region;
    ASSERT_TRUE(Register(client, token, memory.get(), 1 << 16, &region).ok());
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(2);
    request.set_tx_queue_count(2);
    request.add_region_ids(region.region().region_id());
    v1::AcquireLeaseResponse response;
    Context context(token);
    std::thread other([&, i] {
      absl::SleepFor(absl::Microseconds(i * 25));
      if (i % 2 == 0) context.context.TryCancel();
      client.Close();
    });
    Stub<v1::LeaseService>()->AcquireLease(&context, request, &response);
    other.join();
    ASSERT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }))
        << broker_->totals().leases << " leases after round " << i;
  }
  v1::GetDeviceRequest request;
  request.set_name("nic0");
  v1::GetDeviceResponse device;
  Context context;
  ASSERT_TRUE(Stub<v1::DeviceService>()->GetDevice(&context, request, &device).ok());
  EXPECT_EQ(device.device().free_rx_queues(), 8u);
  EXPECT_EQ(device.device().free_tx_queues(), 8u);
}

TEST_F(HostileTest, AWatcherThatReadsNothingDelaysNobodyAndIsCutOff) {
  Start();
  RawClient client(session_path_);
  const std::string token = Token(client);
  auto lazy_channel = Dial(rpc_path_, 65'535);
  Context lazy_context({}, absl::Seconds(20));
  auto lazy = v1::DeviceService::NewStub(lazy_channel)->WatchDevices(&lazy_context, {});
  ASSERT_TRUE(Eventually([&] { return rpc_->watches() == 1; }));
  absl::Duration slowest;
  pauses_.Restart();
  auto stub = Stub<v1::DeviceService>();
  for (uint32_t i = 0; i < 3000; ++i) {
    v1::SetDeviceRequest set;
    set.set_name("nic0");
    set.set_mtu_bytes(1000 + i % 2);
    v1::SetDeviceResponse response;
    Context context(token);
    const absl::Time start = absl::Now();
    const grpc::Status status = stub->SetDevice(&context, set, &response);
    // A device whose thread gets no CPU for 50 ms says UNAVAILABLE; that is no watcher's doing.
    ASSERT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE)
        << status.error_message();
    slowest = std::max(slowest, absl::Now() - start);
  }
  EXPECT_LT(slowest, pauses_.Allow(absl::Milliseconds(500)));
  v1::WatchDevicesResponse seen;
  int read = 0;
  while (lazy->Read(&seen)) ++read;
  EXPECT_EQ(lazy->Finish().error_code(), grpc::StatusCode::ABORTED) << read << " events were read";
  EXPECT_LT(read, 3000);
}

TEST_F(HostileTest, RequestsThatAreTooLongAreRefused) {
  Start();
  v1::GetDeviceRequest request;
  request.set_name(std::string(70'000, 'a'));
  v1::GetDeviceResponse response;
  Context context;
  EXPECT_EQ(Stub<v1::DeviceService>()->GetDevice(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  request.set_name(std::string(30'000, '\x01'));
  Context second;
  const grpc::Status status = Stub<v1::DeviceService>()->GetDevice(&second, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_LT(status.error_message().size(), 400u);
}

TEST_F(HostileTest, ASeventeenthDescriptorIsRefused) {
  Start();
  RawClient client(session_path_);
  ASSERT_EQ(Token(client).size(), 64u);
  const linux_sys::OwnedFd memory = SealedMemfd(4096);
  for (int i = 0; i < 16; ++i) {
    const auto reply = client.Call(ingress::testing::Put(), {memory.get()});
    ASSERT_TRUE(reply.has_value());
    ASSERT_EQ(reply->code(), 0u);
  }
  const int64_t open = linux_sys::CountOpenDescriptors();
  const auto surplus = client.Call(ingress::testing::Put(), {memory.get()});
  ASSERT_TRUE(surplus.has_value());
  EXPECT_EQ(surplus->code(), static_cast<uint32_t>(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_EQ(linux_sys::CountOpenDescriptors(), open);
}

}  // namespace
}  // namespace qsplit::daemon_test
