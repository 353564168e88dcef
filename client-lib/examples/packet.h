// Frames as the examples read and write them: fields at offsets, addresses as text, and what all
// examples do the same way (stop on a signal, report an error, pick a queue).
//
// What stands in a received frame is not to be trusted: each function checks lengths first.
#ifndef QSPLIT_CLIENT_LIB_EXAMPLES_PACKET_H_
#define QSPLIT_CLIENT_LIB_EXAMPLES_PACKET_H_

#include <arpa/inet.h>
#include <qsplit/qsplit.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qsplit::examples {

using Bytes = std::span<std::byte>;
using Mac = std::array<uint8_t, 6>;

inline constexpr size_t kEthernetBytes = 14;
inline constexpr uint16_t kEtherIp4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherIp6 = 0x86dd;

inline uint8_t U8(Bytes b, size_t at) { return std::to_integer<uint8_t>(b[at]); }
inline uint16_t U16(Bytes b, size_t at) {
  return static_cast<uint16_t>(U8(b, at) << 8 | U8(b, at + 1));
}
inline void Put8(Bytes b, size_t at, uint8_t value) { b[at] = std::byte{value}; }
inline void Put16(Bytes b, size_t at, uint16_t value) {
  Put8(b, at, static_cast<uint8_t>(value >> 8));
  Put8(b, at + 1, static_cast<uint8_t>(value));
}
inline void Put32(Bytes b, size_t at, uint32_t value) {
  Put16(b, at, static_cast<uint16_t>(value >> 16));
  Put16(b, at + 2, static_cast<uint16_t>(value));
}
inline void Put64(Bytes b, size_t at, uint64_t value) {
  Put32(b, at, static_cast<uint32_t>(value >> 32));
  Put32(b, at + 4, static_cast<uint32_t>(value));
}
inline void PutBytes(Bytes b, size_t at, const void* from, size_t n) {
  std::memcpy(b.data() + at, from, n);
}
inline bool Equal(Bytes b, size_t at, const void* to, size_t n) {
  return std::memcmp(b.data() + at, to, n) == 0;
}
inline void Swap(Bytes b, size_t one, size_t other, size_t n) {
  std::swap_ranges(b.begin() + static_cast<std::ptrdiff_t>(one),
                   b.begin() + static_cast<std::ptrdiff_t>(one + n),
                   b.begin() + static_cast<std::ptrdiff_t>(other));
}

// An Internet checksum after one 16-bit word under it changed from `from` to `to`.
inline uint16_t ChecksumAfter(uint16_t checksum, uint16_t from, uint16_t to) {
  uint32_t sum = static_cast<uint16_t>(~checksum) + static_cast<uint16_t>(~from) + uint32_t{to};
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// An IPv4 or IPv6 address.
struct Ip {
  std::array<uint8_t, 16> bytes{};
  bool v6 = false;
  size_t size() const { return v6 ? 16 : 4; }
  std::string text() const {
    char out[INET6_ADDRSTRLEN];
    return ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), out, sizeof out);
  }
};

inline std::optional<Ip> ParseIp(const std::string& text) {
  Ip ip;
  if (::inet_pton(AF_INET, text.c_str(), ip.bytes.data()) == 1) return ip;
  ip.v6 = true;
  if (::inet_pton(AF_INET6, text.c_str(), ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

inline std::optional<Mac> ParseMac(const std::string& text) {
  Mac mac;
  int end = 0;
  // NOLINTNEXTLINE(cert-err34-c): two hexadecimal digits fit
  const int n = std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
                            &mac[2], &mac[3], &mac[4], &mac[5], &end);
  if (n != 6 || static_cast<size_t>(end) != text.size()) return std::nullopt;
  return mac;
}

// True once SIGINT or SIGTERM came; ask from time to time.
inline std::atomic<bool> stop_requested = false;
inline void StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = true; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

// Prints an error; 1, the exit status for it.
inline int Fail(const absl::Status& status) {
  const std::string_view message(status.message().data(), status.message().size());
  std::fprintf(stderr, "error: %.*s\n", static_cast<int>(message.size()), message.data());
  return 1;
}

// Says what a lease is.
inline void PrintLease(std::FILE* out, Lease& lease) {
  std::fprintf(out, "lease %llu on %s:", static_cast<unsigned long long>(lease.id()),
               lease.device().c_str());
  for (uint32_t i = 0; i < lease.rx_count(); ++i) {
    std::fprintf(out, "%s%u", i == 0 ? " receive queue " : ", ", lease.rx(i).number());
  }
  for (uint32_t i = 0; i < lease.tx_count(); ++i) {
    std::fprintf(out, "%s%u",
                 i != 0                 ? ", "
                 : lease.rx_count() > 0 ? "; transmit queue "
                                        : " transmit queue ",
                 lease.tx(i).number());
  }
  std::fprintf(out, "; layout %s, protection %s\n", lease.layout().c_str(),
               ProtectionModeName(lease.protection()));
  // All queues of a direction alike.
  if (lease.rx_count() > 0) {
    std::fprintf(out, "receive descriptors: %s\n", lease.rx(0).access().text().c_str());
  }
  if (lease.tx_count() > 0) {
    std::fprintf(out, "transmit descriptors: %s\n", lease.tx(0).access().text().c_str());
  }
}

// Adds a rule and prints it. False: it failed, and that was printed.
inline absl::Status AddAndPrint(std::FILE* out, Lease& lease, const std::string& words) {
  absl::StatusOr<uint32_t> location = lease.AddRule(words);
  if (!location.ok()) return location.status();
  std::fprintf(out, "rule %u: %s\n", *location, words.c_str());
  return absl::OkStatus();
}

}  // namespace qsplit::examples

#endif  // QSPLIT_CLIENT_LIB_EXAMPLES_PACKET_H_
