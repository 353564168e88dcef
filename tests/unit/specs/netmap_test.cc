// netmap sys/net/netmap.h: struct netmap_slot and NS_*; struct netmap_ring has buf_ofs (8 bytes),
// num_slots, nr_buf_size (4 each), ringid, dir (2 each), head, cur, tail, flags (4 each), ts (16),
// and 128 bytes aligned to 128 in front of the slots.
#include <gtest/gtest.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Fact kFacts[] = {
    {"RxFree", "buffer", 0, 0xffffffff},      // buf_idx
    {"RxFree", "length", 4, 0xffff},          // len
    {"RxFree", "buffer_changed", 6, 0x0001},  // NS_BUF_CHANGED
    {"RxFree", "report", 6, 0x0002},          // NS_REPORT
    {"RxFree", "forward", 6, 0x0004},         // NS_FORWARD
    {"RxFree", "more", 6, 0x0020},            // NS_MOREFRAG
    {"RxPacket", "buffer", 0, 0xffffffff},
    {"RxPacket", "length", 4, 0xffff},
    {"RxPacket", "buffer_changed", 6, 0x0001},
    {"RxPacket", "forward", 6, 0x0004},
    {"RxPacket", "indirect", 6, 0x0010},  // NS_INDIRECT
    {"RxPacket", "more", 6, 0x0020},
    {"RxPacket", "fragments", 6, 0xff00},  // NS_RFRAGS
    {"RxPacket", "pointer", 8, ~0ull},     // ptr
    {"RxPacket", "sent", 6, 0x0040},       // NS_TXMON
    {"TxSlot", "buffer", 0, 0xffffffff},
    {"TxSlot", "length", 4, 0xffff},
    {"TxSlot", "buffer_changed", 6, 0x0001},
    {"TxSlot", "report", 6, 0x0002},
    {"TxSlot", "no_learn", 6, 0x0008},  // NS_NO_LEARN
    {"TxSlot", "indirect", 6, 0x0010},
    {"TxSlot", "more", 6, 0x0020},
    {"TxSlot", "port", 6, 0xff00},  // NS_PORT_MASK
    {"TxSlot", "pointer", 8, ~0ull},
};

TEST(SpecFacts, Netmap) { CheckFacts("netmap", kFacts); }

}  // namespace
}  // namespace qsplit::testing
