// Answers the ethtool ioctls of other processes in the kernel's place: rules and RSS table of a
// FakeEthtoolNic, for a real qsplitd and a real `ethtool` on a netdev that has neither.
//
//   process: Enlist, then whatever runs there ──ioctl(SIOCETHTOOL)──► kernel ──► Serve ──► the NIC
//
// The kernel stops the caller and hands the call over (seccomp_unotify(2)); what is about another
// netdev, or no rule and no RSS table, it then does itself. The NIC outlives who is served, also by
// SIGKILL in the midst of a call. Needs root. Serve: one thread for each listener.
#ifndef QSPLIT_TESTS_SUPPORT_ETHTOOL_HOST_H_
#define QSPLIT_TESTS_SUPPORT_ETHTOOL_HOST_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/linux/owned_fd.h"
#include "tests/support/fake_ethtool_nic.h"

namespace qsplit::test {

// The calling process, and whatever it becomes and starts, is served from now on by whoever has
// the descriptor; without one, its calls fail. Invalid: not allowed.
linux_sys::OwnedFd Enlist();

class EthtoolHost {
 public:
  // `netdev`: the NIC's. The NIC outlives it.
  EthtoolHost(std::string netdev, FakeEthtoolNic& nic) : netdev_(std::move(netdev)), nic_(nic) {}

  // Until the last of the processes has ended. `before`, `after`: called around each command that
  // the NIC carries out, with the caller's thread; the caller waits meanwhile.
  using Watch = std::function<void(pid_t, uint32_t command)>;
  void Serve(int listener, const Watch& before = nullptr, const Watch& after = nullptr);

 private:
  // errno; -1: the kernel is to do it.
  int Call(pid_t caller, uint64_t request, const Watch& before, const Watch& after);

  const std::string netdev_;
  FakeEthtoolNic& nic_;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_ETHTOOL_HOST_H_
