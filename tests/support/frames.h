// Frames for tests, with right checksums, computed the slow and plain way so that the code under
// test is not judged by itself.
#ifndef QSPLIT_TESTS_SUPPORT_FRAMES_H_
#define QSPLIT_TESTS_SUPPORT_FRAMES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qsplit::testing {

using Mac = std::array<uint8_t, 6>;
using Bytes = std::vector<uint8_t>;

struct FrameSpec {
  Mac dst{};
  Mac src{0x02, 0, 0, 0, 0, 0x99};
  std::optional<uint16_t> vlan_tci;        // 0x8100
  std::optional<uint16_t> outer_vlan_tci;  // 0x88a8, before vlan_tci
  std::string src_ip = "10.0.0.1";         // a colon in it makes it IPv6
  std::string dst_ip = "10.0.0.2";
  uint8_t protocol = 17;
  uint16_t src_port = 1000;
  uint16_t dst_port = 2000;
  uint32_t spi = 0x01020304;  // of protocols 50 and 51
  uint8_t tos = 0;
  uint16_t fragment = 0;  // IPv4 flags and offset, as in the header
  Bytes ip_options;       // IPv4: a multiple of 4 bytes
  Bytes payload = Bytes(22, 0x5a);
  uint8_t tcp_flags = 0x10;
  uint32_t tcp_sequence = 1;
};

Bytes MakeFrame(const FrameSpec& spec);

// 4 or 16 bytes.
Bytes IpBytes(const std::string& text);

// The checksum of RFC 1071 over the bytes, not complemented.
uint16_t PlainSum(const Bytes& bytes);

// Of an Ethernet frame without VLAN tags: whether IPv4's and TCP's, UDP's or SCTP's checksums hold.
bool ChecksumsHold(const Bytes& frame);

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_FRAMES_H_
