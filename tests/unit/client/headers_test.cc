// Headers, checksums, tags and hashes in software, against packets that another program computed.
#include "client-lib/src/headers.h"

#include <gtest/gtest.h>

#include <string>

#include "client-lib/src/packet_access.h"
#include "client-lib/src/software.h"
#include "tests/unit/client/packets.h"

namespace qsplit::internal {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;
using testing_support::Hex;
using testing_support::TestPool;
using testing_support::Text;

// Whole frames with right checksums.
constexpr char kUdp4[] =
    "02000000000202000000000108004500001f12344000401114860a0900010a09000203e81092000b"
    "03e56f6464";
constexpr char kUdp4Vlan[] =
    "0200000000020200000000018100006408004500002a123440004011147b0a0900010a09000203e8"
    "109200162e697173706c69742073617973206869";
constexpr char kTcp4Options[] =
    "02000000000202000000000108004600003e12344000400611710a0900010a0900020101010003e8"
    "0050000000010000000260180200d4e80000020405b47173706c69742073617973206869";
constexpr char kSctp4[] =
    "02000000000202000000000108004500002e12344000408414040a0900010a09000203e826abdead"
    "beef6a57cb9d7173706c69742073617973206869";
constexpr char kUdp6[] =
    "02000000000202000000000186dd60000000000b114020010db80000000000000000000000012001"
    "0db800000000000000000000000203e81092000bbc846f6464";
constexpr char kTcp6HopByHop[] =
    "02000000000202000000000186dd60000000002e004020010db80000000000000000000000012001"
    "0db8000000000000000000000002060001040000000003e800500000000100000002601802008d88"
    "0000020405b47173706c69742073617973206869";

struct Frame {
  const char* name;
  const char* hex;
  L3Kind l3;
  L4Kind l4;
  uint16_t l2_bytes;
  uint16_t l3_bytes;
  uint16_t l4_bytes;
  uint32_t l3_field;  // of the checksum; 0: none
  uint32_t l4_field;
  uint32_t l4_field_bytes;
};

class Frames : public testing::TestWithParam<Frame> {
 protected:
  // The frame cut into segments in several ways; headers stay in the first.
  static std::vector<std::vector<uint32_t>> Cuts(uint32_t length, uint32_t headers) {
    std::vector<std::vector<uint32_t>> cuts = {{length}};
    for (uint32_t first = headers; first + 1 < length; ++first) {
      cuts.push_back({first, 1, length - first - 1});
    }
    return cuts;
  }
};

TEST_P(Frames, HeadersAreFound) {
  TestPool pool;
  const Headers headers = ParseHeaders(pool.Make(Hex(GetParam().hex)));
  EXPECT_EQ(headers.l3, GetParam().l3);
  EXPECT_EQ(headers.l4, GetParam().l4);
  EXPECT_EQ(headers.l2_bytes, GetParam().l2_bytes);
  EXPECT_EQ(headers.l3_bytes, GetParam().l3_bytes);
  EXPECT_EQ(headers.l4_bytes, GetParam().l4_bytes);
}

TEST_P(Frames, ChecksumsComeOutAsTheyWere) {
  const Frame& frame = GetParam();
  const std::string whole = Hex(frame.hex);
  std::string blank = whole;
  if (frame.l3_field != 0) blank.replace(frame.l3_field, 2, "\xaa\xaa");
  blank.replace(frame.l4_field, frame.l4_field_bytes, frame.l4_field_bytes, '\x55');
  const uint32_t all_headers = frame.l2_bytes + frame.l3_bytes + frame.l4_bytes;
  for (const auto& cut : Cuts(static_cast<uint32_t>(whole.size()), all_headers)) {
    TestPool pool;
    Packet packet = pool.Make(blank, cut);
    FillChecksums(packet, ParseHeaders(packet), true, true);
    EXPECT_EQ(Text(packet), whole) << "first segment of " << cut[0];
  }
}

TEST_P(Frames, VerifiesAndNoticesEachFlippedBit) {
  const Frame& frame = GetParam();
  const std::string whole = Hex(frame.hex);
  TestPool pool;
  {
    Packet packet = pool.Make(whole);
    VerifyChecksums(packet);
    EXPECT_EQ(packet.checksum_l3(),
              frame.l3 == L3Kind::kIp4 ? ChecksumState::kGood : ChecksumState::kUnknown);
    EXPECT_EQ(packet.checksum_l4(), ChecksumState::kGood);
    EXPECT_TRUE(packet.computed(PacketField::kChecksumL4));
  }
  for (size_t at = frame.l2_bytes + frame.l3_bytes + frame.l4_bytes; at < whole.size(); ++at) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Packet packet = pool.Make(bad);
    VerifyChecksums(packet);
    EXPECT_EQ(packet.checksum_l4(), ChecksumState::kBad) << "byte " << at;
  }
}

