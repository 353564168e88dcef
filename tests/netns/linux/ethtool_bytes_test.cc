// The same words to the program `ethtool` and to us: the bytes of the ioctls are the same.
//
// No NIC here has ntuple rules: ethtool_recorder.cc stands between that program and the kernel,
// answers as a NIC would, and writes down what it was asked.
#include <endian.h>
#include <gmock/gmock.h>
#include <linux/ethtool.h>
#include <qsplit/flow_rule.h>
#include <qsplit/rpc_flow_rule.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/backend/af_xdp/ntuple.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/steering/flow_match.h"
#include "tests/support/fake_ethtool_nic.h"

namespace qsplit {
namespace {

using linux_sys::EthtoolLink;
using linux_sys::NtupleRule;
using test::FakeEthtoolNic;

// 16 bytes a line, so that a difference can be found.
std::string Hex(const void* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppendFormat(&text, "%02x%s", static_cast<const uint8_t*>(bytes)[i],
                          i % 16 == 15 ? "\n" : " ");
  }
  return text;
}

uint32_t NumberOf(const std::string& request) {
  uint32_t number = 0;
  std::memcpy(&number, request.data(), std::min(sizeof number, request.size()));
  return number;
}

// Of a request about rules: what the kernel looks at. The program leaves garbage in `data` and in
// the outer `flow_type`, which these commands have no meaning for.
std::string RulePart(const std::string& request) {
  if (request.size() != sizeof(ethtool_rxnfc)) return "of another length";
  const char* fs = request.data() + offsetof(ethtool_rxnfc, fs);
  if (NumberOf(request) == ETHTOOL_SRXCLSRLDEL) {
    return Hex(fs + offsetof(NtupleRule, location), sizeof(uint32_t));
  }
  return Hex(fs, sizeof(NtupleRule));
}

class Program {
 public:
  Program() {
    char folder[] = "/tmp/ethtool_bytes.XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  ~Program() { std::ignore = std::system(("rm -r " + folder_).c_str()); }

  // Runs `ethtool words`; returns its requests of this command.
  std::vector<std::string> Requests(const std::string& words, uint32_t command,
                                    bool driver_chooses = true) {
    const std::string record = folder_ + "/record";
    const std::string output = folder_ + "/output";
    ::unlink(record.c_str());
    const std::string line = absl::StrCat(
        "QSPLIT_ETHTOOL_RECORD=", record, driver_chooses ? " QSPLIT_ETHTOOL_CHOOSES=1" : "",
        " LD_PRELOAD=", ETHTOOL_RECORDER, " PATH=$PATH:/usr/sbin:/sbin ethtool ", words, " >",
        output, " 2>&1");
    if (std::system(line.c_str()) != 0) {
      std::ifstream said(output);
      ADD_FAILURE() << "ethtool " << words << ": "
                    << std::string(std::istreambuf_iterator<char>(said), {});
    }
    std::ifstream file(record, std::ios::binary);
    std::vector<std::string> requests;
    for (uint32_t bytes = 0; file.read(reinterpret_cast<char*>(&bytes), sizeof bytes);) {
      std::string request(bytes, '\0');
      file.read(request.data(), bytes);
      if (NumberOf(request) == command) requests.push_back(request);
    }
    return requests;
  }

 private:
  std::string folder_;
};

// Writes down our requests of one command on their way to the fake.
class Recorder : public linux_sys::EthtoolIoctl {
 public:
  Recorder(FakeEthtoolNic& nic, std::vector<std::string>& requests)
      : nic_(nic), requests_(requests) {}
  int Call(const std::string& netdev, void* command) override {
    uint32_t number;
    std::memcpy(&number, command, sizeof number);
    size_t bytes = sizeof(uint32_t);
    if (number == ETHTOOL_SRXCLSRLINS || number == ETHTOOL_SRXCLSRLDEL) {
      bytes = sizeof(ethtool_rxnfc);
    } else if (number == ETHTOOL_SRSSH) {
      const auto& rxfh = *static_cast<const ethtool_rxfh*>(command);
      bytes = sizeof rxfh + rxfh.indir_size * sizeof(uint32_t) + rxfh.key_size;
    }
    requests_.emplace_back(static_cast<const char*>(command), bytes);
    return nic_.Call(netdev, command);
  }

