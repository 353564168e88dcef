// A hostile client and a bystander on one NIC: what the rogue does to its own rings costs the
// bystander nothing. Needs no privilege; QSPLIT_HOSTILE_SECONDS sets how long.
#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/support/system/daemon.h"
#include "tests/support/system/pauses.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

using ::testing::HasSubstr;

// How long the daemon waits for the thread of a software NIC before it turns a call away.
constexpr absl::Duration kBusyTime = absl::Milliseconds(45);

TEST(Rogue, HarmsNobodyButItself) {
  const char* asked = std::getenv("QSPLIT_HOSTILE_SECONDS");
  const std::string seconds = asked != nullptr ? asked : "10";
  const char* again = std::getenv("QSPLIT_TEST_SEED");
  const std::string seed = again != nullptr ? again : absl::StrCat(std::random_device{}());
  std::printf("seed %s; set QSPLIT_TEST_SEED to have it again\n", seed.c_str());

  auto daemon = Daemon::Start(PeerDevices());
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto echo = EchoClient::Start((*daemon)->Options("victim"));
  ASSERT_TRUE(echo.ok()) << echo.status();
  // The rogue's rule takes 6000: so its receive rings are used as well.
  auto pinger = Pinger::OverPeer((*daemon)->Options("asker"), {6000, 6000, 6000});
  ASSERT_TRUE(pinger.ok()) << pinger.status();
  const auto before = (*daemon)->Look();

  const Pauses pauses;
  const std::string output = (*daemon)->dir() + "/rogue";
  auto rogue = Program::Start(
      {.argv = {QSPLIT_BINARY_DIR "/tests/rogue", (*daemon)->runtime_dir(), seconds, seed},
       .as_nobody = true,
       .output = output});
  ASSERT_TRUE(rogue.ok()) << rogue.status();
  const absl::StatusOr<int> ended =
      rogue->Wait(absl::Seconds(std::atof(seconds.c_str())) + absl::Seconds(60));
  const std::string said = ReadFile(output);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, 0) << said << (*daemon)->Log();
  unsigned long long leases = 0, faults = 0, told = 0, kinds = 0, busy = 0;
  ASSERT_EQ(std::sscanf(said.c_str(), "leases=%llu faults=%llu told=%llu kinds=%llu busy=%llu",
                        &leases, &faults, &told, &kinds, &busy),
            5)
      << said;
  EXPECT_GT(leases, 2u);
  EXPECT_GT(faults, leases / 2);
  // Every fault that was counted was told to its owner, and what came behind the count as well.
  EXPECT_GE(told, faults);
  if (busy != 0) {
    EXPECT_GT(pauses.Allow(absl::ZeroDuration()), kBusyTime)
        << "the device was too busy " << busy << " times, and the machine was not";
  }
  EXPECT_GE(kinds, 3u) << "unmapped and read-only addresses, bad indices: " << said;
  EXPECT_THAT(said, HasSubstr("canary=whole"));

  // Nothing is left of the rogue.
  EXPECT_TRUE(Eventually(absl::Seconds(5),
                         [&] {
                           const auto now = (*daemon)->Look();
                           return now.descriptors == before.descriptors &&
                                  now.memfd_mappings == before.memfd_mappings;
                         }))
      << ToString(before.descriptors) << "became " << ToString((*daemon)->Look().descriptors);

  const PingResult result = (*pinger)->Stop();
  std::printf(
      "%s; the victim answered %llu of %llu, the slowest after %s\n",
      said.substr(0, said.find('\n')).c_str(), static_cast<unsigned long long>(result.answered),
      static_cast<unsigned long long>(result.sent), absl::FormatDuration(result.slowest).c_str());
  EXPECT_GT(result.sent, 20u);
  EXPECT_EQ(result.answered, result.sent);
  EXPECT_TRUE((*echo)->CanariesWhole());
  EXPECT_TRUE((*echo)->status().ok()) << (*echo)->status();
  pinger->reset();
  echo->reset();
  const absl::Status stopped = (*daemon)->StopGently();
  EXPECT_TRUE(stopped.ok()) << stopped;
}

}  // namespace
}  // namespace qsplit::testing
