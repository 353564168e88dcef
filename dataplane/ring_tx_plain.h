// A packet of one buffer that asks for nothing, with all that is known of it at open: the bytes of
// its descriptors, and where the few values go that differ from one packet to the next.
//
//   image ──► address, length, number, … each a shift, a mask and a store ──► the ring's words
//
// Works on private bytes only. Made by RingTxDriver at open, which holds it against what it would
// write without it. Immutable after that; any thread.
#ifndef QSPLIT_DATAPLANE_RING_TX_PLAIN_H_
#define QSPLIT_DATAPLANE_RING_TX_PLAIN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/field_access.h"
#include "dataplane/tx_post.h"

namespace qsplit::dataplane {

struct TxPlain {
  // A prefix, and the packet.
  static constexpr uint32_t kMaxDescriptors = 2;

  // What differs.
  enum Source : uint8_t {
    kAddress,
    kBytes,
    kPrefix,     // address of the packet's prefix
    kId,         // number of the packet
    kNext,       // slot of a table with the packet's next descriptor
    kSlotCount,  // of the descriptor's slot, free-running
    kReport,     // 0 or 1
    kSources,
  };
  using Values = std::array<uint64_t, kSources>;

  struct Descriptor {
    DescriptorBytes image{};  // with zero where values go
    uint32_t copy_bytes = 0;
    uint32_t bytes = 0;
    uint32_t form = 0;  // of the ring

    void Fill(const Values& values, std::byte* to) const {
      CopyDescriptor(to, image.bytes, copy_bytes);
      for (const Op& op : ops) op.part.Or(to, values[op.source] >> op.part.place);
    }
    // Adds a field, which stands `at` bytes behind the descriptor's start and is zero in the image
    // then. False: its bits are not the value's.
    bool Add(const FieldAccess& field, uint32_t at, Source source);

    struct Op {
      FieldPart part;
      Source source = kAddress;
      bool whole = false;  // all of the number stands in it
    };
    std::vector<Op> ops;
  };

  // Which packets can be written this way; others go the general one.
  struct Limits {
    uint64_t address_not = 0;  // address bits that must be zero
    uint64_t most_bytes = 0;   // 0: none can

    bool Allow(uint64_t address, uint32_t packet_bytes) const {
      return (address & address_not) == 0 && packet_bytes - 1 < most_bytes;
    }
  };
  const Limits& limits() const { return limits_; }

  // All packets that two forms take (the second may be null), of so many bytes at most.
  void TakeAll(const TxPost& first, const TxPost* rest, uint64_t alignment, uint64_t most_bytes);

  std::array<Descriptor, kMaxDescriptors> descriptors;  // of which it has `count`
  uint32_t count = 0;
  uint32_t slots = 0;     // of the ring that the device follows
  uint32_t reporter = 0;  // which of them asks for the completion, if one does

 private:
  Limits limits_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_TX_PLAIN_H_
