// A kernel tap interface of this process's making: an ordinary netdev whose wire is a file
// descriptor. It is gone when the Tap is.
//
// Frames that the kernel sends out of the interface are read here; frames written here arrive at
// the kernel's stack. Both are bytes from outside: nothing about them is checked.
// Receive and Send: one thread. The rest: any thread, one call at a time; they do not wait for
// Receive and Send.
#ifndef QSPLIT_DAEMON_LINUX_TAP_H_
#define QSPLIT_DAEMON_LINUX_TAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

struct TapOptions {
  std::string name;   // 1..15 bytes, no slash, no space
  std::string netns;  // as RunInNetns
  std::optional<std::array<uint8_t, 6>> mac;
  uint32_t mtu_bytes = 1500;
};

class Tap {
 public:
  // Makes it and sets it up. ALREADY_EXISTS: the namespace has an interface of this name.
  // PERMISSION_DENIED: needs CAP_NET_ADMIN.
  static absl::StatusOr<Tap> Create(const TapOptions& options);

  // For epoll.
  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }

  // The next frame that the kernel sent, at most buffer.size() bytes of it, without waiting;
  // 0: none. Longer frames are cut: give 65536 + 18 bytes.
  size_t Receive(std::span<uint8_t> buffer);
  // Hands a frame to the kernel, without waiting. False: the interface is down, or no memory.
  bool Send(std::span<const uint8_t> frame);

  absl::Status SetMtu(uint32_t mtu_bytes);
  // Carrier as the kernel sees it.
  absl::Status SetCarrier(bool on);
  // Whether an administrator has it up. False as well when it is gone.
  bool IsUp() const;

 private:
  Tap() = default;

  OwnedFd fd_;
  OwnedFd control_;  // a socket in the tap's namespace
  std::string name_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_TAP_H_
