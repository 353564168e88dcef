// DPDK drivers/net/intel/e1000/base/e1000_hw.h, e1000_defines.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // union e1000_rx_desc_extended, read.
    {"RxRead", "buffer_address", 0, ~0ull},
    {"RxRead", "cleared", 8, ~0ull},
    // E1000_MRQ_RSS_TYPE_*, mrq.
    {"RxWriteBack", "rss_type", 0, 0x0000000f},
    {"RxWriteBack", "rss_queue", 0, 0x00001f00},
    // wb.lower.hi_dword.
    {"RxWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxWriteBack", "ip_id", 4, 0x0000ffff},
    {"RxWriteBack", "checksum", 4, 0xffff0000},
    // E1000_RXD_STAT_*, E1000_RXDEXT_STATERR_*, status_error.
    {"RxWriteBack", "dd", 8, 0x00000001},
    {"RxWriteBack", "eop", 8, 0x00000002},
    {"RxWriteBack", "ixsm", 8, 0x00000004},
    {"RxWriteBack", "vp", 8, 0x00000008},
    {"RxWriteBack", "udp_checked", 8, 0x00000010},
    {"RxWriteBack", "l4_checked", 8, 0x00000020},
    {"RxWriteBack", "l3_checked", 8, 0x00000040},
    {"RxWriteBack", "inexact_filter", 8, 0x00000080},
    {"RxWriteBack", "timestamped", 8, 0x00000100},
    {"RxWriteBack", "ip_id_valid", 8, 0x00000200},
    {"RxWriteBack", "udp_valid", 8, 0x00000400},
    {"RxWriteBack", "dynamic_interrupt", 8, 0x00000800},
    {"RxWriteBack", "ack", 8, 0x00008000},
    {"RxWriteBack", "loopback", 8, 0x00040000},
    {"RxWriteBack", "crc_error", 8, 0x01000000},
    {"RxWriteBack", "symbol_error", 8, 0x02000000},
    {"RxWriteBack", "sequence_error", 8, 0x04000000},
    {"RxWriteBack", "extension_error", 8, 0x10000000},
    {"RxWriteBack", "l4_bad", 8, 0x20000000},
    {"RxWriteBack", "l3_bad", 8, 0x40000000},
    {"RxWriteBack", "data_error", 8, 0x80000000},
    // wb.upper.
    {"RxWriteBack", "length", 12, 0x0000ffff},
    {"RxWriteBack", "vlan_tag", 12, 0xffff0000},
    // union e1000_rx_desc_packet_split, read.
    {"RxSplitRead", "header_address", 0, ~0ull},
    {"RxSplitRead", "buffer_address", 8, 0xfffffffffffffffe},
    {"RxSplitRead", "buffer_address_2", 16, ~0ull},
    {"RxSplitRead", "buffer_address_3", 24, ~0ull},
    {"RxSplitRead", "not_done", 8, 0x1},
    // wb.lower.
    {"RxSplitWriteBack", "rss_type", 0, 0x0000000f},
    {"RxSplitWriteBack", "rss_queue", 0, 0x00001f00},
    {"RxSplitWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxSplitWriteBack", "ip_id", 4, 0x0000ffff},
    {"RxSplitWriteBack", "checksum", 4, 0xffff0000},
    // wb.middle.
    {"RxSplitWriteBack", "dd", 8, 0x00000001},
    {"RxSplitWriteBack", "eop", 8, 0x00000002},
    {"RxSplitWriteBack", "ixsm", 8, 0x00000004},
    {"RxSplitWriteBack", "vp", 8, 0x00000008},
    {"RxSplitWriteBack", "udp_checked", 8, 0x00000010},
    {"RxSplitWriteBack", "l4_checked", 8, 0x00000020},
    {"RxSplitWriteBack", "l3_checked", 8, 0x00000040},
    {"RxSplitWriteBack", "inexact_filter", 8, 0x00000080},
    {"RxSplitWriteBack", "timestamped", 8, 0x00000100},
    {"RxSplitWriteBack", "ip_id_valid", 8, 0x00000200},
    {"RxSplitWriteBack", "udp_valid", 8, 0x00000400},
    {"RxSplitWriteBack", "dynamic_interrupt", 8, 0x00000800},
    {"RxSplitWriteBack", "ack", 8, 0x00008000},
    {"RxSplitWriteBack", "loopback", 8, 0x00040000},
    {"RxSplitWriteBack", "crc_error", 8, 0x01000000},
    {"RxSplitWriteBack", "symbol_error", 8, 0x02000000},
    {"RxSplitWriteBack", "sequence_error", 8, 0x04000000},
    {"RxSplitWriteBack", "extension_error", 8, 0x10000000},
    {"RxSplitWriteBack", "l4_bad", 8, 0x20000000},
    {"RxSplitWriteBack", "l3_bad", 8, 0x40000000},
    {"RxSplitWriteBack", "data_error", 8, 0x80000000},
    {"RxSplitWriteBack", "header_length", 12, 0x0000ffff},
    {"RxSplitWriteBack", "vlan_tag", 12, 0xffff0000},
    // E1000_RXDPS_HDRSTAT_HDRSP, wb.upper.length.
    {"RxSplitWriteBack", "split", 16, 0x00008000},
    {"RxSplitWriteBack", "length", 16, 0xffff0000},
    {"RxSplitWriteBack", "length_2", 20, 0x0000ffff},
    {"RxSplitWriteBack", "length_3", 20, 0xffff0000},
    // struct e1000_tx_desc, E1000_TXD_CMD_*.
    {"TxLegacy", "buffer_address", 0, ~0ull},
    {"TxLegacy", "buffer_length", 8, 0x0000ffff},
    {"TxLegacy", "checksum_offset", 8, 0x00ff0000},
    {"TxLegacy", "eop", 8, 0x01000000},
    {"TxLegacy", "ifcs", 8, 0x02000000},
    {"TxLegacy", "ic", 8, 0x04000000},
    {"TxLegacy", "rs", 8, 0x08000000},
    {"TxLegacy", "dext", 8, 0x20000000},
    {"TxLegacy", "vle", 8, 0x40000000},
    {"TxLegacy", "ide", 8, 0x80000000},
    {"TxLegacy", "checksum_start", 12, 0x0000ff00},
    {"TxLegacy", "vlan_tag", 12, 0xffff0000},
    {"TxLegacy", "status", 12, 0xff},
    // struct e1000_context_desc, E1000_TXD_CMD_*, E1000_TXD_DTYP_C.
    {"TxContext", "ip_start", 0, 0x000000ff},
    {"TxContext", "ip_insert_at", 0, 0x0000ff00},
    {"TxContext", "ip_end", 0, 0xffff0000},
    {"TxContext", "l4_start", 4, 0x000000ff},
    {"TxContext", "l4_insert_at", 4, 0x0000ff00},
    {"TxContext", "l4_end", 4, 0xffff0000},
    {"TxContext", "payload_length", 8, 0x000fffff},
    {"TxContext", "dtyp", 8, 0x00f00000},
    {"TxContext", "tcp", 8, 0x01000000},
    {"TxContext", "ip4", 8, 0x02000000},
    {"TxContext", "tse", 8, 0x04000000},
    {"TxContext", "rs", 8, 0x08000000},
    {"TxContext", "dext", 8, 0x20000000},
    {"TxContext", "ide", 8, 0x80000000},
    {"TxContext", "header_length", 12, 0x0000ff00},
    {"TxContext", "mss", 12, 0xffff0000},
    {"TxContext", "status", 12, 0xff},
    // struct e1000_data_desc, E1000_TXD_CMD_*, E1000_TXD_DTYP_D, E1000_TXD_POPTS_*,
    // E1000_TXD_EXTCMD_TSTAMP.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "buffer_length", 8, 0x000fffff},
    {"TxData", "dtyp", 8, 0x00f00000},
    {"TxData", "eop", 8, 0x01000000},
    {"TxData", "ifcs", 8, 0x02000000},
    {"TxData", "tse", 8, 0x04000000},
    {"TxData", "rs", 8, 0x08000000},
    {"TxData", "dext", 8, 0x20000000},
    {"TxData", "vle", 8, 0x40000000},
    {"TxData", "ide", 8, 0x80000000},
    {"TxData", "timestamp", 12, 0x00000010},
    {"TxData", "ixsm", 12, 0x00000100},
    {"TxData", "txsm", 12, 0x00000200},
    {"TxData", "vlan_tag", 12, 0xffff0000},
    {"TxData", "status", 12, 0x0f},
    // E1000_TXD_STAT_*.
    {"TxWriteBack", "dd", 12, 0x00000001},
    {"TxWriteBack", "excess_collisions", 12, 0x00000002},
    {"TxWriteBack", "late_collision", 12, 0x00000004},
};

TEST(SpecFacts, IntelE1000Extended) { CheckFacts("intel.e1000.extended", kFacts); }

}  // namespace
}  // namespace qsplit::testing
