// The specs against the bit masks of public driver headers, written down here a second time: the
// macro gives a mask in the 32-bit word that drivers read at that offset.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include "descriptor-lang/layout/bit_layout.h"
#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

struct Fact {
  const char* form;
  const char* field;
  uint32_t offset;  // of the little-endian word
  uint32_t mask;
};

// IXGBE_RXD_STAT_*, IXGBE_RXDADV_*, IXGBE_ADVTXD_*, IXGBE_TXD_*.
constexpr Fact kIxgbe[] = {
    {"RxWriteBack", "rss_type", 0, 0x0000000f},
    {"RxWriteBack", "ip4", 0, 0x00000010},
    {"RxWriteBack", "ip4_options", 0, 0x00000020},
    {"RxWriteBack", "ip6", 0, 0x00000040},
    {"RxWriteBack", "ip6_extensions", 0, 0x00000080},
    {"RxWriteBack", "tcp", 0, 0x00000100},
    {"RxWriteBack", "udp", 0, 0x00000200},
    {"RxWriteBack", "sctp", 0, 0x00000400},
    {"RxWriteBack", "nfs", 0, 0x00000800},
    {"RxWriteBack", "ipsec_esp", 0, 0x00001000},
    {"RxWriteBack", "ipsec_ah", 0, 0x00002000},
    {"RxWriteBack", "linksec", 0, 0x00004000},
    {"RxWriteBack", "l2_packet", 0, 0x00008000},
    {"RxWriteBack", "ethertype_filter", 0, 0x00000070},
    {"RxWriteBack", "tunnel", 0, 0x00010000},
    {"RxWriteBack", "rsc_count", 0, 0x001e0000},
    {"RxWriteBack", "split_header", 0, 0x80000000},
    {"RxWriteBack", "header_length", 0, 0x7fe00000},
    {"RxWriteBack", "rss_hash", 4, 0xffffffff},
    {"RxWriteBack", "filter_hash", 4, 0x7fff0000},
    {"RxWriteBack", "dd", 8, 0x00000001},
    {"RxWriteBack", "eop", 8, 0x00000002},
    {"RxWriteBack", "flow_match", 8, 0x00000004},
    {"RxWriteBack", "vp", 8, 0x00000008},
    {"RxWriteBack", "next_descriptor", 8, 0x000ffff0},
    {"RxWriteBack", "udp_checked", 8, 0x00000010},
    {"RxWriteBack", "l4_checked", 8, 0x00000020},
    {"RxWriteBack", "l3_checked", 8, 0x00000040},
    {"RxWriteBack", "fcoe_status", 8, 0x00000030},
    {"RxWriteBack", "fcoe_eof_sof", 8, 0x00000040},
    {"RxWriteBack", "inexact_filter", 8, 0x00000080},
    {"RxWriteBack", "outer_l3_checked", 8, 0x00000100},
    {"RxWriteBack", "outer_vlan", 8, 0x00000200},
    {"RxWriteBack", "fragment_checked", 8, 0x00000400},
    {"RxWriteBack", "low_latency", 8, 0x00000800},
    {"RxWriteBack", "timestamp_in_buffer", 8, 0x00008000},
    {"RxWriteBack", "timestamped", 8, 0x00010000},
    {"RxWriteBack", "security", 8, 0x00020000},
    {"RxWriteBack", "loopback", 8, 0x00040000},
    {"RxWriteBack", "fcoe_error", 8, 0x00700000},
    {"RxWriteBack", "filter_length_error", 8, 0x00100000},
    {"RxWriteBack", "filter_dropped", 8, 0x00200000},
    {"RxWriteBack", "filter_collision", 8, 0x00400000},
    {"RxWriteBack", "header_overflow", 8, 0x00800000},
    {"RxWriteBack", "outer_l3_bad", 8, 0x04000000},
    {"RxWriteBack", "security_error", 8, 0x18000000},
    {"RxWriteBack", "mac_error", 8, 0x20000000},
    {"RxWriteBack", "l4_bad", 8, 0x40000000},
    {"RxWriteBack", "l3_bad", 8, 0x80000000},
    {"RxWriteBack", "length", 12, 0x0000ffff},
    {"RxWriteBack", "vlan_tag", 12, 0xffff0000},
    {"TxContext", "mac_length", 0, 0x0000fe00},
    {"TxContext", "ipsec_sa", 4, 0x000003ff},
    {"TxContext", "fcoe_flags", 4, 0x0000fc00},
    {"TxContext", "ipsec_esp_length", 8, 0x000001ff},
    {"TxContext", "ip4", 8, 0x00000400},
    {"TxContext", "l4", 8, 0x00001800},
    {"TxContext", "ipsec_esp", 8, 0x00002000},
    {"TxContext", "ipsec_encrypt", 8, 0x00004000},
    {"TxContext", "dtyp", 8, 0x00f00000},
    {"TxContext", "dext", 8, 0x20000000},
    {"TxContext", "index", 12, 0x00000070},
    {"TxContext", "l4_length", 12, 0x0000ff00},
    {"TxContext", "mss", 12, 0xffff0000},
    {"TxData", "buffer_length", 8, 0x0000ffff},
    {"TxData", "linksec", 8, 0x00040000},
    {"TxData", "timestamp", 8, 0x00080000},
    {"TxData", "dtyp", 8, 0x00f00000},
    {"TxData", "eop", 8, 0x01000000},
    {"TxData", "ifcs", 8, 0x02000000},
    {"TxData", "rs", 8, 0x08000000},
    {"TxData", "dext", 8, 0x20000000},
    {"TxData", "vle", 8, 0x40000000},
    {"TxData", "tse", 8, 0x80000000},
    {"TxData", "context_index", 12, 0x00000070},
    {"TxData", "check_context", 12, 0x00000080},
    {"TxData", "ixsm", 12, 0x00000100},
    {"TxData", "txsm", 12, 0x00000200},
    {"TxData", "ipsec", 12, 0x00000400},
    {"TxData", "total_length", 12, 0xffffc000},
    {"TxWriteBack", "dd", 12, 0x00000001},
};

