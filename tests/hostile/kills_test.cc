// 200 clients die at any instant, over two software NICs wired to each other; a bystander on the
// same NIC never notices. Needs no privilege; as root, the clients are uid 65534.
#include "tests/hostile/kills.h"

#include <gmock/gmock.h>

#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

TEST(Kills, LeaveNothingBehindAndDisturbNobody) {
  auto daemon = Daemon::Start(PeerDevices());
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto echo = EchoClient::Start((*daemon)->Options("bystander"));
  ASSERT_TRUE(echo.ok()) << echo.status();
  const KillOptions options;
  auto pinger = Pinger::OverPeer((*daemon)->Options("asker"), PortsOf(options));
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
  pinger->reset();
  echo->reset();
  const absl::Status stopped = (*daemon)->StopGently();
  EXPECT_TRUE(stopped.ok()) << stopped;
}

}  // namespace
}  // namespace qsplit::testing
