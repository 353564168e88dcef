// The steering program in the kernel: loaded, with its maps, attached to nothing yet.
//
// The memory is shared with the program alone; bpf/steering_memory.h says who writes it. Ends with
// this object, unless a link holds the program. Any thread, one at a time; Probe and reading
// counters together with anything.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LOADED_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LOADED_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/bpf/steering_constants.h"
#include "daemon/backend/af_xdp/bpf/steering_memory.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/owned_fd.h"

struct bpf_object;

namespace qsplit::af_xdp {

void AddCounts(const SteeringCounts& from, SteeringCounts* to);

// A program in which rules are constants, with its own counts.
class XdpMade {
 public:
  XdpMade(const SteeringConstants& constants, linux_sys::OwnedFd program,
          linux_sys::Mapping delivered);

  int program_fd() const { return program_.get(); }
  // Leaves it to the link that has it, if one has. What it counts stays.
  void CloseProgram() { program_.Reset(); }
  // Adds what it has delivered, by rule and by queue.
  void AddTo(SteeringCounts* counts) const;

 private:
  std::vector<uint32_t> locations_;  // of its rules, in the constants' order
  linux_sys::OwnedFd program_;
  linux_sys::Mapping delivered_;  // SteeringDelivered by queue; the kernel counts in it
};

class XdpLoaded {
 public:
  // `queues`: receive queues of the netdev that it is for. PERMISSION_DENIED: needs CAP_BPF,
  // CAP_PERFMON and CAP_NET_ADMIN. UNIMPLEMENTED: the kernel lacks something; the message has its
  // words.
  static absl::StatusOr<XdpLoaded> Load(uint32_t queues);

  int program_fd() const { return program_fd_; }
  // Another program on the same maps, in which rules are constants. Takes some milliseconds.
  // UNIMPLEMENTED as Load.
  absl::StatusOr<XdpMade> LoadWith(const SteeringConstants& constants) const;
  uint32_t program_id() const { return program_id_; }
  SteeringMemory& memory() const { return *reinterpret_cast<SteeringMemory*>(memory_.data()); }

  // Sums over all CPUs, without what an XdpMade has counted; 0 where the kernel does not tell.
  std::unique_ptr<SteeringCounts> Counts() const;

  // The socket needs a receive ring. The kernel takes it out again when it is closed.
  absl::Status SetSocket(uint32_t queue, int socket_fd);
  // No socket there: nothing happens.
  absl::Status ClearSocket(uint32_t queue);
  absl::StatusOr<SteeringProbe> Probe(uint32_t queue) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };

  using Object = std::unique_ptr<bpf_object, Close>;

  XdpLoaded() = default;
  // Opened, not loaded yet. Null: errno.
  static Object Open();

  Object object_;
  linux_sys::Mapping memory_;
  // The object's.
  int program_fd_ = -1;
  int probe_fd_ = -1;
  int counts_fd_ = -1;
  int sockets_fd_ = -1;
  uint32_t program_id_ = 0;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LOADED_H_
