// The bit fields of Vmxnet3_TxDesc, _RxDesc, _TxCompDesc and _RxCompDesc, and VMXNET3_*_SHIFT: DPDK
// drivers/net/vmxnet3/base/vmxnet3_defs.h, Linux drivers/net/vmxnet3/vmxnet3_defs.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    {"RxHead", "address", 0, ~0ull},             // addr
    {"RxHead", "length", 8, 0x00003fff},         // len
    {"RxHead", "buffer_type", 8, 1u << 14},      // VMXNET3_RXD_BTYPE_SHIFT
    {"RxHead", "descriptor_type", 8, 1u << 15},  // dtype
    {"RxHead", "gen", 8, 1u << 31},              // VMXNET3_RXD_GEN_SHIFT
    {"RxHead", "ext1", 12, 0xffffffff},
    {"RxBody", "address", 0, ~0ull},
    {"RxBody", "length", 8, 0x00003fff},
    {"RxBody", "buffer_type", 8, 1u << 14},
    {"RxBody", "descriptor_type", 8, 1u << 15},
    {"RxBody", "gen", 8, 1u << 31},
    {"RxBody", "ext1", 12, 0xffffffff},
    {"RxCompletion", "rx_index", 0, 0x00000fff},      // rxdIdx
    {"RxCompletion", "inner_packet", 0, 1u << 12},    // ext1, bit 0
    {"RxCompletion", "inner_checksum", 0, 1u << 13},  // VMXNET3_RCD_HDR_INNER_SHIFT
    {"RxCompletion", "eop", 0, 1u << 14},
    {"RxCompletion", "sop", 0, 1u << 15},
    {"RxCompletion", "queue_id", 0, 0x03ff0000},   // rqID
    {"RxCompletion", "rss_type", 0, 0x3c000000},   // rssType
    {"RxCompletion", "not_checked", 0, 1u << 30},  // cnc
    {"RxCompletion", "rss_hash", 4, 0xffffffff},
    {"RxCompletion", "length", 8, 0x00003fff},
    {"RxCompletion", "err", 8, 1u << 14},
    {"RxCompletion", "tag_stripped", 8, 1u << 15},  // ts
    {"RxCompletion", "vlan_tag", 8, 0xffff0000},    // tci
    {"RxCompletion", "checksum", 12, 0x0000ffff},   // csum
    {"RxCompletion", "l4_ok", 12, 1u << 16},        // VMXNET3_RCD_TUC_SHIFT
    {"RxCompletion", "udp", 12, 1u << 17},
    {"RxCompletion", "tcp", 12, 1u << 18},
    {"RxCompletion", "l3_ok", 12, 1u << 19},                // VMXNET3_RCD_IPC_SHIFT
    {"RxCompletion", "ip6", 12, 1u << 20},                  // v6
    {"RxCompletion", "ip4", 12, 1u << 21},                  // v4
    {"RxCompletion", "fragment", 12, 1u << 22},             // frg
    {"RxCompletion", "fcs_ok", 12, 1u << 23},               // fcs
    {"RxCompletion", "completion_type", 8, 0x7full << 56},  // VMXNET3_RCD_TYPE_SHIFT, of 8 bytes
    {"RxCompletion", "gen", 8, 1ull << 63},                 // VMXNET3_RCD_GEN_SHIFT, of 8 bytes
    {"RxCompletion", "ext2", 0, 1u << 31},
    {"RxCompletionLro", "rx_index", 0, 0x00000fff},
    {"RxCompletionLro", "eop", 0, 1u << 14},
    {"RxCompletionLro", "sop", 0, 1u << 15},
    {"RxCompletionLro", "queue_id", 0, 0x03ff0000},
    {"RxCompletionLro", "segments", 4, 0xff},           // segCnt
    {"RxCompletionLro", "duplicate_acks", 5, 0xff},     // dupAckCnt
    {"RxCompletionLro", "timestamp_delta", 6, 0xffff},  // tsDelta
    {"RxCompletionLro", "length", 8, 0x00003fff},
    {"RxCompletionLro", "err", 8, 1u << 14},
    {"RxCompletionLro", "tag_stripped", 8, 1u << 15},
    {"RxCompletionLro", "vlan_tag", 8, 0xffff0000},
    {"RxCompletionLro", "mss", 12, 0x0000ffff},
    {"RxCompletionLro", "l4_ok", 12, 1u << 16},
    {"RxCompletionLro", "udp", 12, 1u << 17},
    {"RxCompletionLro", "tcp", 12, 1u << 18},
    {"RxCompletionLro", "l3_ok", 12, 1u << 19},
    {"RxCompletionLro", "ip6", 12, 1u << 20},
    {"RxCompletionLro", "ip4", 12, 1u << 21},
    {"RxCompletionLro", "fragment", 12, 1u << 22},
    {"RxCompletionLro", "completion_type", 12, 0x7f000000},
    {"RxCompletionLro", "gen", 12, 1u << 31},
    {"RxCompletionLro", "inner_packet", 0, 1u << 12},
    {"RxCompletionLro", "inner_checksum", 0, 1u << 13},
    {"RxCompletionLro", "rss_type", 0, 0x3c000000},
    {"RxCompletionLro", "not_checked", 0, 1u << 30},
    {"RxCompletionLro", "ext2", 0, 1u << 31},
    {"RxCompletionLro", "fcs_ok", 12, 1u << 23},
    {"TxDescriptor", "address", 0, ~0ull},
    {"TxDescriptor", "length", 8, 0x00003fff},
    {"TxDescriptor", "gen", 8, 1u << 14},              // VMXNET3_TXD_GEN_SHIFT
    {"TxDescriptor", "outer_checksum", 8, 1u << 15},   // oco
    {"TxDescriptor", "descriptor_type", 8, 1u << 16},  // dtype
    {"TxDescriptor", "inner", 8, 1u << 17},            // ext1
    {"TxDescriptor", "mss", 8, 0xfffc0000},            // msscof
    {"TxDescriptor", "checksum_at", 8, 0xfffc0000},
    {"TxDescriptor", "header_length", 12, 0x000003ff},  // hlen
    {"TxDescriptor", "checksum_start", 12, 0x000003ff},
    {"TxDescriptor", "offload", 12, 0x00000c00},           // om
    {"TxDescriptor", "eop", 12, 1u << 12},                 // VMXNET3_TXD_EOP_SHIFT
    {"TxDescriptor", "completion_request", 12, 1u << 13},  // VMXNET3_TXD_CQ_SHIFT
    {"TxDescriptor", "insert_tag", 12, 1u << 15},          // ti
    {"TxDescriptor", "vlan_tag", 12, 0xffff0000},          // tci
    {"TxDescriptor", "ext2", 12, 1u << 14},
    {"TxCompletion", "tx_index", 0, 0x00000fff},  // VMXNET3_TCD_TXIDX_SHIFT, _SIZE
    {"TxCompletion", "completion_type", 12, 0x7f000000},
    {"TxCompletion", "gen", 12, 1u << 31},  // VMXNET3_TCD_GEN_SHIFT
    {"TxCompletion", "ext1", 0, 0xfffff000},
    {"TxCompletion", "ext2", 4, 0xffffffff},
    {"TxCompletion", "ext3", 8, 0xffffffff},
    {"TxInline", "headers", 0, 128, Word::kBytes},  // VMXNET3_HDR_COPY_SIZE
    {"TimeInfo", "time", 0, (1ull << 56) - 1},      // tsData
    {"TimeInfo", "time_type", 0, 0xfull << 56},     // tsType
    {"TimeInfo", "timed", 0, 1ull << 60},           // tsi
};

TEST(SpecFacts, Vmxnet3) { CheckFacts("vmware.vmxnet3", kFacts); }

}  // namespace
}  // namespace qsplit::testing
