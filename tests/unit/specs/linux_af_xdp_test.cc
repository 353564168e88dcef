// Linux's if_xdp.h, as the compiler lays it out.
#include <gtest/gtest.h>
#include <linux/if_xdp.h>

#include "tests/unit/specs/header_facts.h"

// Younger than Debian 12's header.
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_TX_METADATA
#define XDP_TX_METADATA (1 << 1)
#endif

namespace qsplit::testing {
namespace {

static_assert(sizeof(xdp_desc) == 16);

constexpr Fact kFacts[] = {
    {"FillEntry", "address", 0, ~0ull},
    BITS("RxDescriptor", "address", xdp_desc, addr, XSK_UNALIGNED_BUF_ADDR_MASK),
    BITS("RxDescriptor", "offset", xdp_desc, addr, ~0ull << XSK_UNALIGNED_BUF_OFFSET_SHIFT),
    MEMBER("RxDescriptor", "length", xdp_desc, len),
    BITS("RxDescriptor", "more", xdp_desc, options, XDP_PKT_CONTD),
    MEMBER("TxDescriptor", "address", xdp_desc, addr),
    MEMBER("TxDescriptor", "length", xdp_desc, len),
    BITS("TxDescriptor", "more", xdp_desc, options, XDP_PKT_CONTD),
    BITS("TxDescriptor", "metadata", xdp_desc, options, XDP_TX_METADATA),
    {"CompletionEntry", "address", 0, ~0ull},
    // struct xsk_tx_metadata, XDP_TXMD_FLAGS_*, of Linux 6.15.
    {"TxMetadata", "timestamp", 0, 1 << 0},
    {"TxMetadata", "checksum", 0, 1 << 1},
    {"TxMetadata", "launch", 0, 1 << 2},
    {"TxMetadata", "checksum_start", 8, 0xffff},
    {"TxMetadata", "checksum_offset", 10, 0xffff},
    {"TxMetadata", "launch_time", 16, ~0ull},
    {"TxMetadataDone", "transmit_time", 8, ~0ull},
};

TEST(SpecFacts, AfXdp) { CheckFacts("linux.af_xdp", kFacts); }

}  // namespace
}  // namespace qsplit::testing
