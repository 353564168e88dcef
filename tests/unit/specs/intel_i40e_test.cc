// DPDK drivers/net/intel/i40e/base/i40e_type.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // union i40e_16byte_rx_desc, read.
    {"RxRead", "buffer_address", 0, ~0ull},
    {"RxRead", "header_address", 8, 0xfffffffffffffffe},
    {"RxRead", "not_done", 8, 0x1},
    // I40E_RXD_QW0_MIRROR_STATUS_MASK, wb.qword0.
    {"RxWriteBack", "mirror_rule", 0, 0x3f00},
    {"RxWriteBack", "l2tag1", 0, 0xffff0000},
    {"RxWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxWriteBack", "filter_id", 4, 0xffffffff},
    // I40E_RX_DESC_STATUS_*_SHIFT, I40E_RXD_QW1_ERROR_SHIFT and I40E_RX_DESC_ERROR_*_SHIFT,
    // I40E_RXD_QW1_PTYPE_MASK, I40E_RXD_QW1_LENGTH_*_MASK.
    {"RxWriteBack", "dd", 8, 1ull << 0},
    {"RxWriteBack", "eof", 8, 1ull << 1},
    {"RxWriteBack", "l2tag1_present", 8, 1ull << 2},
    {"RxWriteBack", "checked", 8, 1ull << 3},
    {"RxWriteBack", "crc_present", 8, 1ull << 4},
    {"RxWriteBack", "timestamp_index", 8, 3ull << 5},
    {"RxWriteBack", "timestamp_valid", 8, 1ull << 7},
    {"RxWriteBack", "no_outer_udp_sum", 8, 1ull << 8},
    {"RxWriteBack", "cast", 8, 3ull << 9},
    {"RxWriteBack", "flow_match", 8, 1ull << 11},
    {"RxWriteBack", "filter_status", 8, 3ull << 12},
    {"RxWriteBack", "loopback", 8, 1ull << 14},
    {"RxWriteBack", "ip6_extension", 8, 1ull << 15},
    {"RxWriteBack", "no_inner_udp_sum", 8, 1ull << 18},
    {"RxWriteBack", "mac_error", 8, 1ull << 19},
    {"RxWriteBack", "recipe_error", 8, 1ull << 20},
    {"RxWriteBack", "header_overflow", 8, 1ull << 21},
    {"RxWriteBack", "l3_bad", 8, 1ull << 22},
    {"RxWriteBack", "l4_bad", 8, 1ull << 23},
    {"RxWriteBack", "outer_l3_bad", 8, 1ull << 24},
    {"RxWriteBack", "oversize", 8, 1ull << 25},
    {"RxWriteBack", "parser_error", 8, 1ull << 26},
    {"RxWriteBack", "packet_type", 8, 0xffull << 30},
    {"RxWriteBack", "length", 8, 0x3fffull << 38},
    {"RxWriteBack", "header_length", 8, 0x7ffull << 52},
    {"RxWriteBack", "split_header", 8, 1ull << 63},
    {"RxWriteBack", "fcoe_context", 0, 0x0fff},        // I40E_RXD_QW0_FCOEINDX_MASK
    {"RxWriteBack", "fcoe_parameter", 4, 0xffffffff},  // fcoe_param
    // union i40e_32byte_rx_desc, read.
    {"RxLargeRead", "buffer_address", 0, ~0ull},
    {"RxLargeRead", "header_address", 8, 0xfffffffffffffffe},
    {"RxLargeRead", "not_done", 8, 0x1},
    // I40E_RXD_QW0_MIRROR_STATUS_MASK, wb.qword0.
    {"RxLargeWriteBack", "mirror_rule", 0, 0x3f00},
    {"RxLargeWriteBack", "l2tag1", 0, 0xffff0000},
    {"RxLargeWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxLargeWriteBack", "outer_tag", 0, 0xffff0000},
    // I40E_RX_DESC_STATUS_*_SHIFT, I40E_RXD_QW1_ERROR_SHIFT and I40E_RX_DESC_ERROR_*_SHIFT,
    // I40E_RXD_QW1_PTYPE_MASK, I40E_RXD_QW1_LENGTH_*_MASK.
    {"RxLargeWriteBack", "dd", 8, 1ull << 0},
    {"RxLargeWriteBack", "eof", 8, 1ull << 1},
    {"RxLargeWriteBack", "l2tag1_present", 8, 1ull << 2},
    {"RxLargeWriteBack", "checked", 8, 1ull << 3},
    {"RxLargeWriteBack", "crc_present", 8, 1ull << 4},
    {"RxLargeWriteBack", "timestamp_index", 8, 3ull << 5},
    {"RxLargeWriteBack", "timestamp_valid", 8, 1ull << 7},
    {"RxLargeWriteBack", "no_outer_udp_sum", 8, 1ull << 8},
    {"RxLargeWriteBack", "cast", 8, 3ull << 9},
    {"RxLargeWriteBack", "flow_match", 8, 1ull << 11},
    {"RxLargeWriteBack", "filter_status", 8, 3ull << 12},
    {"RxLargeWriteBack", "loopback", 8, 1ull << 14},
    {"RxLargeWriteBack", "ip6_extension", 8, 1ull << 15},
    {"RxLargeWriteBack", "no_inner_udp_sum", 8, 1ull << 18},
    {"RxLargeWriteBack", "mac_error", 8, 1ull << 19},
    {"RxLargeWriteBack", "recipe_error", 8, 1ull << 20},
    {"RxLargeWriteBack", "header_overflow", 8, 1ull << 21},
    {"RxLargeWriteBack", "l3_bad", 8, 1ull << 22},
    {"RxLargeWriteBack", "l4_bad", 8, 1ull << 23},
    {"RxLargeWriteBack", "outer_l3_bad", 8, 1ull << 24},
    {"RxLargeWriteBack", "oversize", 8, 1ull << 25},
    {"RxLargeWriteBack", "parser_error", 8, 1ull << 26},
    {"RxLargeWriteBack", "packet_type", 8, 0xffull << 30},
    {"RxLargeWriteBack", "length", 8, 0x3fffull << 38},
    {"RxLargeWriteBack", "header_length", 8, 0x7ffull << 52},
    {"RxLargeWriteBack", "split_header", 8, 1ull << 63},
    // I40E_RX_DESC_EXT_STATUS_*_SHIFT, wb.qword2, wb.qword3.
    {"RxLargeWriteBack", "l2tag2_present", 16, 0x0001},
    {"RxLargeWriteBack", "l2tag3_present", 16, 0x0002},
    {"RxLargeWriteBack", "flex_low_status", 16, 0x000c},
    {"RxLargeWriteBack", "flex_high_status", 16, 0x0030},
    {"RxLargeWriteBack", "filters_too_long", 16, 0x0200},
    {"RxLargeWriteBack", "fcoe_too_long", 16, 0x0400},
    {"RxLargeWriteBack", "pe_too_long", 16, 0x0800},
    {"RxLargeWriteBack", "l2tag2_1", 20, 0xffff},
    {"RxLargeWriteBack", "l2tag2_2", 22, 0xffff},
    {"RxLargeWriteBack", "flex_bytes_low", 24, 0xffffffff},
    {"RxLargeWriteBack", "filter_id", 28, 0xffffffff},
    {"RxLargeWriteBack", "flex_bytes_high", 28, 0xffffffff},
    {"RxLargeWriteBack", "fcoe_context", 0, 0x0fff},        // I40E_RXD_QW0_FCOEINDX_MASK
    {"RxLargeWriteBack", "fcoe_parameter", 4, 0xffffffff},  // fcoe_param
    // I40E_TXD_CTX_QW0_*_MASK.
    {"TxContext", "outer_ip", 0, 0x00000003},
    {"TxContext", "outer_ip_length", 0, 0x000000fc},
    {"TxContext", "tunnel", 0, 0x00000600},
    {"TxContext", "same_ip_id", 0, 0x00000800},
    {"TxContext", "tunnel_length", 0, 0x0007f000},
    {"TxContext", "decrement_ttl", 0, 0x00780000},
    {"TxContext", "outer_udp_checksum", 0, 0x00800000},
    {"TxContext", "l2tag2", 4, 0xffff},
    // I40E_TXD_CTX_QW1_*_MASK, I40E_TX_CTX_DESC_* << I40E_TXD_CTX_QW1_CMD_SHIFT.
    {"TxContext", "dtype", 8, 0xf},
    {"TxContext", "tso", 8, 0x01 << 4},
    {"TxContext", "timestamp", 8, 0x02 << 4},
    {"TxContext", "insert_l2tag2", 8, 0x04 << 4},
    {"TxContext", "l2tag2_high", 8, 0x08 << 4},
    {"TxContext", "switch", 8, 0x30 << 4},
    {"TxContext", "swpe", 8, 0x40 << 4},
    {"TxContext", "tso_length", 8, 0x3ffffull << 30},
    {"TxContext", "mss", 8, 0x3fffull << 50},
    {"TxContext", "target_vsi", 8, 0x1ffull << 50},
    // struct i40e_tx_desc, I40E_TXD_QW1_*_MASK, I40E_TX_DESC_CMD_* << I40E_TXD_QW1_CMD_SHIFT.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "dtype", 8, 0xf},
    {"TxData", "eop", 8, 0x0001 << 4},
    {"TxData", "rs", 8, 0x0002 << 4},
    {"TxData", "icrc", 8, 0x0004 << 4},
    {"TxData", "insert_l2tag1", 8, 0x0008 << 4},
    {"TxData", "dummy", 8, 0x0010 << 4},
    {"TxData", "ip", 8, 0x0060 << 4},
    {"TxData", "fcoe", 8, 0x0080 << 4},
    {"TxData", "l4", 8, 0x0300 << 4},
    {"TxData", "mac_length", 8, 0x7full << 16},
    {"TxData", "ip_length", 8, 0x7full << 23},
    {"TxData", "l4_length", 8, 0xfull << 30},
    {"TxData", "buffer_length", 8, 0x3fffull << 34},
    {"TxData", "l2tag1", 8, 0xffffull << 48},
    // I40E_TXD_QW1_DTYPE_MASK.
    {"TxWriteBack", "dtype", 8, 0xf},
};

TEST(SpecFacts, IntelI40e) { CheckFacts("intel.i40e", kFacts); }

}  // namespace
}  // namespace qsplit::testing