TEST_P(Frames, DeviceWordsAreKept) {
  TestPool pool;
  Packet packet = pool.Make(Hex(GetParam().hex));
  PacketAccess::meta(packet).l4_checksum = ChecksumState::kBad;
  VerifyChecksums(packet);
  EXPECT_EQ(packet.checksum_l4(), ChecksumState::kBad);
  EXPECT_FALSE(packet.computed(PacketField::kChecksumL4));
}

TEST_P(Frames, NoCutOfTheFrameIsReadPastItsEnd) {
  const std::string whole = Hex(GetParam().hex);
  for (size_t length = 1; length < whole.size(); ++length) {
    TestPool pool(1, 256);
    // The bytes behind the cut are there in the buffer, and must not count.
    Packet packet = pool.Make(whole);
    packet.Truncate(static_cast<uint32_t>(length));
    const Headers headers = ParseHeaders(packet);
    EXPECT_EQ(headers.l3, L3Kind::kUnknown) << length;
    EXPECT_EQ(headers.l4_bytes, 0) << length;
    FillChecksums(packet, headers, true, true);
    EXPECT_EQ(Text(packet), whole.substr(0, length)) << "nothing to fill in";
  }
}

TEST_P(Frames, TagGoesInAndComesOut) {
  const std::string whole = Hex(GetParam().hex);
  const std::string tagged = whole.substr(0, 12) + Hex("8100 e123") + whole.substr(12);
  for (const uint32_t offset : {0u, 64u}) {
    TestPool pool;
    Packet packet = pool.Make(whole, {}, offset);
    ASSERT_TRUE(InsertVlan(packet, 0xe123));
    EXPECT_EQ(Text(packet), tagged);
    StripVlan(packet);
    EXPECT_EQ(Text(packet), whole);
    EXPECT_EQ(packet.vlan(), 0xe123);
    EXPECT_TRUE(packet.computed(PacketField::kVlan));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Frames,
    testing::Values(
        Frame{"Udp4", kUdp4, L3Kind::kIp4, L4Kind::kUdp, 14, 20, 8, 24, 40, 2},
        Frame{"Udp4Vlan", kUdp4Vlan, L3Kind::kIp4, L4Kind::kUdp, 18, 20, 8, 28, 44, 2},
        Frame{"Tcp4Options", kTcp4Options, L3Kind::kIp4, L4Kind::kTcp, 14, 24, 24, 24, 54, 2},
        Frame{"Sctp4", kSctp4, L3Kind::kIp4, L4Kind::kSctp, 14, 20, 12, 24, 42, 4},
        Frame{"Udp6", kUdp6, L3Kind::kIp6, L4Kind::kUdp, 14, 40, 8, 0, 60, 2},
        Frame{"Tcp6HopByHop", kTcp6HopByHop, L3Kind::kIp6, L4Kind::kTcp, 14, 48, 24, 0, 78, 2}),
    [](const testing::TestParamInfo<Frame>& one) { return one.param.name; });

TEST(Headers, FragmentsHaveNoTransportHeader) {
  TestPool pool;
  std::string frame = Hex(kUdp4);
  frame[20] = '\x20';  // more fragments
  Packet packet = pool.Make(frame);
  EXPECT_EQ(ParseHeaders(packet).l4, L4Kind::kFragment);
  VerifyChecksums(packet);
  EXPECT_EQ(packet.checksum_l4(), ChecksumState::kUnknown);
}

TEST(Headers, UdpWithoutAChecksumIsNeitherGoodNorBad) {
  TestPool pool;
  std::string frame = Hex(kUdp4);
  frame.replace(40, 2, 2, '\0');
  Packet packet = pool.Make(frame);
  VerifyChecksums(packet);
  EXPECT_EQ(packet.checksum_l3(), ChecksumState::kGood);
  EXPECT_EQ(packet.checksum_l4(), ChecksumState::kUnknown);
}

TEST(Headers, PaddingBehindTheIpPacketDoesNotCount) {
  TestPool pool;
  Packet packet = pool.Make(Hex(kUdp4) + std::string(15, '\x7f'));
  VerifyChecksums(packet);
  EXPECT_EQ(packet.checksum_l4(), ChecksumState::kGood);
}

TEST(Headers, PreparedForADeviceTheFieldHoldsThePseudoHeader) {
  TestPool pool;
  Packet packet = pool.Make(Hex(kUdp4));
  const Headers headers = ParseHeaders(packet);
  PrepareChecksums(packet, headers, true, true);
  // What a device does: sum over everything behind the IP header, the field included.
  const uint64_t sum = AddToSum(packet, 34, packet.length() - 34, 0);
  const auto checksum = static_cast<uint16_t>(~FoldSum(sum));
  EXPECT_EQ(Text(packet).substr(24, 2), std::string(2, '\0'));
  EXPECT_EQ(Hex(kUdp4).substr(40, 2),
            (std::string{static_cast<char>(checksum >> 8), static_cast<char>(checksum)}));
}

TEST(Headers, PreparedToBeCutTheFieldLacksTheLengthOrNothing) {
  const std::string frame = Hex(kTcp4Options);
  for (const bool plainly : {false, true}) {
    TestPool pool;
    Packet packet = pool.Make(frame);
    const Headers headers = ParseHeaders(packet);
    PrepareSegments(packet, headers, plainly);
    // Summed up plainly, with the length where the field has none, it is the checksum.
    const uint64_t sum = AddToSum(packet, 38, packet.length() - 38, plainly ? 0 : 38);
    const auto checksum = static_cast<uint16_t>(~FoldSum(sum));
    EXPECT_EQ(frame.substr(54, 2),
              (std::string{static_cast<char>(checksum >> 8), static_cast<char>(checksum)}));
    EXPECT_EQ(Text(packet).substr(24, 2), plainly ? frame.substr(24, 2) : std::string(2, '\0'));
  }
}

TEST(Headers, NoRoomForATagIsSaid) {
  TestPool pool(1, 64);
  Packet full = pool.Make(std::string(64, 'x'));
  EXPECT_FALSE(InsertVlan(full, 1));
  EXPECT_EQ(Text(full), std::string(64, 'x'));
}

// The verification suite that the vendors of RSS publish: its key and two of its vectors.
TEST(Toeplitz, PublishedVectors) {
  const std::string key_text =
      Hex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");
  std::array<uint8_t, kHashKeyBytes> key;
  std::copy_n(key_text.begin(), key.size(), key.begin());
  const auto hash = [&key](const std::string& input) {
    return ToeplitzHash(key, {reinterpret_cast<const uint8_t*>(input.data()), input.size()});
  };
  // 66.9.149.187:2794 to 161.142.100.80:1766
  EXPECT_EQ(hash(Hex("420995bb a18e6450")), 0x323e8fc2u);
  EXPECT_EQ(hash(Hex("420995bb a18e6450 0aea 06e6")), 0x51ccc178u);
}

TEST(Toeplitz, HashesWhatRssHashes) {
  std::array<uint8_t, kHashKeyBytes> key;
  key.fill(0x5a);
  TestPool pool;
  Packet packet = pool.Make(Hex(kTcp6HopByHop));
  HashPacket(key, packet);
  EXPECT_EQ(packet.hash_type(), HashType::kTcp6);
  ASSERT_TRUE(packet.hash().has_value());
  EXPECT_TRUE(packet.computed(PacketField::kHash));
  Packet arp = pool.Make(std::string(12, 'x') + Hex("0806") + std::string(46, 'a'));
  HashPacket(key, arp);
  EXPECT_FALSE(arp.hash().has_value());
}

// A device that gives a hash and does not say over what.
TEST(Toeplitz, FindsOutWhatAGivenHashIsOver) {
  std::array<uint8_t, kHashKeyBytes> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i * 37 + 11);
  TestPool pool;
  const auto type_of = [&](const std::string& frame, uint32_t hash) {
    Packet packet = pool.Make(frame);
    PacketAccess::meta(packet).hash = hash;
    PacketAccess::meta(packet).present = static_cast<uint32_t>(PacketField::kHash);
    HashPacket(key, packet);
    EXPECT_EQ(packet.hash(), hash) << "what the device said stays";
    EXPECT_FALSE(packet.computed(PacketField::kHash));
    EXPECT_TRUE(packet.computed(PacketField::kHashType));
    return packet.hash_type();
  };
  const auto hash = [&key](const std::string& input) {
    return ToeplitzHash(key, {reinterpret_cast<const uint8_t*>(input.data()), input.size()});
  };
  const std::string udp4 = Hex(kUdp4);
  EXPECT_EQ(type_of(udp4, hash(udp4.substr(26, 12))), HashType::kUdp4);
  EXPECT_EQ(type_of(udp4, hash(udp4.substr(26, 8))), HashType::kIp4) << "addresses alone";
  EXPECT_EQ(type_of(udp4, 0x12345678), HashType::kOther);
  const std::string tcp4 = Hex(kTcp4Options);
  EXPECT_EQ(type_of(tcp4, hash(tcp4.substr(26, 8) + tcp4.substr(38, 4))), HashType::kTcp4);
  const std::string udp6 = Hex(kUdp6);
  EXPECT_EQ(type_of(udp6, hash(udp6.substr(22, 36))), HashType::kUdp6);
  EXPECT_EQ(type_of(udp6, hash(udp6.substr(22, 32))), HashType::kIp6);
  EXPECT_EQ(type_of(std::string(12, 'x') + Hex("0806") + std::string(46, 'a'), 0),
            HashType::kOther);
  // Where it says both, nothing is done.
  Packet both = pool.Make(udp4);
  PacketAccess::meta(both).hash_type = HashType::kSctp4;
  PacketAccess::meta(both).present =
      static_cast<uint32_t>(PacketField::kHash) | static_cast<uint32_t>(PacketField::kHashType);
  HashPacket(key, both);
  EXPECT_EQ(both.hash_type(), HashType::kSctp4);
  EXPECT_EQ(both.metadata().computed, 0u);
}

}  // namespace
}  // namespace qsplit::internal
