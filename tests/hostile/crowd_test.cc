// 1,000 leases at once, in four processes; each carries a packet both ways; then the processes are
// killed, and nothing is left. Needs no privilege.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/support/system/daemon.h"
#include "tests/support/system/lease_crowd.h"

namespace qsplit::testing {
namespace {

constexpr int kLeases = 1000;
constexpr int kProcesses = 4;
constexpr int kPairsOfProcess = 2;
constexpr int kPairs = kProcesses * kPairsOfProcess;
static_assert(kLeases / kProcesses <= kPairsOfProcess * 2 * LeaseCrowd::kQueuesPerNic);

TEST(Crowd, OfAThousandLeasesCarriesPacketsAndLeavesNothing) {
  auto daemon = Daemon::Start(CrowdDevices(kPairs));
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto view = AdminView::Connect((*daemon)->Options("view"));
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_TRUE(view->Leases()->empty());  // its connection stays
  const Daemon::Holdings before = (*daemon)->Look();

  std::vector<Program> clients;
  std::vector<int> ready;
  for (int i = 0; i < kProcesses; ++i) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    auto client = Program::Start(
        {.argv = {QSPLIT_BINARY_DIR "/tests/crowd_client", (*daemon)->runtime_dir(),
                  absl::StrCat(i * kPairsOfProcess), absl::StrCat(kLeases / kProcesses)},
         .out_fd = ends[1]});
    ::close(ends[1]);
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
    ready.push_back(ends[0]);
  }
  for (const int end : ready) {
    char byte;
    pollfd waiting{.fd = end, .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&waiting, 1, 120'000), 1) << (*daemon)->Log();
    ASSERT_EQ(::read(end, &byte, 1), 1) << "a client ended: " << (*daemon)->Log();
    ::close(end);
  }
  EXPECT_EQ(view->Leases()->size(), static_cast<size_t>(kLeases));
  EXPECT_EQ(view->Rules()->size(), static_cast<size_t>(kLeases));
  const Daemon::Holdings held = (*daemon)->Look();
  EXPECT_GE(held.memfd_mappings - before.memfd_mappings, kLeases);

  const absl::Time killed = absl::Now();
  for (const Program& client : clients) client.Signal(SIGKILL);
  const auto empty = [&] {
    return view->Leases()->empty() && view->Rules()->empty() && view->Regions()->empty();
  };
  EXPECT_TRUE(Eventually(absl::Seconds(20), empty));
  std::printf(
      "from SIGKILL of %d processes with %d leases to nothing left: %s; the daemon had %s\n",
      kProcesses, kLeases, absl::FormatDuration(absl::Now() - killed).c_str(),
      ToString(held.descriptors).c_str());
  for (Program& client : clients) (void)client.Wait(absl::Seconds(5));
  EXPECT_TRUE(Eventually(absl::Seconds(10),
                         [&] {
                           const Daemon::Holdings after = (*daemon)->Look();
                           return after.descriptors == before.descriptors &&
                                  after.memfd_mappings == before.memfd_mappings;
                         }))
      << ToString(before.descriptors) << " became " << ToString((*daemon)->Look().descriptors);
  const absl::Status stopped = (*daemon)->StopGently();
  EXPECT_TRUE(stopped.ok()) << stopped;
}

}  // namespace
}  // namespace qsplit::testing
