// DPDK drivers/net/ena/base/ena_defs/ena_eth_io_defs.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// ENA_ETH_IO_*_MASK, and the offsets of the header's structures.
constexpr Fact kFacts[] = {
    {"RxBuffer", "length", 0, 0xffff},
    {"RxBuffer", "pass", 3, 0x01},      // RX_DESC_PHASE
    {"RxBuffer", "first", 3, 0x04},     // RX_DESC_FIRST
    {"RxBuffer", "last", 3, 0x08},      // RX_DESC_LAST
    {"RxBuffer", "comp_req", 3, 0x10},  // RX_DESC_COMP_REQ
    {"RxBuffer", "req_id", 4, 0xffff},
    {"RxBuffer", "buffer_address", 8, 0x0000ffffffffffff},
    {"RxDone", "pass", 0, 0x01000000},        // RX_CDESC_BASE_PHASE
    {"RxDone", "first", 0, 0x04000000},       // RX_CDESC_BASE_FIRST
    {"RxDone", "last", 0, 0x08000000},        // RX_CDESC_BASE_LAST
    {"RxDone", "buffer", 0, 0x40000000},      // RX_CDESC_BASE_BUFFER
    {"RxDone", "mbz_7", 0, 0x00000080},       // RX_CDESC_BASE_MBZ7
    {"RxDone", "mbz_17", 0, 0x00020000},      // RX_CDESC_BASE_MBZ17
    {"RxDone", "l3", 0, 0x0000001f},          // RX_CDESC_BASE_L3_PROTO_IDX
    {"RxDone", "vlan_tags", 0, 0x00000060},   // RX_CDESC_BASE_SRC_VLAN_CNT
    {"RxDone", "l4", 0, 0x00001f00},          // RX_CDESC_BASE_L4_PROTO_IDX
    {"RxDone", "l3_bad", 0, 0x00002000},      // RX_CDESC_BASE_L3_CSUM_ERR
    {"RxDone", "l4_bad", 0, 0x00004000},      // RX_CDESC_BASE_L4_CSUM_ERR
    {"RxDone", "fragment", 0, 0x00008000},    // RX_CDESC_BASE_IPV4_FRAG
    {"RxDone", "l4_checked", 0, 0x00010000},  // RX_CDESC_BASE_L4_CSUM_CHECKED
    {"RxDone", "l3_sum_2", 0, 0x02000000},    // RX_CDESC_BASE_L3_CSUM2
    {"RxDone", "length", 4, 0xffff},
    {"RxDone", "req_id", 6, 0xffff},
    {"RxDone", "hash", 8, 0xffffffff},
    {"RxDone", "sub_queue", 12, 0xffff},
    {"RxDone", "offset", 14, 0xff},
    {"RxDoneExtended", "pass", 0, 0x01000000},        // RX_CDESC_BASE_PHASE
    {"RxDoneExtended", "first", 0, 0x04000000},       // RX_CDESC_BASE_FIRST
    {"RxDoneExtended", "last", 0, 0x08000000},        // RX_CDESC_BASE_LAST
    {"RxDoneExtended", "buffer", 0, 0x40000000},      // RX_CDESC_BASE_BUFFER
    {"RxDoneExtended", "mbz_7", 0, 0x00000080},       // RX_CDESC_BASE_MBZ7
    {"RxDoneExtended", "mbz_17", 0, 0x00020000},      // RX_CDESC_BASE_MBZ17
    {"RxDoneExtended", "l3", 0, 0x0000001f},          // RX_CDESC_BASE_L3_PROTO_IDX
    {"RxDoneExtended", "vlan_tags", 0, 0x00000060},   // RX_CDESC_BASE_SRC_VLAN_CNT
    {"RxDoneExtended", "l4", 0, 0x00001f00},          // RX_CDESC_BASE_L4_PROTO_IDX
    {"RxDoneExtended", "l3_bad", 0, 0x00002000},      // RX_CDESC_BASE_L3_CSUM_ERR
    {"RxDoneExtended", "l4_bad", 0, 0x00004000},      // RX_CDESC_BASE_L4_CSUM_ERR
    {"RxDoneExtended", "fragment", 0, 0x00008000},    // RX_CDESC_BASE_IPV4_FRAG
    {"RxDoneExtended", "l4_checked", 0, 0x00010000},  // RX_CDESC_BASE_L4_CSUM_CHECKED
    {"RxDoneExtended", "l3_sum_2", 0, 0x02000000},    // RX_CDESC_BASE_L3_CSUM2
    {"RxDoneExtended", "length", 4, 0xffff},
    {"RxDoneExtended", "req_id", 6, 0xffff},
    {"RxDoneExtended", "hash", 8, 0xffffffff},
    {"RxDoneExtended", "sub_queue", 12, 0xffff},
    {"RxDoneExtended", "offset", 14, 0xff},
    {"RxDoneExtended", "buffer_address", 16, 0x0000ffffffffffff},
    {"RxDoneExtended", "timestamp", 24, ~0ull},
    {"TxMeta", "req_id_low", 0, 0x000003ff},                 // TX_META_DESC_REQ_ID_LO
    {"TxMeta", "ext_valid", 0, 0x00004000},                  // TX_META_DESC_EXT_VALID
    {"TxMeta", "eth_meta_type", 0, 0x00100000},              // TX_META_DESC_ETH_META_TYPE
    {"TxMeta", "meta_store", 0, 0x00200000},                 // TX_META_DESC_META_STORE
    {"TxMeta", "meta_desc", 0, 0x00800000},                  // TX_META_DESC_META_DESC
    {"TxMeta", "pass", 0, 0x01000000},                       // TX_META_DESC_PHASE
    {"TxMeta", "first", 0, 0x04000000},                      // TX_META_DESC_FIRST
    {"TxMeta", "last", 0, 0x08000000},                       // TX_META_DESC_LAST
    {"TxMeta", "comp_req", 0, 0x10000000},                   // TX_META_DESC_COMP_REQ
    {"TxMeta", "req_id_high", 4, 0x0000003f},                // TX_META_DESC_REQ_ID_HI
    {"TxMeta", "l3_length", 8, 0x000000ff},                  // TX_META_DESC_L3_HDR_LEN
    {"TxMeta", "l3_offset", 8, 0x0000ff00},                  // TX_META_DESC_L3_HDR_OFF
    {"TxMeta", "l4_words", 8, 0x003f0000},                   // TX_META_DESC_L4_HDR_LEN_IN_WORDS
    {"TxMeta", "mss", 8, 0xffc00000},                        // TX_META_DESC_MSS_LO
    {"TxMeta", "mss", 0, 0x000f0000, Word::kLittle, 10},     // TX_META_DESC_MSS_HI
    {"TxData", "length", 0, 0x0000ffff},                     // TX_DESC_LENGTH
    {"TxData", "req_id", 4, 0xffc00000},                     // TX_DESC_REQ_ID_LO
    {"TxData", "req_id", 0, 0x003f0000, Word::kLittle, 10},  // TX_DESC_REQ_ID_HI
    {"TxData", "meta_desc", 0, 0x00800000},                  // TX_DESC_META_DESC
    {"TxData", "pass", 0, 0x01000000},                       // TX_DESC_PHASE
    {"TxData", "first", 0, 0x04000000},                      // TX_DESC_FIRST
    {"TxData", "last", 0, 0x08000000},                       // TX_DESC_LAST
    {"TxData", "comp_req", 0, 0x10000000},                   // TX_DESC_COMP_REQ
    {"TxData", "l3", 4, 0x0000000f},                         // TX_DESC_L3_PROTO_IDX
    {"TxData", "dont_fragment", 4, 0x00000010},              // TX_DESC_DF
    {"TxData", "tso", 4, 0x00000080},                        // TX_DESC_TSO_EN
    {"TxData", "l4", 4, 0x00001f00},                         // TX_DESC_L4_PROTO_IDX
    {"TxData", "l3_checksum", 4, 0x00002000},                // TX_DESC_L3_CSUM_EN
    {"TxData", "l4_checksum", 4, 0x00004000},                // TX_DESC_L4_CSUM_EN
    {"TxData", "no_fcs", 4, 0x00008000},                     // TX_DESC_ETHERNET_FCS_DIS
    {"TxData", "l4_partial", 4, 0x00020000},                 // TX_DESC_L4_CSUM_PARTIAL
    {"TxData", "buffer_address", 8, 0x0000ffffffffffff},     // TX_DESC_ADDR_HI: 15..0
    {"TxData", "header_length", 12, 0xff000000},             // TX_DESC_HEADER_LENGTH
    {"TxDone", "req_id", 0, 0xffff},
    {"TxDone", "status", 2, 0xff},
    {"TxDone", "pass", 3, 0x01},   // TX_CDESC_PHASE
    {"TxDone", "mbz_6", 3, 0xc0},  // TX_CDESC_MBZ6
    {"TxDone", "sub_queue", 4, 0xffff},
    {"TxDone", "sq_head", 6, 0xffff},
    {"TxDoneExtended", "req_id", 0, 0xffff},
    {"TxDoneExtended", "status", 2, 0xff},
    {"TxDoneExtended", "pass", 3, 0x01},
    {"TxDoneExtended", "timestamp", 8, ~0ull},
    {"TxDoneExtended", "sub_queue", 4, 0xffff},
    {"TxDoneExtended", "sq_head", 6, 0xffff},
    {"TxLine", "descriptors", 0, 32, Word::kBytes},  // ENA_ADMIN_LLQ_NUM_DESCS_BEFORE_HEADER_2
    {"TxLine", "headers", 32, 96, Word::kBytes},     // to ENA_ADMIN_LIST_ENTRY_SIZE_128B
};

TEST(SpecFacts, AmazonEna) { CheckFacts("amazon.ena", kFacts); }

}  // namespace
}  // namespace qsplit::testing
