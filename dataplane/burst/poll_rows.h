// Plans of receive carried out without machine code of their own, descriptor by descriptor, where
// the processor has AVX2 and BMI2: a descriptor's words stand side by side in wide registers, are
// tested together, its bytes go to their places by shuffles, and the bits that decide are extracted
// at once. What a plan must be like for that is what most are like: numbers of whole bytes, all of
// them in the first two words of the metadata. All other plans are carried out column by column.
//
//   halves of a slot (16 bytes) ──tests, key──► the common case
//        └─► private copy ──shuffle──► length                  ──► head
//                  │      ──shuffle──► numbers ─┐
//                  └─bits──► index ──► entry: masks, values ───► first two words of the metadata
//
// Says what the plan says, bit for bit, and stops where it does; see rx_burst.h and
// rx_ring_burst.h for what neither ever touches. Each half of a slot is read once, and at once, the
// one that says that the slot is completed first; so slots must stand at multiples of 16 bytes.
// Never allocates once it is made. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_POLL_ROWS_H_
#define QSPLIT_DATAPLANE_BURST_POLL_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/burst/byte_moves.h"
#include "dataplane/burst/record_plan.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/rx_ring_burst.h"

namespace qsplit::dataplane::burst {

// Completions.
struct PollRows {
  static constexpr uint32_t kHalfBytes = 16;
  static constexpr uint32_t kMostHalves = 4;  // of a slot
  static constexpr uint32_t kMostBits = 2;    // words that one index is of
  static constexpr uint32_t kMostLookups = 2;
  // Where things stand in the private copy: a slot's halves, the prefix, nothing but zeros.
  static constexpr uint32_t kPrefixAt = kMostHalves * kHalfBytes;
  static constexpr uint32_t kZerosAt = kPrefixAt + kHalfBytes;
  static constexpr uint32_t kCopyBytes = kZerosAt + kHalfBytes;

  // Bits of a word of the copy, and where they go in an index.
  struct Bits {
    uint64_t mask = 0;
    uint32_t at = kZerosAt;
    uint32_t place = 0;
  };
  // What is left of numbers, by side, and what is added to the sum of both.
  struct Entry {
    std::array<WordPair, 2> masks{};
    WordPair values{};
  };
  struct Lookup {
    std::array<Bits, kMostBits> bits{};
    std::vector<uint16_t> entry_of_index;  // where it begins, in bytes
    std::vector<Entry> entries;
  };
  // Numbers from one half of the copy.
  struct Side {
    uint32_t at = kZerosAt;
    ByteMoves moves = kNoMoves;
  };

  // Where to begin, and the most that may be taken.
  struct At {
    const std::byte* slots = nullptr;
    uint32_t number = 0;  // of the first buffer
    uint32_t phase = 0;
    uint32_t most = 0;
  };

  uint32_t slot_bytes = 0;
  uint32_t half_count = 0;
  std::array<uint32_t, kMostHalves> offsets{};  // of halves in a slot, in the order of the copy
  std::array<WordPair, kMostHalves> masks{};    // of tests
  std::array<std::array<WordPair, kMostHalves>, 2> values{};  // by phase
  ByteMoves key = kNoMoves;  // of a buffer's number (32 bits), to the first half's values
  Side length;               // to the lowest 32 bits
  uint32_t length_mask = 0;
  uint32_t length_less = 0;
  uint32_t same_room = 0;  // of every buffer; 0: as posted
  uint32_t prefix_bytes = 0;
  // Of the prefix, if it is read: 8 or 12 bytes.
  uint32_t prefix_read = 0;
  WordPair prefix_mask{};
  WordPair prefix_value{};
  std::array<Side, 2> sides;
  std::vector<Lookup> lookups;     // one or two
  std::array<uint64_t, 4> rest{};  // the metadata's second word (any) to the last one

  // What carries it out; one of them is there. How many completions were written; `posted` is of
  // the first slot.
  uint32_t (*poll_own_slots)(const PollRows& rows, const At& at, const PostedSlot* posted,
                             RxCompletion* out) = nullptr;
  uint32_t (*poll_ring)(const PollRows& rows, const At& at, const RxBuffer* posted,
                        RxCompletion* out) = nullptr;

  // Null: the plan is not of this kind, or the processor cannot do it, or must not.
  static std::unique_ptr<const PollRows> Make(const RxBurstPlan& plan, Instructions which);
  static std::unique_ptr<const PollRows> Make(const RxRingPlan& plan, Instructions which);
  static bool IsAligned(const std::byte* slots) {
    return reinterpret_cast<uintptr_t>(slots) % kHalfBytes == 0;
  }

 private:
  // Whether this processor can; then says what does it.
  bool FindPollOwnSlots();
  bool FindPollRing();
  bool AddHalves(const RecordPlan& record, uint32_t first_word, uint32_t prefix_word,
                 const PhaseBits& phase);
  bool AddPrefix(const RecordPlan& record, uint32_t prefix_word);
  bool AddKey(const std::vector<Piece>& pieces, uint32_t word, uint32_t numbers);
  bool AddRecord(const RecordPlan& record, uint32_t prefix_word);
  // Where a word stands in the copy.
  uint32_t PlaceOf(uint32_t word, uint32_t prefix_word) const;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_POLL_ROWS_H_
