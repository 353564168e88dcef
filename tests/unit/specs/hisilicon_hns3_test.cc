// DPDK drivers/net/hns3/hns3_rxtx.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// HNS3_RXD_*, HNS3_TXD_*, and the offsets of struct hns3_desc.
constexpr Fact kFacts[] = {
    {"RxBuffer", "address", 0, ~0ull},
    {"RxBuffer", "base_info", 28, 0xffffffff},
    {"RxDone", "multicast", 8, 1u << 0},  // DMAC: 0x3
    {"RxDone", "broadcast", 8, 1u << 1},
    {"RxDone", "vlan", 8, 0x3u << 2},           // VLAN
    {"RxDone", "l3", 8, 0xfu << 4},             // L3ID
    {"RxDone", "l4", 8, 0xfu << 8},             // L4ID
    {"RxDone", "fragment", 8, 1u << 12},        // FRAG
    {"RxDone", "outer_stripped", 8, 1u << 13},  // STRP_TAGP: 0x3 << 13
    {"RxDone", "inner_stripped", 8, 1u << 14},
    {"RxDone", "l2_error", 8, 1u << 16},         // L2E
    {"RxDone", "l3_bad", 8, 1u << 17},           // L3E
    {"RxDone", "l4_bad", 8, 1u << 18},           // L4E
    {"RxDone", "truncated", 8, 1u << 19},        // TRUNCATE
    {"RxDone", "host_only", 8, 1u << 20},        // HOI
    {"RxDone", "drop_only", 8, 1u << 21},        // DOI
    {"RxDone", "outer_l3_bad", 8, 1u << 22},     // OL3E
    {"RxDone", "outer_l4_bad", 8, 1u << 23},     // OL4E
    {"RxDone", "gro_count", 8, 0x3fu << 24},     // GRO_COUNT
    {"RxDone", "gro_fixed_id", 8, 1u << 30},     // GRO_FIXID
    {"RxDone", "gro_ecn", 8, 1u << 31},          // GRO_ECN
    {"RxDone", "packet_length", 12, 0xffff},     // pkt_len
    {"RxDone", "size", 14, 0xffff},              // size
    {"RxDone", "rss_hash", 16, 0xffffffff},      // rss_hash
    {"RxDone", "fd_id", 20, 0xffff},             // fd_id
    {"RxDone", "inner_vlan_tag", 22, 0xffff},    // vlan_tag
    {"RxDone", "outer_dmac", 24, 0x3u << 0},     // ODMAC
    {"RxDone", "outer_vlan", 24, 0x3u << 2},     // OVLAN
    {"RxDone", "outer_l3", 24, 0xfu << 4},       // OL3ID
    {"RxDone", "outer_l4", 24, 0xfu << 8},       // OL4ID
    {"RxDone", "packet_type", 24, 0xffu << 4},   // PTYPE
    {"RxDone", "fbhi", 24, 0x3u << 12},          // FBHI
    {"RxDone", "fbli", 24, 0x3u << 14},          // FBLI
    {"RxDone", "outer_vlan_tag", 26, 0xffff},    // ot_vlan_tag
    {"RxDone", "bd_type", 28, 0xfu << 0},        // BDTYPE
    {"RxDone", "vld", 28, 1u << 4},              // VLD
    {"RxDone", "udp_zero", 28, 1u << 5},         // UDP0
    {"RxDone", "extended", 28, 1u << 7},         // EXTEND
    {"RxDone", "fe", 28, 1u << 8},               // FE
    {"RxDone", "rule_matched", 28, 1u << 9},     // LUM
    {"RxDone", "crc_present", 28, 1u << 10},     // CRCP
    {"RxDone", "checked", 28, 1u << 11},         // L3L4P
    {"RxDone", "time_valid", 28, 1u << 14},      // TS_VLD
    {"RxDone", "gro_size", 28, 0x3fffu << 16},   // GRO_SIZE
    {"RxDone", "checksum", 0, 0xffff},           // Linux csum
    {"RxDone", "time_ns", 0, 0xffffffff},        // Linux ts_nsec
    {"RxDone", "time_s", 4, 0xffffffff},         // Linux ts_sec
    {"RxDone", "time_register", 28, 0x3 << 12},  // Linux HNS3_RXD_TSIDX_M
    {"RxDone", "loopback", 28, 1u << 15},        // Linux HNS3_RXD_LKBK_B
    {"TxData", "address", 0, ~0ull},
    {"TxData", "inner_vlan_tag", 8, 0xffff},          // vlan_tag
    {"TxData", "send_size", 10, 0xffff},              // send_size
    {"TxData", "l3", 12, 0x3u << 0},                  // L3T
    {"TxData", "l4", 12, 0x3u << 2},                  // L4T
    {"TxData", "l3_checksum", 12, 1u << 4},           // L3CS
    {"TxData", "l4_checksum", 12, 1u << 5},           // L4CS
    {"TxData", "insert_inner_vlan", 12, 1u << 6},     // VLAN
    {"TxData", "tso", 12, 1u << 7},                   // TSO
    {"TxData", "l2_length", 12, 0xffu << 8},          // L2LEN
    {"TxData", "l3_length", 12, 0xffu << 16},         // L3LEN
    {"TxData", "l4_length", 12, 0xffu << 24},         // L4LEN
    {"TxData", "checksum_start", 12, 0xffffu << 8},   // L4_START
    {"TxData", "outer_vlan_tag", 16, 0xffff},         // outer_vlan_tag
    {"TxData", "tv", 18, 0xffff},                     // tv
    {"TxData", "outer_l3", 20, 0x3u << 0},            // OL3T
    {"TxData", "insert_outer_vlan", 20, 1u << 2},     // OVLAN
    {"TxData", "macsec", 20, 1u << 3},                // MACSEC
    {"TxData", "tunnel", 20, 0xfu << 4},              // TUNTYPE
    {"TxData", "checksum_offset", 20, 0xffffu << 8},  // L4_CKS_OFFSET
    {"TxData", "total_length", 24, 0x003fffff},       // paylen: what OL4CS leaves
    {"TxData", "payload_length", 24, 0x003fffff},
    {"TxData", "outer_l4_checksum", 24, 1u << 22},   // OL4CS
    {"TxData", "bd_type", 28, 0xfu << 0},            // BDTYPE
    {"TxData", "fe", 28, 1u << 4},                   // FE
    {"TxData", "sc", 28, 0x3u << 5},                 // SC
    {"TxData", "extended", 28, 1u << 7},             // EXTEND
    {"TxData", "vld", 28, 1u << 8},                  // VLD
    {"TxData", "ri", 28, 1u << 9},                   // RI
    {"TxData", "ra", 28, 1u << 10},                  // RA
    {"TxData", "timestamp", 28, 1u << 11},           // TSYN
    {"TxData", "decrement_ttl", 28, 0xfu << 12},     // DECTTL
    {"TxData", "mss", 30, 0x3fff},                   // MSS
    {"TxData", "checksum_by_offset", 30, 1u << 14},  // CKST
    {"TxData", "outer_l2_length", 21, 0xff},         // Linux ol2_len
    {"TxData", "outer_l3_length", 22, 0xff},         // Linux ol3_len
    {"TxData", "outer_l4_length", 23, 0xff},         // Linux ol4_len
};

TEST(SpecFacts, HisiliconHns3) { CheckFacts("hisilicon.hns3", kFacts); }

}  // namespace
}  // namespace qsplit::testing
