// DPDK drivers/net/cxgbe/base/t4_msg.h, t4_hw.h, t4fw_interface.h; for err_vec also FreeBSD's
// t4_msg.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// S_*, M_* and F_* of the big-endian members, and the offsets of the header's structures.
constexpr Fact kFacts[] = {
    {"FreeBuffer", "address", 0, 0xfffffffffffffff0, Word::kBig64},
    {"FreeBuffer", "size_index", 0, 0x0f, Word::kBig64},  // RX_BUF_SIZE
    // struct rss_header
    {"RxPacket", "rss_opcode", 0, 0xff},
    {"RxPacket", "channel", 1, 0x03},
    {"RxPacket", "filter_hit", 1, 0x04},
    {"RxPacket", "filter_tid", 1, 0x08},
    {"RxPacket", "hash_type", 1, 0x30},
    {"RxPacket", "hash_type", 1, 0x40, Word::kLittle, 2},  // ipv6
    {"RxPacket", "to_firmware", 1, 0x80},
    {"RxPacket", "queue_id", 2, 0xffff, Word::kBig16},
    {"RxPacket", "hash", 4, 0xffffffff, Word::kBig32},
    {"RxPacket", "filter", 4, 0xffffffff, Word::kBig32},
    // struct cpl_rx_pkt
    {"RxPacket", "opcode", 8, 0xff},
    {"RxPacket", "interface", 9, 0x0f},
    {"RxPacket", "checked", 9, 0x10},
    {"RxPacket", "management", 9, 0x20},
    {"RxPacket", "vlan_stripped", 9, 0x40},
    {"RxPacket", "fragment", 9, 0x80},
    {"RxPacket", "checksum", 10, 0xffff, Word::kBig16},
    {"RxPacket", "vlan_tag", 12, 0xffff, Word::kBig16},
    {"RxPacket", "length", 14, 0xffff, Word::kBig16},
    {"RxPacket", "udp", 16, 1u << 22, Word::kBig32},       // RXF_UDP
    {"RxPacket", "tcp", 16, 1u << 23, Word::kBig32},       // RXF_TCP
    {"RxPacket", "ip4", 16, 1u << 24, Word::kBig32},       // RXF_IP
    {"RxPacket", "ip6", 16, 1u << 25, Word::kBig32},       // RXF_IP6
    {"RxPacket", "mac_error", 22, 1u << 1, Word::kBig16},  // RXERR_MAC
    {"RxPacket", "too_short", 22, 1u << 8, Word::kBig16},  // RXERR_PKT_LEN
    {"RxPacket", "l3_bad", 22, 1u << 12, Word::kBig16},    // RXERR_IPCSUM
    {"RxPacket", "l4_bad", 22, 1u << 13, Word::kBig16},    // RXERR_CSUM
    // struct rsp_ctrl, in the last 16 bytes
    {"RxPacket", "header_buffer", 48, 0xffffffff, Word::kBig32},
    {"RxPacket", "new_buffer", 52, 1u << 31, Word::kBig32},          // RSPD_NEWBUF
    {"RxPacket", "payload", 52, 0x7fffffff, Word::kBig32},           // RSPD_LEN
    {"RxPacket", "gen", 56, 1u << 7},                                // RSPD_GEN
    {"RxPacket", "type", 56, 0x3 << 4},                              // RSPD_TYPE
    {"RxPacket", "port_channel", 16, 0xfu << 28, Word::kBig32},      // Linux RX_CHAN
    {"RxPacket", "merged", 16, 1u << 27, Word::kBig32},              // Linux RXF_LRO
    {"RxPacket", "fcoe", 16, 1u << 26, Word::kBig32},                // Linux RXF_FCOE
    {"RxPacket", "syn", 16, 1u << 21, Word::kBig32},                 // Linux RXF_SYN
    {"RxPacket", "psh", 16, 1u << 20, Word::kBig32},                 // Linux RXF_PSH
    {"RxPacket", "mac_index", 16, 0x1ff << 8, Word::kBig32},         // Linux RX_MACIDX
    {"RxPacket", "ethernet_length", 16, 0xff, Word::kBig32},         // Linux RX_T6_ETHHDR_LEN
    {"RxPacket", "ethernet_length_t5", 16, 0x3f, Word::kBig32},      // Linux RX_T5_ETHHDR_LEN
    {"RxPacket", "ip_length", 20, 0x3ff << 6, Word::kBig16},         // Linux RX_IPHDR_LEN
    {"RxPacket", "tcp_length", 20, 0x3f, Word::kBig16},              // Linux RX_TCPHDR_LEN
    {"RxPacket", "any_error", 22, 1u << 0, Word::kBig16},            // RXERR_OR
    {"RxPacket", "ip_version_bad", 22, 1u << 2, Word::kBig16},       // RXERR_IPVERS
    {"RxPacket", "fragment_bad", 22, 1u << 3, Word::kBig16},         // RXERR_FRAG
    {"RxPacket", "attack", 22, 1u << 4, Word::kBig16},               // RXERR_ATTACK
    {"RxPacket", "ethernet_header_bad", 22, 1u << 5, Word::kBig16},  // RXERR_ETHHDR_LEN
    {"RxPacket", "ip_header_bad", 22, 1u << 6, Word::kBig16},        // RXERR_IPHDR_LEN
    {"RxPacket", "tcp_header_bad", 22, 1u << 7, Word::kBig16},       // RXERR_TCPHDR_LEN
    {"RxPacket", "tcp_options_bad", 22, 1u << 9, Word::kBig16},      // RXERR_TCP_OPT
    {"RxPacket", "ping", 22, 1u << 14, Word::kBig16},                // RXERR_PING
    {"RxPacket", "time", 56, 0xfffffffffffffff, Word::kBig64},       // Linux SGE_TIMESTAMP
    {"Message", "gen", 56, 1u << 7},
    {"Message", "type", 56, 0x3 << 4},
    {"Message", "rss_opcode", 0, 0xff},
    {"Message", "opcode", 8, 0xff},
    {"Message", "queue_id", 52, 0x7fffffff, Word::kBig32},  // RSPD_QID
    // struct ulptx_sge_pair
    {"SgePair", "length_0", 0, 0xffffffff, Word::kBig32},
    {"SgePair", "length_1", 4, 0xffffffff, Word::kBig32},
    {"SgePair", "address_0", 8, ~0ull, Word::kBig64},
    {"SgePair", "address_1", 16, ~0ull, Word::kBig64},
    // struct fw_eth_tx_pkt_wr
    {"TxPacket", "op", 0, 0xffu << 24, Word::kBig32},      // FW_WR_OP
    {"TxPacket", "immediate", 0, 0x1ff, Word::kBig32},     // FW_ETH_TX_PKT_WR_IMMDLEN
    {"TxPacket", "to_status", 4, 1u << 30, Word::kBig32},  // FW_WR_EQUEQ
    {"TxPacket", "length_16", 4, 0xff, Word::kBig32},      // FW_WR_LEN16
    // struct cpl_tx_pkt_core
    {"TxPacket", "opcode", 16, 0xffu << 24, Word::kBig32},   // TXPKT_OPCODE
    {"TxPacket", "interface", 16, 0xf << 16, Word::kBig32},  // TXPKT_INTF
    {"TxPacket", "function", 16, 0x7 << 8, Word::kBig32},    // TXPKT_PF
    {"TxPacket", "length", 22, 0xffff, Word::kBig16},
    {"TxPacket", "no_l4_checksum", 24, 1ull << 63, Word::kBig64},      // TXPKT_L4CSUM_DIS
    {"TxPacket", "no_l3_checksum", 24, 1ull << 62, Word::kBig64},      // TXPKT_IPCSUM_DIS
    {"TxPacket", "insert_vlan", 24, 1ull << 60, Word::kBig64},         // TXPKT_VLAN_VLD
    {"TxPacket", "vlan_tag", 24, 0xffffull << 44, Word::kBig64},       // TXPKT_VLAN
    {"TxPacket", "checksum_kind", 24, 0xcull << 40, Word::kBig64},     // TXPKT_CSUM_TYPE: 8..11
    {"TxPacket", "checksum_ip6", 24, 0x2ull << 40, Word::kBig64},      // TX_CSUM_TCPIP6: 10
    {"TxPacket", "checksum_udp", 24, 0x1ull << 40, Word::kBig64},      // TX_CSUM_UDPIP: 9
    {"TxPacket", "ethernet_length", 24, 0xffull << 32, Word::kBig64},  // T6_TXPKT_ETHHDR_LEN
    {"TxPacket", "ip_length", 24, 0xfffull << 20, Word::kBig64},       // TXPKT_IPHDR_LEN, below it
    {"TxPacket", "ethernet_length_t5", 24, 0x3full << 34, Word::kBig64},  // TXPKT_ETHHDR_LEN
    {"TxPacket", "ip_length_t5", 24, 0x3fffull << 20, Word::kBig64},      // TXPKT_IPHDR_LEN
    // struct ulptx_sgl
    {"TxPacket", "command", 32, 0xffu << 24, Word::kBig32},  // ULPTX_CMD
    {"TxPacket", "more", 32, 1u << 23, Word::kBig32},        // ULP_TX_SC_MORE
    {"TxPacket", "buffers", 32, 0xffff, Word::kBig32},       // ULPTX_NSGE
    {"TxPacket", "length_0", 36, 0xffffffff, Word::kBig32},
    {"TxPacket", "address_0", 40, ~0ull, Word::kBig64},
    {"TxPacket", "to_ingress", 4, 1u << 31, Word::kBig32},   // FW_WR_EQUIQ
    {"TxPacket", "flow_id", 4, 0xfffff << 8, Word::kBig32},  // FW_WR_FLOWID
    {"TxPacket", "r3", 8, ~0ull, Word::kBig64},
    {"TxPacket", "timestamp", 16, 1u << 23, Word::kBig32},     // Linux TXPKT_TSTAMP
    {"TxPacket", "insert_outer", 16, 1u << 21, Word::kBig32},  // Linux TXPKT_INS_OVLAN
    {"TxPacket", "outer_index", 16, 0x7 << 12, Word::kBig32},  // Linux TXPKT_OVLAN_IDX, below INTF
    {"TxPacket", "vf_valid", 16, 1u << 11, Word::kBig32},      // Linux TXPKT_VF_VLD
    {"TxPacket", "virtual_function", 16, 0xff, Word::kBig32},  // Linux TXPKT_VF
    {"TxPacket", "pack", 20, 0xffff, Word::kBig16},
    {"SegmentHead", "opcode", 0, 0xffu << 24, Word::kBig32},        // LSO_OPCODE
    {"SegmentHead", "first_slice", 0, 1u << 23, Word::kBig32},      // LSO_FIRST_SLICE
    {"SegmentHead", "last_slice", 0, 1u << 22, Word::kBig32},       // LSO_LAST_SLICE
    {"SegmentHead", "ip6", 0, 1u << 20, Word::kBig32},              // LSO_IPV6
    {"SegmentHead", "ethernet_extra", 0, 0xf << 16, Word::kBig32},  // LSO_ETHHDR_LEN
    {"SegmentHead", "ip_length", 0, 0xfff << 4, Word::kBig32},      // LSO_IPHDR_LEN
    {"SegmentHead", "tcp_length", 0, 0xf, Word::kBig32},            // LSO_TCPHDR_LEN
    {"SegmentHead", "ip_id_offset", 4, 0xffff, Word::kBig16},       // ipid_ofst
    {"SegmentHead", "mss", 6, 0xffff, Word::kBig16},
    {"SegmentHead", "sequence_offset", 8, 0xffffffff, Word::kBig32},  // seqno_offset
    {"SegmentHead", "length", 12, 0xfffffff, Word::kBig32},           // LSO_T5_XFER_SIZE
};

TEST(SpecFacts, ChelsioCxgb4) { CheckFacts("chelsio.cxgb4", kFacts); }

}  // namespace
}  // namespace qsplit::testing
