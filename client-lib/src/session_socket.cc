#include "client-lib/src/session_socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::internal {
namespace {

constexpr size_t kMaxMessageBytes = 4096;
constexpr size_t kMaxDescriptors = 253;  // what the kernel lets one packet carry

constexpr char kIsItRunning[] =
    "; is qsplitd running? Another folder is chosen by QSPLIT_RUNTIME_DIR or the option for it";

}  // namespace

absl::StatusOr<SessionSocket> SessionSocket::Connect(const std::string& path,
                                                     absl::Duration timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("session socket: the path '", path, "' has ", path.size(),
                     " bytes, more than the ", sizeof(address.sun_path) - 1,
                     " that a socket's path may have; choose a shorter runtime directory"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  OwnedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "session socket: socket()");
  const timeval limit = absl::ToTimeval(timeout);
  if (timeout != absl::InfiniteDuration() &&
      (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
       ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)) {
    return absl::ErrnoToStatus(errno, "session socket: setsockopt(SO_RCVTIMEO)");
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    const std::string what = absl::StrCat("connecting to ", path, ": ", std::strerror(error));
    if (error == EACCES || error == EPERM) {
      return absl::PermissionDeniedError(
          absl::StrCat(what, "; ask the administrator for access to the socket"));
    }
    if (error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == ENOTDIR) {
      return absl::UnavailableError(absl::StrCat(what, kIsItRunning));
    }
    return absl::ErrnoToStatus(error, absl::StrCat("connecting to ", path));
  }
  return SessionSocket(std::move(fd));
}

absl::StatusOr<v1::SessionReply> SessionSocket::Call(const v1::SessionRequest& request, int send_fd,
                                                     std::vector<OwnedFd>* received) {
  std::string out = request.SerializeAsString();
  iovec part{out.data(), out.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> send_control{};
  if (send_fd >= 0) {
    message.msg_control = send_control.data();
    message.msg_controllen = send_control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &send_fd, sizeof(int));
  }
  ssize_t n;
  do {
    n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == EAGAIN)
      return absl::DeadlineExceededError("session socket: qsplitd does not read");
    return absl::UnavailableError(absl::StrCat("session socket: ", std::strerror(errno),
                                               "; the session has ended, connect again"));
  }

  std::array<char, kMaxMessageBytes> in;
  part = {in.data(), in.size()};
  message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  do {
    n = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    return absl::DeadlineExceededError("session socket: no answer from qsplitd in time");
  }
  if (n <= 0) {
    return absl::UnavailableError(
        absl::StrCat("session socket: ", n == 0 ? "closed by qsplitd" : std::strerror(errno),
                     "; the session has ended, connect again"));
  }
  std::vector<OwnedFd> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        "session socket: file descriptors were lost on the way; raise the limit of open files "
        "(ulimit -n)");
  }
  v1::SessionReply reply;
  if ((message.msg_flags & MSG_TRUNC) != 0 ||
      !reply.ParseFromArray(in.data(), static_cast<int>(n))) {
    return absl::InternalError(
        "session socket: qsplitd's answer does not parse; daemon and library may differ in "
        "version");
  }
  if (reply.code() != 0) {
    // gRPC's codes are absl's; one that neither knows is an error still.
    const auto code = reply.code() <= 16 ? static_cast<absl::StatusCode>(reply.code())
                                         : absl::StatusCode::kUnknown;
    return absl::Status(code, reply.message());
  }
  if (received == nullptr && !descriptors.empty()) {
    return absl::InternalError(
        "session socket: qsplitd sent file descriptors that nobody asked for");
  }
  if (received != nullptr) *received = std::move(descriptors);
  return reply;
}

}  // namespace qsplit::internal
