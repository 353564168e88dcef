// Through a UDP socket, many datagrams a call: recvmmsg and sendmmsg. Whoever runs it has given the
// netdev the addresses.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/bench/af_xdp/throughput_frame.h"
#include "tests/bench/af_xdp/throughput_ways.h"

namespace qsplit::throughput {
namespace {

constexpr int kSocketBytes = 32 << 20;

sockaddr_in Address(const char* ip) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  ::inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

int Socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) Die("socket");
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    if (::setsockopt(fd, SOL_SOCKET, option, &kSocketBytes, sizeof kSocketBytes) != 0) {
      Die("SO_RCVBUFFORCE, SO_SNDBUFFORCE");
    }
  }
  return fd;
}

// A burst of messages, each with a buffer of its own.
struct Burst {
  std::array<std::array<uint8_t, 64>, kBurst> buffers;
  std::array<iovec, kBurst> parts;
  std::array<mmsghdr, kBurst> messages{};

  explicit Burst(size_t bytes) {
    for (size_t i = 0; i < kBurst; ++i) {
      parts[i] = {buffers[i].data(), bytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

}  // namespace

void ReceiveByUdp(const Place&, Window& window) {
  const int fd = Socket();
  const sockaddr_in address = Address(kDestinationIp);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Die("bind");
  Burst burst(64);
  SayReady();
  for (uint64_t count = 0; !window.Over(count);) {
    const int n = ::recvmmsg(fd, burst.messages.data(), kBurst, MSG_DONTWAIT, nullptr);
    if (n < 0 && errno != EAGAIN) Die("recvmmsg");
    for (int i = 0; i < n; ++i) {
      count += IsPayload(burst.buffers[i].data(), burst.messages[i].msg_len) ? 1 : 0;
    }
  }
}

void SendByUdp(const Place&) {
  const int fd = Socket();
  const sockaddr_in address = Address(kSourceIp);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Die("connect");
  }
  Burst burst(kPayloadBytes);
  SayReady();
  while (stop == 0) {
    for (auto& buffer : burst.buffers) std::memcpy(buffer.data(), kPayload.data(), kPayloadBytes);
    if (::sendmmsg(fd, burst.messages.data(), kBurst, 0) < 0 && errno != ENOBUFS &&
        errno != EINTR) {
      Die("sendmmsg");
    }
  }
}

}  // namespace qsplit::throughput
