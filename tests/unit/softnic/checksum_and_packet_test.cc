#include <gtest/gtest.h>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/support/frames.h"

namespace qsplit::softnic {
namespace {

using dataplane::ChecksumState;
using dataplane::L3Kind;
using dataplane::L4Kind;
using testing::Bytes;
using testing::FrameSpec;
using testing::MakeFrame;

Packet Parsed(const Bytes& frame) {
  Packet packet;
  EXPECT_TRUE(Parse(frame, &packet));
  return packet;
}

TEST(Packet, FieldsOfUdpOverIp4) {
  const Bytes frame =
      MakeFrame({.dst = {2, 1, 2, 3, 4, 5}, .src_port = 4242, .dst_port = 53, .tos = 0x2e});
  const Packet p = Parsed(frame);
  EXPECT_EQ(p.key.dst_mac, (testing::Mac{2, 1, 2, 3, 4, 5}));
  EXPECT_EQ(p.key.ether_type, 0x0800);
  EXPECT_EQ(p.key.ip_version, 4);
  EXPECT_EQ(p.key.tos, 0x2e);
  EXPECT_EQ(p.key.l4_protocol, 17);
  EXPECT_EQ(p.key.src_port, 4242);
  EXPECT_EQ(p.key.dst_port, 53);
  EXPECT_EQ(p.key.has_ports, 1);
  EXPECT_EQ(p.key.has_vlan, 0);
  EXPECT_EQ(p.key.l4_bytes, 4242u << 16 | 53u);
  EXPECT_EQ(p.l3, L3Kind::kIp4);
  EXPECT_EQ(p.l4, L4Kind::kUdp);
  EXPECT_EQ(p.l4_offset, 34u);
}

TEST(Packet, OptionsMoveThePorts) {
  const Bytes frame = MakeFrame({.src_port = 7, .ip_options = Bytes(12, 1)});
  const Packet p = Parsed(frame);
  EXPECT_EQ(p.l4_offset, 46u);
  EXPECT_EQ(p.key.src_port, 7);
}

TEST(Packet, TwoTagsTheOuterOneCounts) {
  const Bytes frame = MakeFrame({.vlan_tci = 0x0123, .outer_vlan_tci = 0xe456, .src_port = 9});
  const Packet p = Parsed(frame);
  EXPECT_EQ(p.key.has_vlan, 1);
  EXPECT_EQ(p.key.vlan_tci, 0xe456);
  EXPECT_EQ(p.key.vlan_ether_type, 0x88a8);
  EXPECT_EQ(p.key.ether_type, 0x0800);
  EXPECT_EQ(p.key.src_port, 9);
}

TEST(Packet, LaterFragmentsHaveNoPorts) {
  const Packet first = Parsed(MakeFrame({.src_port = 9, .fragment = 0x2000}));
  EXPECT_EQ(first.key.has_ports, 1);
  EXPECT_EQ(first.l4, L4Kind::kFragment);
  const Packet later = Parsed(MakeFrame({.src_port = 9, .fragment = 0x0003}));
  EXPECT_EQ(later.key.has_ports, 0);
  EXPECT_EQ(later.key.src_port, 0);
  EXPECT_EQ(later.key.l4_bytes, 0u);
  EXPECT_EQ(later.l4, L4Kind::kFragment);
  EXPECT_EQ(later.key.l4_protocol, 17);
}

// UDP behind hop-by-hop options and a fragment header.
Bytes WithExtensions(uint16_t fragment) {
  Bytes frame = MakeFrame({.src_ip = "fd00::1", .dst_ip = "fd00::2", .src_port = 31});
  const Bytes extensions = {44,
                            0,
                            1,
                            4,
                            0,
                            0,
                            0,
                            0,  //
                            17,
                            0,
                            static_cast<uint8_t>(fragment >> 8),
                            static_cast<uint8_t>(fragment),
                            0,
                            0,
                            0,
                            9};
  frame.insert(frame.begin() + 54, extensions.begin(), extensions.end());
  frame[20] = 0;
  frame[19] = static_cast<uint8_t>(frame[19] + 16);
  return frame;
}

TEST(Packet, Ip6ExtensionHeaders) {
  const Bytes frame = WithExtensions(0);
  const Packet whole = Parsed(frame);
  EXPECT_EQ(whole.key.l4_protocol, 17);
  EXPECT_EQ(whole.key.src_port, 31);
  EXPECT_EQ(whole.l4, L4Kind::kUdp);
  EXPECT_EQ(Verify(whole).l4, ChecksumState::kGood);
  const Packet first = Parsed(WithExtensions(1));
  EXPECT_EQ(first.l4, L4Kind::kFragment);
  EXPECT_EQ(first.key.has_ports, 1);
  const Packet later = Parsed(WithExtensions(0x0101));
  EXPECT_EQ(later.l4, L4Kind::kFragment);
  EXPECT_EQ(later.key.has_ports, 0);
}

TEST(Packet, IpsecHasItsIndexInsteadOfPorts) {
  for (const bool six : {false, true}) {
    FrameSpec spec{.spi = 0x12345678};
    if (six) spec.src_ip = spec.dst_ip = "fd00::1";
    for (const uint8_t protocol : std::initializer_list<uint8_t>{50, 51}) {
      spec.protocol = protocol;
      const Bytes frame = MakeFrame(spec);
      const Packet p = Parsed(frame);
      EXPECT_EQ(p.key.l4_protocol, protocol);
      EXPECT_EQ(p.key.has_spi, 1);
      EXPECT_EQ(p.key.has_ports, 0);
      EXPECT_EQ(SpiOf(p.key), 0x12345678u);
      EXPECT_EQ(p.key.l4_bytes, protocol == 50 ? 0x12345678u : 0x3b040000u);
      EXPECT_EQ(p.l4, L4Kind::kOther);
      EXPECT_EQ(p.l4_offset, six ? 54u : 34u);
    }
  }
  // What AH authenticates is not looked at, in IPv6 either.
  Bytes frame = WithExtensions(0);
  frame[62] = 51;
  frame[70] = 17;
  const Packet ah = Parsed(frame);
  EXPECT_EQ(ah.key.l4_protocol, 51);
  EXPECT_EQ(ah.key.has_ports, 0);
  EXPECT_EQ(ah.key.has_spi, 1);
  EXPECT_EQ(ah.l4_offset, 70u);
  // Too short for its index.
  Bytes cut = MakeFrame({.protocol = 51, .payload = {}});
  cut.resize(14 + 20 + 7);
  cut[17] = 27;
  EXPECT_EQ(Parsed(cut).key.has_spi, 0);
  EXPECT_EQ(Parsed(cut).key.l4_bytes, 0x3b040000u);
}

TEST(Packet, EveryTruncationIsRead) {
  // Under the address sanitizer this shows reads past the end: each prefix is an allocation of its
  // own.
  for (const Bytes& frame :
       {MakeFrame({.vlan_tci = 5, .protocol = 6, .ip_options = Bytes(8, 1)}), WithExtensions(1),
        MakeFrame({.src_ip = "fd00::1", .dst_ip = "fd00::2", .protocol = 51, .payload = {}}),
        MakeFrame({.protocol = 51, .payload = {}}), MakeFrame({.protocol = 50, .payload = {}}),
        MakeFrame(
            {.outer_vlan_tci = 5, .src_ip = "fd00::1", .dst_ip = "fd00::2", .protocol = 132})}) {
    for (size_t length = 0; length <= frame.size(); ++length) {
      const Bytes prefix(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(length));
      Packet packet;
      EXPECT_EQ(Parse(prefix, &packet), length >= 14);
      if (length < 14) continue;
      (void)Verify(packet);
      // An IP packet that is longer than its frame is no IP packet.
      EXPECT_EQ(packet.key.ip_version != 0, length == frame.size()) << length;
    }
  }
}

TEST(Checksum, GoodAndBad) {
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}, uint8_t{132}}) {
    for (const bool six : {false, true}) {
      FrameSpec spec{.protocol = protocol, .payload = Bytes(37, 0xa7)};
      if (six) {
        spec.src_ip = "fd00::1";
        spec.dst_ip = "fd00::2";
      }
      Bytes frame = MakeFrame(spec);
      ChecksumVerdict verdict = Verify(Parsed(frame));
      EXPECT_EQ(verdict.l3, six ? ChecksumState::kUnknown : ChecksumState::kGood);
      EXPECT_EQ(verdict.l4, ChecksumState::kGood) << int{protocol} << six;
      frame.back() ^= 1;
      EXPECT_EQ(Verify(Parsed(frame)).l4, ChecksumState::kBad) << int{protocol} << six;
      if (six) continue;
      frame[22] ^= 1;  // time to live
      EXPECT_EQ(Verify(Parsed(frame)).l3, ChecksumState::kBad);
    }
  }
}

TEST(Checksum, EthernetPaddingIsNotCounted) {
  Bytes frame = MakeFrame({.payload = Bytes(3, 1)});
  frame.resize(60, 0xee);
  EXPECT_EQ(Verify(Parsed(frame)).l4, ChecksumState::kGood);
}

TEST(Checksum, UdpWithoutOne) {
  Bytes frame = MakeFrame({});
  frame[40] = frame[41] = 0;
  EXPECT_EQ(Verify(Parsed(frame)).l4, ChecksumState::kUnknown);
}

TEST(Checksum, SumAgreesWithThePlainOne) {
  Bytes bytes;
  for (uint32_t i = 0; i < 1500; ++i) {
    bytes.push_back(static_cast<uint8_t>(i * 167 + i / 7));
    EXPECT_EQ(OnesSum(bytes), testing::PlainSum(bytes)) << i;
  }
  // RFC 3720's vector of 32 zero bytes.
  EXPECT_EQ(Crc32c(Bytes(32, 0)), 0x8a9136aau);
}

}  // namespace
}  // namespace qsplit::softnic
