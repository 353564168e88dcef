#include "tests/support/ethtool_host.h"

#include <linux/audit.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace qsplit::test {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#endif

bool Copy(pid_t process, uint64_t theirs, void* ours, size_t bytes, bool write) {
  const iovec here{ours, bytes};
  const iovec there{reinterpret_cast<void*>(theirs), bytes};
  const ssize_t copied = write ? ::process_vm_writev(process, &here, 1, &there, 1, 0)
                               : ::process_vm_readv(process, &here, 1, &there, 1, 0);
  return copied == static_cast<ssize_t>(bytes);
}

// Of a command of the NIC's, whose head has been read; 0: it is none.
size_t BytesOf(const std::array<uint64_t, sizeof(ethtool_rxnfc) / sizeof(uint64_t)>& head) {
  const auto& rxnfc = reinterpret_cast<const ethtool_rxnfc&>(head);
  const auto& rxfh = reinterpret_cast<const ethtool_rxfh&>(head);
  const uint32_t entries = rxfh.indir_size == ETH_RXFH_INDIR_NO_CHANGE ? 0 : rxfh.indir_size;
  switch (rxnfc.cmd) {
    case ETHTOOL_GRXRINGS:
    case ETHTOOL_GRXCLSRLCNT:
    case ETHTOOL_GRXCLSRULE:
    case ETHTOOL_SRXCLSRLDEL:
    case ETHTOOL_SRXCLSRLINS:
      return sizeof rxnfc;
    case ETHTOOL_GRXCLSRLALL:
      return sizeof rxnfc + rxnfc.rule_cnt * sizeof(uint32_t);
    case ETHTOOL_GRSSH:
    case ETHTOOL_SRSSH:
      return sizeof rxfh + entries * sizeof(uint32_t) + rxfh.key_size;
    default:
      return 0;
  }
}

}  // namespace

linux_sys::OwnedFd Enlist() {
  // The number of the ioctl is a word of 32 bits for the kernel.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCETHTOOL, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  return linux_sys::OwnedFd(static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
}

int EthtoolHost::Call(pid_t caller, uint64_t request, const Watch& before, const Watch& after) {
  ifreq named{};
  std::array<uint64_t, sizeof(ethtool_rxnfc) / sizeof(uint64_t)> head{};
  if (!Copy(caller, request, &named, sizeof named, false)) return -1;
  named.ifr_name[IFNAMSIZ - 1] = '\0';
  if (netdev_ != named.ifr_name) return -1;
  const auto data = reinterpret_cast<uint64_t>(named.ifr_data);
  // Every command has its number, and what says how long it is, in its first 24 bytes.
  if (!Copy(caller, data, head.data(), sizeof(uint32_t), false)) return -1;
  if (BytesOf(head) == 0) return -1;
  if (!Copy(caller, data, head.data(), sizeof(ethtool_rxfh), false)) return EFAULT;
  if (BytesOf(head) >= sizeof head && !Copy(caller, data, head.data(), sizeof head, false)) {
    return EFAULT;
  }
  const size_t bytes = BytesOf(head);
  std::vector<uint64_t> command(bytes / sizeof(uint64_t) + 1);
  if (!Copy(caller, data, command.data(), bytes, false)) return EFAULT;
  const auto number = static_cast<uint32_t>(head[0]);
  if (before) before(caller, number);
  const int error = nic_.Call(netdev_, command.data());
  if (after) after(caller, number);
  // Who has been killed meanwhile needs no answer.
  (void)Copy(caller, data, command.data(), bytes, true);
  return error;
}

void EthtoolHost::Serve(int listener, const Watch& before, const Watch& after) {
  while (true) {
    pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return;
    if ((waiting.revents & POLLIN) == 0) {
      if (waiting.revents != 0) return;
      continue;
    }
    seccomp_notif call{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    const int error = Call(static_cast<pid_t>(call.pid), call.data.args[2], before, after);
    seccomp_notif_resp answer{.id = call.id, .val = 0, .error = 0, .flags = 0};
    if (error < 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (error > 0) answer.error = -error;
    (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

}  // namespace qsplit::test
