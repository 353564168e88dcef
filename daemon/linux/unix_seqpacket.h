// UNIX sockets of type SOCK_SEQPACKET, and what the kernel says of their peers.
//
//     listener --AcceptUnix--> connection <--SendPacket / ReceivePacket--> peer (untrusted)
//
// Bytes and descriptors that come from a peer are hostile: a received packet says whether anything
// was cut off, and owns every descriptor that came with it, so that dropping the packet closes
// them. Nothing here blocks (sockets are non-blocking), keeps state, or logs. Any thread may call
// any function; one connection is for one thread at a time.
#ifndef QSPLIT_DAEMON_LINUX_UNIX_SEQPACKET_H_
#define QSPLIT_DAEMON_LINUX_UNIX_SEQPACKET_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

// The most descriptors that the kernel carries in one packet (SCM_MAX_FD).
inline constexpr size_t kMaxPacketFds = 253;

// Longest path of a UNIX socket in bytes, without the closing zero.
inline constexpr size_t kMaxSocketPath = 107;

// Who connected, as the kernel recorded it at connect(). The pid may have died since, and its
// number may belong to another process: it is for people. The uid and the groups are for policy.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary ones, at most 256 kept
};

// Binds and listens; the file gets exactly `mode`. A socket file that stands at `path` is removed
// first: hold the runtime directory's lock. INVALID_ARGUMENT: the path is longer than
// kMaxSocketPath, or something stands there that is no socket.
absl::StatusOr<OwnedFd> ListenUnix(const std::string& path, int type, mode_t mode);

// For tests and tools: a connected, non-blocking client end.
absl::StatusOr<OwnedFd> ConnectUnix(const std::string& path, int type);

enum class AcceptOutcome : uint8_t {
  kAccepted,
  kNone,        // nobody waits
  kGone,        // whoever waited is gone; ask again
  kNoResource,  // no descriptor or memory left: wait a while, then ask again
};
struct Accepted {
  AcceptOutcome outcome = AcceptOutcome::kNone;
  OwnedFd fd;     // non-blocking, close-on-exec
  int error = 0;  // errno, unless accepted
};
Accepted AcceptUnix(int listener);

// SO_PEERCRED and SO_PEERGROUPS.
absl::StatusOr<PeerCredentials> ReadPeerCredentials(int fd);

enum class ReceiveOutcome : uint8_t {
  kPacket,
  kNone,    // nothing waits
  kClosed,  // the peer is gone
};
struct ReceivedPacket {
  ReceiveOutcome outcome = ReceiveOutcome::kNone;
  size_t bytes = 0;          // how many of the buffer's bytes are the packet
  bool truncated = false;    // the packet was longer than the buffer (MSG_TRUNC)
  bool fds_lost = false;     // more descriptors came than were asked for (MSG_CTRUNC)
  std::vector<OwnedFd> fds;  // close-on-exec; at most max_fds
};
// Reads one packet. The kernel itself closes the descriptors beyond `max_fds` (0..kMaxPacketFds).
// An empty packet counts as the peer's end: SOCK_SEQPACKET cannot tell the two apart.
ReceivedPacket ReceivePacket(int fd, std::span<uint8_t> buffer, size_t max_fds);

enum class SendOutcome : uint8_t {
  kSent,
  kFull,    // the peer does not read
  kClosed,  // the peer is gone, or the kernel refused the descriptors
};
// Sends one packet with descriptors, at most kMaxPacketFds. Never raises SIGPIPE.
SendOutcome SendPacket(int fd, std::span<const uint8_t> bytes, std::span<const int> fds);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_UNIX_SEQPACKET_H_
