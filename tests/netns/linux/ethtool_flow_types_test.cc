// Each flow type of the program `ethtool`, each field with each kind of mask: the bytes of our
// ioctls are the program's, and what it would say reads back as the rule that we meant.
#include <gmock/gmock.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/netns/linux/ethtool_bytes.h"

namespace qsplit {
namespace {

using ::testing::HasSubstr;

// All that `ethtool` takes of each flow type, but user-def, vf and context, which no rule of ours
// says.
struct FlowField {
  std::string word, value, masked;  // `masked`: value, m, mask
  int bits = 0;                     // of a number
};
const std::vector<FlowField> kIp4Fields = {
    {"src-ip", "10.1.2.3", "10.1.0.0 m 0.0.255.255"},
    {"dst-ip", "192.168.7.1", "192.0.7.0 m 0.255.0.255"},
    {"tos", "0x48", "0x40 m 0x1f", 8},
};
const std::vector<FlowField> kIp6Fields = {
    {"src-ip", "2001:db8::1:2", "2001:db8:: m ::ffff:ffff:ffff:ffff"},
    {"dst-ip", "fd00::77", "::77 m ffff:ffff:ffff:ffff:ffff:ffff::"},
    {"tclass", "0x28", "0x20 m 0xf", 8},
};
const std::vector<FlowField> kPortFields = {
    {"src-port", "5353", "0x1400 m 0xff", 16},
    {"dst-port", "4242", "0x1090 m 0xf", 16},
};
const std::vector<FlowField> kIndexFields = {
    {"spi", "0x12345678", "0x12340078 m 0xff00", 32},
};
const std::vector<FlowField> kRawFields = {
    {"l4data", "0x01020304", "0x01020000 m 0xffff", 32},
    {"l4proto", "47", "0x20 m 0xf", 8},
};
const std::vector<FlowField> kEtherFields = {
    {"src", "02:11:22:33:44:55", "02:11:22:00:00:00 m 00:00:00:ff:ff:ff"},
    {"dst", "01:80:c2:00:00:0e", "01:00:00:00:00:00 m fe:ff:ff:ff:ff:ff"},
    {"proto", "0x88f7", "0x8800 m 0xff", 16},
};
const std::vector<FlowField> kExtFields = {
    {"vlan-etype", "0x8100", "0x8000 m 0xfff", 16},
    {"vlan", "0x2005", "0x0005 m 0xf000", 16},
};
const FlowField kMacField = {"dst-mac", "02:00:00:00:00:01",
                             "02:00:00:00:00:00 m 00:00:00:00:00:ff"};

std::vector<FlowField> Joined(std::initializer_list<std::vector<FlowField>> lists) {
  std::vector<FlowField> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

std::vector<FlowField> FieldsOf(const std::string& type) {
  if (type == "ether") return Joined({kEtherFields, kExtFields});
  const bool ip = type == "ip4" || type == "ip6";
  const bool ipsec = type.starts_with("ah") || type.starts_with("esp");
  return Joined({type.ends_with("6") ? kIp6Fields : kIp4Fields,
                 ip      ? kRawFields
                 : ipsec ? kIndexFields
                         : kPortFields,
                 kExtFields,
                 {kMacField}});
}

// A value and a mask of any bits; value bits that the mask ignores are 0, as we send them.
std::string RandomValue(const FlowField& field, std::mt19937& random) {
  const auto some = [&random](uint32_t all) {
    return random() % 4 == 0 ? 0u : static_cast<uint32_t>(random()) & all;
  };
  if (field.bits != 0) {
    const auto all = static_cast<uint32_t>((uint64_t{1} << field.bits) - 1);
    const uint32_t ignored = some(all);
    return absl::StrFormat("%#x m %#x", some(all) & ~ignored, ignored);
  }
  const bool six = field.value.find(':') != std::string::npos && field.word.ends_with("-ip");
  const bool mac = field.value.find(':') != std::string::npos && !six;
  std::string value;
  std::string mask;
  for (int i = 0; i < (six ? 8 : mac ? 6 : 4); ++i) {
    const uint32_t ignored = some(six ? 0xffff : 0xff);
    const uint32_t bits = some(six ? 0xffff : 0xff) & ~ignored;
    const char* const between = i == 0 ? "" : six || mac ? ":" : ".";
    if (six || mac) {
      absl::StrAppendFormat(&value, "%s%0*x", between, six ? 4 : 2, bits);
      absl::StrAppendFormat(&mask, "%s%0*x", between, six ? 4 : 2, ignored);
    } else {
      absl::StrAppend(&value, between, bits);
      absl::StrAppend(&mask, between, ignored);
    }
  }
  return value + " m " + mask;
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
  ExpectSameRule(absl::StrCat("flow-type ", GetParam(), " queue 3"));
}

TEST_P(EthtoolBytesOfType, AnyFieldsWithAnyMasks) {
  std::mt19937 random(static_cast<uint32_t>(std::hash<std::string>()(GetParam())));
  constexpr int kRules = 24;
  for (int i = 0; i < kRules; ++i) {
    std::string words = "flow-type " + GetParam();
    for (const FlowField& field : FieldsOf(GetParam())) {
      const bool bare = random() % 4 == 0;
      if (random() % 3 == 0) continue;
      absl::StrAppend(&words, " ", field.word, " ",
                      bare ? field.value : RandomValue(field, random));
    }
    ExpectSameRule(absl::StrCat(words, " action ", random() % 4, " loc ", i));
  }
  EXPECT_EQ(compared_, kRules);
}

// A field of which a mask ignores all: the program sends its value, we nothing. It reads as no
// field.
TEST_P(EthtoolBytesOfType, WhatIsIgnoredAltogetherIsNotCompared) {
  const auto nothing = RuleOf(absl::StrCat("flow-type ", GetParam(), " action 1 loc 1"));
  for (const FlowField& field : FieldsOf(GetParam())) {
    const bool six = field.value.find("::") != std::string::npos;
    const std::string all = field.bits != 0
                                ? absl::StrFormat("%#x", (uint64_t{1} << field.bits) - 1)
                            : six ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
                            : field.word.ends_with("-ip") ? "255.255.255.255"
                                                          : "ff:ff:ff:ff:ff:ff";
    const std::string words = absl::StrCat("flow-type ", GetParam(), " ", field.word, " ",
                                           field.value, " m ", all, " action 1 loc 1");
    SCOPED_TRACE(words);
    EXPECT_TRUE(RuleOf(words) == nothing);
    const auto back = af_xdp::FromNtuple(Theirs(words));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(*back == nothing);
  }
}

// What the program can ask of a NIC beyond our rules is refused by name where a client writes it,
// and where an administrator's rule is read back.
TEST_P(EthtoolBytesOfType, WhatNoRuleOfOursSaysIsRefusedByName) {
  const struct {
    const char* words;
    const char* parser;
    const char* reader;
  } cases[] = {{"user-def 0x1122 action 0", "`user-def`", "user-defined bytes"},
               {"user-def 0x1122 m 0xff action 0", "`user-def`", "user-defined bytes"},
               {"vf 1 queue 2", "`vf`", "virtual function"},
               {"context 1 action 2", "`context`", "RSS context"},
               {"action -2", "'-2'", "wakes"}};
  for (const auto& one : cases) {
    const std::string words = absl::StrCat("flow-type ", GetParam(), " ", one.words);
    SCOPED_TRACE(words);
    EXPECT_THAT(std::string(ParseRule(words).status().message()), HasSubstr(one.parser));
    const auto back = af_xdp::FromNtuple(Theirs(words));
    EXPECT_EQ(back.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(back.status().message()), HasSubstr(one.reader));
  }
}

INSTANTIATE_TEST_SUITE_P(FlowTypes, EthtoolBytesOfType,
                         ::testing::Values("ether", "ip4", "tcp4", "udp4", "sctp4", "ah4", "esp4",
                                           "ip6", "tcp6", "udp6", "sctp6", "ah6", "esp6"),
                         [](const auto& test) { return test.param; });

// Other words for l4data.
TEST_F(EthtoolBytes, PortsAndIndexOfAnyProtocol) {
  for (const std::string type : {"flow-type ip4", "flow-type ip6"}) {
    for (const char* words :
         {"src-port 5", "dst-port 5", "src-port 0x1400 m 0xff", "dst-port 0x1090 m 0xf",
          "src-port 5 dst-port 6 l4proto 132", "src-port 0x500 m 0xff dst-port 0x1 m 0xff00",
          "spi 0x12345678 l4proto 50", "spi 0x12345600 m 0xff"}) {
      ExpectSameRule(absl::StrCat(type, " ", words, " action 1"));
    }
  }
  EXPECT_EQ(compared_, 16);
}

// Neither takes two words for the same bits.
TEST_F(EthtoolBytes, OneThingIsSaidOnce) {
  for (const char* words :
       {"ip4 l4data 1 src-port 5 action 0", "ip4 dst-port 5 l4data 1 action 0",
        "ip6 spi 5 l4data 1 action 0", "ip6 src-port 5 spi 5 action 0", "ah4 spi 5 spi 6 action 0",
        "udp4 action 2 queue 3", "udp4 queue 3 action 2"}) {
    SCOPED_TRACE(words);
    EXPECT_EQ(ParseRule(absl::StrCat("flow-type ", words)).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(program_
                    .Requests(absl::StrCat("-N d0 flow-type ", words), ETHTOOL_SRXCLSRLINS,
                              /*may_fail=*/true)
                    .empty());
  }
}

// The words of other flow types.
TEST_F(EthtoolBytes, BothTakeTheSameWordsOfEachType) {
  const char* const kTypes[] = {"ether", "ip4",  "tcp4", "udp4",  "sctp4", "ah4", "esp4",
                                "ip6",   "tcp6", "udp6", "sctp6", "ah6",   "esp6"};
  const char* const kFields[] = {"src 02:00:00:00:00:01",
                                 "dst 02:00:00:00:00:01",
                                 "proto 5",
                                 "src-ip 10.0.0.1",
                                 "dst-ip 10.0.0.1",
                                 "src-ip fd00::1",
                                 "dst-ip fd00::1",
                                 "tos 4",
                                 "tclass 4",
                                 "l4proto 50",
                                 "l4data 5",
                                 "src-port 5",
                                 "dst-port 5",
                                 "spi 5",
                                 "dst-mac 02:00:00:00:00:01",
                                 "vlan 5",
                                 "vlan-etype 0x8100"};
  int taken = 0;
  for (const char* type : kTypes) {
    for (const char* field : kFields) {
      const std::string words = absl::StrCat("flow-type ", type, " ", field, " action 0");
      const bool theirs =
          !program_.Requests("-N d0 " + words, ETHTOOL_SRXCLSRLINS, /*may_fail=*/true).empty();
      EXPECT_EQ(ParseRule(words).ok(), theirs) << words;
      taken += theirs ? 1 : 0;
    }
  }
  EXPECT_EQ(taken, 5 + 2 * 11 + 6 * 8 + 4 * 7) << "all that kFields has of each";
}

}  // namespace
}  // namespace qsplit