// E1000_RXD_*, E1000_TXD_*, and the offsets of the headers' structures.
constexpr Fact kE1000[] = {
    {"RxWriteBack", "length", 8, 0x0000ffff},
    {"RxWriteBack", "checksum", 8, 0xffff0000},
    {"RxWriteBack", "dd", 12, 0x00000001},
    {"RxWriteBack", "eop", 12, 0x00000002},
    {"RxWriteBack", "ixsm", 12, 0x00000004},
    {"RxWriteBack", "vp", 12, 0x00000008},
    {"RxWriteBack", "udp_checked", 12, 0x00000010},
    {"RxWriteBack", "l4_checked", 12, 0x00000020},
    {"RxWriteBack", "l3_checked", 12, 0x00000040},
    {"RxWriteBack", "inexact_filter", 12, 0x00000080},
    {"RxWriteBack", "crc_error", 12, 0x00000100},
    {"RxWriteBack", "symbol_error", 12, 0x00000200},
    {"RxWriteBack", "sequence_error", 12, 0x00000400},
    {"RxWriteBack", "extension_error", 12, 0x00001000},
    {"RxWriteBack", "l4_bad", 12, 0x00002000},
    {"RxWriteBack", "l3_bad", 12, 0x00004000},
    {"RxWriteBack", "data_error", 12, 0x00008000},
    {"RxWriteBack", "vlan_tag", 12, 0xffff0000},
    {"TxLegacy", "checksum_offset", 8, 0x00ff0000},
    {"TxLegacy", "eop", 8, 0x01000000},
    {"TxLegacy", "ifcs", 8, 0x02000000},
    {"TxLegacy", "ic", 8, 0x04000000},
    {"TxLegacy", "rs", 8, 0x08000000},
    {"TxLegacy", "rps", 8, 0x10000000},
    {"TxLegacy", "dext", 8, 0x20000000},
    {"TxLegacy", "vle", 8, 0x40000000},
    {"TxLegacy", "ide", 8, 0x80000000},
    {"TxLegacy", "checksum_start", 12, 0x0000ff00},
    {"TxData", "buffer_length", 8, 0x000fffff},
    {"TxData", "dtyp", 8, 0x00f00000},
    {"TxData", "tse", 8, 0x04000000},
    {"TxData", "ixsm", 12, 0x00000100},
    {"TxData", "txsm", 12, 0x00000200},
    {"TxContext", "ip_start", 0, 0x000000ff},
    {"TxContext", "ip_insert_at", 0, 0x0000ff00},
    {"TxContext", "ip_end", 0, 0xffff0000},
    {"TxContext", "l4_start", 4, 0x000000ff},
    {"TxContext", "l4_insert_at", 4, 0x0000ff00},
    {"TxContext", "l4_end", 4, 0xffff0000},
    {"TxContext", "tcp", 8, 0x01000000},
    {"TxContext", "ip4", 8, 0x02000000},
    {"TxContext", "tse", 8, 0x04000000},
    {"TxContext", "header_length", 12, 0x0000ff00},
    {"TxContext", "mss", 12, 0xffff0000},
    {"TxWriteBack", "excess_collisions", 12, 0x00000002},
    {"TxWriteBack", "late_collision", 12, 0x00000004},
    {"TxWriteBack", "underrun", 12, 0x00000008},
};

void Check(const std::string& name, std::span<const Fact> facts) {
  std::ifstream file(std::filesystem::path(QSPLIT_SOURCE_DIR) / "descriptor-specs" /
                     (name + ".qdl"));
  std::ostringstream text;
  text << file.rdbuf();
  const Compiled compiled = CompileText(text.str());
  ASSERT_TRUE(compiled.layout.has_value()) << compiled.text;
  for (const Fact& fact : facts) {
    const auto form = compiled.layout->FormIndex(fact.form);
    ASSERT_TRUE(form.has_value()) << fact.form;
    const v1::Field* field = compiled.layout->FindField(*form, std::string_view(fact.field));
    ASSERT_NE(field, nullptr) << fact.form << "." << fact.field;
    uint32_t mask = 0;
    for (const layout::ByteMask& byte : layout::ByteMasks(*field)) {
      ASSERT_TRUE(byte.byte >= fact.offset && byte.byte < fact.offset + 4)
          << fact.form << "." << fact.field << " has bits in byte " << byte.byte;
      mask |= uint32_t{byte.mask} << 8 * (byte.byte - fact.offset);
    }
    EXPECT_EQ(mask, fact.mask) << fact.form << "." << fact.field;
  }
}

TEST(SpecFacts, Ixgbe) { Check("intel.ixgbe.advanced", kIxgbe); }
TEST(SpecFacts, E1000) { Check("intel.e1000.legacy", kE1000); }

}  // namespace
}  // namespace qsplit::qdl::testing
