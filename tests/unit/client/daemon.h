// A qsplitd of a test's own, with two software NICs wired to each other: no privilege, no network.
#ifndef QSPLIT_TESTS_UNIT_CLIENT_DAEMON_H_
#define QSPLIT_TESTS_UNIT_CLIENT_DAEMON_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::testing_support {

// A program that runs until it is told to stop; its output goes to a file.
class Program {
 public:
  Program() = default;
  // argv[0] is the path. `ready_option`: the option that takes the descriptor on which the program
  // says that it is ready; empty: do not wait. Drops to uid 65534 first when `drop` and we are
  // root.
  Program(std::vector<std::string> argv, const std::string& ready_option, const std::string& output,
          bool drop = false) {
    int ready[2] = {-1, -1};
    EXPECT_EQ(::pipe(ready), 0);
    if (!ready_option.empty()) {
      argv.push_back(ready_option);
      argv.push_back(std::to_string(ready[1]));
    }
    std::vector<char*> args;
    for (std::string& arg : argv) args.push_back(arg.data());
    args.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      ::dup2(out, 1);
      ::dup2(out, 2);
      ::close(ready[0]);
      if (drop && ::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(126);
      ::execv(args[0], args.data());
      ::_exit(127);
    }
    ::close(ready[1]);
    char byte;
    if (!ready_option.empty()) {
      EXPECT_GT(::read(ready[0], &byte, 1), 0) << argv[0] << " did not get ready: " << Read(output);
    }
    ::close(ready[0]);
  }
  Program(Program&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Program& operator=(Program&& other) noexcept {
    Stop(SIGKILL);
    pid_ = std::exchange(other.pid_, -1);
    return *this;
  }
  ~Program() { Stop(SIGKILL); }

  // Signals it and waits; its exit status, or -1 when a signal ended it.
  int Stop(int signal) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, signal);
    return Wait();
  }
  int Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  pid_t pid() const { return pid_; }

  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  pid_t pid_ = -1;
};

class Daemon {
 public:
  explicit Daemon(const layout::VerifiedLayout& layout,
                  const std::vector<layout::VerifiedLayout>& more = {}) {
    std::string name = testing::TempDir() + "/qsplit_e2e_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::filesystem::permissions(dir_, std::filesystem::perms(0755));
    std::filesystem::create_directory(dir_ + "/layouts");
    AddLayout(layout);
    for (const layout::VerifiedLayout& one : more) AddLayout(one);
    std::ofstream(dir_ + "/qsplitd.toml")
        << "[[device]]\nname = \"nic0\"\nqueues = 4\nworker = \"shared\"\nmac = "
           "\"02:00:00:00:00:01\"\n"
           "wire = {peer = \"nic1\"}\n"
           "[[device]]\nname = \"nic1\"\nqueues = 4\nworker = \"shared\"\nmac = "
           "\"02:00:00:00:00:02\"\n"
           "wire = {peer = \"nic0\"}\n"
           "[[tenant]]\nname = \"tester\"\nuids = ["
        << ::getuid()
        << "]\nadmin = true\nsteer = \"any\"\nmay_join_rss = true\n"
           "[[tenant]]\nname = \"others\"\nuids = \"any\"\nsteer = \"any\"\n";
    program_ = Program({QSPLIT_BIN_DIR "/qsplitd", "--config", dir_ + "/qsplitd.toml",
                        "--runtime-dir", run(), "--layouts", dir_ + "/layouts"},
                       "--ready-fd", log());
  }
  ~Daemon() {
    const int status = program_.pid() > 0 ? program_.Stop(SIGTERM) : 0;
    EXPECT_EQ(status, 0) << Program::Read(log());
    std::filesystem::remove_all(dir_);
  }

  void Kill() { program_.Stop(SIGKILL); }
  const std::string& dir() const { return dir_; }
  std::string run() const { return dir_ + "/run"; }
  std::string log() const { return dir_ + "/log"; }
  SessionOptions Options() const { return {.runtime_dir = run(), .program = "test"}; }

 private:
  void AddLayout(const layout::VerifiedLayout& layout) const {
    std::ofstream(dir_ + "/layouts/" + layout.name() + ".layout", std::ios::binary)
        << layout.canonical_bytes();
  }

  std::string dir_;
  Program program_;
};

}  // namespace qsplit::testing_support

#endif  // QSPLIT_TESTS_UNIT_CLIENT_DAEMON_H_
