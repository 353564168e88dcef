// Clients die at any instant on a NIC whose wire is a tap; a bystander's flow, asked by the world's
// kernel, never notices.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "tests/hostile/kills.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

TEST(KillsTap, LeaveNothingBehindAndDisturbNobody) {
  if (::geteuid() != 0 || ::access("/dev/net/tun", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "SKIPPED: needs root and /dev/net/tun to make namespaces and taps";
  }
  const std::string id = absl::StrCat(::getpid());
  const std::string world = "qsk" + id, tap = "qsk" + id;
  if (Shell("ip netns add " + world) != 0) {
    GTEST_SKIP() << "SKIPPED: `ip netns add` is not allowed here";
  }
  const absl::Cleanup remove = [&] { Shell("ip netns delete " + world); };
  auto daemon =
      Daemon::Start(absl::StrCat("[[device]]\nname = \"nic0\"\nqueues = 16\nmac = \"", kNic0Mac,
                                 "\"\nwire = { tap = \"", tap, "\", netns = \"", world, "\" }\n"));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const std::string ip = "ip -n " + world + " ";
  ASSERT_EQ(Shell(ip + "addr add 10.99.0.1/24 dev " + tap + " && " + ip + "link set " + tap +
                  " up && " + ip + "neigh add 10.99.0.10 lladdr " + kNic0Mac + " dev " + tap),
            0);
  auto echo = EchoClient::Start((*daemon)->Options("bystander"));
  ASSERT_TRUE(echo.ok()) << echo.status();
  const KillOptions options;
  auto pinger = Pinger::OverKernel(world, PortsOf(options));
  ASSERT_TRUE(pinger.ok()) << pinger.status();

  const KillReport report = KillClients(**daemon, options);
  std::printf("%s\n", report.Text().c_str());
  EXPECT_THAT(report.problems, ::testing::IsEmpty());
  EXPECT_GT(report.held, options.kills / 8) << "hardly ever was there anything to leave behind";

  const PingResult result = (*pinger)->Stop();
  EXPECT_GT(result.sent, 100u);
  EXPECT_EQ(result.answered, result.sent);
  EXPECT_TRUE((*echo)->CanariesWhole());
  EXPECT_TRUE((*echo)->status().ok()) << (*echo)->status();
  std::printf("the bystander answered %llu of %llu, the slowest after %s\n",
              static_cast<unsigned long long>(result.answered),
              static_cast<unsigned long long>(result.sent),
              absl::FormatDuration(result.slowest).c_str());
  echo->reset();
  const absl::Status stopped = (*daemon)->StopGently();
  EXPECT_TRUE(stopped.ok()) << stopped;
}

}  // namespace
}  // namespace qsplit::testing
