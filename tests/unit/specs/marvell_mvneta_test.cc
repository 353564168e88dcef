// struct mvneta_rx_desc, mvneta_tx_desc and MVNETA_* of Linux
// drivers/net/ethernet/marvell/mvneta.c.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    {"RxBuffer", "buffer_address", 8, 0xffffffff},       // buf_phys_addr
    {"RxBuffer", "cookie", 16, 0xffffffff},              // buf_cookie
    {"RxPacket", "pool", 0, 1u << 13 | 1u << 14},        // MVNETA_RXD_BM_POOL_MASK
    {"RxPacket", "error_summary", 0, 1u << 16},          // MVNETA_RXD_ERR_SUMMARY
    {"RxPacket", "error_code", 0, 1u << 17 | 1u << 18},  // MVNETA_RXD_ERR_CODE_MASK
    {"RxPacket", "ip4", 0, 1u << 25},                    // MVNETA_RXD_L3_IP4
    {"RxPacket", "last", 0, 1u << 26},                   // MVNETA_RXD_LAST_DESC
    {"RxPacket", "first", 0, 1u << 27},                  // MVNETA_RXD_FIRST_DESC
    {"RxPacket", "l4_ok", 0, 1u << 30},                  // MVNETA_RXD_L4_CSUM_OK
    {"RxPacket", "length", 6, 0xffff},                   // data_size
    {"RxPacket", "buffer_address", 8, 0xffffffff},
    {"RxPacket", "cookie", 16, 0xffffffff},
    {"RxPacket", "pnc_info", 4, 0xffff},               // reserved1
    {"RxPacket", "pnc_flow", 12, 0xffffffff},          // reserved2
    {"RxPacket", "prefetch", 20, 0xffff},              // reserved3
    {"RxPacket", "checksum", 22, 0xffff},              // reserved4
    {"RxPacket", "pnc_extra", 24, 0xffffffff},         // reserved5
    {"RxPacket", "hardware_command", 28, 0xffffffff},  // reserved6
    {"TxDescriptor", "l3_offset", 0, 0x7f},            // MVNETA_TX_L3_OFF_SHIFT 0, below IP_HLEN
    {"TxDescriptor", "ip_length", 0, 0x1f00},          // MVNETA_TX_IP_HLEN_SHIFT 8
    {"TxDescriptor", "udp", 0, 1u << 16},              // MVNETA_TX_L4_UDP
    {"TxDescriptor", "ip6", 0, 1u << 17},              // MVNETA_TX_L3_IP6
    {"TxDescriptor", "ip_checksum", 0, 1u << 18},      // MVNETA_TXD_IP_CSUM
    {"TxDescriptor", "pad", 0, 1u << 19},              // MVNETA_TXD_Z_PAD
    {"TxDescriptor", "last", 0, 1u << 20},             // MVNETA_TXD_L_DESC
    {"TxDescriptor", "first", 0, 1u << 21},            // MVNETA_TXD_F_DESC
    {"TxDescriptor", "l4_checksum", 0, 1u << 30 | 1u << 31},   // MVNETA_TX_L4_CSUM_FULL, _NOT
    {"TxDescriptor", "length", 6, 0xffff},                     // data_size
    {"TxDescriptor", "buffer_address", 8, 0xffffffff},         // buf_phys_addr
    {"TxDescriptor", "checksum", 4, 0xffff},                   // reserved1
    {"TxDescriptor", "hardware_command", 12, 0xffffffff},      // reserved2
    {"MarvellHeader", "switch_tag", 0, 0xffff, Word::kBig16},  // MVNETA_MH_SIZE
};

TEST(SpecFacts, Mvneta) { CheckFacts("marvell.mvneta", kFacts); }

}  // namespace
}  // namespace qsplit::testing
