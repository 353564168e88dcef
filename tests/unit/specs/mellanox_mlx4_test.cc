// rdma-core's mlx4dv.h, as the compiler sees it; what it lacks from DPDK's mlx4_prm.h and Linux's
// include/linux/mlx4/cq.h and qp.h.
#include <gtest/gtest.h>
#include <infiniband/mlx4dv.h>

#include <cstddef>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// Offsets of the structures; masks of MLX4_CQE_*, MLX4_WQE_CTRL_*.
using Cqe = mlx4_cqe;
using Ctrl = mlx4_wqe_ctrl_seg;
using Data = mlx4_wqe_data_seg;
using Error = mlx4_err_cqe;
static_assert(sizeof(Cqe) == 32 && sizeof(Error) == 32 && sizeof(Ctrl) == 16 && sizeof(Data) == 16);

constexpr Fact kFacts[] = {
    {"DataSegment", "inline", offsetof(Data, byte_count), MLX4_INLINE_SEG, Word::kBig32},
    {"DataSegment", "byte_count", offsetof(Data, byte_count), 0x7fffffff, Word::kBig32},
    {"DataSegment", "lkey", offsetof(Data, lkey), 0xffffffff, Word::kBig32},
    {"DataSegment", "address", offsetof(Data, addr), ~0ull, Word::kBig64},

    {"CqeError", "queue_number", offsetof(Error, vlan_my_qpn), MLX4_CQE_QPN_MASK, Word::kBig32},
    {"CqeError", "wqe_index", offsetof(Error, wqe_index), 0xffff, Word::kBig16},
    {"CqeError", "vendor_error", offsetof(Error, vendor_err), 0xff},
    {"CqeError", "syndrome", offsetof(Error, syndrome), 0xff},
    {"CqeError", "owner", offsetof(Error, owner_sr_opcode), MLX4_CQE_OWNER_MASK},
    {"CqeError", "is_send", offsetof(Error, owner_sr_opcode), MLX4_CQE_IS_SEND_MASK},
    {"CqeError", "opcode", offsetof(Error, owner_sr_opcode), MLX4_CQE_OPCODE_MASK},

    {"RxCqe", "queue_number", offsetof(Cqe, vlan_my_qpn), MLX4_CQE_QPN_MASK, Word::kBig32},
    {"RxCqe", "tunnel_ip4", offsetof(Cqe, vlan_my_qpn), 1u << 25, Word::kBig32},  // L2_TUNNEL_IPV4
    {"RxCqe", "tunnel_l4_ok", offsetof(Cqe, vlan_my_qpn), 1u << 26, Word::kBig32},
    {"RxCqe", "tunnel", offsetof(Cqe, vlan_my_qpn), 1u << 27, Word::kBig32},  // L2_TUNNEL
    {"RxCqe", "vlan_present", offsetof(Cqe, vlan_my_qpn), MLX4_CQE_VLAN_PRESENT_MASK, Word::kBig32},
    {"RxCqe", "tunnel_l3_ok", offsetof(Cqe, vlan_my_qpn), 1u << 31, Word::kBig32},
    {"RxCqe", "hash", offsetof(Cqe, immed_rss_invalid), 0xffffffff, Word::kBig32},
    {"RxCqe", "vlan_tag", offsetof(Cqe, sl_vid), 0xffff, Word::kBig16},
    {"RxCqe", "timestamp", offsetof(Cqe, ts_47_16), 0xffffffff, Word::kBig32, 16},
    {"RxCqe", "timestamp", offsetof(Cqe, ts_15_8), 0xff, Word::kLittle, 8},
    {"RxCqe", "timestamp", offsetof(Cqe, ts_7_0), 0xff},
    {"RxCqe", "l4_ok", offsetof(Cqe, status), MLX4_CQE_STATUS_TCP_UDP_CSUM_OK, Word::kBig32},
    {"RxCqe", "bad_fcs", offsetof(Cqe, status), 1u << 4, Word::kBig32},  // Linux MLX4_CQE_BAD_FCS
    {"RxCqe", "ip6_fragment", offsetof(Cqe, status), 1u << 12, Word::kBig32},  // STATUS_IPV6F
    {"RxCqe", "ip4", offsetof(Cqe, status), MLX4_CQE_STATUS_IPV4_PKT, Word::kBig32},
    {"RxCqe", "ip4_fragment", offsetof(Cqe, status), 1u << 23, Word::kBig32},  // STATUS_IPV4F
    {"RxCqe", "ip6", offsetof(Cqe, status), 1u << 24, Word::kBig32},           // STATUS_IPV6
    {"RxCqe", "ip4_options", offsetof(Cqe, status), 1u << 25, Word::kBig32},   // STATUS_IPV4OPT
    {"RxCqe", "tcp", offsetof(Cqe, status), 1u << 26, Word::kBig32},           // STATUS_TCP
    {"RxCqe", "udp", offsetof(Cqe, status), 1u << 27, Word::kBig32},           // STATUS_UDP
    {"RxCqe", "l3_ok", offsetof(Cqe, status), MLX4_CQE_STATUS_IP_HDR_CSUM_OK, Word::kBig32},
    {"RxCqe", "byte_count", offsetof(Cqe, byte_cnt), 0xffffffff, Word::kBig32},
    {"RxCqe", "wqe_index", offsetof(Cqe, wqe_index), 0xffff, Word::kBig16},
    {"RxCqe", "checksum", offsetof(Cqe, checksum), 0xffff, Word::kBig16},
    {"RxCqe", "owner", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_OWNER_MASK},
    {"RxCqe", "is_send", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_IS_SEND_MASK},
    {"RxCqe", "opcode", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_OPCODE_MASK},
    {"RxCqe", "service_vlan", offsetof(Cqe, vlan_my_qpn), 1u << 30,
     Word::kBig32},  // Linux MLX4_CQE_SVLAN_PRESENT_MASK
    {"RxCqe", "g_mlpath_rqpn", offsetof(Cqe, g_mlpath_rqpn), 0xffffffff, Word::kBig32},
    {"RxCqe", "rlid", offsetof(Cqe, rlid), 0xffff, Word::kBig16},

    {"SendWqe", "owner", offsetof(Ctrl, owner_opcode), 1u << 31, Word::kBig32},  // SQ_OWNER_BIT
    {"SendWqe", "inner_l3_checksum", offsetof(Ctrl, owner_opcode), 1u << 28, Word::kBig32},
    {"SendWqe", "inner_l4_checksum", offsetof(Ctrl, owner_opcode), 1u << 27, Word::kBig32},
    {"SendWqe", "opcode", offsetof(Ctrl, owner_opcode), MLX4_CQE_OPCODE_MASK, Word::kBig32},
    {"SendWqe", "vlan_tag", offsetof(Ctrl, reserved), 0xffff, Word::kBig16},    // Linux vlan_tag
    {"SendWqe", "insert_vlan", offsetof(Ctrl, reserved) + 2, 1u << 6},          // INS_CVLAN
    {"SendWqe", "insert_service_vlan", offsetof(Ctrl, reserved) + 2, 1u << 7},  // INS_SVLAN
    {"SendWqe", "size", offsetof(Ctrl, fence_size), 0x3f},
    {"SendWqe", "destination_mac_high", offsetof(Ctrl, srcrb_flags16), 0xffff, Word::kBig16},
    {"SendWqe", "strong_order", offsetof(Ctrl, srcrb_flags), MLX4_WQE_CTRL_STRONG_ORDER,
     Word::kBig32},
    {"SendWqe", "l4_checksum", offsetof(Ctrl, srcrb_flags), MLX4_WQE_CTRL_TCP_UDP_CSUM,
     Word::kBig32},
    {"SendWqe", "l3_checksum", offsetof(Ctrl, srcrb_flags), MLX4_WQE_CTRL_IP_HDR_CSUM,
     Word::kBig32},
    {"SendWqe", "cq_update", offsetof(Ctrl, srcrb_flags), MLX4_WQE_CTRL_CQ_UPDATE, Word::kBig32},
    {"SendWqe", "solicited", offsetof(Ctrl, srcrb_flags), MLX4_WQE_CTRL_SOLICIT, Word::kBig32},
    {"SendWqe", "destination_mac_low", offsetof(Ctrl, imm), 0xffffffff, Word::kBig32},
    {"SendWqe", "no_event", offsetof(Ctrl, owner_opcode), 1u << 29,
     Word::kBig32},  // Linux MLX4_WQE_CTRL_NEC
    {"SendWqe", "round_robin", offsetof(Ctrl, owner_opcode), 1u << 6,
     Word::kBig32},  // MLX4_WQE_CTRL_RR
    {"SendWqe", "fence", offsetof(Ctrl, fence_size), MLX4_WQE_CTRL_FENCE},
    {"SendWqe", "force_loopback", offsetof(Ctrl, srcrb_flags), 1u << 0,
     Word::kBig32},  // Linux MLX4_WQE_CTRL_FORCE_LOOPBACK

    {"TxCqe", "queue_number", offsetof(Cqe, vlan_my_qpn), MLX4_CQE_QPN_MASK, Word::kBig32},
    {"TxCqe", "timestamp", offsetof(Cqe, ts_47_16), 0xffffffff, Word::kBig32, 16},
    {"TxCqe", "timestamp", offsetof(Cqe, ts_15_8), 0xff, Word::kLittle, 8},
    {"TxCqe", "timestamp", offsetof(Cqe, ts_7_0), 0xff},
    {"TxCqe", "wqe_index", offsetof(Cqe, wqe_index), 0xffff, Word::kBig16},
    {"TxCqe", "owner", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_OWNER_MASK},
    {"TxCqe", "is_send", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_IS_SEND_MASK},
    {"TxCqe", "opcode", offsetof(Cqe, owner_sr_opcode), MLX4_CQE_OPCODE_MASK},
    {"TxCqe", "byte_count", offsetof(Cqe, byte_cnt), 0xffffffff, Word::kBig32},
    {"SegmentHead", "mss", offsetof(mlx4_wqe_lso_seg, mss_hdr_size), 0xffff0000, Word::kBig32},
    {"SegmentHead", "header_length", offsetof(mlx4_wqe_lso_seg, mss_hdr_size), 0x3ff, Word::kBig32},
};

TEST(SpecFacts, MellanoxMlx4) { CheckFacts("mellanox.mlx4", kFacts); }

}  // namespace
}  // namespace qsplit::testing
