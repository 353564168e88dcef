// Which sockets of leases that are over live on, for somebody has kept a descriptor.
//
// They stand in a map of the kernel's (BPF_MAP_TYPE_XSKMAP) that no program reads: the kernel takes
// a socket out of it when its last descriptor, whoever has it, is closed. So it knows of those of
// this process's life only. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_KEPT_SOCKETS_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_KEPT_SOCKETS_H_

#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::af_xdp {

class KeptSockets {
 public:
  // For queues below `queues`. PERMISSION_DENIED: needs CAP_BPF and CAP_NET_RAW.
  static absl::StatusOr<std::unique_ptr<KeptSockets>> Open(uint32_t queues);

  // The queue's lease is over; a socket that was noted before is gone, or this one could not have
  // been bound.
  absl::Status Note(uint32_t queue, int socket_fd);
  // The socket that was noted last is still open somewhere, also in this process.
  bool Kept(uint32_t queue) const;

 private:
  KeptSockets(linux_sys::OwnedFd map, linux_sys::OwnedFd probe)
      : map_(std::move(map)), probe_(std::move(probe)) {}

  const linux_sys::OwnedFd map_;
  const linux_sys::OwnedFd probe_;  // a socket of no queue; stands in the map while one looks
  mutable std::mutex mutex_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_KEPT_SOCKETS_H_
