// The software NIC between two network namespaces: "wire" is the other end of its cable, "host" has
// its representor.
//
//   [wire: tap qsnw, 10.77.0.1]  <-->  software NIC  <-->  [host: representor qsnr, 10.77.0.2]
//                                          |
//                                      leased queues
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/softnic/softnic.h"
#include "daemon/linux/netns.h"
#include "tests/support/frames.h"
#include "tests/support/nic_client.h"
#include "tests/support/sample_layouts.h"
#include "tests/support/udp_rule.h"

namespace qsplit::softnic {
namespace {

using qsplit::testing::NicClient;
using qsplit::testing::Received;
using ::testing::HasSubstr;

constexpr device::MacAddress kNicMac = {0x02, 0x71, 0, 0, 0, 1};
constexpr device::MacAddress kTapMac = {0x02, 0x71, 0, 0, 0, 2};

int Shell(const std::string& command) { return std::system((command + " >/dev/null").c_str()); }

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time until = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// A UDP socket in a namespace, bound to the address, with a patience of 2 s.
linux_sys::OwnedFd UdpSocket(const std::string& netns, const char* ip, uint16_t port) {
  linux_sys::OwnedFd fd;
  const absl::Status status = linux_sys::RunInNetns(netns, [&]() -> absl::Status {
    fd = linux_sys::OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &address.sin_addr);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return absl::ErrnoToStatus(errno, "bind");
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return fd;
}

void SendTo(const linux_sys::OwnedFd& fd, const char* ip, uint16_t port, const std::string& text) {
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &to.sin_addr);
  EXPECT_EQ(
      ::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
      static_cast<ssize_t>(text.size()))
      << std::strerror(errno);
}

std::string ReceiveText(const linux_sys::OwnedFd& fd) {
  char buffer[2048];
  const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
  return got < 0 ? std::string("nothing") : std::string(buffer, static_cast<size_t>(got));
}

class SoftNicTap : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED: needs root and /dev/net/tun to make namespaces and taps";
    }
    wire_ = absl::StrCat("qsnw-", ::getpid());
    host_ = absl::StrCat("qsnh-", ::getpid());
    if (Shell("ip netns add " + wire_) != 0 || Shell("ip netns add " + host_) != 0) {
      GTEST_SKIP() << "SKIPPED: `ip netns add` is not allowed here";
    }
    made_ = true;
    config_.name = "nic0";
    config_.mac = kNicMac;
    config_.layouts = {layout::testing::SimpleLayout()};
    config_.wire = TapWire{"qsnw", wire_, kTapMac};
    config_.representor = "qsnr";
    config_.representor_netns = host_;
    Start();
  }
  void Start() {
    auto nic = SoftNic::Create(config_);
    ASSERT_TRUE(nic.ok()) << nic.status();
    nic_ = *std::move(nic);
    ASSERT_EQ(InWire("ip address add 10.77.0.1/24 dev qsnw"), 0);
    ASSERT_EQ(InHost("ip address add 10.77.0.2/24 dev qsnr"), 0);
    ASSERT_TRUE(Eventually([&] { return nic_->State().link_up; }));
  }
  void TearDown() override {
    nic_.reset();
    if (!made_) return;
    Shell("ip netns delete " + wire_);
    Shell("ip netns delete " + host_);
  }
  int InWire(const std::string& command) { return Shell("ip netns exec " + wire_ + " " + command); }
  int InHost(const std::string& command) { return Shell("ip netns exec " + host_ + " " + command); }

  std::unique_ptr<NicClient> Lease(uint16_t udp_port) {
    auto client = NicClient::Open(nic_.get(), layout::testing::SimpleLayout(),
                                  {.lease = 1, .rx_queues = {0}, .tx_queues = {0}});
    EXPECT_TRUE(client.ok()) << client.status();
    EXPECT_TRUE(nic_->AddRule(qsplit::testing::UdpPortRule(0, udp_port, 0)).ok());
    return *std::move(client);
  }

  std::string wire_, host_;
  bool made_ = false;
  SoftNicConfig config_;
  std::unique_ptr<SoftNic> nic_;
};

