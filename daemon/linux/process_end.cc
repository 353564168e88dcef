#include "daemon/linux/process_end.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {
namespace {

// PF_EXITING in field 9 of /proc/PID/stat: linux/sched.h of the kernel's own.
constexpr uint64_t kExiting = 4;

}  // namespace

ProcessEnd::ProcessEnd(uint32_t pid) : pid_(pid) {
  if (pid != 0) fd_ = OwnedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool ProcessEnd::Over() const {
  if (!fd_.valid()) return true;
  // Readable when its last thread is gone.
  pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, 0) == 1;
}

bool ProcessEnd::Begun() const {
  std::ifstream in(absl::StrCat("/proc/", pid_, "/stat"));
  std::string line;
  std::getline(in, line);
  // The number is another's, or nobody's, only when this one is over.
  return ShowsEnd(line) || Over();
}

bool ShowsEnd(const std::string& stat_line) {
  // proc(5): "pid (name) state ppid pgrp session tty_nr tpgid flags …", where the name may hold
  // anything.
  const size_t name_end = stat_line.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream fields(stat_line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 9; ++field) fields >> skipped;
  uint64_t flags = 0;
  return (fields >> flags) && (flags & kExiting) != 0;
}

}  // namespace qsplit::linux_sys
