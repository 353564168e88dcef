// DPDK drivers/net/bnxt/hsi_struct_def_dpdk.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// RX_PKT_CMPL_*, RX_ABUF_CMPL_*, RX_PROD_*, TX_BD_*, TX_CMPL_*: masks of the 16 or 32-bit members.
constexpr Fact kFacts[] = {
    {"RxBuffer", "type", 0, 0x003f},          // RX_PROD_PKT_BD_TYPE
    {"RxBuffer", "pad_start", 0, 0x0040},     // RX_PROD_PKT_BD_FLAGS_SOP_PAD
    {"RxBuffer", "pad_end", 0, 0x0080},       // RX_PROD_PKT_BD_FLAGS_EOP_PAD
    {"RxBuffer", "more_buffers", 0, 0x0300},  // RX_PROD_PKT_BD_FLAGS_BUFFERS
    {"RxBuffer", "length", 2, 0xffff},
    {"RxBuffer", "opaque", 4, 0xffffffff},
    {"RxBuffer", "address", 8, ~0ull},
    {"RxMore", "type", 0, 0x003f},     // RX_PROD_AGG_BD_TYPE
    {"RxMore", "pad_end", 0, 0x0040},  // RX_PROD_AGG_BD_FLAGS_EOP_PAD
    {"RxMore", "length", 2, 0xffff},
    {"RxMore", "opaque", 4, 0xffffffff},
    {"RxMore", "address", 8, ~0ull},
    {"RxDone", "type", 0, 0x003f},              // TYPE
    {"RxDone", "error", 0, 0x0040},             // FLAGS_ERROR
    {"RxDone", "placement", 0, 0x0380},         // FLAGS_PLACEMENT
    {"RxDone", "hash_valid", 0, 0x0400},        // FLAGS_RSS_VALID
    {"RxDone", "metadata_present", 0, 0x0800},  // FLAGS_PKT_METADATA_PRESENT
    {"RxDone", "inner_type", 0, 0xf000},        // FLAGS_ITYPE
    {"RxDone", "length", 2, 0xffff},
    {"RxDone", "opaque", 4, 0xffffffff},
    {"RxDone", "v1", 8, 0x01},        // V1
    {"RxDone", "agg_bufs", 8, 0x3e},  // AGG_BUFS
    {"RxDone", "hash_type", 9, 0xff},
    {"RxDone", "payload_offset", 10, 0xff},
    {"RxDone", "hash", 12, 0xffffffff},
    {"RxDone", "l3_checked", 16, 0x00000001},        // FLAGS2_IP_CS_CALC
    {"RxDone", "l4_checked", 16, 0x00000002},        // FLAGS2_L4_CS_CALC
    {"RxDone", "outer_l3_checked", 16, 0x00000004},  // FLAGS2_T_IP_CS_CALC
    {"RxDone", "outer_l4_checked", 16, 0x00000008},  // FLAGS2_T_L4_CS_CALC
    {"RxDone", "vlan_stripped", 16, 0x00000010},     // FLAGS2_META_FORMAT: 0xf0, VLAN is 1
    {"RxDone", "meta_other", 16, 0x000000e0},        // the rest of it
    {"RxDone", "ip_type", 16, 0x00000100},           // FLAGS2_IP_TYPE
    {"RxDone", "sum_valid", 16, 0x00000200},         // FLAGS2_COMPLETE_CHECKSUM_CALC
    {"RxDone", "meta_extended", 16, 0x00000c00},     // FLAGS2_EXT_META_FORMAT
    {"RxDone", "sum", 16, 0xffff0000},               // FLAGS2_COMPLETE_CHECKSUM
    {"RxDone", "vlan_tag", 20, 0x0000ffff},          // METADATA_VID, DE, PRI
    {"RxDone", "vlan_tpid", 20, 0xffff0000},         // METADATA_TPID
    {"RxDone", "v2", 24, 0x0001},                    // V2
    {"RxDone", "buffer_error", 24, 0x000e},          // ERRORS_BUFFER_ERROR
    {"RxDone", "l3_bad", 24, 0x0010},                // ERRORS_IP_CS_ERROR
    {"RxDone", "l4_bad", 24, 0x0020},                // ERRORS_L4_CS_ERROR
    {"RxDone", "outer_l3_bad", 24, 0x0040},          // ERRORS_T_IP_CS_ERROR
    {"RxDone", "outer_l4_bad", 24, 0x0080},          // ERRORS_T_L4_CS_ERROR
    {"RxDone", "crc_error", 24, 0x0100},             // ERRORS_CRC_ERROR
    {"RxDone", "tunnel_error", 24, 0x0e00},          // ERRORS_T_PKT_ERROR
    {"RxDone", "packet_error", 24, 0xf000},          // ERRORS_PKT_ERROR
    {"RxDone", "cfa_code", 26, 0xffff},
    {"RxDone", "reorder", 28, 0x00ffffff},  // REORDER
    {"RxMoreDone", "type", 0, 0x003f},      // RX_ABUF_CMPL_TYPE
    {"RxMoreDone", "length", 2, 0xffff},
    {"RxMoreDone", "opaque", 4, 0xffffffff},
    {"RxMoreDone", "v", 8, 0x00000001},      // RX_ABUF_CMPL_V
    {"TxLong", "type", 0, 0x003f},           // TX_BD_LONG_TYPE
    {"TxLong", "packet_end", 0, 0x0040},     // TX_BD_LONG_FLAGS_PACKET_END
    {"TxLong", "no_completion", 0, 0x0080},  // TX_BD_LONG_FLAGS_NO_CMPL
    {"TxLong", "bd_count", 0, 0x1f00},       // TX_BD_LONG_FLAGS_BD_CNT
    {"TxLong", "length_hint", 0, 0x6000},    // TX_BD_LONG_FLAGS_LHINT
    {"TxLong", "coalesce_now", 0, 0x8000},   // TX_BD_LONG_FLAGS_COAL_NOW
    {"TxLong", "length", 2, 0xffff},
    {"TxLong", "opaque", 4, 0xffffffff},
    {"TxLong", "address", 8, ~0ull},
    {"TxLong", "l4_checksum", 16, 0x0001},           // TX_BD_LONG_LFLAGS_TCP_UDP_CHKSUM
    {"TxLong", "l3_checksum", 16, 0x0002},           // TX_BD_LONG_LFLAGS_IP_CHKSUM
    {"TxLong", "no_crc", 16, 0x0004},                // TX_BD_LONG_LFLAGS_NOCRC
    {"TxLong", "stamp", 16, 0x0008},                 // TX_BD_LONG_LFLAGS_STAMP
    {"TxLong", "outer_l3_checksum", 16, 0x0010},     // TX_BD_LONG_LFLAGS_T_IP_CHKSUM
    {"TxLong", "lso", 16, 0x0020},                   // TX_BD_LONG_LFLAGS_LSO
    {"TxLong", "ip_id_format", 16, 0x0040},          // TX_BD_LONG_LFLAGS_IPID_FMT
    {"TxLong", "outer_ip_id", 16, 0x0080},           // TX_BD_LONG_LFLAGS_T_IPID
    {"TxLong", "roce_crc", 16, 0x0100},              // TX_BD_LONG_LFLAGS_ROCE_CRC
    {"TxLong", "fcoe_crc", 16, 0x0200},              // TX_BD_LONG_LFLAGS_FCOE_CRC
    {"TxLong", "timed", 16, 0x0400},                 // TX_BD_LONG_LFLAGS_BD_TS_EN
    {"TxLong", "trace", 16, 0x0800},                 // TX_BD_LONG_LFLAGS_DEBUG_TRACE
    {"TxLong", "stamp_one_step", 16, 0x1000},        // TX_BD_LONG_LFLAGS_STAMP_1STEP
    {"TxLong", "option_l3_checksum", 16, 0x2000},    // TX_BD_LONG_LFLAGS_OT_IP_CHKSUM
    {"TxLong", "option_ip_id", 16, 0x4000},          // TX_BD_LONG_LFLAGS_OT_IPID
    {"TxLong", "crypto", 16, 0x8000},                // TX_BD_LONG_LFLAGS_CRYPTO_EN
    {"TxLong", "header_size", 18, 0x01ff},           // TX_BD_LONG_HDR_SIZE
    {"TxLong", "key_or_time_low", 18, 0xfe00},       // TX_BD_LONG_KID_OR_TS_LOW
    {"TxLong", "mss", 20, 0x00007fff},               // TX_BD_LONG_MSS
    {"TxLong", "key_or_time_high", 20, 0xffff8000},  // TX_BD_LONG_KID_OR_TS_HIGH
    {"TxLong", "action_high", 24, 0x03ff},           // TX_BD_LONG_CFA_ACTION_HIGH
    {"TxLong", "action", 26, 0xffff},
    {"TxLong", "vlan_tag", 28, 0x0000ffff},     // TX_BD_LONG_CFA_META_VLAN_VID, DE, PRI
    {"TxLong", "vlan_tpid", 28, 0x00070000},    // TX_BD_LONG_CFA_META_VLAN_TPID
    {"TxLong", "insert_vlan", 28, 0x10000000},  // TX_BD_LONG_CFA_META_KEY_VLAN_TAG
    {"TxLong", "other_key", 28, 0xe0000000},    // TX_BD_LONG_CFA_META_KEY: 0xf0000000
    {"TxShort", "type", 0, 0x003f},             // TX_BD_SHORT_TYPE
    {"TxShort", "packet_end", 0, 0x0040},       // TX_BD_SHORT_FLAGS_PACKET_END
    {"TxShort", "length", 2, 0xffff},
    {"TxShort", "address", 8, ~0ull},
    {"TxShort", "no_completion", 0, 0x0080},
    {"TxShort", "bd_count", 0, 0x1f00},
    {"TxShort", "length_hint", 0, 0x6000},
    {"TxShort", "coalesce_now", 0, 0x8000},
    {"TxShort", "opaque", 4, 0xffffffff},
    {"TxDone", "type", 0, 0x003f},   // TX_CMPL_TYPE
    {"TxDone", "error", 0, 0x0040},  // TX_CMPL_FLAGS_ERROR
    {"TxDone", "push", 0, 0x0080},   // TX_CMPL_FLAGS_PUSH
    {"TxDone", "opaque", 4, 0xffffffff},
    {"TxDone", "v", 8, 0x0001},               // TX_CMPL_V
    {"TxDone", "buffer_error", 8, 0x000e},    // TX_CMPL_ERRORS_BUFFER_ERROR
    {"TxDone", "zero_length", 8, 0x0010},     // TX_CMPL_ERRORS_ZERO_LENGTH_PKT
    {"TxDone", "too_long", 8, 0x0020},        // TX_CMPL_ERRORS_EXCESSIVE_BD_LENGTH
    {"TxDone", "dma_error", 8, 0x0040},       // TX_CMPL_ERRORS_DMA_ERROR
    {"TxDone", "hint_too_short", 8, 0x0080},  // TX_CMPL_ERRORS_HINT_TOO_SHORT
    {"TxDone", "poisoned", 8, 0x0100},        // TX_CMPL_ERRORS_POISON_TLP_ERROR
    {"TxDone", "internal_error", 8, 0x0200},  // TX_CMPL_ERRORS_INTERNAL_ERROR
    {"TxDone", "time_invalid", 8, 0x0400},    // TX_CMPL_ERRORS_TIMESTAMP_INVALID_ERROR
};

TEST(SpecFacts, BroadcomBnxt) { CheckFacts("broadcom.bnxt", kFacts); }

}  // namespace
}  // namespace qsplit::testing
