// What is changed of a netdev, for tests: channels in the kernel itself; RSS table and ntuple rules
// in a NIC that is not there, for no netdev here has any.
#ifndef QSPLIT_TESTS_NETNS_AF_XDP_CHANGES_FIXTURE_H_
#define QSPLIT_TESTS_NETNS_AF_XDP_CHANGES_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/af_xdp/nic_steering.h"
#include "daemon/linux/netns.h"
#include "tests/netns/af_xdp/veth_fixture.h"
#include "tests/support/fake_ethtool_nic.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {

class ChangesFixture : public test::VethFixture {
 protected:
  void SetUp() override {
    test::VethFixture::SetUp();
    if (IsSkipped()) return;
    Open(nullptr);
  }
  void Open(std::unique_ptr<linux_sys::EthtoolIoctl> ioctl,
            const std::string& filters = linux_sys::kNtupleFeature) {
    changes_.reset();
    auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev, std::move(ioctl), ifindex());
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
    auto changes = NetdevChanges::Open(Id(), *link_, *journal_, filters);
    ASSERT_TRUE(changes.ok()) << changes.status();
    changes_ = *std::move(changes);
  }
  void OpenNic() {
    Open(nic_.Wire());
    auto steering = NicSteering::Take(4, 1024, *changes_);
    ASSERT_TRUE(steering.ok()) << steering.status();
    steering_ = *std::move(steering);
  }
  NetdevId Id() const {
    return {netns(), kNetdev, ifindex(), linux_sys::NetnsCookie(netns()).value_or(0)};
  }
  // As a crash does: nothing is undone, and the next daemon reads the journal.
  void Crash() {
    static auto* const dead = new std::vector<std::pair<NicSteering*, NetdevChanges*>>;
    dead->emplace_back(steering_.release(), changes_.release());  // never ended, and no leak
    OpenJournal();
  }
  // Of whatever has the name.
  uint32_t Queues(const std::string& netdev = kNetdev) { return QueuesIn(netns(), netdev); }
  static uint32_t QueuesIn(const std::string& netns, const std::string& netdev) {
    const auto link = linux_sys::EthtoolLink::Open(netns, netdev);
    const auto channels = link.ok() ? (*link)->GetChannels() : link.status();
    return channels.ok() ? channels->now.rx_queues() : 0;
  }
  void MakeAnotherNetdevOfTheName() {
    Run("ip link del d0");
    Run("ip link add d0 numrxqueues 4 numtxqueues 4 type veth peer name d1 numrxqueues 4 "
        "numtxqueues 4");
    Run("ethtool -L d0 rx 3 tx 3");
  }
  // As an administrator, with `ethtool -X`.
  void SetTable(const std::vector<uint32_t>& table) {
    const auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev, nic_.Wire());
    ASSERT_TRUE(link.ok()) << link.status();
    ASSERT_TRUE((*link)->SetRss(table).ok());
  }

  test::FakeEthtoolNic nic_{{.netdev = kNetdev, .queues = 4, .rule_slots = 16}};
  std::unique_ptr<linux_sys::EthtoolLink> link_;
  std::unique_ptr<NetdevChanges> changes_;
  std::unique_ptr<NicSteering> steering_;
};

using qsplit::testing::UdpPortRule;

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_TESTS_NETNS_AF_XDP_CHANGES_FIXTURE_H_
