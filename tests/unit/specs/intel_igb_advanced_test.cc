// DPDK drivers/net/intel/e1000/base/e1000_base.h, e1000_82575.h, e1000_defines.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // union e1000_adv_rx_desc, read.
    {"RxRead", "buffer_address", 0, ~0ull},
    {"RxRead", "header_address", 8, 0xfffffffffffffffe},
    {"RxRead", "not_done", 8, 0x1},
    // E1000_RXDADV_RSSTYPE_MASK, E1000_RXDADV_PKTTYPE_*, E1000_RXDADV_HDRBUFLEN_MASK,
    // E1000_RXDADV_SPH.
    {"RxWriteBack", "rss_type", 0, 0x0000000f},
    {"RxWriteBack", "ip4", 0, 0x00000010},
    {"RxWriteBack", "ip4_options", 0, 0x00000020},
    {"RxWriteBack", "ip6", 0, 0x00000040},
    {"RxWriteBack", "ip6_extensions", 0, 0x00000080},
    {"RxWriteBack", "tcp", 0, 0x00000100},
    {"RxWriteBack", "udp", 0, 0x00000200},
    {"RxWriteBack", "sctp", 0, 0x00000400},
    {"RxWriteBack", "nfs", 0, 0x00000800},
    {"RxWriteBack", "ipsec_esp", 0, 0x00001000},
    {"RxWriteBack", "ipsec_ah", 0, 0x00002000},
    {"RxWriteBack", "linksec", 0, 0x00004000},
    {"RxWriteBack", "l2_packet", 0, 0x00008000},
    {"RxWriteBack", "ethertype_filter", 0, 0x00000070},
    {"RxWriteBack", "header_length", 0, 0x7fe00000},
    {"RxWriteBack", "split_header", 0, 0x80000000},
    // wb.lower.hi_dword.
    {"RxWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxWriteBack", "ip_id", 4, 0x0000ffff},
    {"RxWriteBack", "checksum", 4, 0xffff0000},
    // E1000_RXD_STAT_*, E1000_RXDADV_STAT_TSIP and TS, E1000_RXDADV_LNKSEC_*, E1000_RXDADV_ERR_HBO,
    // E1000_RXDEXT_STATERR_*.
    {"RxWriteBack", "dd", 8, 0x00000001},
    {"RxWriteBack", "eop", 8, 0x00000002},
    {"RxWriteBack", "ixsm", 8, 0x00000004},
    {"RxWriteBack", "vp", 8, 0x00000008},
    {"RxWriteBack", "udp_checked", 8, 0x00000010},
    {"RxWriteBack", "l4_checked", 8, 0x00000020},
    {"RxWriteBack", "l3_checked", 8, 0x00000040},
    {"RxWriteBack", "inexact_filter", 8, 0x00000080},
    {"RxWriteBack", "ip_id_valid", 8, 0x00000200},
    {"RxWriteBack", "udp_valid", 8, 0x00000400},
    {"RxWriteBack", "dynamic_interrupt", 8, 0x00000800},
    {"RxWriteBack", "timestamp_in_buffer", 8, 0x00008000},
    {"RxWriteBack", "timestamped", 8, 0x00010000},
    {"RxWriteBack", "security", 8, 0x00020000},
    {"RxWriteBack", "loopback", 8, 0x00040000},
    {"RxWriteBack", "header_overflow", 8, 0x00800000},
    {"RxWriteBack", "security_error", 8, 0x18000000},
    {"RxWriteBack", "l4_bad", 8, 0x20000000},
    {"RxWriteBack", "l3_bad", 8, 0x40000000},
    {"RxWriteBack", "mac_error", 8, 0x80000000},
    // wb.upper; igb_rxtx.c: big endian where the I350 loops back.
    {"RxWriteBack", "length", 12, 0x0000ffff},
    {"RxWriteBack", "vlan_tag", 12, 0xffff0000},
    {"RxWriteBack", "wire_tag", 12, 0xffff0000},
    {"RxWriteBack", "loopback_tag", 14, 0xffff, Word::kBig16},
    // struct e1000_adv_tx_context_desc, E1000_ADVTXD_*.
    {"TxContext", "ip_length", 0, 0x000001ff},
    {"TxContext", "mac_length", 0, 0x0000fe00},
    {"TxContext", "vlan_tag", 0, 0xffff0000},
    {"TxContext", "launch_time", 4, 0x01ffffff},
    {"TxContext", "ipsec_esp_length", 8, 0x000000ff},
    {"TxContext", "ip4", 8, 0x00000400},
    {"TxContext", "l4", 8, 0x00001800},
    {"TxContext", "ipsec_esp", 8, 0x00002000},
    {"TxContext", "ipsec_encrypt", 8, 0x00004000},
    {"TxContext", "dtyp", 8, 0x00f00000},
    {"TxContext", "dext", 8, 0x20000000},
    {"TxContext", "index", 12, 0x00000070},
    {"TxContext", "l4_length", 12, 0x0000ff00},
    {"TxContext", "mss", 12, 0xffff0000},
    // union e1000_adv_tx_desc, E1000_ADVTXD_*.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "buffer_length", 8, 0x0000ffff},
    {"TxData", "linksec", 8, 0x00040000},
    {"TxData", "timestamp", 8, 0x00080000},
    {"TxData", "dtyp", 8, 0x00f00000},
    {"TxData", "eop", 8, 0x01000000},
    {"TxData", "ifcs", 8, 0x02000000},
    {"TxData", "rs", 8, 0x08000000},
    {"TxData", "iscsi", 8, 0x10000000},
    {"TxData", "dext", 8, 0x20000000},
    {"TxData", "vle", 8, 0x40000000},
    {"TxData", "tse", 8, 0x80000000},
    {"TxData", "context_index", 12, 0x00000070},
    {"TxData", "ixsm", 12, 0x00000100},
    {"TxData", "txsm", 12, 0x00000200},
    {"TxData", "ipsec", 12, 0x00000400},
    {"TxData", "iscsi_order", 12, 0x00001800},
    {"TxData", "total_length", 12, 0xffffc000},
    {"TxData", "payload_length", 12, 0xffffc000},
    {"TxData", "status", 12, 0xf},
    // E1000_TXD_STAT_DD, E1000_ADVTXD_STAT_SN_CRC.
    {"TxWriteBack", "sequence_seed", 8, 0xffffffff},
    {"TxWriteBack", "dd", 12, 0x00000001},
    {"TxWriteBack", "seed_present", 12, 0x00000002},
};

TEST(SpecFacts, IntelIgbAdvanced) { CheckFacts("intel.igb.advanced", kFacts); }

}  // namespace
}  // namespace qsplit::testing
