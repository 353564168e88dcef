// What a netdev is used for, as the kernel of a namespace of the test's own tells it.
#include "daemon/linux/netdev_use.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>

namespace qsplit::linux_sys {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class NetdevUse : public ::testing::Test {
 protected:
  void SetUp() override {
    // The test's process is its own, so that its namespace can be another one from here on.
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to make a network namespace";
    }
    Ip("link add d0 type veth peer name wire");
    Ip("link set wire up");
    Ip("link set d0 up");
  }

  static void Ip(const std::string& words) {
    ASSERT_EQ(std::system(("ip " + words).c_str()), 0) << "ip " << words;
  }
  static std::vector<std::string> Uses(const std::string& netdev) {
    auto uses = NetdevUses(netdev);
    EXPECT_TRUE(uses.ok()) << uses.status();
    return uses.ok() ? *uses : std::vector<std::string>{"?"};
  }
};

TEST_F(NetdevUse, ItsOwnLinkLocalAddressesAreNoUse) {
  Ip("address add 169.254.3.4/16 dev d0");
  Ip("address add fe80::7/64 dev d0 nodad");
  EXPECT_THAT(Uses("d0"), IsEmpty());
}

TEST_F(NetdevUse, AddressesAndDefaultRoutesOfBothKindsAreUses) {
  Ip("address add 10.71.0.1/24 dev d0");
  Ip("address add fd71::1/64 dev d0 nodad");
  EXPECT_THAT(Uses("d0"),
              UnorderedElementsAre("carries address 10.71.0.1/24", "carries address fd71::1/64"));
  Ip("route add 10.9.0.0/16 via 10.71.0.254");
  EXPECT_EQ(Uses("d0").size(), 2u) << "a route to somewhere";
  Ip("route add default via 10.71.0.254");
  Ip("route add default via fd71::fe");
  EXPECT_THAT(
      Uses("d0"),
      UnorderedElementsAre("carries the default route (IPv4)", "carries the default route (IPv6)",
                           "carries address 10.71.0.1/24", "carries address fd71::1/64"));
}

TEST_F(NetdevUse, ADefaultRouteWithoutAnAddressOrInAnotherTableIsAUse) {
  Ip("route add default dev d0 table 77");
  EXPECT_THAT(Uses("d0"), UnorderedElementsAre("carries the default route (IPv4)"));
}

TEST_F(NetdevUse, WhatItIsAPortOfAndWhatStandsOnItAreUses) {
  Ip("link add br0 type bridge");
  Ip("link set d0 master br0");
  EXPECT_THAT(Uses("d0"), UnorderedElementsAre("is a port of bridge br0"));
  Ip("link set d0 nomaster");
  EXPECT_THAT(Uses("d0"), IsEmpty());
  if (std::system("ip link add link d0 name upper type macvlan 2>/dev/null") != 0) {
    GTEST_SKIP() << "SKIPPED: this kernel has no macvlan interface to put on top";
  }
  EXPECT_THAT(Uses("d0"), UnorderedElementsAre("has upper on top of it"));
  EXPECT_THAT(Uses("upper"), IsEmpty());
}

TEST_F(NetdevUse, AVethDoesNotStandOnItsPeer) {
  EXPECT_THAT(Uses("d0"), IsEmpty());
  EXPECT_THAT(Uses("wire"), IsEmpty());
}

TEST_F(NetdevUse, ANetdevThatIsNotThereIsSaidSo) {
  EXPECT_EQ(NetdevUses("d9").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace qsplit::linux_sys
