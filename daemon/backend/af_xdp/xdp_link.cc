#include "daemon/backend/af_xdp/xdp_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "daemon/linux/errno_status.h"

namespace qsplit::af_xdp {
namespace {

using linux_sys::OwnedFd;

// As steering.bpf.c has it.
constexpr std::string_view kOurProgram = "qsplit_steering";

// What the kernel tells of a program that is on an interface. Its objects are found by number with
// CAP_SYS_ADMIN only.
struct Identity {
  std::string name;     // empty: it has none
  uint32_t link = 0;    // 0: none holds it, it was put there by netlink
  bool secret = false;  // the kernel did not say, for want of CAP_SYS_ADMIN
};

std::optional<bpf_link_info> LinkInfo(int fd) {
  bpf_link_info info{};
  __u32 bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0) return std::nullopt;
  return info;
}

Identity IdentityOf(uint32_t program, uint32_t interface) {
  Identity identity;
  const OwnedFd fd(bpf_prog_get_fd_by_id(program));
  if (!fd.valid()) {
    identity.secret = errno == EPERM;
    return identity;
  }
  bpf_prog_info info{};
  __u32 bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) == 0) identity.name = info.name;
  for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
    const OwnedFd link_fd(bpf_link_get_fd_by_id(id));
    const auto link = LinkInfo(link_fd.get());
    if (link && link->type == BPF_LINK_TYPE_XDP && link->prog_id == program &&
        link->xdp.ifindex == interface) {
      identity.link = id;
    }
  }
  return identity;
}

std::string WordsOf(const Identity& identity) {
  if (identity.secret) return "whose name only a process with CAP_SYS_ADMIN is told";
  return identity.name.empty() ? "without a name" : fmt::format("'{}'", identity.name);
}

std::string RemedyFor(const Identity& identity, std::string_view netdev, std::string_view off) {
  const std::string by_netlink = fmt::format("`ip link set dev {} {} off`", netdev, off);
  if (identity.secret) {
    return fmt::format(
        "take it off first: {}, or if a link holds it, end its program or `bpftool link detach` "
        "(`bpftool link list` shows which)",
        by_netlink);
  }
  if (identity.link == 0) return fmt::format("take it off first: {}", by_netlink);
  if (identity.name == kOurProgram) return "a qsplitd that runs has the netdev; end that one first";
  return fmt::format("end the program that holds its link, or `bpftool link detach id {}`",
                     identity.link);
}

struct Mode {
  XdpMode mode;
  uint32_t flag;
};
constexpr Mode kModes[] = {{XdpMode::kNative, XDP_FLAGS_DRV_MODE},
                           {XdpMode::kGeneric, XDP_FLAGS_SKB_MODE}};

std::string WhyNotNative(int error, std::string_view netdev) {
  if (error == EOPNOTSUPP) return fmt::format("the driver of {} has no native XDP", netdev);
  return fmt::format(
      "the driver of {} refused native XDP: {}; an MTU that is too large and receive offloads such "
      "as LRO are usual reasons, and the kernel's log may say more",
      netdev, std::strerror(error));
}

}  // namespace

std::string_view NameOf(XdpMode mode) { return mode == XdpMode::kNative ? "native" : "generic"; }

absl::Status CheckNoProgram(uint32_t interface, std::string_view netdev) {
  bpf_xdp_query_opts there{};
  there.sz = sizeof there;
  if (const int error = bpf_xdp_query(static_cast<int>(interface), 0, &there); error != 0) {
    return linux_sys::ErrnoStatus(-error, "look for an XDP program on", netdev);
  }
  struct Found {
    uint32_t program;
    std::string_view mode;
    std::string_view off;
  };
  for (const Found& found : {Found{there.drv_prog_id, "native", "xdpdrv"},
                             Found{there.skb_prog_id, "generic", "xdpgeneric"},
                             Found{there.hw_prog_id, "offloaded", "xdpoffload"}}) {
    if (found.program == 0) continue;
    const Identity identity = IdentityOf(found.program, interface);
    return absl::FailedPreconditionError(fmt::format(
        "{} runs XDP program {} (id {}, {} mode) already, which is left alone; {}", netdev,
        WordsOf(identity), found.program, found.mode, RemedyFor(identity, netdev, found.off)));
  }
  return absl::OkStatus();
}

bool MayBeOurs(uint32_t interface) {
  bpf_xdp_query_opts there{};
  there.sz = sizeof there;
  if (bpf_xdp_query(static_cast<int>(interface), 0, &there) != 0) return false;
  for (const uint32_t program : {there.drv_prog_id, there.skb_prog_id, there.hw_prog_id}) {
    if (program == 0) continue;
    const Identity identity = IdentityOf(program, interface);
    if (identity.secret || (identity.link != 0 && identity.name == kOurProgram)) return true;
  }
  return false;
}

XdpLink::XdpLink(OwnedFd fd, XdpMode mode, std::string native_failure)
    : fd_(std::move(fd)), mode_(mode), native_failure_(std::move(native_failure)) {
  if (const auto info = LinkInfo(fd_.get())) id_ = info->id;
}

absl::StatusOr<XdpLink> XdpLink::Attach(int program_fd, uint32_t interface, std::string_view netdev,
                                        std::optional<XdpMode> only) {
  if (absl::Status status = CheckNoProgram(interface, netdev); !status.ok()) return status;
  std::string native_failure;
  int error = 0;
  for (const Mode& mode : kModes) {
    if (only && *only != mode.mode) continue;
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = mode.flag;
    OwnedFd fd(bpf_link_create(program_fd, static_cast<int>(interface), BPF_XDP, &options));
    if (fd.valid()) return XdpLink(std::move(fd), mode.mode, std::move(native_failure));
    error = errno;
    if (error == EBUSY || error == EEXIST) {
      // Somebody was quicker since the look above.
      if (absl::Status status = CheckNoProgram(interface, netdev); !status.ok()) return status;
    }
    if (error == EPERM || error == ENODEV) break;
    if (mode.mode == XdpMode::kNative) native_failure = WhyNotNative(error, netdev);
  }
  if (only && !native_failure.empty()) return absl::UnimplementedError(native_failure);
  return linux_sys::ErrnoStatus(error, "attach the XDP program to", netdev);
}

uint32_t XdpLink::ProgramId() const {
  const auto info = LinkInfo(fd_.get());
  return info && info->xdp.ifindex != 0 ? info->prog_id : 0;
}

absl::Status XdpLink::Replace(int program_fd) {
  if (bpf_link_update(fd_.get(), program_fd, nullptr) == 0) return absl::OkStatus();
  return linux_sys::ErrnoStatus(errno, "replace the XDP program by one made for its rules");
}

}  // namespace qsplit::af_xdp
