#include "daemon/backend/af_xdp/kept_sockets.h"

#include <bpf/bpf.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "daemon/linux/errno_status.h"

namespace qsplit::af_xdp {

using linux_sys::ErrnoStatus;
using linux_sys::OwnedFd;

absl::StatusOr<std::unique_ptr<KeptSockets>> KeptSockets::Open(uint32_t queues) {
  OwnedFd map(bpf_map_create(BPF_MAP_TYPE_XSKMAP, "qs_kept", sizeof(uint32_t), sizeof(int), queues,
                             nullptr));
  if (!map.valid()) return ErrnoStatus(errno, "make a map", "of AF_XDP sockets");
  OwnedFd probe(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return ErrnoStatus(errno, "socket", "of AF_XDP");
  return std::unique_ptr<KeptSockets>(new KeptSockets(std::move(map), std::move(probe)));
}

absl::Status KeptSockets::Note(uint32_t queue, int socket_fd) {
  const std::lock_guard lock(mutex_);
  if (bpf_map_update_elem(map_.get(), &queue, &socket_fd, BPF_ANY) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "note an AF_XDP socket");
}

bool KeptSockets::Kept(uint32_t queue) const {
  // User space cannot read such a map, and only puts something where nothing is.
  const std::lock_guard lock(mutex_);
  const int probe = probe_.get();
  if (bpf_map_update_elem(map_.get(), &queue, &probe, BPF_NOEXIST) != 0) return errno == EEXIST;
  bpf_map_delete_elem(map_.get(), &queue);
  return false;
}

}  // namespace qsplit::af_xdp