 private:
  FakeEthtoolNic& nic_;
  std::vector<std::string>& requests_;
};

class EthtoolBytes : public ::testing::Test {
 protected:
  EthtoolBytes() {
    auto opened = EthtoolLink::Open("", "d0", std::make_unique<Recorder>(nic_, ours_));
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) link_ = *std::move(opened);
  }

  // The rule that these words mean: by the client's parser, the contract and the daemon's check.
  static device::FlowRule RuleOf(const std::string& words) {
    const auto parsed = ParseRule(words);
    EXPECT_TRUE(parsed.ok()) << words << ": " << parsed.status();
    if (!parsed.ok()) return {};
    const auto match = steering::ToMatch(ToProto(*parsed));
    EXPECT_TRUE(match.ok()) << words << ": " << match.status();
    device::FlowRule rule{.location = parsed->location.value_or(RX_CLS_LOC_ANY)};
    if (match.ok()) rule.match = *match;
    if (parsed->action == RuleAction::kQueue) rule.action.queue = parsed->queue;
    return rule;
  }

  void ExpectSameRule(const std::string& words) {
    SCOPED_TRACE(words);
    const auto ntuple = af_xdp::ToNtuple(RuleOf(words));
    ASSERT_TRUE(ntuple.ok()) << ntuple.status();
    ours_.clear();
    ASSERT_TRUE(link_->InsertRule(*ntuple).ok());
    const std::string our_request = ours_.back();
    ASSERT_EQ(NumberOf(our_request), uint32_t{ETHTOOL_SRXCLSRLINS});
    const auto theirs = program_.Requests("-N d0 " + words, ETHTOOL_SRXCLSRLINS);
    ASSERT_EQ(theirs.size(), 1u);
    EXPECT_EQ(RulePart(our_request), RulePart(theirs.front()));
    // And back: what the program said reads as the rule that we meant.
    NtupleRule said;
    std::memcpy(&said, theirs.front().data() + offsetof(ethtool_rxnfc, fs), sizeof said);
    const auto back = af_xdp::FromNtuple(said);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(*back == RuleOf(words));
    ++compared_;
  }

  void ExpectSameRss(const std::string& words, const absl::Status& our_answer) {
    SCOPED_TRACE(words);
    ASSERT_TRUE(our_answer.ok()) << our_answer;
    const auto theirs = program_.Requests("-X d0 " + words, ETHTOOL_SRSSH);
    ASSERT_EQ(theirs.size(), 1u);
    ASSERT_EQ(NumberOf(ours_.back()), uint32_t{ETHTOOL_SRSSH});
    EXPECT_EQ(Hex(ours_.back().data(), ours_.back().size()),
              Hex(theirs.front().data(), theirs.front().size()));
  }

