// What the daemon says that clients can do without is what the client library computes: neither
// room sees the other's list.
#include <gtest/gtest.h>

#include "client-lib/src/software.h"
#include "daemon/lease/layout_choice.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::daemon_test {
namespace {

TEST(SoftwareRoles, DaemonAndLibraryAgree) {
  int computed = 0;
  for (const layout::RoleInfo& role : layout::AllRoles()) {
    internal::SoftwareWork work;
    const bool library = internal::AddWork(role.name, &work);
    EXPECT_EQ(lease::SoftwareCanCompute(v1::DIRECTION_RECEIVE, role.name), library) << role.name;
    EXPECT_EQ(work.checksums || work.vlan || work.hash, library) << role.name;
    if (library) {
      EXPECT_NE(role.directions & layout::kInReceive, 0) << role.name;
      ++computed;
    }
    if (lease::SoftwareCanCompute(v1::DIRECTION_TRANSMIT, role.name)) {
      EXPECT_NE(role.directions & layout::kInTransmit, 0) << role.name;
    }
  }
  EXPECT_EQ(computed, 13) << "a name that is no role";
}

}  // namespace
}  // namespace qsplit::daemon_test
