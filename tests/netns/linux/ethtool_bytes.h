// The program `ethtool` and us, asked for the same: what each would say to the kernel.
//
// No NIC here has ntuple rules: ethtool_recorder.cc stands between that program and the kernel,
// answers as a NIC would, and writes down what it was asked. One thread.
#ifndef QSPLIT_TESTS_NETNS_LINUX_ETHTOOL_BYTES_H_
#define QSPLIT_TESTS_NETNS_LINUX_ETHTOOL_BYTES_H_

#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <qsplit/flow_rule.h>
#include <qsplit/rpc_flow_rule.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/backend/af_xdp/ntuple.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/steering/flow_match.h"
#include "tests/support/fake_ethtool_nic.h"

namespace qsplit {

// 16 bytes a line, so that a difference can be found.
inline std::string Hex(const void* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppendFormat(&text, "%02x%s", static_cast<const uint8_t*>(bytes)[i],
                          i % 16 == 15 ? "\n" : " ");
  }
  return text;
}

inline uint32_t NumberOf(const std::string& request) {
  uint32_t number = 0;
  std::memcpy(&number, request.data(), std::min(sizeof number, request.size()));
  return number;
}

// Of a request about rules: what the kernel looks at. The program leaves garbage in `data` and in
// the outer `flow_type`, which these commands have no meaning for.
inline std::string RulePart(const std::string& request) {
  if (request.size() != sizeof(ethtool_rxnfc)) return "of another length";
  const char* fs = request.data() + offsetof(ethtool_rxnfc, fs);
  if (NumberOf(request) == ETHTOOL_SRXCLSRLDEL) {
    return Hex(fs + offsetof(linux_sys::NtupleRule, location), sizeof(uint32_t));
  }
  return Hex(fs, sizeof(linux_sys::NtupleRule));
}

class Program {
 public:
  Program() {
    char folder[] = "/tmp/ethtool_bytes.XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  ~Program() { std::ignore = std::system(("rm -r " + folder_).c_str()); }

  // Runs `ethtool words`; returns its requests of this command. It fails the test that the program
  // fails, unless it may.
  std::vector<std::string> Requests(const std::string& words, uint32_t command,
                                    bool may_fail = false) {
    const std::string record = folder_ + "/record";
    const std::string output = folder_ + "/output";
    ::unlink(record.c_str());
    const std::string line = absl::StrCat(
        "QSPLIT_ETHTOOL_RECORD=", record, " QSPLIT_ETHTOOL_CHOOSES=1 LD_PRELOAD=", ETHTOOL_RECORDER,
        " PATH=$PATH:/usr/sbin:/sbin ethtool ", words, " >", output, " 2>&1");
    if (std::system(line.c_str()) != 0 && !may_fail) {
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
  Recorder(test::FakeEthtoolNic& nic, std::vector<std::string>& requests)
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
  test::FakeEthtoolNic& nic_;
  std::vector<std::string>& requests_;
};

class EthtoolBytes : public ::testing::Test {
 protected:
  EthtoolBytes() {
    auto opened = linux_sys::EthtoolLink::Open("", "d0", std::make_unique<Recorder>(nic_, ours_));
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
    const auto back = af_xdp::FromNtuple(RuleIn(theirs.front()));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_TRUE(*back == RuleOf(words));
    ++compared_;
  }

  // The rule that the program asks for.
  linux_sys::NtupleRule Theirs(const std::string& words) {
    const auto theirs = program_.Requests("-N d0 " + words, ETHTOOL_SRXCLSRLINS);
    EXPECT_EQ(theirs.size(), 1u) << words;
    return theirs.empty() ? linux_sys::NtupleRule{} : RuleIn(theirs.front());
  }

  static linux_sys::NtupleRule RuleIn(const std::string& request) {
    linux_sys::NtupleRule rule{};
    if (request.size() != sizeof(ethtool_rxnfc)) return rule;
    std::memcpy(&rule, request.data() + offsetof(ethtool_rxnfc, fs), sizeof rule);
    return rule;
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

  test::FakeEthtoolNic nic_{{.driver_chooses = true}};
  std::vector<std::string> ours_;
  std::unique_ptr<linux_sys::EthtoolLink> link_;
  Program program_;
  int compared_ = 0;
};

}  // namespace qsplit

#endif  // QSPLIT_TESTS_NETNS_LINUX_ETHTOOL_BYTES_H_
