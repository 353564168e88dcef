#include "descriptor-lang/layout/roles.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

namespace qsplit::layout {
namespace {

TEST(Roles, EveryRoleIsFoundByItsName) {
  std::set<std::string_view> names;
  for (const RoleInfo& info : AllRoles()) {
    EXPECT_EQ(FindRole(info.name), info.role) << info.name;
    EXPECT_EQ(RoleName(info.role), info.name);
    EXPECT_TRUE(names.insert(info.name).second) << info.name << " twice";
  }
  EXPECT_EQ(names.size(), kRoleCount);
  for (const std::string_view unknown : {"", "packet", "packet.lengths", "PACKET.LENGTH", "zzz"}) {
    EXPECT_EQ(FindRole(unknown), std::nullopt) << unknown;
  }
}

TEST(Roles, EveryRowIsFitForTheReferencePage) {
  for (const RoleInfo& info : AllRoles()) {
    for (const char c : info.name) {
      EXPECT_TRUE(std::islower(c) || std::isdigit(c) || c == '.' || c == '_') << info.name;
    }
    EXPECT_GE(info.meaning.size(), 10u) << info.name;
    EXPECT_EQ(info.meaning.find('\n'), std::string_view::npos) << info.name;
    EXPECT_NE(info.meaning.back(), '.') << info.name;
    EXPECT_NE(RoleDirectionsName(info.directions), "") << info.name;
    EXPECT_EQ(info.kind == RoleKind::kCoded, !info.vocabulary.empty()) << info.name;
    if (info.kind == RoleKind::kAddress || info.kind == RoleKind::kLength) {
      EXPECT_NE(info.unit, "") << info.name;
    }
    if (info.kind == RoleKind::kFlag || info.kind == RoleKind::kCoded) {
      EXPECT_EQ(info.unit, "") << info.name;
    }
  }
}

TEST(Roles, CodesAreThoseThatProgramsSwitchOn) {
  EXPECT_EQ(FindCode(Role::kPacketL4, "udp"), 2u);
  EXPECT_EQ(FindCode(Role::kHashType, "none"), 0u);
  EXPECT_EQ(FindCode(Role::kHashType, "udp6ex"), 11u);
  EXPECT_EQ(FindCode(Role::kHashType, "udp7"), std::nullopt);
  EXPECT_EQ(FindCode(Role::kPacketLength, "none"), std::nullopt);
  EXPECT_EQ(FindCode(Role::kPacketKind, "ip6_udp"), 11u);
  EXPECT_EQ(FindCode(Role::kSegmentType, "tcp6"), 2u);
  EXPECT_EQ(FindCode(Role::kOffloadMode, "segment"), 2u);
  EXPECT_EQ(FindCode(Role::kOffloadL3, "ip4_checksum"), 3u);
  EXPECT_EQ(FindCode(Role::kOffloadL4, "sctp"), 3u);
}

}  // namespace
}  // namespace qsplit::layout
