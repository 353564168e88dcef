#include "daemon/backend/softnic/tx_offload.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "daemon/backend/softnic/checksum.h"
#include "tests/support/frames.h"

namespace qsplit::softnic {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;
using dataplane::TxFeature;
using dataplane::TxRequest;
using testing::Bytes;
using testing::FrameSpec;
using testing::MakeFrame;

struct Sent {
  bool ok = false;
  std::vector<Bytes> frames;
};

Sent Offload(const Bytes& packet, const TxRequest& request, uint32_t mtu_bytes = 1500) {
  static TxOffload offload;
  std::memcpy(offload.packet().data(), packet.data(), packet.size());
  Sent sent;
  sent.ok = offload.Send(
      static_cast<uint32_t>(packet.size()), request, mtu_bytes,
      [&sent](std::span<uint8_t> frame) { sent.frames.emplace_back(frame.begin(), frame.end()); });
  return sent;
}

TxRequest RequestFor(const FrameSpec& spec, dataplane::TxFeatures wants) {
  TxRequest request;
  const bool six = spec.src_ip.find(':') != std::string::npos;
  request.wants = wants;
  request.l3 = six ? L3Kind::kIp6 : L3Kind::kIp4;
  request.l4 = spec.protocol == 6    ? L4Kind::kTcp
               : spec.protocol == 17 ? L4Kind::kUdp
                                     : L4Kind::kSctp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = six ? 40 : 20;
  request.l4_header_bytes = spec.protocol == 6 ? 20 : 8;
  // As the device's side of a ring completes a request.
  request.l3_checksum_start = 14;
  request.l3_checksum_at = 24;
  request.l4_checksum_start = six ? 54 : 34;
  request.l4_checksum_at =
      static_cast<uint16_t>(request.l4_checksum_start + (spec.protocol == 6    ? 16
                                                         : spec.protocol == 17 ? 6
                                                                               : 8));
  return request;
}

TEST(TxOffload, PadsShortFramesWithZeros) {
  const Sent sent = Offload(Bytes(20, 7), {});
  ASSERT_EQ(sent.frames.size(), 1u);
  ASSERT_EQ(sent.frames[0].size(), 60u);
  EXPECT_EQ(sent.frames[0][59], 0);
}

TEST(TxOffload, RefusesTooShortAndTooLong) {
  EXPECT_FALSE(Offload(Bytes(13, 7), {}).ok);
  EXPECT_TRUE(Offload(Bytes(1514, 7), {}).ok);
  EXPECT_FALSE(Offload(Bytes(1515, 7), {}).ok);
}

TEST(TxOffload, FillsChecksums) {
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}, uint8_t{132}}) {
    for (const bool six : {false, true}) {
      FrameSpec spec{.protocol = protocol, .payload = Bytes(33, 0x3c)};
      if (six) {
        spec.src_ip = "fd00::1";
        spec.dst_ip = "fd00::2";
      }
      const Bytes right = MakeFrame(spec);
      Bytes frame = right;
      dataplane::TxFeatures wants = TxFeature::kL4Checksum;
      if (!six) {
        wants |= TxFeature::kL3Checksum;
        frame[24] = 0x12;
      }
      const size_t l4 = six ? 54 : 34;
      const auto length = static_cast<uint32_t>(frame.size() - l4);
      if (protocol == 132) {
        std::memset(frame.data() + l4 + 8, 0, 4);
      } else {
        StoreBe16(frame.data() + l4 + (protocol == 6 ? 16 : 6),
                  PseudoHeaderSum(frame.data() + 14, six ? 6 : 4, protocol, length));
      }
      const Sent sent = Offload(frame, RequestFor(spec, wants));
      ASSERT_EQ(sent.frames.size(), 1u);
      EXPECT_EQ(sent.frames[0], right) << int{protocol} << six;
    }
  }
}

TEST(TxOffload, InsertsATag) {
  const Bytes frame = MakeFrame({});
  const Sent sent = Offload(frame, {.wants = TxFeature::kVlanInsert, .vlan_tci = 0x6123});
  EXPECT_EQ(sent.frames.at(0), MakeFrame({.vlan_tci = 0x6123}));
}

