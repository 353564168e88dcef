// Ethernet frames for the client's tests: UDP over IPv4, and what becomes of them.
#ifndef QSPLIT_TESTS_UNIT_CLIENT_FRAMES_H_
#define QSPLIT_TESTS_UNIT_CLIENT_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "qsplit/packet.h"

namespace qsplit::testing_support {

inline void Put16(std::string& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value);
}

// From 10.9.0.1 at 02:00:00:00:00:01 to 10.9.0.2 at 02:00:00:00:00:02; the IPv4 header's checksum
// is right, UDP's is absent.
inline std::string Datagram(uint16_t src_port, uint16_t dst_port, const std::string& payload) {
  std::string f(42, '\0');
  f.replace(0, 14, std::string("\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0", 14));
  Put16(f, 14, 0x4500);
  Put16(f, 16, static_cast<uint32_t>(28 + payload.size()));
  Put16(f, 22, 0x4011);
  f.replace(26, 8, std::string("\x0a\x09\0\x01\x0a\x09\0\x02", 8));
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

// The same frame the other way: addresses and ports swapped.
inline std::string Swapped(const std::string& f) {
  return f.substr(6, 6) + f.substr(0, 6) + f.substr(12, 14) + f.substr(30, 4) + f.substr(26, 4) +
         f.substr(36, 2) + f.substr(34, 2) + f.substr(38);
}

inline uint32_t PortOf(const std::string& f) {
  return static_cast<uint32_t>(static_cast<uint8_t>(f[36]) << 8 | static_cast<uint8_t>(f[37]));
}

inline void Fill(Packet& packet, const std::string& bytes) {
  packet.CopyFrom({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

}  // namespace qsplit::testing_support

#endif  // QSPLIT_TESTS_UNIT_CLIENT_FRAMES_H_
