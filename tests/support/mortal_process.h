// Runs something in a process of its own and kills it with SIGKILL before a system call of one's
// choice, so that each state in which a crash may leave the outside can be looked at in turn.
//
// Of system calls those count that others notice: writes to files and sockets, syncs, ioctls, names
// made and removed, the end. The process is traced (ptrace(2)), and must have one thread.
#ifndef QSPLIT_TESTS_SUPPORT_MORTAL_PROCESS_H_
#define QSPLIT_TESTS_SUPPORT_MORTAL_PROCESS_H_

#include <cstddef>
#include <functional>

#include "daemon/linux/owned_fd.h"

namespace qsplit::test {

struct MortalEnd {
  size_t calls = 0;   // that it began, the one before which it died among them
  long last = -1;     // number of that call
  bool died = false;  // else it came to its end, without destructors
  int exit_code = -1;
};

// `body`: its exit code. `prepare` runs in the process before calls count, and what it returns
// comes here, to `serve`, on a thread of its own, which must return when the process has ended.
MortalEnd RunUntilCall(size_t call, const std::function<linux_sys::OwnedFd()>& prepare,
                       const std::function<void(int)>& serve, const std::function<int()>& body);

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_MORTAL_PROCESS_H_