TEST(TxOffload, CutsTcp) {
  for (const bool six : {false, true}) {
    FrameSpec spec{.protocol = 6, .payload = {}, .tcp_flags = 0x99, .tcp_sequence = 0xfffffff0};
    if (six) {
      spec.src_ip = "fd00::1";
      spec.dst_ip = "fd00::2";
    }
    for (int i = 0; i < 5000; ++i) spec.payload.push_back(static_cast<uint8_t>(i * 31 / 7));
    TxRequest request = RequestFor(spec, TxFeature::kSegment | TxFeature::kL4Checksum);
    request.segment_bytes = 1400;
    const Sent sent = Offload(MakeFrame(spec), request);
    ASSERT_EQ(sent.frames.size(), 4u);
    Bytes payload;
    for (size_t i = 0; i < sent.frames.size(); ++i) {
      const Bytes& frame = sent.frames[i];
      EXPECT_TRUE(testing::ChecksumsHold(frame)) << i;
      const size_t tcp = six ? 54 : 34;
      EXPECT_EQ(LoadBe32(frame.data() + tcp + 4), static_cast<uint32_t>(0xfffffff0u + 1400u * i));
      // CWR, ACK, PSH, FIN were asked for.
      EXPECT_EQ(frame[tcp + 13], i == 0 ? 0x90 : i == 3 ? 0x19 : 0x10);
      if (!six) {
        EXPECT_EQ(LoadBe16(frame.data() + 18), 77 + i);
      }
      payload.insert(payload.end(), frame.begin() + static_cast<ptrdiff_t>(tcp) + 20, frame.end());
    }
    EXPECT_EQ(payload, spec.payload);
  }
}

TEST(TxOffload, LyingLengthsAreRefused) {
  FrameSpec spec{.protocol = 6, .payload = Bytes(3000, 1)};
  const Bytes packet = MakeFrame(spec);
  TxRequest good = RequestFor(spec, TxFeature::kSegment);
  good.segment_bytes = 1000;
  ASSERT_TRUE(Offload(packet, good).ok);
  const auto refused = [&](auto change) {
    TxRequest request = good;
    change(request);
    const Sent sent = Offload(packet, request);
    return !sent.ok && sent.frames.empty();
  };
  EXPECT_TRUE(refused([](TxRequest& r) { r.l2_header_bytes = 13; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l2_header_bytes = 3050; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l3_header_bytes = 19; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l3_header_bytes = 0xffff; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l4_header_bytes = 0; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.segment_bytes = 1; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.segment_bytes = 1461; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l4 = L4Kind::kSctp; }));
  EXPECT_TRUE(refused([](TxRequest& r) { r.l3 = L3Kind::kUnknown; }));

  const Bytes udp = MakeFrame({});
  const auto size = static_cast<uint16_t>(udp.size());
  const auto l4 = [&](uint16_t start, uint16_t at) {
    return Offload(
               udp,
               {.wants = TxFeature::kL4Checksum, .l4_checksum_start = start, .l4_checksum_at = at})
        .ok;
  };
  EXPECT_TRUE(l4(34, 40));
  EXPECT_FALSE(l4(34, 33));
  EXPECT_FALSE(l4(size, size));
  EXPECT_FALSE(l4(34, static_cast<uint16_t>(size - 1)));
  EXPECT_FALSE(l4(0xffff, 0xffff));
  const auto l3 = [&](uint16_t start, uint16_t at, uint16_t length) {
    return Offload(udp, {.wants = TxFeature::kL3Checksum,
                         .l3_header_bytes = length,
                         .l3_checksum_start = start,
                         .l3_checksum_at = at})
        .ok;
  };
  EXPECT_TRUE(l3(14, 24, 0));
  EXPECT_FALSE(l3(14, 24, 8));
  EXPECT_FALSE(l3(14, 24, 0xffff));
  EXPECT_FALSE(l3(14, 13, 20));
  EXPECT_FALSE(l3(size, size, 2));
}

// Nothing but the sanitizers judges here: no request may touch a byte outside the buffers.
TEST(TxOffload, AnyRequestIsSurvived) {
  std::mt19937 random(3);
  const Bytes packet = MakeFrame({.protocol = 6, .payload = Bytes(9000, 1)});
  uint64_t sent_frames = 0;
  for (int i = 0; i < 20000; ++i) {
    TxRequest request;
    request.wants = dataplane::TxFeatures(random() % 64);
    request.l3 = static_cast<L3Kind>(random() % dataplane::kL3Kinds);
    request.l4 = static_cast<L4Kind>(random() % dataplane::kL4Kinds);
    const uint32_t most = random() % 2 == 0 ? 64 : 65536;
    request.l2_header_bytes = static_cast<uint16_t>(14 + random() % most);
    request.l3_header_bytes = static_cast<uint16_t>(random() % most);
    request.l4_header_bytes = static_cast<uint16_t>(random() % most);
    request.segment_bytes = static_cast<uint16_t>(random());
    request.l3_checksum_start = static_cast<uint16_t>(random() % most);
    request.l3_checksum_at = static_cast<uint16_t>(request.l3_checksum_start + random() % 20);
    request.l4_checksum_start = static_cast<uint16_t>(random() % most);
    request.l4_checksum_at = static_cast<uint16_t>(request.l4_checksum_start + random() % 20);
    const Bytes part(packet.begin(),
                     packet.begin() + static_cast<ptrdiff_t>(1 + random() % packet.size()));
    sent_frames += Offload(part, request, 9216).frames.size();
  }
  EXPECT_GT(sent_frames, 0u);
}

}  // namespace
}  // namespace qsplit::softnic
