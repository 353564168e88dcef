// Linux's if_packet.h, as the compiler lays it out.
#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include "tests/unit/specs/header_facts.h"

namespace qsplit::testing {
namespace {

using Block = tpacket_block_desc;
using Packet = tpacket3_hdr;

static_assert(sizeof(Block) == 48 && sizeof(Packet) == 48 && TPACKET3_HDRLEN == 48 + 20);

// sockaddr_ll stands behind the header.
constexpr uint32_t kAddress = TPACKET_ALIGN(sizeof(Packet));
#define ADDRESS(field, member)                                       \
  {                                                                  \
    "PacketHeader", field, kAddress + offsetof(sockaddr_ll, member), \
        ~0ull >> (64 - 8 * sizeof(sockaddr_ll::member))              \
  }

constexpr Fact kFacts[] = {
    MEMBER("BlockFree", "block_status", Block, hdr.bh1.block_status),
    MEMBER("Block", "version", Block, version),
    MEMBER("Block", "private_offset", Block, offset_to_priv),
    BITS("Block", "user", Block, hdr.bh1.block_status, TP_STATUS_USER),
    BITS("Block", "copied", Block, hdr.bh1.block_status, TP_STATUS_COPY),
    BITS("Block", "losing", Block, hdr.bh1.block_status, TP_STATUS_LOSING),
    BITS("Block", "csum_not_ready", Block, hdr.bh1.block_status, TP_STATUS_CSUMNOTREADY),
    BITS("Block", "vlan_valid", Block, hdr.bh1.block_status, TP_STATUS_VLAN_VALID),
    BITS("Block", "timed_out", Block, hdr.bh1.block_status, TP_STATUS_BLK_TMO),
    BITS("Block", "vlan_tpid_valid", Block, hdr.bh1.block_status, TP_STATUS_VLAN_TPID_VALID),
    BITS("Block", "csum_valid", Block, hdr.bh1.block_status, TP_STATUS_CSUM_VALID),
    MEMBER("Block", "packets", Block, hdr.bh1.num_pkts),
    MEMBER("Block", "first_packet", Block, hdr.bh1.offset_to_first_pkt),
    MEMBER("Block", "used_bytes", Block, hdr.bh1.blk_len),
    MEMBER("Block", "block_number", Block, hdr.bh1.seq_num),
    MEMBER("Block", "first_seconds", Block, hdr.bh1.ts_first_pkt.ts_sec),
    MEMBER("Block", "first_nanoseconds", Block, hdr.bh1.ts_first_pkt.ts_nsec),
    MEMBER("Block", "last_seconds", Block, hdr.bh1.ts_last_pkt.ts_sec),
    MEMBER("Block", "last_nanoseconds", Block, hdr.bh1.ts_last_pkt.ts_nsec),
    MEMBER("PacketHeader", "next_offset", Packet, tp_next_offset),
    MEMBER("PacketHeader", "seconds", Packet, tp_sec),
    MEMBER("PacketHeader", "nanoseconds", Packet, tp_nsec),
    MEMBER("PacketHeader", "snap_length", Packet, tp_snaplen),
    MEMBER("PacketHeader", "length", Packet, tp_len),
    BITS("PacketHeader", "user", Packet, tp_status, TP_STATUS_USER),
    BITS("PacketHeader", "copied", Packet, tp_status, TP_STATUS_COPY),
    BITS("PacketHeader", "losing", Packet, tp_status, TP_STATUS_LOSING),
    BITS("PacketHeader", "csum_not_ready", Packet, tp_status, TP_STATUS_CSUMNOTREADY),
    BITS("PacketHeader", "vlan_valid", Packet, tp_status, TP_STATUS_VLAN_VALID),
    BITS("PacketHeader", "vlan_tpid_valid", Packet, tp_status, TP_STATUS_VLAN_TPID_VALID),
    BITS("PacketHeader", "csum_valid", Packet, tp_status, TP_STATUS_CSUM_VALID),
    BITS("PacketHeader", "time_of_software", Packet, tp_status, TP_STATUS_TS_SOFTWARE),
    BITS("PacketHeader", "time_of_system", Packet, tp_status, TP_STATUS_TS_SYS_HARDWARE),
    BITS("PacketHeader", "time_of_hardware", Packet, tp_status, TP_STATUS_TS_RAW_HARDWARE),
    MEMBER("PacketHeader", "mac_offset", Packet, tp_mac),
    MEMBER("PacketHeader", "net_offset", Packet, tp_net),
    MEMBER("PacketHeader", "hash", Packet, hv1.tp_rxhash),
    MEMBER("PacketHeader", "vlan_tag", Packet, hv1.tp_vlan_tci),
    MEMBER("PacketHeader", "vlan_protocol", Packet, hv1.tp_vlan_tpid),
    MEMBER("PacketHeader", "padding", Packet, hv1.tp_padding),
    {"PacketHeader", "padding_tail", offsetof(Packet, tp_padding), sizeof(Packet::tp_padding),
     Word::kBytes},
    ADDRESS("family", sll_family),
    {"PacketHeader", "protocol", kAddress + offsetof(sockaddr_ll, sll_protocol), 0xffff,
     Word::kBig16},
    ADDRESS("interface", sll_ifindex),
    ADDRESS("hardware_type", sll_hatype),
    ADDRESS("packet_kind", sll_pkttype),
    ADDRESS("source_length", sll_halen),
    {"PacketHeader", "source_address", kAddress + offsetof(sockaddr_ll, sll_addr),
     sizeof(sockaddr_ll::sll_addr), Word::kBytes},
    {"PacketHeader", "gso_tcp", 20, 1u << 8},  // TP_STATUS_GSO_TCP, newer than the header here
    MEMBER("TxFrame", "next_offset", Packet, tp_next_offset),
    MEMBER("TxFrame", "length", Packet, tp_len),
    BITS("TxFrame", "send_request", Packet, tp_status, TP_STATUS_SEND_REQUEST),
    BITS("TxFrame", "sending", Packet, tp_status, TP_STATUS_SENDING),
    BITS("TxFrame", "wrong_format", Packet, tp_status, TP_STATUS_WRONG_FORMAT),
    // The slot has 2048 bytes.
    {"TxFrame", "data", TPACKET3_HDRLEN - sizeof(sockaddr_ll),
     2048 - (TPACKET3_HDRLEN - sizeof(sockaddr_ll)), Word::kBytes},
    MEMBER("TxDone", "seconds", Packet, tp_sec),
    MEMBER("TxDone", "nanoseconds", Packet, tp_nsec),
    BITS("TxDone", "send_request", Packet, tp_status, TP_STATUS_SEND_REQUEST),
    BITS("TxDone", "sending", Packet, tp_status, TP_STATUS_SENDING),
    BITS("TxDone", "wrong_format", Packet, tp_status, TP_STATUS_WRONG_FORMAT),
    BITS("TxDone", "time_of_software", Packet, tp_status, TP_STATUS_TS_SOFTWARE),
    BITS("TxDone", "time_of_system", Packet, tp_status, TP_STATUS_TS_SYS_HARDWARE),
    BITS("TxDone", "time_of_hardware", Packet, tp_status, TP_STATUS_TS_RAW_HARDWARE),
};
#undef ADDRESS

TEST(SpecFacts, Tpacket3) { CheckFacts("linux.tpacket3", kFacts); }

}  // namespace
}  // namespace qsplit::testing
