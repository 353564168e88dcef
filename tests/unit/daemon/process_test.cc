// qsplitd as a process: how it starts, what it says when it cannot, and how it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"
#include "tests/support/sample_layouts.h"
#include "tests/support/system/pauses.h"
#include "tests/unit/ingress/raw_client.h"

namespace qsplit {
namespace {

using ::testing::HasSubstr;

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qsplit-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    layouts_ = folder_ + "/layouts";
    std::filesystem::create_directory(layouts_);
    const auto layout = layout::testing::SimpleLayout();
    std::ofstream(layouts_ + "/" + layout.name() + ".layout", std::ios::binary)
        << layout.canonical_bytes();
  }
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  std::string Run() const { return folder_ + "/run"; }
  std::string Text(const std::string& file) const {
    std::ifstream in(folder_ + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string Write(const std::string& file, const std::string& text) const {
    std::ofstream(folder_ + "/" + file) << text;
    return folder_ + "/" + file;
  }

  // Starts it with stdout and stderr in files; fd 3 is the ready pipe.
  pid_t Spawn(std::vector<std::string> arguments, const std::string& output = "log") {
    int ready[2] = {-1, -1};
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const std::string out = folder_ + "/" + output;
    arguments.insert(arguments.begin(), QSPLIT_BIN_DIR "/qsplitd");
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      const int fd = open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
      dup2(ready[1], 3);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ready[1]);
    ready_.Reset();
    ready_ = linux_sys::OwnedFd(ready[0]);
    return pid;
  }
  // The daemon of this test, serving.
  void Start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--runtime-dir", Run(),        "--layouts",
                                          layouts_,        "--ready-fd", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    pid_ = Spawn(arguments);
    char byte = 0;
    ASSERT_EQ(read(ready_.get(), &byte, 1), 1) << Text("log");
  }
  // Its exit status, or -signal.
  static int Wait(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int WaitForIt() {
    const int status = Wait(pid_);
    pid_ = 0;
    return status;
  }
  int RunToEnd(const std::vector<std::string>& arguments, std::string* output) {
    const int status = Wait(Spawn(arguments, "output"));
    *output = Text("output");
    return status;
  }

  std::string folder_, layouts_;
  linux_sys::OwnedFd ready_;
  pid_t pid_ = 0;
};

TEST_F(ProcessTest, StartsServesAndStopsWithinASecond) {
  Start();
  ingress::testing::RawClient client(Run() + "/session.sock");
  ASSERT_TRUE(client.Hello().has_value());
  const qsplit::testing::Pauses pauses;
  const absl::Time stop = absl::Now();
  kill(pid_, SIGTERM);
  EXPECT_EQ(WaitForIt(), 0) << Text("log");
  EXPECT_LT(absl::Now() - stop, pauses.Allow(absl::Seconds(1)));
  EXPECT_TRUE(client.ClosedWithin(absl::ZeroDuration()));
  EXPECT_FALSE(std::filesystem::exists(Run() + "/session.sock"));
  EXPECT_FALSE(std::filesystem::exists(Run() + "/qsplitd.sock"));
  EXPECT_THAT(Text("log"), HasSubstr(" info ready "));
  EXPECT_THAT(Text("log"), HasSubstr(" info stopped"));
}

TEST_F(ProcessTest, APeersBadTextIsALineOfTheLogNotOfTheLibrarys) {
  Start();
  for (int i = 0; i < 100; ++i) {
    ingress::testing::RawClient client(Run() + "/session.sock");
    client.SendBytes("\x0a\x05\x08\x01\x12\x01\xff");  // a program name that is no UTF-8
    EXPECT_TRUE(client.ClosedWithin(absl::Seconds(5)));
  }
  kill(pid_, SIGTERM);
  EXPECT_EQ(WaitForIt(), 0);
  const std::string log = Text("log");
  EXPECT_EQ(log.find("[libprotobuf"), std::string::npos) << log;
  EXPECT_THAT(log, HasSubstr(" warning protobuf "));
  const std::regex line("warning protobuf ");
  EXPECT_LE(std::distance(std::sregex_iterator(log.begin(), log.end(), line), {}), 25);
}

TEST_F(ProcessTest, LogsJsonWhenAskedTo) {
  Start({"--log-format", "json"});
  kill(pid_, SIGINT);
  EXPECT_EQ(WaitForIt(), 0);
  EXPECT_THAT(Text("log"), HasSubstr("\"level\":\"info\",\"event\":\"ready\",\"version\":\""));
}

TEST_F(ProcessTest, ADeadDaemonsSocketsAreReplacedALiveOnesAreNot) {
  Start();
  std::string output;
  EXPECT_EQ(RunToEnd({"--runtime-dir", Run(), "--layouts", layouts_}, &output), 1);
  EXPECT_THAT(output, HasSubstr("a qsplitd (pid " + std::to_string(pid_) + ") already serves " +
                                Run() + "; stop it, or give this one another --runtime-dir"));
  kill(pid_, SIGKILL);
  EXPECT_EQ(WaitForIt(), -SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(Run() + "/session.sock"));
  Start();
  ingress::testing::RawClient client(Run() + "/session.sock");
  EXPECT_TRUE(client.Hello().has_value());
}

TEST_F(ProcessTest, HangUpReadsTheTenantsAnew) {
  const std::string config = Write("q.toml", "[[tenant]]\nname = \"a\"\nuids = [1]\n");
  Start({"--config", config});
  Write("q.toml", "[[tenant]]\nname = \"a\"\nuid = [1]\n");
  const auto wait_for = [this](const std::string& words) {
    for (int i = 0; i < 300 && Text("log").find(words) == std::string::npos; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_THAT(Text("log"), HasSubstr(words));
  };
  kill(pid_, SIGHUP);
  wait_for("policy_not_reloaded");
  wait_for("tenant.uid: unknown key; did you mean 'uids'?");
  Write("q.toml", "[[tenant]]\nname = \"a\"\nuids = [1]\n[[tenant]]\nname = \"b\"\nuids = [2]\n");
  kill(pid_, SIGHUP);
  wait_for("policy_reloaded tenants=2");
}

TEST_F(ProcessTest, TellsTheServiceManager) {
  const linux_sys::OwnedFd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder_ + "/notify";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  Start();
  unsetenv("NOTIFY_SOCKET");
  char buffer[64] = {};
  ASSERT_EQ(recv(manager.get(), buffer, sizeof(buffer), 0), 7);
  EXPECT_STREQ(buffer, "READY=1");
}

TEST_F(ProcessTest, CheckSaysWhatItWouldDo) {
  std::string output;
  EXPECT_EQ(RunToEnd({"--check", "--layouts", layouts_}, &output), 0);
  EXPECT_THAT(output, HasSubstr("device         nic0: softnic, 8 rx and 8 tx queues"));
  EXPECT_THAT(output, HasSubstr("layouts        " + layouts_ + ": 1"));
  // A journal that cannot be read may hold anything.
  const std::string journal = Run() + "/journal";
  std::filesystem::create_directories(Run());
  std::filesystem::create_symlink(journal, journal);
  EXPECT_EQ(RunToEnd({"--check", "--layouts", layouts_, "--runtime-dir", Run()}, &output), 1);
  EXPECT_THAT(output, HasSubstr("read the journal " + journal));
  std::filesystem::remove(journal);
}

TEST_F(ProcessTest, CleanUndoesWhatACrashLeftAndDoesNotServe) {
  std::string output;
  EXPECT_EQ(RunToEnd({"--clean", "--runtime-dir", Run()}, &output), 0);
  EXPECT_EQ(output, "nothing was left behind\n");
  const std::string journal = Run() + "/journal";
  const auto put = [&journal](const std::string& text) { std::ofstream(journal) << text; };
  put("qsplit journal 1\n+ 1 netdev netdev=gone #0000000000000000\n");
  EXPECT_EQ(RunToEnd({"--clean", "--runtime-dir", Run()}, &output), 1) << "it is damaged";
  EXPECT_THAT(output, HasSubstr(journal));
  std::filesystem::remove(journal);
  Start();
  EXPECT_EQ(RunToEnd({"--clean", "--runtime-dir", Run()}, &output), 1);
  EXPECT_THAT(output, HasSubstr("already serves"));
  EXPECT_EQ(RunToEnd({"--clean", "--check"}, &output), 2);
}

TEST_F(ProcessTest, ErrorsAreSaidAndEndInStatus1) {
  std::string output;
  const std::string config = Write("q.toml", "[[device]]\nname = \"a\"\nlayouts = [\"no.such\"]\n");
  EXPECT_EQ(RunToEnd({"--config", config, "--layouts", layouts_}, &output), 1);
  EXPECT_EQ(output, "qsplitd: device 'a': no layout 'no.such'; loaded: test.simple\n");
  EXPECT_EQ(RunToEnd({"--check", "--layouts", folder_ + "/none"}, &output), 1);
  EXPECT_THAT(output, HasSubstr("No such file or directory; give the folder of *.layout with"));
  Write("layouts/bad.layout", "\xff\xff");
  EXPECT_EQ(RunToEnd({"--check", "--layouts", layouts_}, &output), 1);
  EXPECT_THAT(output, HasSubstr("qsplitd: " + layouts_ + "/bad.layout: "));
}

TEST_F(ProcessTest, FoldersThatCannotBeUsedAreSaid) {
  std::string output;
  const std::string file = Write("file", "");
  EXPECT_EQ(RunToEnd({"--runtime-dir", file, "--layouts", layouts_}, &output), 1);
  EXPECT_THAT(output, HasSubstr("qsplitd: "));
  EXPECT_THAT(output, HasSubstr(file));
  EXPECT_EQ(RunToEnd({"--runtime-dir", folder_ + "/no/such", "--layouts", layouts_}, &output), 1);
  EXPECT_THAT(output, HasSubstr(folder_ + "/no/such"));
  std::filesystem::create_directory(folder_ + "/empty");
  EXPECT_EQ(RunToEnd({"--check", "--layouts", folder_ + "/empty"}, &output), 1);
  EXPECT_THAT(output, HasSubstr(folder_ + "/empty: no *.layout in it"));
}

TEST_F(ProcessTest, UsageErrorsEndInStatus2AndHelpHasExamples) {
  std::string output;
  EXPECT_EQ(RunToEnd({"--what"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("--what"));
  EXPECT_EQ(RunToEnd({"--help"}, &output), 0);
  EXPECT_THAT(output, HasSubstr("Examples:"));
  EXPECT_EQ(RunToEnd({"--version"}, &output), 0);
  EXPECT_THAT(output, HasSubstr("qsplitd 0."));
}

}  // namespace
}  // namespace qsplit
