// DPDK drivers/net/enic/base/cq_desc.h, cq_enet_desc.h, rq_enet_desc.h, wq_enet_desc.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// CQ_DESC_*, CQ_ENET_RQ_DESC_*, RQ_ENET_*, WQ_ENET_*.
constexpr Fact kFacts[] = {
    {"RxBuffer", "address", 0, ~0ull},
    {"RxBuffer", "length", 8, 0x3fff},  // RQ_ENET_LEN_BITS
    {"RxBuffer", "type", 8, 0xc000},    // RQ_ENET_TYPE_BITS
    {"RxMore", "address", 0, ~0ull},
    {"RxMore", "length", 8, 0x3fff},
    {"RxMore", "type", 8, 0xc000},
    {"RxDone", "completed_index", 0, 0x0fff},  // CQ_DESC_COMP_NDX_BITS
    {"RxDone", "ingress_port", 0, 0x1000},     // FLAGS_INGRESS_PORT
    {"RxDone", "fcoe", 0, 0x2000},             // FLAGS_FCOE
    {"RxDone", "eop", 0, 0x4000},              // FLAGS_EOP
    {"RxDone", "sop", 0, 0x8000},              // FLAGS_SOP
    {"RxDone", "queue_number", 2, 0x03ff},     // CQ_DESC_Q_NUM_BITS
    {"RxDone", "rss_type", 2, 0x3c00},         // RSS_TYPE_BITS
    {"RxDone", "not_calculated", 2, 0x4000},   // FLAGS_CSUM_NOT_CALC
    {"RxDone", "rss_hash", 4, 0xffffffff},
    {"RxDone", "length", 8, 0x3fff},         // BYTES_WRITTEN_BITS
    {"RxDone", "truncated", 8, 0x4000},      // FLAGS_TRUNCATED
    {"RxDone", "vlan_stripped", 8, 0x8000},  // FLAGS_VLAN_STRIPPED
    {"RxDone", "vlan_tag", 10, 0xffff},
    {"RxDone", "checksum", 12, 0xffff},
    {"RxDone", "l4_ok", 14, 0x01},                  // FLAGS_TCP_UDP_CSUM_OK
    {"RxDone", "udp", 14, 0x02},                    // FLAGS_UDP
    {"RxDone", "tcp", 14, 0x04},                    // FLAGS_TCP
    {"RxDone", "l3_ok", 14, 0x08},                  // FLAGS_IPV4_CSUM_OK
    {"RxDone", "ip6", 14, 0x10},                    // FLAGS_IPV6
    {"RxDone", "ip4", 14, 0x20},                    // FLAGS_IPV4
    {"RxDone", "fragment", 14, 0x40},               // FLAGS_IPV4_FRAGMENT
    {"RxDone", "fcs_ok", 14, 0x80},                 // FLAGS_FCS_OK
    {"RxDone", "type", 15, 0x0f},                   // CQ_DESC_TYPE_BITS
    {"RxDone", "color", 15, 0x80},                  // CQ_DESC_COLOR_SHIFT
    {"RxDone", "fcoe_sof", 12, 0x00ff},             // FCOE_SOF_BITS
    {"RxDone", "fcoe_eof", 12, 0xff00},             // FCOE_EOF_SHIFT
    {"RxDone", "fcoe_crc_ok", 14, 0x01},            // FCOE_FC_CRC_OK
    {"RxDone", "fcoe_encoding_error", 14, 0x02},    // FCOE_ENC_ERROR
    {"RxDoneLarge", "completed_index", 0, 0x0fff},  // CQ_DESC_COMP_NDX_BITS
    {"RxDoneLarge", "ingress_port", 0, 0x1000},     // FLAGS_INGRESS_PORT
    {"RxDoneLarge", "fcoe", 0, 0x2000},             // FLAGS_FCOE
    {"RxDoneLarge", "eop", 0, 0x4000},              // FLAGS_EOP
    {"RxDoneLarge", "sop", 0, 0x8000},              // FLAGS_SOP
    {"RxDoneLarge", "queue_number", 2, 0x03ff},     // CQ_DESC_Q_NUM_BITS
    {"RxDoneLarge", "rss_type", 2, 0x3c00},         // RSS_TYPE_BITS
    {"RxDoneLarge", "not_calculated", 2, 0x4000},   // FLAGS_CSUM_NOT_CALC
    {"RxDoneLarge", "rss_hash", 4, 0xffffffff},
    {"RxDoneLarge", "length", 8, 0x3fff},         // BYTES_WRITTEN_BITS
    {"RxDoneLarge", "truncated", 8, 0x4000},      // FLAGS_TRUNCATED
    {"RxDoneLarge", "vlan_stripped", 8, 0x8000},  // FLAGS_VLAN_STRIPPED
    {"RxDoneLarge", "vlan_tag", 10, 0xffff},
    {"RxDoneLarge", "checksum", 12, 0xffff},
    {"RxDoneLarge", "l4_ok", 14, 0x01},                               // FLAGS_TCP_UDP_CSUM_OK
    {"RxDoneLarge", "udp", 14, 0x02},                                 // FLAGS_UDP
    {"RxDoneLarge", "tcp", 14, 0x04},                                 // FLAGS_TCP
    {"RxDoneLarge", "l3_ok", 14, 0x08},                               // FLAGS_IPV4_CSUM_OK
    {"RxDoneLarge", "ip6", 14, 0x10},                                 // FLAGS_IPV6
    {"RxDoneLarge", "ip4", 14, 0x20},                                 // FLAGS_IPV4
    {"RxDoneLarge", "fragment", 14, 0x40},                            // FLAGS_IPV4_FRAGMENT
    {"RxDoneLarge", "fcs_ok", 14, 0x80},                              // FLAGS_FCS_OK
    {"RxDoneLarge", "type", 63, 0x0f},                                // CQ_DESC_TYPE_BITS
    {"RxDoneLarge", "color", 63, 0x80},                               // CQ_DESC_COLOR_SHIFT
    {"RxDoneLarge", "completed_index", 15, 0x03, Word::kLittle, 12},  // FETCH_IDX_BITS
    {"RxDoneLarge", "fcoe_sof", 12, 0x00ff},                          // FCOE_SOF_BITS
    {"RxDoneLarge", "fcoe_eof", 12, 0xff00},                          // FCOE_EOF_SHIFT
    {"RxDoneLarge", "fcoe_crc_ok", 14, 0x01},                         // FCOE_FC_CRC_OK
    {"RxDoneLarge", "fcoe_encoding_error", 14, 0x02},                 // FCOE_ENC_ERROR
    {"TxData", "address", 0, ~0ull},
    {"TxData", "length", 8, 0x3fff},          // WQ_ENET_LEN_BITS
    {"TxData", "loopback", 10, 0x0002},       // WQ_ENET_LOOPBACK_SHIFT
    {"TxData", "mss", 10, 0xfffc},            // WQ_ENET_MSS_SHIFT, WQ_ENET_MSS_BITS
    {"TxData", "l3_checksum", 10, 0x0004},    // bit 0 of the mss
    {"TxData", "l4_checksum", 10, 0x0008},    // bit 1 of the mss
    {"TxData", "header_length", 12, 0x03ff},  // WQ_ENET_HDRLEN_BITS
    {"TxData", "mode", 12, 0x0c00},           // WQ_ENET_FLAGS_OM_BITS
    {"TxData", "eop", 12, 0x1000},            // WQ_ENET_FLAGS_EOP_SHIFT
    {"TxData", "cq_entry", 12, 0x2000},       // WQ_ENET_FLAGS_CQ_ENTRY_SHIFT
    {"TxData", "fcoe_encap", 12, 0x4000},     // WQ_ENET_FLAGS_FCOE_ENCAP_SHIFT
    {"TxData", "insert_vlan", 12, 0x8000},    // WQ_ENET_FLAGS_VLAN_TAG_INSERT_SHIFT
    {"TxData", "vlan_tag", 14, 0xffff},
    {"TxData", "checksum_offset", 10, 0xfffc},  // WQ_ENET_MSS_SHIFT
    {"TxData", "checksum_start", 12, 0x03ff},   // WQ_ENET_HDRLEN_BITS
    {"TxDone", "completed_index", 0, 0x0fff},
    {"TxDone", "queue_number", 2, 0x03ff},
    {"TxDone", "type", 15, 0x0f},
    {"TxDone", "color", 15, 0x80},
};

TEST(SpecFacts, CiscoEnic) { CheckFacts("cisco.enic", kFacts); }

}  // namespace
}  // namespace qsplit::testing