TEST_F(SoftNicTap, KernelFramesReachAQueueAndAnswersReachTheKernel) {
  auto client = Lease(4242);
  const linux_sys::OwnedFd peer = UdpSocket(wire_, "10.77.0.1", 3000);
  for (int i = 0; i < 100; ++i) {
    const std::string text = absl::StrCat("packet ", i, std::string(static_cast<size_t>(i), 'x'));
    SendTo(peer, "10.77.0.2", 4242, text);
    const std::optional<Received> got = client->Receive(0);
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(got->meta.l4_checksum, dataplane::ChecksumState::kGood);
    ASSERT_GE(got->bytes.size(), 42 + text.size());
    EXPECT_EQ(std::string(got->bytes.begin() + 42,
                          got->bytes.begin() + 42 + static_cast<ptrdiff_t>(text.size())),
              text);
    qsplit::testing::FrameSpec answer{.dst = kTapMac,
                                      .src = kNicMac,
                                      .src_ip = "10.77.0.2",
                                      .dst_ip = "10.77.0.1",
                                      .src_port = 4242,
                                      .dst_port = 3000};
    answer.payload.assign(text.rbegin(), text.rend());
    ASSERT_TRUE(client->Send(0, qsplit::testing::MakeFrame(answer)));
    EXPECT_EQ(ReceiveText(peer), std::string(text.rbegin(), text.rend()));
    ASSERT_TRUE(client->AwaitSent(0));
  }
  EXPECT_EQ(nic_->ReadCounters().rx[0].packets, 100u);
}

