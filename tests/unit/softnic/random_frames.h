// Frames of all kinds and of few flows, for tests that compare two ways to look at them.
#ifndef QSPLIT_TESTS_UNIT_SOFTNIC_RANDOM_FRAMES_H_
#define QSPLIT_TESTS_UNIT_SOFTNIC_RANDOM_FRAMES_H_

#include <algorithm>
#include <cstdint>
#include <random>

#include "daemon/backend/softnic/packet.h"
#include "tests/support/frames.h"

namespace qsplit::softnic {

inline FrameHead HeadOf(const qsplit::testing::Bytes& frame) {
  FrameHead head{};
  std::copy_n(frame.begin(), std::min<size_t>(frame.size(), kHeadBytes), head.begin());
  return head;
}

// TCP, UDP and others over IPv4 and IPv6, to `dst`; some with a tag, options, or fragments; some
// with bytes that were changed at random. At least kMinFrameBytes.
inline qsplit::testing::Bytes RandomFrame(std::mt19937& random,
                                          const qsplit::testing::Mac& dst = {}) {
  using qsplit::testing::Bytes;
  static const char* const kAddresses[] = {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"};
  qsplit::testing::FrameSpec spec{.dst = dst};
  const bool six = random() % 3 == 0;
  spec.src_ip = kAddresses[six ? 2 + random() % 2 : random() % 2];
  spec.dst_ip = kAddresses[six ? 2 + random() % 2 : random() % 2];
  constexpr uint8_t kProtocols[] = {6, 17, 17, 132, 1, 58, 47, 44, 50, 51};
  spec.protocol = kProtocols[random() % 10];
  spec.spi = static_cast<uint32_t>(random() % 2);
  spec.dst_port = static_cast<uint16_t>(1 + random() % 2);
  if (random() % 8 == 0) spec.vlan_tci = 5;
  if (random() % 8 == 0) spec.fragment = 0x2000;
  if (random() % 8 == 0 && !six) spec.ip_options = Bytes(4, 1);
  spec.payload = Bytes(random() % (random() % 2 == 0 ? 30 : 200), static_cast<uint8_t>(random()));
  Bytes frame = qsplit::testing::MakeFrame(spec);
  for (auto i = random() % 3; i > 0 && random() % 2 == 0; --i) {
    frame[random() % std::min<size_t>(frame.size(), 70)] ^= static_cast<uint8_t>(random());
  }
  // What stands behind the packet is no part of it.
  const auto behind = random() % 4 == 0 ? random() % 30 : 0;
  for (auto i = behind; i > 0; --i) frame.push_back(static_cast<uint8_t>(random()));
  if (frame.size() < kMinFrameBytes) frame.resize(kMinFrameBytes);
  return frame;
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_TESTS_UNIT_SOFTNIC_RANDOM_FRAMES_H_
