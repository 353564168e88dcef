// The 16 words of a mailbox: what they ask, bit by bit, and that no word leads astray.
#include "daemon/backend/vfio/igb/vf_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace qsplit {
namespace {

using namespace vfio::igb;
using Kind = VfRequest::Kind;

TEST(IgbVfMessage, Kinds) {
  const auto kind = [](uint32_t word) { return ParseVfMessage({word}).kind; };
  EXPECT_EQ(kind(0x01), Kind::kReset);
  EXPECT_EQ(kind(0x02), Kind::kSetMac);
  EXPECT_EQ(kind(0x010002), Kind::kClearMacFilters);
  EXPECT_EQ(kind(0x020002), Kind::kAddMacFilter);
  EXPECT_EQ(kind(0x030002), Kind::kUnknown);
  EXPECT_EQ(kind(0x03), Kind::kSetMulticast);
  EXPECT_EQ(kind(0x04), Kind::kRemoveVlan);
  EXPECT_EQ(kind(0x010004), Kind::kAddVlan);
  EXPECT_EQ(kind(0x05), Kind::kSetMaxFrame);
  EXPECT_EQ(kind(0x06), Kind::kSetPromiscuity);
  EXPECT_EQ(kind(0x00), Kind::kUnknown);
  EXPECT_EQ(kind(0x07), Kind::kUnknown);
  EXPECT_EQ(kind(0x0100), Kind::kUnknown);
  EXPECT_EQ(kind(0x0101), Kind::kUnknown);
  // Answers that come back ask nothing; the flag of a VF that may ask is no matter.
  EXPECT_EQ(kind(0x80000001), Kind::kNone);
  EXPECT_EQ(kind(0x40000001), Kind::kNone);
  EXPECT_EQ(kind(0xffffffff), Kind::kNone);
  EXPECT_EQ(kind(0x20000001), Kind::kReset);
}

TEST(IgbVfMessage, Mac) {
  const device::MacAddress mac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
  const MailboxWords words = MacMessage(mac);
  EXPECT_EQ(words[0], 2u);
  EXPECT_EQ(words[1], 0x33221102u);
  EXPECT_EQ(words[2], 0x5544u);
  EXPECT_EQ(ParseVfMessage(words).mac, mac);
}

TEST(IgbVfMessage, MulticastHashesAreBounded) {
  std::vector<uint16_t> hashes;
  for (uint16_t i = 0; i < 40; ++i) hashes.push_back(static_cast<uint16_t>(0x100 + i));
  const MailboxWords words = MulticastMessage(hashes);
  EXPECT_EQ(words[0], 30u << 16 | 3);
  EXPECT_EQ(words[1], 0x01010100u);
  VfRequest request = ParseVfMessage(words);
  ASSERT_EQ(request.multicast_hashes().size(), 30u);
  EXPECT_EQ(request.multicast_hashes()[29], 0x100 + 29);

  // Any count: 30 at most, and 12 bits of each.
  MailboxWords hostile;
  hostile.fill(0xffffffff);
  hostile[0] = 0x00ff0003;
  request = ParseVfMessage(hostile);
  ASSERT_EQ(request.hash_count, 30u);
  for (const uint16_t hash : request.multicast_hashes()) EXPECT_EQ(hash, 0x0fff);
  EXPECT_EQ(ParseVfMessage({0x00010003, 0xabcd1234}).multicast_hashes()[0], 0x0234);
}

TEST(IgbVfMessage, VlanFrameAndPromiscuity) {
  EXPECT_EQ(ParseVfMessage({0x010004, 0xfffff064}).vid, 0x064);
  EXPECT_EQ(ParseVfMessage({0x05, 0xffffffff}).max_frame_bytes, 0xffffffffu);
  EXPECT_EQ(MaxFrameMessage(1522)[1], 1522u);
  const VfRequest both = ParseVfMessage({0x030006});
  EXPECT_TRUE(both.unicast);
  EXPECT_TRUE(both.multicast);
  EXPECT_FALSE(ParseVfMessage({0x06}).multicast);
  EXPECT_TRUE(ParseVfMessage(AllMulticastMessage(true)).multicast);
  EXPECT_FALSE(ParseVfMessage(AllMulticastMessage(true)).unicast);
}

}  // namespace
}  // namespace qsplit
