#include "tests/support/mortal_process.h"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/support/passed_fd.h"

namespace qsplit::test {
namespace {

using linux_sys::OwnedFd;

constexpr long kNoticed[] = {
    SYS_write,      SYS_pwrite64, SYS_fsync,     SYS_fdatasync,  SYS_ftruncate,
    SYS_openat,     SYS_unlinkat, SYS_ioctl,     SYS_sendto,     SYS_sendmsg,
    SYS_setsockopt, SYS_bpf,      SYS_renameat2, SYS_exit_group,
#ifdef SYS_open
    SYS_unlink,     SYS_rename,
#endif
    SYS_renameat,
};

// Until it stops or ends; what wait says.
int Await(pid_t process) {
  int status = 0;
  if (::waitpid(process, &status, __WALL) != process) abort();
  return status;
}

void Trace(int request, pid_t process, long data = 0) {
  if (::ptrace(static_cast<__ptrace_request>(request), process, nullptr, data) != 0) abort();
}

// Stopped as it begins one that counts: its number; else -1.
long Beginning(pid_t process) {
  __ptrace_syscall_info info{};
  if (::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), process, sizeof info,
               &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY) {
    return -1;
  }
  const auto number = static_cast<long>(info.entry.nr);
  return std::ranges::count(kNoticed, number) == 0 ? -1 : number;
}

}  // namespace

MortalEnd RunUntilCall(size_t call, const std::function<OwnedFd()>& prepare,
                       const std::function<void(int)>& serve, const std::function<int()>& body) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0) abort();
  OwnedFd ours(pair[0]), theirs(pair[1]);
  const pid_t process = ::fork();
  if (process == 0) {
    Trace(PTRACE_TRACEME, 0);
    PassFd(theirs.get(), prepare().get());
    ::raise(SIGSTOP);
    ::_exit(body());
  }
  theirs.Reset();
  const OwnedFd served = TakeFd(ours.get()).fd;
  if (!served.valid()) abort();
  std::thread server([&] { serve(served.get()); });
  MortalEnd end;
  Await(process);
  Trace(PTRACE_SETOPTIONS, process, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  int status = 0;
  do {
    Trace(PTRACE_SYSCALL, process);
    status = Await(process);
    const bool at_call = WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
    if (const long number = at_call ? Beginning(process) : -1; number >= 0) {
      ++end.calls;
      end.last = number;
      if (end.calls == call) {
        end.died = true;
        ::kill(process, SIGKILL);
        status = Await(process);
      }
    }
  } while (!WIFEXITED(status) && !WIFSIGNALED(status));
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  server.join();
  return end;
}

}  // namespace qsplit::test
