#include "tests/support/system/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace qsplit::testing {

absl::StatusOr<Program> Program::Start(const ProgramOptions& options) {
  std::vector<std::string> argv;
  if (!options.netns.empty()) argv = {"ip", "netns", "exec", options.netns};
  argv.insert(argv.end(), {"setpriv", "--pdeathsig", "KILL"});
  if (options.as_nobody && ::geteuid() == 0) {
    argv.insert(argv.end(),
                {"--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all",
                 "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"});
  }
  argv.insert(argv.end(), options.argv.begin(), options.argv.end());
  std::vector<char*> args;
  for (std::string& arg : argv) args.push_back(arg.data());
  args.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (!options.output.empty()) {
    ::posix_spawn_file_actions_addopen(&actions, 1, options.output.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  }
  if (options.out_fd >= 0) ::posix_spawn_file_actions_adddup2(&actions, options.out_fd, 3);
  // gRPC's threads leave signals blocked in whoever starts a program from a test of theirs.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, args[0], &actions, &attributes, args.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("starting ", argv[0]));
  return Program(pid);
}

Program& Program::operator=(Program&& other) noexcept {
  Program old(std::exchange(pid_, std::exchange(other.pid_, -1)));
  return *this;
}

Program::~Program() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::Signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

absl::StatusOr<int> Program::Wait(absl::Duration patience) {
  if (pid_ <= 0) return absl::FailedPreconditionError("it has been waited for");
  int status = 0;
  pid_t got = 0;
  Eventually(patience, [&] { return (got = ::waitpid(pid_, &status, WNOHANG)) != 0; });
  if (got == 0) return absl::DeadlineExceededError(absl::StrCat("pid ", pid_, " runs still"));
  pid_ = -1;
  if (got < 0) return absl::ErrnoToStatus(errno, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

absl::StatusOr<int> Program::Stop(int signal, absl::Duration patience) {
  Signal(signal);
  return Wait(patience);
}

std::string ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int Shell(const std::string& command) {
  const int status = std::system(("( " + command + " ) >/dev/null 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace qsplit::testing
