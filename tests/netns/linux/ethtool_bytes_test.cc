// The same words to the program `ethtool` and to us: the bytes of the ioctls are the same. Rules of
// each flow type are in ethtool_flow_types_test.cc.
#include "tests/netns/linux/ethtool_bytes.h"

#include <endian.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace qsplit {
namespace {

using linux_sys::NtupleRule;

TEST_F(EthtoolBytes, ARuleIsDeletedByItsLocation) {
  ASSERT_TRUE(link_->InsertRule(*af_xdp::ToNtuple(RuleOf("flow-type udp4 action 0 loc 9"))).ok());
  ASSERT_TRUE(link_->DeleteRule(9).ok());
  // The program's NIC has no such rule, and says so.
  const auto theirs = program_.Requests("-N d0 delete 9", ETHTOOL_SRXCLSRLDEL, /*may_fail=*/true);
  ASSERT_EQ(theirs.size(), 1u);
  ASSERT_EQ(NumberOf(ours_.back()), uint32_t{ETHTOOL_SRXCLSRLDEL});
  EXPECT_EQ(RulePart(ours_.back()), RulePart(theirs.front()));
}

// Somebody writes a value with bits that its mask ignores: the program passes them on, we do not.
TEST_F(EthtoolBytes, BitsThatAreIgnoredAreTheOnlyDifference) {
  const std::string words =
      "flow-type tcp4 src-ip 10.1.2.3 m 0.0.255.255 dst-port 4242 m 0xff action 1 loc 5";
  const auto ours = af_xdp::ToNtuple(RuleOf(words));
  ASSERT_TRUE(ours.ok()) << ours.status();
  NtupleRule said = Theirs(words);
  EXPECT_EQ(said.h_u.tcp_ip4_spec.pdst, htobe16(4242));
  EXPECT_EQ(ours->h_u.tcp_ip4_spec.pdst, htobe16(4242 & 0xff00));
  for (size_t i = 0; i < sizeof said.h_u.hdata; ++i) said.h_u.hdata[i] &= said.m_u.hdata[i];
  EXPECT_EQ(Hex(&*ours, sizeof said), Hex(&said, sizeof said));
}

TEST_F(EthtoolBytes, RssTables) {
  ExpectSameRss("equal 3", link_->SetRss(linux_sys::EvenRssTable(128, 3)));
  std::vector<uint32_t> shifted = linux_sys::EvenRssTable(128, 2);
  for (uint32_t& queue : shifted) queue += 1;
  ExpectSameRss("start 1 equal 2", link_->SetRss(shifted));
  std::vector<uint32_t> weighted(128);
  for (size_t i = 0; i < weighted.size(); ++i) weighted[i] = i < 32 ? 0 : i < 64 ? 1 : 3;
  ExpectSameRss("weight 1 1 0 2", link_->SetRss(weighted));
  ExpectSameRss("default", link_->ResetRss());
}

TEST_F(EthtoolBytes, RssKeyBehindTheTable) {
  std::vector<uint8_t> key(40);
  std::string words;
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<uint8_t>(i * 7 + 1);
    absl::StrAppendFormat(&words, "%s%02x", i == 0 ? "" : ":", key[i]);
  }
  ExpectSameRss("hkey " + words + " equal 4", link_->SetRss(linux_sys::EvenRssTable(128, 4), key));
  EXPECT_EQ(nic_.rss_key(), key);
}

}  // namespace
}  // namespace qsplit
