// A daemon that is killed before any of the system calls by which it changes a netdev, or undoes
// what it had changed: the next start takes away exactly what was its own.
//
// It is a real process, ended by SIGKILL. Channels and a feature are the kernel's, on a veth; the
// RSS table and ntuple rules those of a NIC that answers the ioctls in the kernel's place and
// outlives the process.
#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/netns/af_xdp/changes_fixture.h"
#include "tests/support/ethtool_host.h"
#include "tests/support/mortal_process.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {
namespace {

using qsplit::testing::UdpRule;
using ::testing::IsEmpty;

// No netdev here has ntuple filters that can be turned on: this feature stands in for them.
constexpr char kFilters[] = "rx-gro";

ethtool_rx_flow_spec Theirs(uint32_t location, uint16_t port) {
  ethtool_rx_flow_spec rule{};
  rule.flow_type = UDP_V4_FLOW;
  rule.h_u.udp_ip4_spec.pdst = htons(port);
  rule.m_u.udp_ip4_spec.pdst = 0xffff;
  rule.ring_cookie = 3;
  rule.location = location;
  return rule;
}

class NetdevCrash : public ChangesFixture, public ::testing::WithParamInterface<bool> {
 protected:
  static constexpr uint32_t kOurs = 1, kOursToo = 2;  // locations; the administrator has 0

  void SetUp() override {
    ChangesFixture::SetUp();
    if (IsSkipped()) return;
    changes_.reset();  // who changes something here is another process
    Run("ethtool -K d0 gro off");
    driver_.PutRule(Theirs(0, 4242));
    table_ = driver_.rss_table();
  }

  // What a daemon does of which something may be left; an exit code.
  int Live() {
    OpenJournal();
    auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev, nullptr, ifindex());
    if (!link.ok()) return 2;
    auto opened = NetdevChanges::Open(Id(), **link, *journal_, kFilters);
    if (!opened.ok()) return 3;
    NetdevChanges& changes = **opened;
    if (!changes.SetChannels(2).ok()) return 4;
    auto steering = NicSteering::Take(4, 1024, changes);
    if (!steering.ok() || !(*steering)->TryUdpRule().ok()) return 5;
    NicSteering& nic = **steering;
    if (!nic.Leave(std::vector<uint32_t>{3}).ok()) return 6;
    if (!nic.AddRule(UdpPortRule(kOurs - 1, 4242, 3)).ok()) return 7;
    if (!nic.AddRule(UdpRule(kOursToo - 1, 3)).ok()) return 8;
    if (!nic.RemoveRule(kOurs - 1).ok()) return 9;
    if (!nic.Return(std::vector<uint32_t>{3}).ok()) return 10;
    if (!nic.Leave(std::vector<uint32_t>{2}).ok()) return 11;
    return changes.Restore({}).ok() ? 0 : 12;
  }
  int Undo() {
    OpenJournal();
    return UndoLeftovers(*journal_).empty() ? 0 : 13;
  }
  test::MortalEnd Kill(size_t call, const std::function<int()>& body) {
    return test::RunUntilCall(
        call, test::Enlist, [this](int listener) { host_.Serve(listener); }, body);
  }
  void ExpectAsBefore(const std::map<uint32_t, ethtool_rx_flow_spec>& theirs) {
    EXPECT_EQ(Queues(), 4u);
    EXPECT_EQ(driver_.rss_table(), his_.empty() ? table_ : his_);
    EXPECT_EQ(driver_.rss_is_a_wish(), !his_.empty());
    const auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev);
    EXPECT_FALSE((*link)->GetFeatures()->at(kFilters).on);
    EXPECT_EQ(driver_.rules().size(), theirs.size());
    for (const auto& [location, rule] : theirs) {
      ASSERT_TRUE(driver_.rules().contains(location)) << location;
      EXPECT_TRUE(linux_sys::SameRule(driver_.rules().at(location), rule)) << location;
    }
    EXPECT_THAT(journal_->Records(), IsEmpty());
  }
  // What an administrator does between the death and the next start: rules of his own wherever the
  // daemon has none, and a table, once the journal says which is the daemon's.
  std::map<uint32_t, ethtool_rx_flow_spec> Meddle() {
    std::map<uint32_t, ethtool_rx_flow_spec> theirs = {{0, Theirs(0, 4242)}};
    for (const uint32_t location : {kOurs, kOursToo, 15u}) {
      if (driver_.rules().contains(location)) continue;
      theirs[location] = Theirs(location, 4343);
      driver_.PutRule(theirs[location]);
    }
    his_.clear();
    OpenJournal();
    for (const journal::Record& record : journal_->Records("netdev")) {
      if (!record.fields.contains("rss_set")) continue;
      his_.assign(table_.size(), 1);
      his_.front() = 3;
      SetHisTable();
    }
    return theirs;
  }
  void SetHisTable() {
    const auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev, driver_.Wire());
    ASSERT_TRUE((*link)->SetRss(his_).ok());
  }
  void Clear() {
    const auto wire = driver_.Wire();
    ASSERT_TRUE(
        linux_sys::EthtoolLink::Open(netns(), kNetdev, driver_.Wire()).value()->ResetRss().ok());
    for (const uint32_t location : {kOurs, kOursToo, 15u}) {
      ethtool_rxnfc remove{};
      remove.cmd = ETHTOOL_SRXCLSRLDEL;
      remove.fs.location = location;
      wire->Call(kNetdev, &remove);
    }
  }

  test::FakeEthtoolNic driver_{
      {.netdev = kNetdev, .queues = 4, .rule_slots = 16, .other_words = GetParam()}};
  test::EthtoolHost host_{kNetdev, driver_};
  std::vector<uint32_t> table_, his_;
};