  FakeEthtoolNic nic_{{.driver_chooses = true}};
  std::vector<std::string> ours_;
  std::unique_ptr<EthtoolLink> link_;
  Program program_;
  int compared_ = 0;
};

struct FlowField {
  std::string word, value, masked;  // `masked`: value, m, mask
};
const std::vector<FlowField> kIp4Fields = {
    {"src-ip", "10.1.2.3", "10.1.0.0 m 0.0.255.255"},
    {"dst-ip", "192.168.7.1", "192.0.7.0 m 0.255.0.255"},
    {"tos", "0x48", "0x40 m 0x1f"},
};
const std::vector<FlowField> kIp6Fields = {
    {"src-ip", "2001:db8::1:2", "2001:db8:: m ::ffff:ffff:ffff:ffff"},
    {"dst-ip", "fd00::77", "::77 m ffff:ffff:ffff:ffff:ffff:ffff::"},
    {"tclass", "0x28", "0x20 m 0xf"},
};
const std::vector<FlowField> kPortFields = {
    {"src-port", "5353", "0x1400 m 0xff"},
    {"dst-port", "4242", "0x1090 m 0xf"},
};
const std::vector<FlowField> kRawFields = {
    {"l4data", "0x01020304", "0x01020000 m 0xffff"},
    {"l4proto", "47", "0x20 m 0xf"},
};
const std::vector<FlowField> kEtherFields = {
    {"src", "02:11:22:33:44:55", "02:11:22:00:00:00 m 00:00:00:ff:ff:ff"},
    {"dst", "01:80:c2:00:00:0e", "01:00:00:00:00:00 m fe:ff:ff:ff:ff:ff"},
    {"proto", "0x88f7", "0x8800 m 0xff"},
};
const std::vector<FlowField> kExtFields = {
    {"vlan-etype", "0x8100", "0x8000 m 0xfff"},
    {"vlan", "0x2005", "0x0005 m 0xf000"},
};
const FlowField kMacField = {"dst-mac", "02:00:00:00:00:01",
                             "02:00:00:00:00:00 m 00:00:00:00:00:ff"};

std::vector<FlowField> Joined(std::initializer_list<std::vector<FlowField>> lists) {
  std::vector<FlowField> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

std::vector<FlowField> FieldsOf(const std::string& type) {
  const std::vector<FlowField> mac = {kMacField};
  if (type == "ether") return Joined({kEtherFields, kExtFields});
  if (type == "ip4") return Joined({kIp4Fields, kRawFields, kExtFields, mac});
  if (type == "ip6") return Joined({kIp6Fields, kRawFields, kExtFields, mac});
  const bool six = type == "tcp6" || type == "udp6";
  return Joined({six ? kIp6Fields : kIp4Fields, kPortFields, kExtFields, mac});
}

class EthtoolBytesOfType : public EthtoolBytes,
                           public ::testing::WithParamInterface<std::string> {};

TEST_P(EthtoolBytesOfType, EachFieldWholeAndMasked) {
  const std::string type = "flow-type " + GetParam();
  int location = 0;
  for (const FlowField& field : FieldsOf(GetParam())) {
    for (const std::string& value : {field.value, field.masked}) {
      ExpectSameRule(absl::StrCat(type, " ", field.word, " ", value, " action 2 loc ", location++));
    }
  }
  EXPECT_EQ(compared_, location);
}

TEST_P(EthtoolBytesOfType, AllFieldsTogether) {
  std::string whole = "flow-type " + GetParam();
  std::string masked = whole;
  for (const FlowField& field : FieldsOf(GetParam())) {
    absl::StrAppend(&whole, " ", field.word, " ", field.value);
    absl::StrAppend(&masked, " ", field.word, " ", field.masked);
  }
  ExpectSameRule(whole + " action 0 loc 63");
  ExpectSameRule(masked + " action -1 loc 7");
  ExpectSameRule(masked + " action 3");  // the driver chooses the location
  EXPECT_EQ(compared_, 3);
}

TEST_P(EthtoolBytesOfType, NoFieldAtAll) {
  ExpectSameRule(absl::StrCat("flow-type ", GetParam(), " action 1 loc 1"));
}

INSTANTIATE_TEST_SUITE_P(FlowTypes, EthtoolBytesOfType,
                         ::testing::Values("ether", "ip4", "ip6", "tcp4", "udp4", "sctp4", "tcp6",
                                           "udp6"),
                         [](const auto& test) { return test.param; });

TEST_F(EthtoolBytes, ARuleIsDeletedByItsLocation) {
  ASSERT_TRUE(link_->InsertRule(*af_xdp::ToNtuple(RuleOf("flow-type udp4 action 0 loc 9"))).ok());
  ASSERT_TRUE(link_->DeleteRule(9).ok());
  // The program's NIC has no such rule, and says so.
  const auto theirs = program_.Requests("-N d0 delete 9 || true", ETHTOOL_SRXCLSRLDEL);
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
  const auto theirs = program_.Requests("-N d0 " + words, ETHTOOL_SRXCLSRLINS);
  ASSERT_EQ(theirs.size(), 1u);
  NtupleRule said;
  std::memcpy(&said, theirs.front().data() + offsetof(ethtool_rxnfc, fs), sizeof said);
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
