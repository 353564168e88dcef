// rdma-core's mlx5dv.h, as the compiler sees it; what it lacks from DPDK's mlx5_prm.h and Linux's
// include/linux/mlx5/device.h.
#include <gtest/gtest.h>
#include <infiniband/mlx5dv.h>

#include <cstddef>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// Offsets of the structures; masks of MLX5_CQE_*, MLX5_WQE_CTRL_*, MLX5_ETH_WQE_*.
using Cqe = mlx5_cqe64;
using Ctrl = mlx5_wqe_ctrl_seg;
using Data = mlx5_wqe_data_seg;
using Error = mlx5_err_cqe;
constexpr uint32_t kEth = sizeof(Ctrl);  // where the Ethernet segment begins
static_assert(sizeof(Cqe) == 64 && sizeof(Error) == 64 && sizeof(Ctrl) == 16 && sizeof(Data) == 16);

constexpr Fact kFacts[] = {
    {"DataSegment", "inline", offsetof(Data, byte_count), MLX5_INLINE_SEG, Word::kBig32},
    {"DataSegment", "byte_count", offsetof(Data, byte_count), 0x7fffffff, Word::kBig32},
    {"DataSegment", "lkey", offsetof(Data, lkey), 0xffffffff, Word::kBig32},
    {"DataSegment", "address", offsetof(Data, addr), ~0ull, Word::kBig64},

    {"CqeError", "srqn", offsetof(Error, srqn), 0xffffffff, Word::kBig32},
    {"CqeError", "vendor_syndrome", offsetof(Error, vendor_err_synd), 0xff},
    {"CqeError", "syndrome", offsetof(Error, syndrome), 0xff},
    {"CqeError", "wqe_opcode", offsetof(Error, s_wqe_opcode_qpn), 0xff000000, Word::kBig32},
    {"CqeError", "queue_number", offsetof(Error, s_wqe_opcode_qpn), 0x00ffffff, Word::kBig32},
    {"CqeError", "wqe_counter", offsetof(Error, wqe_counter), 0xffff, Word::kBig16},
    {"CqeError", "opcode", offsetof(Error, op_own), 0xf0},
    {"CqeError", "owner", offsetof(Error, op_own), MLX5_CQE_OWNER_MASK},
    {"CqeError", "signature", offsetof(Error, signature), 0xff},
    {"CqeError", "format", offsetof(Error, op_own), 0x3 << 2},
    {"CqeError", "solicited", offsetof(Error, op_own), 1u << 1},

    {"RxCqe", "tunnel", 0, 1u << 0},     // MLX5_CQE_RX_TUNNEL_PACKET of pkt_info
    {"RxCqe", "outer_ip6", 0, 1u << 1},  // MLX5_CQE_RX_OUTER_PACKET of pkt_info
    {"RxCqe", "wqe_id", offsetof(Cqe, wqe_id), 0xffff, Word::kBig16},
    {"RxCqe", "lro_push", 4, 0x40},  // MLX5_CQE_LRO_PUSH_MASK of lro_tcppsh_abort_dupack
    {"RxCqe", "hash", 12, 0xffffffff, Word::kBig32},         // rx_hash_res
    {"RxCqe", "hash_type", 16, 0x3 << 2},                    // CQE_RSS_HTYPE_IP
    {"RxCqe", "hash_type", 16, 0x3 << 6, Word::kLittle, 2},  // CQE_RSS_HTYPE_L4
    {"RxCqe", "ml_path", offsetof(Cqe, ml_path), 0xff},
    {"RxCqe", "checksum", 20, 0xffff, Word::kBig16},  // csum
    {"RxCqe", "slid", offsetof(Cqe, slid), 0xffff, Word::kBig16},
    {"RxCqe", "flags_rqpn", offsetof(Cqe, flags_rqpn), 0xffffffff, Word::kBig32},
    {"RxCqe", "l2_ok", offsetof(Cqe, hds_ip_ext), MLX5_CQE_L2_OK},
    {"RxCqe", "l3_ok", offsetof(Cqe, hds_ip_ext), MLX5_CQE_L3_OK},
    {"RxCqe", "l4_ok", offsetof(Cqe, hds_ip_ext), MLX5_CQE_L4_OK},
    {"RxCqe", "vlan_stripped", offsetof(Cqe, l4_hdr_type_etc), 1u << 0},  // MLX5_CQE_VLAN_STRIPPED
    {"RxCqe", "ip_options", offsetof(Cqe, l4_hdr_type_etc), 1u << 1},     // RX_IP_EXT_OPTS_PACKET
    {"RxCqe", "l3", offsetof(Cqe, l4_hdr_type_etc), 0x3 << 2},  // RX_IPV6_PACKET, RX_IPV4_PACKET
    {"RxCqe", "l4", offsetof(Cqe, l4_hdr_type_etc), 0x70},      // MLX5_CQE_L4_TYPE_MASK
    {"RxCqe", "fragment", offsetof(Cqe, l4_hdr_type_etc), 1u << 7},  // MLX5_CQE_RX_IP_FRAG_PACKET
    {"RxCqe", "vlan_info", offsetof(Cqe, vlan_info), 0xffff, Word::kBig16},
    {"RxCqe", "lro_segments", offsetof(Cqe, srqn_uidx), 0xff000000, Word::kBig32},
    {"RxCqe", "user_index", offsetof(Cqe, srqn_uidx), 0x00ffffff, Word::kBig32},
    {"RxCqe", "metadata", offsetof(Cqe, imm_inval_pkey), 0xffffffff, Word::kBig32},
    {"RxCqe", "byte_count", offsetof(Cqe, byte_cnt), 0xffffffff, Word::kBig32},
    {"RxCqe", "timestamp", offsetof(Cqe, timestamp), ~0ull, Word::kBig64},
    {"RxCqe", "start_of_packet", offsetof(Cqe, sop_drop_qpn), 0xff000000, Word::kBig32},
    {"RxCqe", "flow_tag", offsetof(Cqe, sop_drop_qpn), 0x00ffffff, Word::kBig32},
    {"RxCqe", "wqe_counter", offsetof(Cqe, wqe_counter), 0xffff, Word::kBig16},
    {"RxCqe", "signature", offsetof(Cqe, signature), 0xff},
    {"RxCqe", "opcode", offsetof(Cqe, op_own), 0xf0},        // mlx5dv_get_cqe_opcode
    {"RxCqe", "format", offsetof(Cqe, op_own), 0x3 << 2},    // mlx5dv_get_cqe_format
    {"RxCqe", "solicited", offsetof(Cqe, op_own), 1u << 1},  // mlx5dv_get_cqe_se
    {"RxCqe", "owner", offsetof(Cqe, op_own), MLX5_CQE_OWNER_MASK},
    {"RxCqe", "tls", 0, 0x3 << 3},        // Linux get_cqe_tls_offload
    {"RxCqe", "lro_abort", 4, 0x3 << 4},  // beside MLX5_CQE_LRO_PUSH_MASK
    {"RxCqe", "lro_duplicate_acks", 4, 0x0f},
    {"RxCqe", "lro_min_ttl", 5, 0xff},
    {"RxCqe", "lro_window", 6, 0xffff, Word::kBig16},       // lro_tcp_win
    {"RxCqe", "lro_ack", 8, 0xffffffff, Word::kBig32},      // lro_ack_seq_num
    {"RxCqe", "flow_continues", 4, 1u << 1},                // Linux shampo.match
    {"RxCqe", "flow_ends", 4, 1u << 2},                     // Linux shampo.flush
    {"RxCqe", "header_size", 5, 0xff},                      // Linux shampo.header_size
    {"RxCqe", "header_entry", 6, 0xffff, Word::kBig16},     // Linux shampo.header_entry_index
    {"RxCqe", "data_offset", 8, 0xffffffff, Word::kBig32},  // Linux shampo.data_offset

    {"MiniCqe", "hash", 0, 0xffffffff, Word::kBig32},        // rx_hash_result
    {"MiniCqe", "byte_count", 4, 0xffffffff, Word::kBig32},  // byte_cnt
    {"MiniCqe", "checksum", 0, 0xffff, Word::kBig16},
    {"MiniCqe", "stride", 2, 0xffff, Word::kBig16},  // stride_idx

    {"SendWqe", "opmod", offsetof(Ctrl, opmod_idx_opcode), 0xff000000, Word::kBig32},
    {"SendWqe", "wqe_index", offsetof(Ctrl, opmod_idx_opcode), 0x00ffff00, Word::kBig32},
    {"SendWqe", "opcode", offsetof(Ctrl, opmod_idx_opcode), 0xff, Word::kBig32},
    {"SendWqe", "queue_number", offsetof(Ctrl, qpn_ds), 0xffffff00, Word::kBig32},
    {"SendWqe", "ds", offsetof(Ctrl, qpn_ds), 0x3f, Word::kBig32},
    {"SendWqe", "signature", offsetof(Ctrl, signature), 0xff},
    {"SendWqe", "fence", offsetof(Ctrl, fm_ce_se), 0x7 << 5},
    {"SendWqe", "report", offsetof(Ctrl, fm_ce_se), MLX5_WQE_CTRL_CQ_UPDATE},
    {"SendWqe", "solicited", offsetof(Ctrl, fm_ce_se), MLX5_WQE_CTRL_SOLICITED},
    {"SendWqe", "tis", offsetof(Ctrl, imm), 0xffffffff, Word::kBig32},
    {"SendWqe", "l3_checksum", kEth + offsetof(mlx5_wqe_eth_seg, cs_flags), MLX5_ETH_WQE_L3_CSUM},
    {"SendWqe", "l4_checksum", kEth + offsetof(mlx5_wqe_eth_seg, cs_flags), MLX5_ETH_WQE_L4_CSUM},
    {"SendWqe", "inner_l3_checksum", kEth + offsetof(mlx5_wqe_eth_seg, cs_flags), 1u << 4},
    {"SendWqe", "inner_l4_checksum", kEth + offsetof(mlx5_wqe_eth_seg, cs_flags), 1u << 5},
    {"SendWqe", "mss", kEth + offsetof(mlx5_wqe_eth_seg, mss), 0xffff, Word::kBig16},
    {"SendWqe", "insert_vlan", kEth + 12, 1u << 15, Word::kBig16},  // Linux ETH_WQE_INSERT_VLAN
    {"SendWqe", "inline_bytes", kEth + offsetof(mlx5_wqe_eth_seg, inline_hdr_sz), 0x3ff,
     Word::kBig16},
    {"SendWqe", "vlan_tag", kEth + offsetof(mlx5_wqe_eth_seg, inline_hdr_start), 0xffff,
     Word::kBig16},
    {"SendWqe", "dci_stream", 9, 0xffff, Word::kBig16},  // dci_stream_channel_id
    {"SendWqe", "report_event", offsetof(Ctrl, fm_ce_se),
     1u << 2},                                    // of Linux MLX5_WQE_CTRL_CQ_UPDATE_AND_EQE
    {"SendWqe", "swp_outer_l4", kEth + 0, 0xff},  // Linux swp_outer_l4_offset
    {"SendWqe", "swp_outer_l3", kEth + 1, 0xff},
    {"SendWqe", "swp_inner_l4", kEth + 2, 0xff},
    {"SendWqe", "swp_inner_l3", kEth + 3, 0xff},
    {"SendWqe", "service_vlan", kEth + offsetof(mlx5_wqe_eth_seg, cs_flags),
     1u << 0},                                        // Linux MLX5_ETH_WQE_SVLAN
    {"SendWqe", "swp_inner_ip6", kEth + 5, 1u << 0},  // Linux MLX5_ETH_WQE_SWP_INNER_L3_IPV6
    {"SendWqe", "swp_inner_udp", kEth + 5, 1u << 1},
    {"SendWqe", "swp_outer_ip6", kEth + 5, 1u << 4},
    {"SendWqe", "swp_outer_udp", kEth + 5, 1u << 5},
    {"SendWqe", "metadata", kEth + 8, 0xffffffff, Word::kBig32},  // Linux flow_table_metadata
    {"SendWqe", "trailer_header", kEth + 12, 0x7u << 26, Word::kBig32},
    {"SendWqe", "insert_trailer", kEth + 12, 1u << 30,
     Word::kBig32},  // Linux MLX5_ETH_WQE_INSERT_TRAILER

    {"TxCqe", "timestamp", offsetof(Cqe, timestamp), ~0ull, Word::kBig64},
    {"TxCqe", "queue_number", offsetof(Cqe, sop_drop_qpn), 0x00ffffff, Word::kBig32},
    {"TxCqe", "wqe_counter", offsetof(Cqe, wqe_counter), 0xffff, Word::kBig16},
    {"TxCqe", "opcode", offsetof(Cqe, op_own), 0xf0},
    {"TxCqe", "owner", offsetof(Cqe, op_own), MLX5_CQE_OWNER_MASK},
    {"TxCqe", "byte_count", offsetof(Cqe, byte_cnt), 0xffffffff, Word::kBig32},
    {"TxCqe", "wqe_opcode", offsetof(Cqe, sop_drop_qpn), 0xff000000, Word::kBig32},
    {"TxCqe", "signature", offsetof(Cqe, signature), 0xff},
    {"TxCqe", "format", offsetof(Cqe, op_own), 0x3 << 2},
    {"TxCqe", "solicited", offsetof(Cqe, op_own), 1u << 1},
};

TEST(SpecFacts, MellanoxMlx5) { CheckFacts("mellanox.mlx5", kFacts); }

}  // namespace
}  // namespace qsplit::testing