TEST_P(NetdevCrash, BeforeAnyCallOfItsLife) {
  const test::MortalEnd whole = Kill(0, [this] { return Live(); });
  ASSERT_EQ(whole.exit_code, 0);
  OpenJournal();
  ExpectAsBefore({{0, Theirs(0, 4242)}});
  ASSERT_GT(whole.calls, 100u);
  size_t with_rule = 0, with_table = 0;
  for (size_t call = 1; call <= whole.calls && !HasFailure(); ++call) {
    const test::MortalEnd end = Kill(call, [this] { return Live(); });
    SCOPED_TRACE(::testing::Message() << "killed before call " << call << " of " << whole.calls
                                      << ", number " << end.last);
    ASSERT_TRUE(end.died);
    with_rule += driver_.rules().size() > 1;
    const auto theirs = Meddle();
    with_table += !his_.empty();
    OpenJournal();
    EXPECT_THAT(UndoLeftovers(*journal_, [this] { return driver_.Wire(); }), IsEmpty());
    ExpectAsBefore(theirs);
    Clear();
  }
  EXPECT_GT(with_rule, 10u) << "of them some found rules of the daemon's";
  EXPECT_GT(with_table, 10u) << "and his own table";
}

TEST_P(NetdevCrash, BeforeAnyCallOfTheNextStart) {
  // The instant at which the most is left: with a rule that is only asked for, and one in words of
  // the NIC's.
  size_t most = 0;
  const auto die_there = [&] { return Kill(most, [this] { return Live(); }); };
  const size_t whole = Kill(0, [this] { return Live(); }).calls;
  for (size_t call = whole; call > 0 && most == 0; --call) {
    Kill(call, [this] { return Live(); });
    if (driver_.rules().size() == 3) most = call;
    OpenJournal();
    ASSERT_THAT(UndoLeftovers(*journal_, [this] { return driver_.Wire(); }), IsEmpty());
  }
  ASSERT_NE(most, 0u);
  die_there();
  const size_t calls = Kill(0, [this] { return Undo(); }).calls;
  for (size_t call = 1; call <= calls && !HasFailure(); ++call) {
    SCOPED_TRACE(::testing::Message() << "killed before call " << call << " of " << calls);
    die_there();
    ASSERT_EQ(driver_.rules().size(), 3u);
    ASSERT_TRUE(Kill(call, [this] { return Undo(); }).died);
    const auto theirs = Meddle();
    OpenJournal();
    EXPECT_THAT(UndoLeftovers(*journal_, [this] { return driver_.Wire(); }), IsEmpty());
    ExpectAsBefore(theirs);
    Clear();
  }
}

INSTANTIATE_TEST_SUITE_P(Drivers, NetdevCrash, ::testing::Bool(), [](const auto& words) {
  return std::string(words.param ? "OtherWords" : "SameWords");
});

}  // namespace
}  // namespace qsplit::af_xdp