TEST_F(SoftNicTap, TheRepresentorCarriesTheRest) {
  auto client = Lease(4242);
  const linux_sys::OwnedFd peer = UdpSocket(wire_, "10.77.0.1", 3000);
  const linux_sys::OwnedFd host = UdpSocket(host_, "10.77.0.2", 5000);
  // The host's socket of the leased flow gets nothing: the queue does.
  const linux_sys::OwnedFd bypassed = UdpSocket(host_, "10.77.0.2", 4242);
  SendTo(peer, "10.77.0.2", 5000, "to the host");
  EXPECT_EQ(ReceiveText(host), "to the host");
  SendTo(host, "10.77.0.1", 3000, "from the host");
  EXPECT_EQ(ReceiveText(peer), "from the host");
  SendTo(peer, "10.77.0.2", 4242, "to the queue");
  EXPECT_TRUE(client->Receive(0).has_value());
  char byte;
  EXPECT_EQ(::recv(bypassed.get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(InWire("ping -c 20 -i 0.01 -W 2 10.77.0.2"), 0);
  EXPECT_EQ(InHost("ping -c 20 -i 0.01 -W 2 -s 1400 10.77.0.1"), 0);
  const device::DeviceCounters counters = nic_->ReadCounters();
  EXPECT_EQ(counters.rx[0].packets, 1u);
  EXPECT_GE(counters.representor_rx_packets, 41u);
  EXPECT_GE(counters.representor_tx_packets, 41u);
  EXPECT_EQ(counters.drops_wire, 0u);
  // The lease gone, its flow is the host's again.
  ASSERT_TRUE(nic_->RemoveRule(0).ok());
  ASSERT_TRUE(nic_->CloseQueues(1).ok());
  SendTo(peer, "10.77.0.2", 4242, "to the host now");
  EXPECT_EQ(ReceiveText(bypassed), "to the host now");
}

TEST_F(SoftNicTap, Ip6FindsItsNeighboursThroughTheRepresentor) {
  ASSERT_EQ(InWire("ip address add fd77::1/64 dev qsnw nodad"), 0);
  ASSERT_EQ(InHost("ip address add fd77::2/64 dev qsnr nodad"), 0);
  EXPECT_EQ(InWire("ping -6 -c 3 -i 0.05 -W 2 fd77::2"), 0);
}

TEST_F(SoftNicTap, TcpInBulkThroughTheRepresentor) {
  linux_sys::OwnedFd listener, sender;
  sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(7000)};
  inet_pton(AF_INET, "10.77.0.2", &at.sin_addr);
  ASSERT_TRUE(linux_sys::RunInNetns(host_, [&] {
                listener = linux_sys::OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
                EXPECT_EQ(::listen(listener.get(), 1), 0);
                return absl::OkStatus();
              }).ok());
  ASSERT_TRUE(linux_sys::RunInNetns(wire_, [&] {
                sender = linux_sys::OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                return absl::OkStatus();
              }).ok());
  ASSERT_EQ(::connect(sender.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const linux_sys::OwnedFd receiver(::accept(listener.get(), nullptr, nullptr));
  constexpr size_t kBytes = 4 << 20;
  std::thread sending([&] {
    std::vector<char> out(kBytes);
    for (size_t i = 0; i < kBytes; ++i) out[i] = static_cast<char>(i * 31 / 7);
    size_t done = 0;
    while (done < kBytes) {
      const ssize_t n = ::send(sender.get(), out.data() + done, kBytes - done, MSG_NOSIGNAL);
      if (n <= 0) return;
      done += static_cast<size_t>(n);
    }
  });
  size_t got = 0;
  bool right = true;
  std::vector<char> in(65536);
  while (got < kBytes) {
    pollfd waiting{.fd = receiver.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 5000) != 1) break;
    const ssize_t n = ::recv(receiver.get(), in.data(), in.size(), 0);
    if (n <= 0) break;
    for (ssize_t i = 0; i < n; ++i, ++got) {
      right &= in[static_cast<size_t>(i)] == static_cast<char>(got * 31 / 7);
    }
  }
  EXPECT_EQ(got, kBytes);
  EXPECT_TRUE(right);
  // A sender that waits for a receiver that gave up is woken by this.
  ::shutdown(sender.get(), SHUT_RDWR);
  sending.join();
}

TEST_F(SoftNicTap, LinkFollowsTheTap) {
  ASSERT_EQ(InWire("ip link set qsnw down"), 0);
  EXPECT_TRUE(Eventually([&] { return !nic_->State().link_up; }));
  // The host sees that its cable is out.
  EXPECT_TRUE(
      Eventually([&] { return InHost("sh -c 'ip link show qsnr | grep -q NO-CARRIER'") == 0; }));
  ASSERT_EQ(InWire("ip link set qsnw up"), 0);
  EXPECT_TRUE(Eventually([&] { return nic_->State().link_up; }));
  EXPECT_TRUE(
      Eventually([&] { return InHost("sh -c 'ip link show qsnr | grep -q LOWER_UP'") == 0; }));
}

TEST_F(SoftNicTap, MtuAndAddressAreTheInterfaces) {
  ASSERT_TRUE(nic_->Set({.mtu_bytes = 9000}).ok());
  EXPECT_EQ(InWire("sh -c 'ip link show qsnw | grep -q \"mtu 9000\"'"), 0);
  EXPECT_EQ(InHost("sh -c 'ip link show qsnr | grep -q \"mtu 9000\"'"), 0);
  EXPECT_EQ(InHost("sh -c 'ip link show qsnr | grep -q 02:71:00:00:00:01'"), 0);
  EXPECT_EQ(InWire("ping -c 2 -i 0.05 -W 2 -M do -s 8900 10.77.0.2"), 0);
}

TEST_F(SoftNicTap, NothingIsLeftBehind) {
  nic_.reset();
  EXPECT_NE(InWire("ip link show qsnw 2>&1"), 0);
  EXPECT_NE(InHost("ip link show qsnr 2>&1"), 0);
  Start();  // and so the names are free
}

TEST_F(SoftNicTap, RefusalsSayWhatToDo) {
  SoftNicConfig config = config_;
  config.name = "nic1";
  EXPECT_THAT(std::string(SoftNic::Create(config).status().message()),
              HasSubstr("tap qsnw: an interface of this name exists"));
  config.wire = TapWire{"qsnx", "no-such-namespace", std::nullopt};
  EXPECT_THAT(std::string(SoftNic::Create(config).status().message()),
              HasSubstr("no-such-namespace"));
  config.wire = TapWire{"a-name-that-is-too-long", wire_, std::nullopt};
  EXPECT_THAT(std::string(SoftNic::Create(config).status().message()), HasSubstr("1 to 15 bytes"));
  // The tap was made before the representor was refused; it is gone again.
  config.wire = TapWire{"qsnx", wire_, std::nullopt};
  EXPECT_FALSE(SoftNic::Create(config).ok());
  EXPECT_NE(InWire("ip link show qsnx 2>&1"), 0);
}

}  // namespace
}  // namespace qsplit::softnic
