// DPDK drivers/net/intel/ice/base/ice_lan_tx_rx.h, ice_rxtx.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // union ice_32b_rx_flex_desc, read.
    {"RxRead", "buffer_address", 0, ~0ull},
    {"RxRead", "header_address", 8, 0xfffffffffffffffe},
    {"RxRead", "not_done", 8, 0x1},
    // rxdid; mir_id_umb_cast: ICE_RX_FLEX_DESC_MIRROR_M, ICE_RX_FLEX_DESC_UMB_CAST_S.
    {"RxWriteBack", "nic_id", 0, 0x3f},
    {"RxWriteBack", "nic_2_id", 0, 0x3f},
    {"RxWriteBack", "checksum_id", 0, 0x3f},
    {"RxWriteBack", "comms_id", 0, 0x3f},
    {"RxWriteBack", "ovs_id", 0, 0x3f},
    {"RxWriteBack", "mirror", 1, 0x3f},
    {"RxWriteBack", "cast", 1, 0xc0},
    // ICE_RX_FLEX_DESC_PTYPE_M, ICE_RX_FLX_DESC_PKT_LEN_M, ICE_RX_FLEX_DESC_HEADER_LEN_M,
    // ICE_RX_FLEX_DESC_SPH_S, ICE_RX_FLEX_DESC_EXT_STATUS_*_S.
    {"RxWriteBack", "packet_type", 2, 0x03ff},
    {"RxWriteBack", "flex_flags_0", 2, 0xfc00},
    {"RxWriteBack", "length", 4, 0x3fff},
    {"RxWriteBack", "header_length", 6, 0x07ff},
    {"RxWriteBack", "split_header", 6, 0x0800},
    {"RxWriteBack", "no_outer_udp_sum", 6, 0x1000},
    {"RxWriteBack", "no_inner_udp_sum", 6, 0x2000},
    {"RxWriteBack", "recipe_error", 6, 0x4000},
    {"RxWriteBack", "oversize", 6, 0x8000},
    // ICE_RX_FLEX_DESC_STATUS0_*_S.
    {"RxWriteBack", "dd", 8, 1u << 0},
    {"RxWriteBack", "eof", 8, 1u << 1},
    {"RxWriteBack", "header_overflow", 8, 1u << 2},
    {"RxWriteBack", "checked", 8, 1u << 3},
    {"RxWriteBack", "l3_bad", 8, 1u << 4},
    {"RxWriteBack", "l4_bad", 8, 1u << 5},
    {"RxWriteBack", "outer_l3_bad", 8, 1u << 6},
    {"RxWriteBack", "outer_l4_bad", 8, 1u << 7},
    {"RxWriteBack", "loopback", 8, 1u << 8},
    {"RxWriteBack", "ip6_extension", 8, 1u << 9},
    {"RxWriteBack", "mac_error", 8, 1u << 10},
    {"RxWriteBack", "crc_present", 8, 1u << 11},
    {"RxWriteBack", "rss_valid", 8, 1u << 12},
    {"RxWriteBack", "l2tag1_present", 8, 1u << 13},
    {"RxWriteBack", "meta0_valid", 8, 1u << 14},
    {"RxWriteBack", "meta1_valid", 8, 1u << 15},
    // ICE_RX_FLEX_DESC_STATUS1_*_S.
    {"RxWriteBack", "cpm", 16, 0x000f},
    {"RxWriteBack", "nat", 16, 1u << 4},
    {"RxWriteBack", "crypto", 16, 1u << 5},
    {"RxWriteBack", "l2tag2_present", 16, 1u << 11},
    {"RxWriteBack", "meta2_valid", 16, 1u << 12},
    {"RxWriteBack", "meta3_valid", 16, 1u << 13},
    {"RxWriteBack", "meta4_valid", 16, 1u << 14},
    {"RxWriteBack", "meta5_valid", 16, 1u << 15},
    // Offsets of ice_32b_rx_flex_desc; ICE_RX_FLEX_DESC_TS_L_VALID_M, ICE_RX_FLEX_DESC_TS_L_M.
    {"RxWriteBack", "l2tag1", 10, 0xffff},
    {"RxWriteBack", "outer_tag", 10, 0xffff},
    {"RxWriteBack", "flex_flags_2", 18, 0xff},
    {"RxWriteBack", "timestamp_valid", 19, 0x01},
    {"RxWriteBack", "timestamp_low", 19, 0xfe},
    {"RxWriteBack", "l2tag2_1st", 20, 0xffff},
    {"RxWriteBack", "l2tag2_2nd", 22, 0xffff},
    {"RxWriteBack", "timestamp", 28, 0xffffffff},
    // struct ice_32b_rx_flex_desc_nic, ..._nic_2, ..._nic_raw_csum.
    {"RxWriteBack", "nic_hash", 12, 0xffffffff},
    {"RxWriteBack", "nic_flow", 24, 0xffffffff},
    {"RxWriteBack", "nic_flow_ip6", 30, 0xffff},
    {"RxWriteBack", "nic_2_hash", 12, 0xffffffff},
    {"RxWriteBack", "nic_2_flow", 24, 0xffff},
    {"RxWriteBack", "nic_2_source_vsi", 26, 0xffff},
    {"RxWriteBack", "nic_2_flow_ip6", 30, 0xffff},
    {"RxWriteBack", "checksum_hash", 12, 0xffffffff},
    {"RxWriteBack", "checksum_flow", 24, 0xffff},
    {"RxWriteBack", "raw_checksum", 26, 0xffff},
    {"RxWriteBack", "checksum_flow_ip6", 30, 0xffff},
    // struct ice_32b_rx_flex_desc_comms, ..._comms_ovs.
    {"RxWriteBack", "comms_hash", 12, 0xffffffff},
    {"RxWriteBack", "comms_flow", 24, 0xffffffff},
    {"RxWriteBack", "comms_aux0", 28, 0xffff},
    {"RxWriteBack", "comms_aux1", 30, 0xffff},
    {"RxWriteBack", "ovs_flow", 12, 0xffffffff},
    {"RxWriteBack", "ovs_hash", 24, 0xffffffff},
    {"RxWriteBack", "ovs_aux0", 28, 0xffff},
    {"RxWriteBack", "ovs_aux1", 30, 0xffff},
    // ICE_TXD_CTX_QW0_*_M; gcs: ICE_TX_GCS_DESC_*.
    {"TxContext", "outer_ip", 0, 0x00000003},
    {"TxContext", "outer_ip_length", 0, 0x000001fc},
    {"TxContext", "tunnel", 0, 0x00000600},
    {"TxContext", "same_ip_id", 0, 0x00000800},
    {"TxContext", "tunnel_length", 0, 0x0007f000},
    {"TxContext", "decrement_ttl", 0, 0x00780000},
    {"TxContext", "outer_udp_checksum", 0, 0x00800000},
    {"TxContext", "l2tag2", 4, 0xffff},
    {"TxContext", "sum_start", 6, 0x00ff},
    {"TxContext", "sum_offset", 6, 0x0f00},
    {"TxContext", "sum_type", 6, 0x7000},
    // ICE_TXD_CTX_QW1_*_M, ICE_TX_CTX_DESC_* << ICE_TXD_CTX_QW1_CMD_S.
    {"TxContext", "dtype", 8, 0xf},
    {"TxContext", "tso", 8, 0x01 << 4},
    {"TxContext", "timestamp", 8, 0x02 << 4},
    {"TxContext", "insert_l2tag2", 8, 0x04 << 4},
    {"TxContext", "l2tag2_high", 8, 0x08 << 4},
    {"TxContext", "switch", 8, 0x30 << 4},
    {"TxContext", "ipsec", 8, 0x7f << 11},
    {"TxContext", "tso_length", 8, 0x3ffffull << 30},
    {"TxContext", "timestamp_register", 8, 0x3ffffull << 30},
    {"TxContext", "mss", 8, 0x3fffull << 50},
    {"TxContext", "target_vsi", 8, 0x3ffull << 50},
    // struct ice_tx_desc, ICE_TXD_QW1_*_M, ICE_TX_DESC_CMD_* << ICE_TXD_QW1_CMD_S.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "dtype", 8, 0xf},
    {"TxData", "eop", 8, 0x0001 << 4},
    {"TxData", "rs", 8, 0x0002 << 4},
    {"TxData", "insert_l2tag1", 8, 0x0008 << 4},
    {"TxData", "dummy", 8, 0x0010 << 4},
    {"TxData", "ip", 8, 0x0060 << 4},
    {"TxData", "l4", 8, 0x0300 << 4},
    {"TxData", "report_event", 8, 0x0400 << 4},
    {"TxData", "mac_length", 8, 0x7full << 16},
    {"TxData", "ip_length", 8, 0x7full << 23},
    {"TxData", "l4_length", 8, 0xfull << 30},
    {"TxData", "buffer_length", 8, 0x3fffull << 34},
    {"TxData", "l2tag1", 8, 0xffffull << 48},
    // ICE_TXD_QW1_DTYPE_M.
    {"TxWriteBack", "dtype", 8, 0xf},
    {"TxTime", "descriptor", 0, 0x1fff},  // ICE_TXTIME_TX_DESC_IDX_M
    {"TxTime", "time", 0, 0xffffe000},    // ICE_TXTIME_STAMP_M
};

TEST(SpecFacts, IntelIceFlex) { CheckFacts("intel.ice.flex", kFacts); }

}  // namespace
}  // namespace qsplit::testing
