// A network namespace of the test's own, beside the one that its process runs in, which is also of
// its own; gone with the test.
#ifndef QSPLIT_TESTS_NETNS_LINUX_OTHER_NETNS_H_
#define QSPLIT_TESTS_NETNS_LINUX_OTHER_NETNS_H_

#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace qsplit::test {

class OtherNetns : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to make a network namespace";
    }
    const std::string name = "qsplit-test-" + std::to_string(::getpid());
    ASSERT_EQ(std::system(("ip netns add " + name).c_str()), 0);
    name_ = name;
  }
  void TearDown() override {
    if (name_.empty()) return;
    EXPECT_EQ(std::system(("ip netns del " + name_).c_str()), 0);
  }

  const std::string& netns() const { return name_; }

  // A command there.
  void Run(const std::string& command) {
    ASSERT_EQ(std::system(There(command).c_str()), 0) << command;
  }
  std::string Output(const std::string& command) {
    std::string text;
    FILE* pipe = ::popen(There(command).c_str(), "r");
    if (pipe == nullptr) return text;
    char buffer[4096];
    for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, pipe)) != 0;)
      text.append(buffer, got);
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return text;
  }

 private:
  std::string There(const std::string& command) const {
    return "ip netns exec " + name_ + " sh -c 'PATH=$PATH:/usr/sbin:/sbin; " + command + "'";
  }

  std::string name_;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_NETNS_LINUX_OTHER_NETNS_H_
