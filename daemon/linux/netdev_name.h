// The name of a netdev that is known by its number. Names change and come again with another
// netdev; a number is one netdev's as long as that lives.
//
// It only asks. Its socket is opened in the netdev's network namespace and kept, whatever becomes
// of that namespace's name. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_NETDEV_NAME_H_
#define QSPLIT_DAEMON_LINUX_NETDEV_NAME_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class NetdevName {
 public:
  // `netns`: as RunInNetns. NOT_FOUND: no such namespace; whether the netdev is there shows later.
  static absl::StatusOr<NetdevName> Open(const std::string& netns, uint32_t ifindex);

  // As it is now. NOT_FOUND: the netdev is gone.
  absl::StatusOr<std::string> Ask() const;

 private:
  NetdevName(OwnedFd socket, uint32_t ifindex) : socket_(std::move(socket)), ifindex_(ifindex) {}

  OwnedFd socket_;
  uint32_t ifindex_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETDEV_NAME_H_
