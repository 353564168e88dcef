// Linux drivers/net/ethernet/realtek/r8169_main.c: enum rtl_desc_bit, rtl_tx_desc_bit,
// rtl_tx_desc_bit_0, rtl_tx_desc_bit_1, rtl_rx_desc_bit; DPDK drivers/net/r8169/r8169_rxtx.c;
// FreeBSD sys/dev/rl/if_rlreg.h for those that it alone has.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    {"RxOwned", "length", 0, 0x3fff},
    {"RxOwned", "end_of_ring", 0, 1u << 30},  // RingEnd
    {"RxOwned", "own", 0, 1u << 31},          // DescOwn
    {"RxOwned", "address", 8, ~0ull},
    {"RxOwned", "cleared", 4, 0xffffffff},  // opts2
    {"RxDone", "length", 0, 0x3fff},
    {"RxDone", "tcp_bad", 0, 1u << 14},              // TCPFail
    {"RxDone", "udp_bad", 0, 1u << 15},              // UDPFail
    {"RxDone", "l3_bad", 0, 1u << 16},               // IPFail
    {"RxDone", "protocol", 0, 1u << 17 | 1u << 18},  // PID0, PID1
    {"RxDone", "crc_error", 0, 1u << 19},            // RxCRC
    {"RxDone", "runt", 0, 1u << 20},                 // RxRUNT
    {"RxDone", "receive_error", 0, 1u << 21},        // RxRES
    {"RxDone", "watchdog", 0, 1u << 22},             // RxRWT
    // The 8139C+ has them one bit lower: RL_RDESC_STAT_FIFOOFLOW, _BUFOFLOW, _BCAST, _UCAST,
    // _MCAST.
    {"RxDone", "fifo_overflow", 0, 0x00400000u << 1},
    {"RxDone", "buffer_overflow", 0, 0x00800000u << 1},
    {"RxDone", "broadcast", 0, 0x01000000u << 1},
    {"RxDone", "unicast", 0, 0x02000000u << 1},
    {"RxDone", "multicast", 0, 0x04000000u << 1},
    {"RxDone", "last", 0, 1u << 28},   // LastFrag
    {"RxDone", "first", 0, 1u << 29},  // FirstFrag
    {"RxDone", "end_of_ring", 0, 1u << 30},
    {"RxDone", "own", 0, 1u << 31},
    {"RxDone", "vlan_tag", 4, 0xffff, Word::kBig16},  // swab16 of the doubleword's low half
    {"RxDone", "tagged", 4, 1u << 16},                // RxVlanTag
    {"RxDone", "ip4", 4, 1u << 30},                   // RxV4F
    {"RxDone", "ip6", 4, 1u << 31},                   // RxV6F
    {"RxDone", "address", 8, ~0ull},
    {"TxOwned", "length", 0, 0xffff},
    {"TxOwned", "last", 0, 1u << 28},
    {"TxOwned", "first", 0, 1u << 29},
    {"TxOwned", "end_of_ring", 0, 1u << 30},
    {"TxOwned", "own", 0, 1u << 31},
    {"TxOwned", "l4_offset", 0, 0x7fu << 18},                  // GTTCPHO_SHIFT, GTTCPHO_MAX
    {"TxOwned", "giant_send", 0, 1u << 25 | 1u << 26},         // TD1_GTSENV6, TD1_GTSENV4
    {"TxOwned", "mss", 4, 0x7ffu << 18},                       // TD1_MSS_SHIFT, TD_MSS_MAX
    {"TxOwned", "checksum_offset", 4, 0x3ffu << 18},           // TCPHO_SHIFT, TCPHO_MAX
    {"TxOwned", "l3_checksum", 4, 1u << 28 | 1u << 29},        // TD1_IPv6_CS, TD1_IPv4_CS
    {"TxOwned", "l4_checksum", 4, 1u << 30 | 1u << 31},        // TD1_TCP_CS, TD1_UDP_CS
    {"TxOwned", "large_send", 0, 1u << 27},                    // TD_LSO
    {"TxOwned", "large_send_mss", 0, 0x7ffu << 16},            // TD0_MSS_SHIFT, TD_MSS_MAX
    {"TxOwned", "first_l4_checksum", 0, 1u << 16 | 1u << 17},  // TD0_TCP_CS, TD0_UDP_CS
    {"TxOwned", "first_l3_checksum", 0, 1u << 18},             // TD0_IP_CS
    {"TxOwned", "vlan_tag", 4, 0xffff, Word::kBig16},
    {"TxOwned", "insert_tag", 4, 1u << 17},  // TxVlanTag
    {"TxOwned", "address", 8, ~0ull},
    {"TxDone", "own", 0, 1u << 31},
    {"RxOwnedFourth", "address", 0, ~0ull},       // struct rtl_rx_descv4
    {"RxOwnedFourth", "cleared", 8, 0xffffffff},  // opts2
    {"RxOwnedFourth", "length", 12, 0x3fff},
    {"RxOwnedFourth", "end_of_ring", 12, 1u << 30},  // RingEnd_V4
    {"RxOwnedFourth", "own", 12, 1u << 31},          // DescOwn_V4
    {"RxDoneFourth", "rss_info", 0, 0xffffffff},     // RSSInfo
    {"RxDoneFourth", "hash", 4, 0xffffffff},         // RSSResult
    {"RxDoneFourth", "vlan_tag", 8, 0xffff, Word::kBig16},
    {"RxDoneFourth", "tagged", 8, 1u << 16},  // RxVlanTag_v4
    {"RxDoneFourth", "ip4", 8, 1u << 30},     // RxV4F_v4
    {"RxDoneFourth", "ip6", 8, 1u << 31},     // RxV6F_v4
    {"RxDoneFourth", "length", 12, 0x3fff},
    {"RxDoneFourth", "tcp_bad", 12, 1u << 15},        // RxTCPF_v4
    {"RxDoneFourth", "udp_bad", 12, 1u << 16},        // RxUDPF_v4
    {"RxDoneFourth", "l3_bad", 12, 1u << 17},         // RxIPF_v4
    {"RxDoneFourth", "tcp", 12, 1u << 18},            // RxTCPT_v4
    {"RxDoneFourth", "udp", 12, 1u << 19},            // RxUDPT_v4
    {"RxDoneFourth", "receive_error", 12, 1u << 22},  // RxRES_V4
    {"RxDoneFourth", "last", 12, 1u << 28},           // LastFrag_V4
    {"RxDoneFourth", "first", 12, 1u << 29},          // FirstFrag_V4
    {"RxDoneFourth", "end_of_ring", 12, 1u << 30},
    {"RxDoneFourth", "own", 12, 1u << 31},
};

TEST(SpecFacts, Rtl8169) { CheckFacts("realtek.rtl8169", kFacts); }

}  // namespace
}  // namespace qsplit::testing
