// DPDK drivers/net/gve/base/gve_desc.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    // union gve_rx_data_slot.
    {"RxSlot", "buffer_address", 0, ~0ull, Word::kBig64},
    {"RxSlot", "page_offset", 0, ~0ull, Word::kBig64},
    // struct gve_rx_desc, GVE_SEQNO, GVE_RXF_* by GVE_RXFLG.
    {"RxDescriptor", "rss_hash", 48, 0xffffffff, Word::kBig32},
    {"RxDescriptor", "mss", 52, 0xffff, Word::kBig16},
    {"RxDescriptor", "header_length", 56, 0xff},
    {"RxDescriptor", "header_offset", 57, 0xff},
    {"RxDescriptor", "checksum", 58, 0xffff, Word::kBig16},
    {"RxDescriptor", "length", 60, 0xffff, Word::kBig16},
    {"RxDescriptor", "sequence_number", 62, 0x7, Word::kBig16},
    {"RxDescriptor", "fragment", 62, 1 << (3 + 3), Word::kBig16},
    {"RxDescriptor", "ip4", 62, 1 << (3 + 4), Word::kBig16},
    {"RxDescriptor", "ip6", 62, 1 << (3 + 5), Word::kBig16},
    {"RxDescriptor", "tcp", 62, 1 << (3 + 6), Word::kBig16},
    {"RxDescriptor", "udp", 62, 1 << (3 + 7), Word::kBig16},
    {"RxDescriptor", "packet_error", 62, 1 << (3 + 8), Word::kBig16},
    {"RxDescriptor", "continued", 62, 1 << (3 + 10), Word::kBig16},
    // struct gve_tx_pkt_desc, GVE_TXF_L4CSUM, GVE_TXF_TSTAMP, GVE_TXD_TSO.
    {"TxPacket", "checksum", 0, 1 << 0},
    {"TxPacket", "timestamp", 0, 1 << 2},
    {"TxPacket", "segment", 0, 0x1 << 4},
    {"TxPacket", "type", 0, 0xe0},
    {"TxPacket", "checksum_offset", 1, 0xff},
    {"TxPacket", "l4_offset", 2, 0xff},
    {"TxPacket", "descriptor_count", 3, 0xff},
    {"TxPacket", "total_length", 4, 0xffff, Word::kBig16},
    {"TxPacket", "buffer_length", 6, 0xffff, Word::kBig16},
    {"TxPacket", "buffer_address", 8, ~0ull, Word::kBig64},
    {"TxPacket", "page_offset", 8, ~0ull, Word::kBig64},
    // struct gve_tx_seg_desc, GVE_TXSF_IPV6, GVE_TXD_SEG.
    {"TxSegment", "ip6", 0, 1 << 1},
    {"TxSegment", "type", 0, 0xf << 4},
    {"TxSegment", "l3_offset", 1, 0xff},
    {"TxSegment", "mss", 4, 0xffff, Word::kBig16},
    {"TxSegment", "buffer_length", 6, 0xffff, Word::kBig16},
    {"TxSegment", "buffer_address", 8, ~0ull, Word::kBig64},
    {"TxSegment", "page_offset", 8, ~0ull, Word::kBig64},
    // struct gve_tx_mtd_desc, GVE_TXD_MTD, GVE_MTD_PATH_HASH_L4.
    {"TxMetadata", "subtype", 0, 0x0f},
    {"TxMetadata", "type", 0, 0xf0},
    {"TxMetadata", "path_state", 1, 0x0f},
    {"TxMetadata", "path_hash_type", 1, 0xf0},
    {"TxMetadata", "path_hash", 4, 0xffffffff, Word::kBig32},
};

TEST(SpecFacts, GoogleGveGqi) { CheckFacts("google.gve.gqi", kFacts); }

}  // namespace
}  // namespace qsplit::testing
