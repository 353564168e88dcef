#include "daemon/linux/notify_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

absl::Status NotifyServiceManager(std::string_view state) {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == nullptr || path[0] == '\0') return absl::OkStatus();
  const size_t length = strlen(path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (length >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("NOTIFY_SOCKET is too long: ", path));
  }
  memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract
  const OwnedFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket for NOTIFY_SOCKET");
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    return ErrnoStatus(errno, "send to NOTIFY_SOCKET", path);
  }
  return absl::OkStatus();
}

absl::Status SignalReadyFd(int fd) {
  const OwnedFd owned(fd);
  const char byte = '1';
  ssize_t written = 0;
  do {
    written = write(owned.get(), &byte, 1);
  } while (written < 0 && errno == EINTR);
  return written == 1 ? absl::OkStatus() : ErrnoStatus(errno, "write to --ready-fd");
}

}  // namespace qsplit::linux_sys
