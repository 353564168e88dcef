#include "daemon/backend/af_xdp/steering_program.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include <cerrno>

#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"

namespace qsplit::af_xdp {

absl::StatusOr<std::unique_ptr<SteeringProgram>> SteeringProgram::Attach(const std::string& netns,
                                                                         uint32_t ifindex,
                                                                         bool native,
                                                                         uint32_t queues) {
  auto p = std::make_unique<SteeringProgram>();
  absl::Status status = linux_sys::RunInNetns(netns, [&]() -> absl::Status {
    p->map_ = linux_sys::OwnedFd(bpf_map_create(BPF_MAP_TYPE_XSKMAP, "qs", 4, 4, queues, nullptr));
    if (!p->map_.valid()) return linux_sys::ErrnoStatus(errno, "map");
    const bpf_insn insns[] = {
        // r2 = ctx->rx_queue_index
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16, .imm = 0},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .off = 0, .imm = p->map_.get()},
        {.code = 0, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .src_reg = 0, .off = 0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    p->program_ = linux_sys::OwnedFd(bpf_prog_load(BPF_PROG_TYPE_XDP, "qs", "GPL", insns, 6, nullptr));
    if (!p->program_.valid()) return linux_sys::ErrnoStatus(errno, "prog");
    bpf_link_create_opts opts{};
    opts.sz = sizeof opts;
    opts.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    p->link_ = linux_sys::OwnedFd(bpf_link_create(p->program_.get(), static_cast<int>(ifindex), BPF_XDP, &opts));
    if (!p->link_.valid()) return linux_sys::ErrnoStatus(errno, "link");
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return p;
}
absl::Status SteeringProgram::GiveQueue(uint32_t queue, device::LeaseId, int socket) {
  if (bpf_map_update_elem(map_.get(), &queue, &socket, 0) != 0) return linux_sys::ErrnoStatus(errno, "update");
  return absl::OkStatus();
}
absl::Status SteeringProgram::TakeQueue(uint32_t queue) {
  if (bpf_map_delete_elem(map_.get(), &queue) != 0) return linux_sys::ErrnoStatus(errno, "delete");
  return absl::OkStatus();
}
absl::Status SteeringProgram::AddRule(const device::FlowRule&) { return absl::OkStatus(); }
absl::Status SteeringProgram::RemoveRule(uint32_t) { return absl::OkStatus(); }
}  // namespace qsplit::af_xdp
