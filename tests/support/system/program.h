// A program that a test started: in a network namespace or as uid 65534 if asked to, its output in
// a file. The kernel kills it when the test dies, the destructor when the test is done with it.
//
// Start programs from the test's main thread: the kernel's promise is bound to the thread.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_PROGRAM_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace qsplit::testing {

struct ProgramOptions {
  std::vector<std::string> argv;  // argv[0] is a path, or found in PATH
  std::string netns;              // empty: the test's own
  bool as_nobody = false;         // uid 65534, no capability; ignored when the test is not root
  std::string output;             // file for stdout and stderr, appended; empty: the test's
  int out_fd = -1;                // becomes descriptor 3 of the program
};

class Program {
 public:
  static absl::StatusOr<Program> Start(const ProgramOptions& options);
  static Program None() { return Program(-1); }
  Program(Program&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Program& operator=(Program&& other) noexcept;
  ~Program();

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Its exit status, or 128 + the signal that ended it. DEADLINE_EXCEEDED: it runs still.
  absl::StatusOr<int> Wait(absl::Duration patience);
  // Signal and Wait.
  absl::StatusOr<int> Stop(int signal, absl::Duration patience = absl::Seconds(20));

 private:
  explicit Program(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

std::string ReadFile(const std::string& file);
// Runs a shell command silently; its exit status.
int Shell(const std::string& command);
// Looks again and again, every `pause`, until the condition holds or the patience is over.
template <typename Condition>
bool Eventually(absl::Duration patience, Condition&& condition,
                absl::Duration pause = absl::Milliseconds(1)) {
  const absl::Time until = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(pause);
  }
  return true;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_PROGRAM_H_
