// Linux drivers/net/ethernet/freescale/enetc/enetc_hw.h, DPDK drivers/net/enetc/base/enetc_hw.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// ENETC_RXBD_*, ENETC_TXBD_*, and the offsets of union enetc_rx_bd and enetc_tx_bd.
constexpr Fact kFacts[] = {
    {"RxBuffer", "address", 0, ~0ull},
    {"RxBufferExtended", "address", 0, ~0ull},
    {"RxDone", "checksum", 0, 0xffff},                // inet_csum
    {"RxDone", "packet_type", 2, 0x00ff},             // DPDK PKT_TYPE_*
    {"RxDone", "l3_bad", 2, 0x8000},                  // DPDK ENETC_PARSE_ERROR
    {"RxDone", "l4_bad", 2, 0x8000},                  // DPDK ENETC_PARSE_ERROR
    {"RxDone", "rss_hash", 4, 0xffffffff},            // rss_hash
    {"RxDone", "buffer_length", 8, 0xffff},           // buf_len
    {"RxDone", "vlan_tag", 10, 0xffff},               // vlan_opt
    {"RxDone", "tpid", 12, 0x3},                      // RXBD_FLAG_TPID
    {"RxDone", "vlan", 12, 1u << 9},                  // RXBD_FLAG_VLAN
    {"RxDone", "timestamped", 12, 1u << 10},          // RXBD_FLAG_TSTMP
    {"RxDone", "error", 12, 0xffu << 16},             // RXBD_LSTATUS(RXBD_ERR_MASK)
    {"RxDone", "ready", 12, 1u << 30},                // RXBD_LSTATUS_R
    {"RxDone", "final", 12, 1u << 31},                // RXBD_LSTATUS_F
    {"RxDoneExtended", "checksum", 0, 0xffff},        // inet_csum
    {"RxDoneExtended", "packet_type", 2, 0x00ff},     // DPDK PKT_TYPE_*
    {"RxDoneExtended", "l3_bad", 2, 0x8000},          // DPDK ENETC_PARSE_ERROR
    {"RxDoneExtended", "l4_bad", 2, 0x8000},          // DPDK ENETC_PARSE_ERROR
    {"RxDoneExtended", "rss_hash", 4, 0xffffffff},    // rss_hash
    {"RxDoneExtended", "buffer_length", 8, 0xffff},   // buf_len
    {"RxDoneExtended", "vlan_tag", 10, 0xffff},       // vlan_opt
    {"RxDoneExtended", "tpid", 12, 0x3},              // RXBD_FLAG_TPID
    {"RxDoneExtended", "vlan", 12, 1u << 9},          // RXBD_FLAG_VLAN
    {"RxDoneExtended", "timestamped", 12, 1u << 10},  // RXBD_FLAG_TSTMP
    {"RxDoneExtended", "error", 12, 0xffu << 16},     // RXBD_LSTATUS(RXBD_ERR_MASK)
    {"RxDoneExtended", "ready", 12, 1u << 30},        // RXBD_LSTATUS_R
    {"RxDoneExtended", "final", 12, 1u << 31},        // RXBD_LSTATUS_F
    {"RxDoneExtended", "timestamp", 16, 0xffffffff},  // ext.tstamp
    {"TxData", "address", 0, ~0ull},
    {"TxData", "buffer_length", 8, 0xffff},   // buf_len
    {"TxData", "frame_length", 10, 0xffff},   // frm_len
    {"TxData", "tx_start", 12, 0x01ffffff},   // TXBD_TXSTART_MASK
    {"TxData", "timed", 15, 1u << 1},         // TXBD_FLAGS_TSE
    {"TxData", "written_back", 15, 1u << 2},  // TXBD_FLAGS_W
    {"TxData", "start_valid", 15, 1u << 4},   // TXBD_FLAGS_TXSTART
    {"TxData", "extended", 15, 1u << 6},      // TXBD_FLAGS_EX
    {"TxData", "final", 15, 1u << 7},         // TXBD_FLAGS_F
    {"TxExtended", "address", 0, ~0ull},
    {"TxExtended", "buffer_length", 8, 0xffff},
    {"TxExtended", "frame_length", 10, 0xffff},
    {"TxExtended", "extended", 15, 1u << 6},
    {"TxExtended", "start_high", 16, 0xffffffff},   // ext.tstamp
    {"TxExtended", "tpid", 20, 0xffff},             // ext.tpid
    {"TxExtended", "vlan_tag", 22, 0xffff},         // ext.vid
    {"TxExtended", "insert_vlan", 30, 1u << 0},     // TXBD_E_FLAGS_VLAN_INS
    {"TxExtended", "one_step", 30, 1u << 1},        // TXBD_E_FLAGS_ONE_STEP_PTP
    {"TxExtended", "two_step", 30, 1u << 2},        // TXBD_E_FLAGS_TWO_STEP_PTP
    {"TxExtended", "final", 31, 1u << 7},           // ext.flags, TXBD_FLAGS_F
    {"TxExtended", "tx_start", 12, 0x01ffffff},     // TXBD_TXSTART_MASK
    {"TxExtended", "timed", 15, 1u << 1},           // TXBD_FLAGS_TSE
    {"TxExtended", "written_back", 15, 1u << 2},    // TXBD_FLAGS_W
    {"TxExtended", "start_valid", 15, 1u << 4},     // TXBD_FLAGS_TXSTART
    {"TxExtended", "first_final", 15, 1u << 7},     // TXBD_FLAGS_F
    {"TxWriteBack", "timestamp", 0, 0xffffffff},    // wb.tstamp
    {"TxWriteBack", "window_missed", 14, 1u << 7},  // TXBD_STATS_WIN
    {"TxWriteBack", "written_back", 15, 1u << 2},   // TXBD_FLAGS_W
};

TEST(SpecFacts, NxpEnetc) { CheckFacts("nxp.enetc", kFacts); }

}  // namespace
}  // namespace qsplit::testing
