// DPDK drivers/net/gve/base/gve_desc_dqo.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // struct gve_rx_desc_dqo.
    {"RxBuffer", "buffer_id", 0, 0xffff},
    {"RxBuffer", "buffer_address", 8, ~0ull},
    {"RxBuffer", "header_address", 16, ~0ull},
    // struct gve_rx_compl_desc_dqo.
    {"RxCompletion", "rxdid", 0, 0x0f},
    {"RxCompletion", "loopback", 1, 0x01},
    {"RxCompletion", "ip6_extension", 1, 0x02},
    {"RxCompletion", "rx_error", 1, 0x04},
    {"RxCompletion", "packet_type", 2, 0x03ff},
    {"RxCompletion", "ip_header_error", 2, 0x0400},
    {"RxCompletion", "udp_length_error", 2, 0x0800},
    {"RxCompletion", "raw_checksum_bad", 2, 0x1000},
    {"RxCompletion", "length", 4, 0x3fff},
    {"RxCompletion", "generation", 4, 0x4000},
    {"RxCompletion", "buffer_queue", 4, 0x8000},
    {"RxCompletion", "header_length", 6, 0x03ff},
    {"RxCompletion", "merged", 6, 0x0400},
    {"RxCompletion", "split_header", 6, 0x0800},
    {"RxCompletion", "descriptor_done", 8, 0x01},
    {"RxCompletion", "eop", 8, 0x02},
    {"RxCompletion", "header_overflow", 8, 0x04},
    {"RxCompletion", "checked", 8, 0x08},
    {"RxCompletion", "l3_bad", 8, 0x10},
    {"RxCompletion", "l4_bad", 8, 0x20},
    {"RxCompletion", "outer_l3_bad", 8, 0x40},
    {"RxCompletion", "outer_l4_bad", 8, 0x80},
    {"RxCompletion", "status_error_1", 9, 0xff},
    {"RxCompletion", "timestamp_valid", 11, 0x01},
    {"RxCompletion", "timestamp_low", 11, 0xfe},
    {"RxCompletion", "buffer_id", 12, 0xffff},
    {"RxCompletion", "raw_checksum", 14, 0xffff},
    {"RxCompletion", "segment_length", 14, 0xffff},
    {"RxCompletion", "hash", 16, 0xffffffff},
    {"RxCompletion", "timestamp", 28, 0xffffffff},
    // struct gve_tx_tso_context_desc_dqo.
    {"TxSegmentContext", "total_length", 0, 0x00ffffff},
    {"TxSegmentContext", "flex_10", 0, 0xff000000},
    {"TxSegmentContext", "mss", 4, 0x3fff},
    {"TxSegmentContext", "header_length", 6, 0xff},
    {"TxSegmentContext", "flex_11", 7, 0xff},
    {"TxSegmentContext", "dtype", 8, 0x1f},
    {"TxSegmentContext", "tso", 8, 0x20},
    {"TxSegmentContext", "flex_0", 10, 0xff},
    {"TxSegmentContext", "flex_5", 11, 0xff},
    {"TxSegmentContext", "flex_6", 12, 0xff},
    {"TxSegmentContext", "flex_7", 13, 0xff},
    {"TxSegmentContext", "flex_8", 14, 0xff},
    {"TxSegmentContext", "flex_9", 15, 0xff},
    // struct gve_tx_general_context_desc_dqo, gve_tx_metadata_dqo.
    {"TxGeneralContext", "flex_4_to_11", 0, 8, Word::kBytes},
    {"TxGeneralContext", "dtype", 8, 0x1f},
    {"TxGeneralContext", "tso", 8, 0x20},
    {"TxGeneralContext", "version", 12, 0xff},
    {"TxGeneralContext", "path_hash", 13, 0x7fff},
    {"TxGeneralContext", "rehash_event", 13, 0x8000},
    {"TxGeneralContext", "flex_3", 15, 0xff},
    // struct gve_tx_pkt_desc_dqo.
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "dtype", 8, 0x1f},
    {"TxData", "eop", 8, 0x20},
    {"TxData", "checksum", 8, 0x40},
    {"TxData", "report_event", 8, 0x80},
    {"TxData", "tag", 12, 0xffff},
    {"TxData", "buffer_length", 14, 0x3fff},
    // struct gve_tx_compl_desc.
    {"TxCompletion", "queue", 0, 0x07ff},
    {"TxCompletion", "type", 0, 0x3800},
    {"TxCompletion", "generation", 0, 0x8000},
    {"TxCompletion", "tag", 2, 0xffff},
    {"TxCompletion", "head", 2, 0xffff},
};

TEST(SpecFacts, GoogleGveDqo) { CheckFacts("google.gve.dqo", kFacts); }

}  // namespace
}  // namespace qsplit::testing
