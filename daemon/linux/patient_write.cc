#include "daemon/linux/patient_write.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {
namespace {

// In the writer, after _Fork in a process of many threads: system calls and nothing else. The
// outcome, an errno or 0, goes into the pipe.
[[noreturn]] void Write(int pipe, const char* file, std::string_view text) {
  constexpr int kPipe = 3;
  if (pipe != kPipe && ::dup2(pipe, kPipe) < 0) ::_exit(1);
  (void)::close_range(kPipe + 1, ~0u, 0);
  int error = 0;
  const int fd = ::open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) error = errno;
  [[maybe_unused]] const ssize_t told = ::write(kPipe, &error, sizeof error);
  ::_exit(0);
}

// The answer, or ETIMEDOUT.
int Await(int pipe, absl::Time deadline) {
  while (true) {
    pollfd wait{.fd = pipe, .events = POLLIN, .revents = 0};
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int ready = ::poll(&wait, 1, left < 0 ? 0 : static_cast<int>(left) + 1);
    if (ready > 0) break;
    if (ready == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
  int error = 0;
  // Nothing to read: the writer was killed.
  return ::read(pipe, &error, sizeof error) == static_cast<ssize_t>(sizeof error) ? error : ECHILD;
}

// A process that writes, and the pipe that its outcome comes from.
absl::StatusOr<OwnedFd> StartWriter(const std::string& file, std::string_view text) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  OwnedFd listen(ends[0]);
  OwnedFd tell(ends[1]);
  const pid_t parent = ::_Fork();  // without the handlers of fork: they may take locks
  if (parent < 0) return ErrnoStatus(errno, "fork, to write", file);
  if (parent == 0) {
    // The writer's parent ends at once, so that init is the one that waits for the writer.
    const pid_t writer = ::_Fork();
    if (writer == 0) Write(tell.get(), file.c_str(), text);
    ::_exit(writer < 0 ? 1 : 0);
  }
  int ended = 0;
  while (::waitpid(parent, &ended, 0) < 0 && errno == EINTR) {
  }
  return listen;
}

}  // namespace

absl::Status PatientWriters::Write(const std::string& device, const std::string& file,
                                   std::string_view text, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  const std::string what = absl::StrCat("write of '", std::string(text), "' to ", file);
  OwnedFd late;
  {
    const std::lock_guard lock(mutex_);
    late = std::exchange(late_[device], {});
  }
  const bool free = !late.valid() || Await(late.get(), deadline) != ETIMEDOUT;
  if (free) {
    absl::StatusOr<OwnedFd> outcome = StartWriter(file, text);
    if (!outcome.ok()) return outcome.status();
    const int error = Await(outcome->get(), deadline);
    if (error != ETIMEDOUT) return error == 0 ? absl::OkStatus() : ErrnoStatus(error, what);
    late = *std::move(outcome);
  }
  const std::lock_guard lock(mutex_);
  late_[device] = std::move(late);
  return absl::DeadlineExceededError(absl::StrCat(
      what, free ? " has not returned within " : ": an earlier one has not returned within ",
      absl::FormatDuration(patience)));
}

}  // namespace qsplit::linux_sys
