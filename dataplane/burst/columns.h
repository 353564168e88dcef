// How a plan of records is carried out without machine code: column by column over a burst, so that
// each step of the plan is one short loop and is looked up once for many descriptors.
//
// Rings and the packets' prefixes are read here, each word once, and may hold anything; all else
// works on the private copies of them. Never allocates. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_COLUMNS_H_
#define QSPLIT_DATAPLANE_BURST_COLUMNS_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/burst/record_plan.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane::burst {

// Words of so many descriptors: word w of number i at [w][i].
struct WordColumns {
  alignas(64) uint64_t word[kMaxWords][kColumn];
};

// Slots from one on, as far as the caller wants them looked at.
struct SlotColumn {
  const std::byte* at = nullptr;
  size_t slot_bytes = 0;
  uint32_t count = 0;
};
// Reads the words `which` (bits) of slots, `first_word` first, with acquire, while they pass the
// tests; how many slots do. flips: bits of the tests' values that are the other way round.
uint32_t ReadSlots(const RecordPlan& plan, uint32_t first_word, uint32_t which,
                   const std::array<uint64_t, kMaxWords>& flips, const SlotColumn& slots,
                   WordColumns* words);

// The numbers that they have in these pieces. Columns hold kColumn numbers, of which so many are
// written, or one more.
void ReadNumbers(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
                 uint64_t* numbers);
// The lengths that they say, less what is to be taken off; more than UINT32_MAX where it says less
// than that.
void ReadLengths(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                 uint64_t* lengths);
// Writes `meta` of so many completions.
void ReadMetadata(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                  RxCompletion* out);
// Writes all else of a completion: a packet in one buffer.
inline void WriteHead(uint32_t cookie, uint64_t length, uint64_t offset, RxCompletion* out) {
  static_assert(offsetof(RxCompletion, cookie) == 0 && offsetof(RxCompletion, length) == 4 &&
                offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  const uint64_t head[2] = {cookie | length << 32, uint64_t{0x101} << 32 | offset};
  __builtin_memcpy(static_cast<void*>(out), head, sizeof head);
}

// What buffers must be to be posted.
struct BufferLimits {
  uint64_t max_address = 0;
  uint64_t alignment_mask = 0;  // bits of an address that must be 0
  uint32_t least_bytes = 0;
  uint32_t more_bytes = 0;  // than the least, at most
};
// How many of the buffers are, up to the first that is not.
uint32_t CountPostable(const BufferLimits& limits, const RxBuffer* buffers, uint32_t count);

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_COLUMNS_H_
