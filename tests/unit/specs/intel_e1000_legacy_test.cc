// DPDK drivers/net/intel/e1000/base/e1000_defines.h.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// E1000_RXD_*, E1000_TXD_*, and the offsets of the headers' structures.
constexpr Fact kFacts[] = {
    {"RxRead", "buffer_address", 0, ~0ull},
    {"RxWriteBack", "buffer_address", 0, ~0ull},
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
    {"TxLegacy", "buffer_address", 0, ~0ull},
    {"TxLegacy", "buffer_length", 8, 0x0000ffff},
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
    {"TxLegacy", "vlan_tag", 12, 0xffff0000},
    {"TxData", "buffer_address", 0, ~0ull},
    {"TxData", "buffer_length", 8, 0x000fffff},
    {"TxData", "eop", 8, 0x01000000},
    {"TxData", "ifcs", 8, 0x02000000},
    {"TxData", "rs", 8, 0x08000000},
    {"TxData", "vle", 8, 0x40000000},
    {"TxData", "vlan_tag", 12, 0xffff0000},
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
    {"TxContext", "payload_length", 8, 0x000fffff},
    {"TxContext", "tcp", 8, 0x01000000},
    {"TxContext", "ip4", 8, 0x02000000},
    {"TxContext", "tse", 8, 0x04000000},
    {"TxContext", "header_length", 12, 0x0000ff00},
    {"TxContext", "mss", 12, 0xffff0000},
    {"TxWriteBack", "dd", 12, 0x00000001},
    {"TxWriteBack", "excess_collisions", 12, 0x00000002},
    {"TxWriteBack", "late_collision", 12, 0x00000004},
    {"TxWriteBack", "underrun", 12, 0x00000008},
};

TEST(SpecFacts, IntelE1000Legacy) { CheckFacts("intel.e1000.legacy", kFacts); }

}  // namespace
}  // namespace qsplit::testing
