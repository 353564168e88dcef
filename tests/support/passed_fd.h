// A descriptor, and a number with it, from one process to another, through a socket that keeps
// messages apart. Any thread.
#ifndef QSPLIT_TESTS_SUPPORT_PASSED_FD_H_
#define QSPLIT_TESTS_SUPPORT_PASSED_FD_H_

#include "daemon/linux/owned_fd.h"

namespace qsplit::test {

struct PassedFd {
  linux_sys::OwnedFd fd;
  int number = 0;
};

// Aborts where that fails.
void PassFd(int socket, int fd, int number = 0);
// Invalid: the other end has gone.
PassedFd TakeFd(int socket);

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_PASSED_FD_H_
