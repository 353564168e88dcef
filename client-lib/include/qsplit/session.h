// A program's live connection to qsplitd. Everything that the program owns (regions, leases, rules)
// hangs on it: when the connection closes, for whatever reason, the daemon takes all of it back.
//
//   Session -> Device -> Lease -> RxQueue, TxQueue -> Packet
//
// Session, Device, Region and the control calls of Lease may be used by any number of threads at
// once. Queues and packets belong to one thread each; see rx_queue.h.
#ifndef QSPLIT_SESSION_H_
#define QSPLIT_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "qsplit/device.h"
#include "qsplit/flow_rule.h"
#include "qsplit/region.h"

namespace qsplit {

namespace internal {
class Core;
}
class RpcSession;

struct SessionOptions {
  // Folder of the daemon's sockets, qsplitd.sock and session.sock. Empty: the environment's
  // QSPLIT_RUNTIME_DIR, or /run/qsplit.
  std::string runtime_dir;
  // Name of the program, for people who list sessions; at most 64 bytes. Empty: the name that the
  // kernel knows.
  std::string program;
  // How long a control call may take. Within it, a device that is not ready (it is being reset, or
  // too busy to answer) is asked again.
  absl::Duration call_timeout = absl::Seconds(10);
};

// A handle: copies are the same session. It ends when the last copy and the last Device, Region and
// Lease of it are gone.
class Session {
 public:
  // Connects and says who we are. UNAVAILABLE: nobody listens there; the message says where it
  // looked. PERMISSION_DENIED: the socket's mode or the policy keeps us out. RESOURCE_EXHAUSTED:
  // too many sessions.
  static absl::StatusOr<Session> Connect(const SessionOptions& options = {});

  // All devices, by name.
  absl::StatusOr<std::vector<DeviceInfo>> ListDevices() const;
  // One device. NOT_FOUND: there is none of this name.
  absl::StatusOr<Device> OpenDevice(std::string_view name) const;

  // Allocates memory as a sealed memfd, maps it, and registers it for DMA. INVALID_ARGUMENT: size
  // 0. RESOURCE_EXHAUSTED: quota, or no memory (huge pages: none reserved).
  absl::StatusOr<std::shared_ptr<Region>> RegisterRegion(const RegionOptions& options) const;

  // Adds a rule that belongs to no lease, so that it outlives the session: an operator's call,
  // which needs policy's admin. `action` is a queue of the device. Returns the location.
  absl::StatusOr<uint32_t> AddRule(std::string_view device, const FlowRule& rule) const;
  absl::StatusOr<uint32_t> AddRule(std::string_view device, std::string_view words) const;
  // Removes a rule by location. NOT_FOUND: none there. PERMISSION_DENIED: somebody else's.
  absl::Status RemoveRule(std::string_view device, uint32_t location) const;

  // Number of the session, not secret.
  uint64_t id() const;
  // The daemon's version.
  const std::string& daemon_version() const;
  // The session's socket, still owned by the session: poll it for POLLHUP to learn of the daemon's
  // end. Do not read or write it.
  int session_fd() const;
  // Asks the daemon for a sign of life. UNAVAILABLE: the session has ended.
  absl::Status Ping() const;

  // For programs that use the generated stubs; #include <qsplit/rpc_session.h>.
  const std::shared_ptr<RpcSession>& rpc() const;

 private:
  explicit Session(std::shared_ptr<internal::Core> core);
  std::shared_ptr<internal::Core> core_;
};

}  // namespace qsplit

#endif  // QSPLIT_SESSION_H_
