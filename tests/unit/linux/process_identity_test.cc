#include "daemon/linux/process_identity.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "tests/support/fake_sysfs.h"

namespace qsplit::linux_sys {
namespace {

TEST(ProcessIdentity, AProcessIsTheSameUntilItEnds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, ") Z 1 (\x1b[0m");  // what a hostile one might call itself
    ::pause();
    ::_exit(0);
  }
  const auto pid = static_cast<uint32_t>(child);
  const auto start = ProcessStart(pid);
  ASSERT_TRUE(start.has_value());
  EXPECT_GT(*start, 0u);
  for (int i = 0; i < 1000 && ProgramOf(pid)[0] != ')'; ++i) absl::SleepFor(absl::Milliseconds(2));
  EXPECT_EQ(ProgramOf(pid), ") Z 1 (?[0m");
  EXPECT_EQ(ProcessStart(pid), start);
  ::kill(child, SIGKILL);
  siginfo_t ended;
  ASSERT_EQ(::waitid(P_PID, pid, &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(ProcessStart(pid), std::nullopt) << "it waits for its parent";
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(ProcessStart(pid), std::nullopt);
  EXPECT_EQ(ProgramOf(pid), "");
}

TEST(ProcessIdentity, AProcessMayBeStopped) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, ") T 1");
    while (true) ::pause();
  }
  const auto pid = static_cast<uint32_t>(child);
  for (int i = 0; i < 1000 && ProgramOf(pid) != ") T 1"; ++i) absl::SleepFor(absl::Milliseconds(2));
  EXPECT_FALSE(ProcessStopped(pid));
  int status = 0;
  ::kill(child, SIGSTOP);
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(ProcessStopped(pid));
  EXPECT_TRUE(ProcessStart(pid).has_value());
  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, &status, WCONTINUED), child);
  EXPECT_FALSE(ProcessStopped(pid));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(ProcessStopped(pid));
}

TEST(ProcessIdentity, TextThatIsCutIsNoProcess) {
  qsplit::testing::FakeSysfs files;
  for (const char* text : {"", "7 (a", "7 (a)", "7 (a) S 1 2 3"}) {
    files.WriteFile("proc/7/stat", text);
    EXPECT_EQ(ProcessStart(7, files.root() + "/proc"), std::nullopt) << text;
    EXPECT_FALSE(ProcessStopped(7, files.root() + "/proc")) << text;
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
