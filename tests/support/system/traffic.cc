#include "tests/support/system/traffic.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::testing {
namespace {

constexpr uint64_t kCanaryBytes = 64 * 1024;
constexpr uint64_t kBufferBytes = 2048;
constexpr uint64_t kBuffers = 1024;
constexpr size_t kHeaders = 42;
constexpr absl::Duration kAnswerPatience = absl::Seconds(3);

std::byte CanaryByte(size_t at) { return static_cast<std::byte>(at * 37 + (at >> 8)); }

void Put16(std::string& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value);
}

std::string Text(const Packet& packet) {
  const auto bytes = packet.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Sends one frame, waiting for room.
bool SendFrame(TxQueue& tx, const std::string& frame) {
  Packet packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
  if (!packet && tx.Wait(absl::Seconds(1)).ok()) {
    packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
  }
  if (!packet) return false;
  packet.CopyFrom({reinterpret_cast<const std::byte*>(frame.data()), frame.size()});
  return tx.Send(std::move(packet));
}

bool AskPeer(Lease& lease, const std::string& payload) {
  if (!SendFrame(lease.tx(0), Datagram(kAskerPort, kEchoPort, payload))) return false;
  const absl::Time until = absl::Now() + kAnswerPatience;
  std::array<Packet, 8> packets;
  while (absl::Now() < until) {
    if (!lease.rx(0).Wait(until - absl::Now()).ok()) return false;
    const size_t n = lease.rx(0).Receive(packets);
    for (size_t i = 0; i < n; ++i) {
      const std::string frame = Text(packets[i]);
      if (frame.size() >= kHeaders && frame.compare(kHeaders, payload.size(), payload) == 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

std::string Datagram(uint16_t src_port, uint16_t dst_port, const std::string& payload) {
  std::string f(kHeaders, '\0');
  f.replace(0, 14, std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0", 14));
  Put16(f, 14, 0x4500);
  Put16(f, 16, static_cast<uint32_t>(28 + payload.size()));
  Put16(f, 22, 0x4011);
  f.replace(26, 8, std::string("\x0a\x63\0\x01\x0a\x63\0\x0a", 8));
  uint32_t sum = 0;
  for (size_t i = 14; i < 34; i += 2) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(f[i]) << 8 | static_cast<uint8_t>(f[i + 1]));
  }
  sum = (sum & 0xffff) + (sum >> 16);
  Put16(f, 24, ~((sum & 0xffff) + (sum >> 16)));
  Put16(f, 34, src_port);
  Put16(f, 36, dst_port);
  Put16(f, 38, static_cast<uint32_t>(8 + payload.size()));
  return f + payload;
}

bool TurnAround(std::span<std::byte> f) {
  if (f.size() < kHeaders || f[12] != std::byte{8} || f[13] != std::byte{0} ||
      f[23] != std::byte{17}) {
    return false;
  }
  std::swap_ranges(&f[0], &f[6], &f[6]);
  std::swap_ranges(&f[26], &f[30], &f[30]);
  std::swap_ranges(&f[34], &f[36], &f[36]);
  return true;
}

EchoClient::EchoClient(std::shared_ptr<Region> region, Lease lease)
    : region_(std::move(region)), lease_(std::move(lease)), thread_([this] { Serve(); }) {}

absl::StatusOr<std::unique_ptr<EchoClient>> EchoClient::Start(const SessionOptions& options,
                                                              const std::string& layout) {
  absl::StatusOr<Session> session = Session::Connect(options);
  if (!session.ok()) return session.status();
  absl::StatusOr<Device> device = session->OpenDevice("nic0");
  if (!device.ok()) return device.status();
  auto region = session->RegisterRegion(
      {.bytes = 2 * kCanaryBytes + kBuffers * kBufferBytes, .name = "canaries and buffers"});
  if (!region.ok()) return region.status();
  const std::span<std::byte> bytes = (*region)->bytes();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = CanaryByte(i);
  LeaseOptions wanted;
  wanted.layout = layout;
  wanted.rx_slots = wanted.tx_slots = 256;
  wanted.region = *region;
  wanted.region_offset_bytes = kCanaryBytes;
  wanted.buffers_per_pair = kBuffers;
  absl::StatusOr<Lease> lease = device->Acquire(wanted);
  if (!lease.ok()) return lease.status();
  auto rule = lease->AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0"));
  if (!rule.ok()) return rule.status();
  return std::unique_ptr<EchoClient>(new EchoClient(*std::move(region), *std::move(lease)));
}

void EchoClient::Serve() {
  std::array<Packet, 32> packets;
  while (!stop_ && lease_.ok()) {
    if (!lease_.rx(0).Wait(absl::Milliseconds(100)).ok()) continue;
    const size_t n = lease_.rx(0).Receive(packets);
    for (size_t i = 0; i < n; ++i) {
      if (!TurnAround(packets[i].bytes())) continue;
      while (!lease_.tx(0).Send(std::move(packets[i])) && lease_.ok() && !stop_) {
        lease_.tx(0).Wait(absl::Milliseconds(100)).IgnoreError();
      }
      ++answered_;
    }
  }
}

void EchoClient::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

bool EchoClient::CanariesWhole() const {
  const std::span<std::byte> bytes = region_->bytes();
  const size_t behind = kCanaryBytes + kBuffers * kBufferBytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if ((i < kCanaryBytes || i >= behind) && bytes[i] != CanaryByte(i)) return false;
  }
  return true;
}

Pinger::Pinger(Asker asker, std::vector<uint16_t> also)
    : thread_([this, asker = std::move(asker), also = std::move(also)] {
        while (!stop_) {
          const absl::Time begin = absl::Now();
          if (asker.ask(absl::StrCat("question ", result_.sent, " of a test"))) ++result_.answered;
          ++result_.sent;
          result_.slowest = std::max(result_.slowest, absl::Now() - begin);
          for (const uint16_t port : also) asker.spray(port);
          absl::SleepFor(absl::Milliseconds(1));
        }
      }) {}

PingResult Pinger::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  return result_;
}

absl::StatusOr<std::unique_ptr<Pinger>> Pinger::OverPeer(const SessionOptions& options,
                                                         std::vector<uint16_t> also) {
  absl::StatusOr<Session> session = Session::Connect(options);
  if (!session.ok()) return session.status();
  absl::StatusOr<Device> device = session->OpenDevice("nic1");
  if (!device.ok()) return device.status();
  absl::StatusOr<Lease> acquired = device->Acquire({.rx_slots = 256, .tx_slots = 256});
  if (!acquired.ok()) return acquired.status();
  auto rule = acquired->AddRule(
      absl::StrCat("flow-type udp4 src-port ", kEchoPort, " dst-port ", kAskerPort, " action 0"));
  if (!rule.ok()) return rule.status();
  auto lease = std::make_shared<Lease>(*std::move(acquired));
  return std::unique_ptr<Pinger>(
      new Pinger({.ask = [lease](const std::string& payload) { return AskPeer(*lease, payload); },
                  .spray =
                      [lease](uint16_t port) {
                        for (int i = 0; i < 4; ++i) {
                          SendFrame(lease->tx(0), Datagram(kAskerPort, port, "to somebody else"));
                        }
                      }},
                 std::move(also)));
}

absl::StatusOr<std::unique_ptr<Pinger>> Pinger::OverKernel(const std::string& netns,
                                                           std::vector<uint16_t> also) {
  auto socket = std::make_shared<linux_sys::OwnedFd>();
  absl::Status opened = linux_sys::RunInNetns(netns, [&socket] {
    *socket = linux_sys::OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience = absl::ToTimeval(kAnswerPatience);
    return ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0
               ? absl::OkStatus()
               : absl::ErrnoToStatus(errno, "socket");
  });
  if (!opened.ok()) return opened;
  const auto send = [socket](uint16_t port, const std::string& text) {
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    ::inet_pton(AF_INET, "10.99.0.10", &to.sin_addr);
    return ::sendto(socket->get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to),
                    sizeof to) == static_cast<ssize_t>(text.size());
  };
  return std::unique_ptr<Pinger>(
      new Pinger({.ask =
                      [socket, send](const std::string& payload) {
                        if (!send(kEchoPort, payload)) return false;
                        char answer[256];
                        const ssize_t n = ::recv(socket->get(), answer, sizeof answer, 0);
                        return n == static_cast<ssize_t>(payload.size()) &&
                               std::memcmp(answer, payload.data(), payload.size()) == 0;
                      },
                  .spray = [send](uint16_t port) { send(port, "to somebody else"); }},
                 std::move(also)));
}

}  // namespace qsplit::testing
