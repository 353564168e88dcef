// An XDP program on a netdev, by a bpf_link: it ends with the link's last descriptor, so with the
// process that holds it, however that ends.
//
// Attaching never displaces a program that is there already: the kernel refuses a link then. No
// chaining through a dispatcher program: a dispatcher is attached without a link that dies with its
// user, and another program in the chain could take packets before ours. Functions that take an
// interface's number run in its network namespace; the class works in any. Any thread, one at a
// time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LINK_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::af_xdp {

enum class XdpMode : uint8_t {
  kNative,   // in the driver, before the kernel makes a packet of it
  kGeneric,  // behind the driver, for any netdev
};
std::string_view NameOf(XdpMode mode);  // "native", "generic"

class XdpLink {
 public:
  // Native first, then generic, or `only` one of them; `netdev` is for messages.
  // FAILED_PRECONDITION: another XDP program is there; the message names it and says how to get rid
  // of it. PERMISSION_DENIED: needs CAP_NET_ADMIN and CAP_BPF.
  static absl::StatusOr<XdpLink> Attach(int program_fd, uint32_t interface, std::string_view netdev,
                                        std::optional<XdpMode> only = std::nullopt);

  XdpMode mode() const { return mode_; }
  // Why not native, in a sentence; empty: it is.
  const std::string& native_failure() const { return native_failure_; }
  uint32_t id() const { return id_; }
  // Of the program that runs; 0: none does, for the kernel lets go when the netdev is removed, or
  // when somebody detaches the link by force.
  uint32_t ProgramId() const;

  // Another program in place of the one that runs, between two packets. Waits for the kernel's lock
  // of all netdevs.
  absl::Status Replace(int program_fd);

 private:
  XdpLink(linux_sys::OwnedFd fd, XdpMode mode, std::string native_failure);

  linux_sys::OwnedFd fd_;
  XdpMode mode_;
  std::string native_failure_;
  uint32_t id_ = 0;
};

// FAILED_PRECONDITION if an XDP program is on the interface, whoever put it there.
absl::Status CheckNoProgram(uint32_t interface, std::string_view netdev);
// The program that is there is a qsplitd's, or may be: the kernel does not say.
bool MayBeOurs(uint32_t interface);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_LINK_H_
