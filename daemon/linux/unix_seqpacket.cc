#include "daemon/linux/unix_seqpacket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace qsplit::linux_sys {
namespace {

constexpr int kBacklog = 4096;  // the kernel takes the lesser of this and net.core.somaxconn
constexpr size_t kMaxGroups = 256;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() > kMaxSocketPath) {
    return absl::InvalidArgumentError(absl::StrCat("socket path '", path, "' has ", path.size(),
                                                   " bytes; it may have 1..", kMaxSocketPath,
                                                   ": use a shorter runtime directory"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

absl::Status RemoveOldSocket(const std::string& path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "stat", path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " exists and is no socket; move it away or choose another directory"));
  }
  return unlink(path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "unlink", path);
}

}  // namespace

absl::StatusOr<OwnedFd> ListenUnix(const std::string& path, int type, mode_t mode) {
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  OwnedFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket for", path);
  if (absl::Status removed = RemoveOldSocket(path); !removed.ok()) return removed;
  if (bind(fd.get(), Generic(*address), sizeof(*address)) != 0) {
    return ErrnoStatus(errno, "bind", path);
  }
  // Nobody can connect before listen(), so the mode is never wider than asked for.
  if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "chmod", path);
  if (listen(fd.get(), kBacklog) != 0) return ErrnoStatus(errno, "listen on", path);
  return fd;
}

absl::StatusOr<OwnedFd> ConnectUnix(const std::string& path, int type) {
  const auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  OwnedFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket for", path);
  if (connect(fd.get(), Generic(*address), sizeof(*address)) != 0) {
    return ErrnoStatus(errno, "connect to", path);
  }
  return fd;
}

Accepted AcceptUnix(int listener) {
  Accepted result;
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    result.outcome = AcceptOutcome::kAccepted;
    result.fd = OwnedFd(fd);
    return result;
  }
  result.error = errno;
  switch (result.error) {
    case EAGAIN:
      result.outcome = AcceptOutcome::kNone;
      break;
    case EINTR:
    case ECONNABORTED:
    case EPERM:
      result.outcome = AcceptOutcome::kGone;
      break;
    default:
      result.outcome = AcceptOutcome::kNoResource;
      break;
  }
  return result;
}

absl::StatusOr<PeerCredentials> ReadPeerCredentials(int fd) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoStatus(errno, "getsockopt SO_PEERCRED");
  }
  PeerCredentials peer;
  peer.pid = credentials.pid;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  gid_t groups[kMaxGroups];
  length = sizeof(groups);
  // ERANGE: more groups than kMaxGroups; such a peer counts by its uid and its main group alone.
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) {
    peer.groups.assign(groups, groups + length / sizeof(gid_t));
  }
  return peer;
}

ReceivedPacket ReceivePacket(int fd, std::span<uint8_t> buffer, size_t max_fds) {
  max_fds = std::min(max_fds, kMaxPacketFds);
  ReceivedPacket packet;
  iovec io{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // CMSG_SPACE rounds up to 8 bytes, in which one more descriptor fits: CMSG_LEN is exact.
  message.msg_controllen = max_fds == 0 ? 0 : CMSG_LEN(sizeof(int) * max_fds);
  ssize_t got = 0;
  do {
    got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    packet.outcome = errno == EAGAIN ? ReceiveOutcome::kNone : ReceiveOutcome::kClosed;
    return packet;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int received = -1;
      memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      packet.fds.emplace_back(received);
    }
  }
  packet.truncated = (message.msg_flags & MSG_TRUNC) != 0;
  packet.fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  packet.bytes = static_cast<size_t>(got);
  packet.outcome = got == 0 ? ReceiveOutcome::kClosed : ReceiveOutcome::kPacket;
  return packet;
}

SendOutcome SendPacket(int fd, std::span<const uint8_t> bytes, std::span<const int> fds) {
  if (fds.size() > kMaxPacketFds) return SendOutcome::kClosed;
  iovec io{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    memset(control, 0, sizeof(control));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return SendOutcome::kSent;
  return errno == EAGAIN || errno == ENOBUFS ? SendOutcome::kFull : SendOutcome::kClosed;
}

}  // namespace qsplit::linux_sys
