// The end of a process: that it has begun, and that it is over.
//
// Between the two the kernel closes what the process had open, one thing after the other. Whoever
// has a copy of one of them spares it the wait for what is closed last, if it keeps the copy for
// that long. It never ends a process. Any thread, one at a time.
#ifndef QSPLIT_DAEMON_LINUX_PROCESS_END_H_
#define QSPLIT_DAEMON_LINUX_PROCESS_END_H_

#include <cstdint>
#include <string>

#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class ProcessEnd {
 public:
  // Of a process that runs at the moment. One that is not seen from here (0), or a kernel without
  // pidfd_open (Linux 5.3), counts as over.
  explicit ProcessEnd(uint32_t pid);

  // It runs none of its own code any more; if it has several threads, its first does not.
  bool Begun() const;
  // All that it had open is closed.
  bool Over() const;

 private:
  uint32_t pid_;
  OwnedFd fd_;
};

// Whether a line of /proc/PID/stat is that of a process whose end has begun.
bool ShowsEnd(const std::string& stat_line);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PROCESS_END_H_
