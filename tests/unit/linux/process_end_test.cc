#include "daemon/linux/process_end.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "absl/time/clock.h"

namespace qsplit::linux_sys {
namespace {

template <typename Condition>
bool Soon(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) absl::SleepFor(absl::Milliseconds(2));
  return condition();
}

TEST(ProcessEnd, BeginsWithTheFirstThreadAndIsOverWithTheLast) {
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::thread([] { ::pause(); }).detach();
    char byte;
    (void)!::read(go[0], &byte, 1);
    ::syscall(SYS_exit, 0);  // this thread alone
  }
  const ProcessEnd end(static_cast<uint32_t>(child));
  EXPECT_FALSE(end.Begun());
  EXPECT_FALSE(end.Over());
  ASSERT_EQ(::write(go[1], "g", 1), 1);
  EXPECT_TRUE(Soon([&] { return end.Begun(); }));
  EXPECT_FALSE(end.Over());
  ::kill(child, SIGKILL);
  EXPECT_TRUE(Soon([&] { return end.Over(); })) << "nobody has waited for it yet";
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(end.Over());
  EXPECT_TRUE(end.Begun());
  EXPECT_TRUE(ProcessEnd(static_cast<uint32_t>(child)).Over()) << "has been before";
  EXPECT_TRUE(ProcessEnd(0).Over()) << "not seen from here";
  ::close(go[0]);
  ::close(go[1]);
}

TEST(ProcessEnd, IsReadBehindANameThatHoldsAnything) {
  EXPECT_TRUE(ShowsEnd("7 (a) R 1 2 3 0 -1 4194308 0"));
  EXPECT_TRUE(ShowsEnd("7 () S 1 1 1 1 1 0 0 (b) R 1 2 3 0 -1 4 0"));
  EXPECT_FALSE(ShowsEnd("7 (a) R 1 2 3 0 -1 4194560 0"));
  for (const char* text : {"", "7 (a", "7 (a)", "7 (a) R 1 2 3 0 -1", "7 (a) R 1 2 3 0 -1 x"}) {
    EXPECT_FALSE(ShowsEnd(text)) << text;
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
