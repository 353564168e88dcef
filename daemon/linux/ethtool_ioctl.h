// The ioctl SIOCETHTOOL in one network namespace, as an interface that a test can answer in the
// kernel's place.
//
// It hands structs of <linux/ethtool.h> over as they are and checks nothing. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_ETHTOOL_IOCTL_H_
#define QSPLIT_DAEMON_LINUX_ETHTOOL_IOCTL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

class EthtoolIoctl {
 public:
  virtual ~EthtoolIoctl() = default;

  // `command` begins with the number of a command (ETHTOOL_…) and is as long as that command wants;
  // the answer is written into it. Returns 0 or an errno.
  virtual int Call(const std::string& netdev, void* command) = 0;
};

// The kernel's, over a socket that is opened in `netns` (as RunInNetns) and kept.
absl::StatusOr<std::unique_ptr<EthtoolIoctl>> OpenEthtoolIoctl(const std::string& netns);

// A command's struct with the array that stands behind it, all of it 0 but the command's number.
template <typename Head>
class EthtoolCommand {
 public:
  EthtoolCommand(uint32_t command, size_t array_bytes)
      : words_((sizeof(Head) + array_bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t)) {
    head()->cmd = command;
  }

  Head* head() { return reinterpret_cast<Head*>(words_.data()); }
  Head* operator->() { return head(); }

 private:
  std::vector<uint64_t> words_;  // aligned as the kernel's structs are
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_ETHTOOL_IOCTL_H_
