// What every sender and receiver of the throughput benchmark agrees on: one UDP datagram over IPv4,
// 64 bytes on the wire with the frame check sequence.
//
// Whatever receives looks at the payload of each packet and counts only these; whatever sends
// writes all bytes of each. So the ways differ in how a packet gets there, and in nothing else.
// Any thread.
#ifndef QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_FRAME_H_
#define QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_FRAME_H_

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace qsplit::throughput {

inline constexpr uint32_t kFrameBytes = 60;
inline constexpr uint32_t kPayloadOffset = 14 + 20 + 8;
inline constexpr uint32_t kPayloadBytes = kFrameBytes - kPayloadOffset;
inline constexpr uint16_t kPort = 4242;
inline constexpr char kSourceIp[] = "10.88.0.1";
inline constexpr char kDestinationIp[] = "10.88.0.10";
// Packets that a program takes or hands over at once, on every way.
inline constexpr uint32_t kBurst = 64;

using Mac = std::array<uint8_t, 6>;
using Frame = std::array<uint8_t, kFrameBytes>;
inline constexpr std::array<uint8_t, kPayloadBytes> kPayload{
    'q', 's', 'p', 'l', 'i', 't', ' ', 't', 'h', 'r', 'o', 'u', 'g', 'h', 'p', 'u', 't', '\n'};

// Nobody on the pair has this address: what is sent to it ends at the other end's first look,
// behind the count of received packets.
inline constexpr Mac kNobody{0x02, 0, 0, 0, 0, 0x99};

// From 02:00:00:00:00:01, kSourceIp to kDestinationIp, kPort; without a UDP checksum.
inline Frame MakeFrame(const Mac& to) {
  Frame frame{};
  std::memcpy(frame.data(), to.data(), to.size());
  const Mac from{0x02, 0, 0, 0, 0, 0x01};
  std::memcpy(&frame[6], from.data(), from.size());
  const auto put16 = [&](size_t at, uint32_t value) {
    frame[at] = static_cast<uint8_t>(value >> 8);
    frame[at + 1] = static_cast<uint8_t>(value);
  };
  put16(12, 0x0800);
  put16(14, 0x4500);
  put16(16, kFrameBytes - 14);
  put16(20, 0x4000);  // do not fragment
  put16(22, 64 << 8 | IPPROTO_UDP);
  ::inet_pton(AF_INET, kSourceIp, &frame[26]);
  ::inet_pton(AF_INET, kDestinationIp, &frame[30]);
  uint32_t sum = 0;
  for (size_t at = 14; at < 34; at += 2) sum += uint32_t{frame[at]} << 8 | frame[at + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  put16(24, ~((sum & 0xffff) + (sum >> 16)));
  put16(34, kPort);
  put16(36, kPort);
  put16(38, kFrameBytes - 34);
  std::memcpy(&frame[kPayloadOffset], kPayload.data(), kPayload.size());
  return frame;
}

inline bool IsPayload(const void* bytes, size_t size) {
  return size == kPayloadBytes && std::memcmp(bytes, kPayload.data(), kPayloadBytes) == 0;
}
inline bool IsFrame(const void* bytes, size_t size) {
  return size == kFrameBytes &&
         IsPayload(static_cast<const uint8_t*>(bytes) + kPayloadOffset, kPayloadBytes);
}

}  // namespace qsplit::throughput

#endif  // QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_FRAME_H_
