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

std::string ProgramName(uint32_t id) {
  const OwnedFd fd(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  __u32 bytes = sizeof info;
  if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0 || info.name[0] == 0) {
    return "without a name";
  }
  return fmt::format("'{}'", info.name);
}

std::optional<bpf_link_info> LinkInfo(int fd) {
  bpf_link_info info{};
  __u32 bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0) return std::nullopt;
  return info;
}

// The link by which the program is on the interface; 0: none, it was put there by netlink.
uint32_t LinkOf(uint32_t program, uint32_t interface) {
  for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
    const OwnedFd fd(bpf_link_get_fd_by_id(id));
    const auto info = LinkInfo(fd.get());
    if (info && info->type == BPF_LINK_TYPE_XDP && info->prog_id == program &&
        info->xdp.ifindex == interface) {
      return id;
    }
  }
  return 0;
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
    const uint32_t link = LinkOf(found.program, interface);
    return absl::FailedPreconditionError(fmt::format(
        "{} runs XDP program {} (id {}, {} mode) already, which is left alone; {}", netdev,
        ProgramName(found.program), found.program, found.mode,
        link == 0
            ? fmt::format("take it off first: `ip link set dev {} {} off`", netdev, found.off)
            : fmt::format("end the program that holds its link, or `bpftool link detach id {}`",
                          link)));
  }
  return absl::OkStatus();
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

bool XdpLink::Attached() const {
  const auto info = LinkInfo(fd_.get());
  return info && info->xdp.ifindex != 0;
}

}  // namespace qsplit::af_xdp
