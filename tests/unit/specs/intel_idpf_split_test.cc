// DPDK drivers/net/intel/idpf/base/virtchnl2_lan_desc.h, idpf_lan_txrx.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // struct virtchnl2_splitq_rx_buf_desc.
    {"RxBuffer", "buffer_id", 0, 0xffff},
    {"RxBuffer", "buffer_address", 8, ~0ull},
    {"RxBuffer", "header_address", 16, ~0ull},
    // VIRTCHNL2_RX_FLEX_DESC_ADV_RXDID_M, UMBCAST_M; ..._ADV_STATUS0_*_S of status_err0_qw0.
    {"RxCompletion", "rxdid", 0, 0x0f},
    {"RxCompletion", "cast", 0, 0xc0},
    {"RxCompletion", "loopback", 1, 1u << 0},
    {"RxCompletion", "ip6_extension", 1, 1u << 1},
    {"RxCompletion", "mac_error", 1, 1u << 2},
    {"RxCompletion", "crc_present", 1, 1u << 3},
    {"RxCompletion", "rss_valid", 1, 1u << 4},
    {"RxCompletion", "l2tag1_present", 1, 1u << 5},
    {"RxCompletion", "meta0_valid", 1, 1u << 6},
    {"RxCompletion", "meta1_valid", 1, 1u << 7},
    // ..._ADV_PTYPE_M, LEN_PBUF_M, GEN_M, BUFQ_ID_M, LEN_HDR_M, RSC_M, SPH_M, FF1_M, MISS_M.
    {"RxCompletion", "packet_type", 2, 0x03ff},
    {"RxCompletion", "ip_header_error", 2, 0x0400},
    {"RxCompletion", "udp_length_error", 2, 0x0800},
    {"RxCompletion", "flex_flags_0", 2, 0xf000},
    {"RxCompletion", "length", 4, 0x3fff},
    {"RxCompletion", "generation", 4, 0x4000},
    {"RxCompletion", "large", 4, 0x8000},
    {"RxCompletion", "header_length", 6, 0x03ff},
    {"RxCompletion", "merged", 6, 0x0400},
    {"RxCompletion", "split_header", 6, 0x0800},
    {"RxCompletion", "no_outer_udp_sum", 6, 0x1000},
    {"RxCompletion", "no_inner_udp_sum", 6, 0x2000},
    {"RxCompletion", "truncated_mirror", 6, 0x4000},
    {"RxCompletion", "miss", 6, 0x8000},
    // ..._ADV_STATUS0_*_S of status_err0_qw1, ..._ADV_STATUS1_*_S.
    {"RxCompletion", "dd", 8, 1u << 0},
    {"RxCompletion", "eof", 8, 1u << 1},
    {"RxCompletion", "header_overflow", 8, 1u << 2},
    {"RxCompletion", "checked", 8, 1u << 3},
    {"RxCompletion", "l3_bad", 8, 1u << 4},
    {"RxCompletion", "l4_bad", 8, 1u << 5},
    {"RxCompletion", "outer_l3_bad", 8, 1u << 6},
    {"RxCompletion", "outer_l4_bad", 8, 1u << 7},
    {"RxCompletion", "atr_failed", 9, 1u << 2},
    {"RxCompletion", "l2tag2_present", 9, 1u << 3},
    {"RxCompletion", "meta2_valid", 9, 1u << 4},
    {"RxCompletion", "meta3_valid", 9, 1u << 5},
    {"RxCompletion", "meta4_valid", 9, 1u << 6},
    {"RxCompletion", "meta5_valid", 9, 1u << 7},
    // Offsets of virtchnl2_rx_flex_desc_adv_nic_3; VIRTCHNL2_RX_FLEX_TSTAMP_VALID; hash1, hash2,
    // hash3.
    {"RxCompletion", "flex_flags_1", 10, 0xff},
    {"RxCompletion", "timestamp_valid", 11, 0x01},
    {"RxCompletion", "timestamp_low", 11, 0xfe},
    {"RxCompletion", "buffer_id", 12, 0xffff},
    {"RxCompletion", "raw_checksum", 14, 0xffff},
    {"RxCompletion", "segment_length", 14, 0xffff},
    {"RxCompletion", "rss_hash", 16, 0xffff, Word::kLittle, 0},
    {"RxCompletion", "rss_hash", 18, 0xff, Word::kLittle, 16},
    {"RxCompletion", "rss_hash", 19, 0xff, Word::kLittle, 24},
    {"RxCompletion", "l2tag2", 20, 0xffff},
    {"RxCompletion", "meta4", 22, 0xffff},
    {"RxCompletion", "l2tag1", 24, 0xffff},
    {"RxCompletion", "meta6", 26, 0xffff},
    {"RxCompletion", "timestamp", 28, 0xffffffff},
    // union idpf_flex_tx_ctx_desc, tso: IDPF_TXD_FLEX_CTX_*_M, IDPF_TX_FLEX_CTX_DESC_CMD_*.
    {"TxSegmentContext", "total_length", 0, 0x0003ffff},
    {"TxSegmentContext", "flex_3", 0, 0xff000000},
    {"TxSegmentContext", "mss", 4, 0x3fff},
    {"TxSegmentContext", "header_length", 6, 0xff},
    {"TxSegmentContext", "flex_7", 7, 0xff},
    {"TxSegmentContext", "dtype", 8, 0x001f},
    {"TxSegmentContext", "tso", 8, 0x0020},
    {"TxSegmentContext", "timestamp", 8, 0x0040},
    {"TxSegmentContext", "insert_l2tag2", 8, 0x0080},
    {"TxSegmentContext", "switch", 8, 0x0600},
    {"TxSegmentContext", "flex", 10, 6, Word::kBytes},
    // tsyn: IDPF_TX_DESC_CTX_TSYN_L_M, IDPF_TX_DESC_CTX_TSYN_H_M.
    {"TxTimestampContext", "l2tag2", 4, 0xffff},
    {"TxTimestampContext", "dtype", 8, 0x000f},
    {"TxTimestampContext", "timestamp", 8, 0x0020},
    {"TxTimestampContext", "insert_l2tag2", 8, 0x0040},
    {"TxTimestampContext", "register", 10, 0xc000},
    {"TxTimestampContext", "register", 12, 0xffff, Word::kLittle, 2},
    {"TxTimestampContext", "mss", 14, 0x7ffc},  // IDPF_TX_DESC_CTX_MSS_M
    // struct idpf_flex_tx_sched_desc, IDPF_TXD_FLEX_FLOW_*.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "dtype", 8, 0x1f},
    {"TxData", "eop", 8, 0x20},
    {"TxData", "checksum", 8, 0x40},
    {"TxData", "report_event", 8, 0x80},
    {"TxData", "tag", 12, 0xffff},
    {"TxData", "buffer_length", 14, 0x3fff},
    {"TxData", "rxr", 14, 0x4000},
    {"TxData", "launch_time", 9, 0xffffff},  // Linux ts
    // struct idpf_splitq_tx_compl_desc, IDPF_TXD_COMPLQ_*_M.
    {"TxCompletion", "queue", 0, 0x07ff},
    {"TxCompletion", "type", 0, 0x3800},
    {"TxCompletion", "generation", 0, 0x8000},
    {"TxCompletion", "tag", 2, 0xffff},
    {"TxCompletion", "head", 2, 0xffff},
    {"TxQueued", "buffer_address", 0, ~0ull},
    {"TxQueued", "dtype", 8, 0x1f},                // IDPF_FLEX_TXD_QW1_DTYPE_M
    {"TxQueued", "eop", 8, 0x001 << 5},            // IDPF_TX_FLEX_DESC_CMD_EOP
    {"TxQueued", "rs", 8, 0x002 << 5},             // ..._RS
    {"TxQueued", "report_event", 8, 0x004 << 5},   // ..._RE
    {"TxQueued", "insert_l2tag1", 8, 0x008 << 5},  // ..._IL2TAG1
    {"TxQueued", "dummy", 8, 0x010 << 5},          // ..._DUMMY
    {"TxQueued", "checksum", 8, 0x020 << 5},       // ..._CS_EN
    {"TxQueued", "filter_update", 8, 0x040 << 5},  // ..._FILT_AU_EN
    {"TxQueued", "filter_evict", 8, 0x080 << 5},   // ..._FILT_AU_EVICT
    {"TxQueued", "l2tag1", 10, 0xffff},
    {"TxQueued", "l2tag2", 12, 0xffff},
    {"TxQueued", "buffer_length", 14, 0xffff},  // buf_size
};

TEST(SpecFacts, IntelIdpfSplit) { CheckFacts("intel.idpf.split", kFacts); }

}  // namespace
}  // namespace qsplit::testing
