// A client of the session socket that can misbehave: it sends any bytes and any descriptors.
#ifndef QSPLIT_TESTS_UNIT_INGRESS_RAW_CLIENT_H_
#define QSPLIT_TESTS_UNIT_INGRESS_RAW_CLIENT_H_

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/unix_seqpacket.h"
#include "qsplit/v1/session.pb.h"

namespace qsplit::ingress::testing {

class RawClient {
 public:
  explicit RawClient(const std::string& path) {
    auto fd = linux_sys::ConnectUnix(path, SOCK_SEQPACKET);
    if (fd.ok()) fd_ = *std::move(fd);
  }

  bool connected() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  void Close() { fd_.Reset(); }

  bool SendBytes(const std::string& bytes, const std::vector<int>& fds = {}) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    return linux_sys::SendPacket(fd_.get(), {data, bytes.size()}, fds) ==
           linux_sys::SendOutcome::kSent;
  }
  bool Send(const v1::SessionRequest& request, const std::vector<int>& fds = {}) {
    return SendBytes(request.SerializeAsString(), fds);
  }

  // The next reply and its descriptors; nothing when the connection closed or 2 s went by.
  std::optional<v1::SessionReply> Receive(std::vector<linux_sys::OwnedFd>* fds = nullptr) {
    if (!WaitReadable(absl::Seconds(20))) return {};
    std::array<uint8_t, 8192> buffer;
    auto packet = linux_sys::ReceivePacket(fd_.get(), buffer, linux_sys::kMaxPacketFds);
    if (packet.outcome != linux_sys::ReceiveOutcome::kPacket) return {};
    if (fds != nullptr) *fds = std::move(packet.fds);
    v1::SessionReply reply;
    if (!reply.ParseFromArray(buffer.data(), static_cast<int>(packet.bytes))) return {};
    return reply;
  }

  std::optional<v1::SessionReply> Call(const v1::SessionRequest& request,
                                       const std::vector<int>& fds = {},
                                       std::vector<linux_sys::OwnedFd>* got = nullptr) {
    if (!Send(request, fds)) return {};
    return Receive(got);
  }
  std::optional<v1::SessionReply> Hello(const std::string& program = "test") {
    v1::SessionRequest request;
    request.mutable_hello()->set_protocol(1);
    request.mutable_hello()->set_program(program);
    return Call(request);
  }

  // True when the daemon has closed the connection within `timeout`.
  bool ClosedWithin(absl::Duration timeout) {
    pollfd waited{fd_.get(), POLLRDHUP, 0};
    return poll(&waited, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
  }

 private:
  bool WaitReadable(absl::Duration timeout) {
    pollfd waited{fd_.get(), POLLIN, 0};
    return poll(&waited, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0 &&
           (waited.revents & POLLIN) != 0;
  }

  linux_sys::OwnedFd fd_;
};

inline v1::SessionRequest Ping() {
  v1::SessionRequest request;
  request.mutable_ping();
  return request;
}
inline v1::SessionRequest Put() {
  v1::SessionRequest request;
  request.mutable_put_descriptor();
  return request;
}

}  // namespace qsplit::ingress::testing

#endif  // QSPLIT_TESTS_UNIT_INGRESS_RAW_CLIENT_H_
