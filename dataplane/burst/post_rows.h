// Posting of receive buffers without machine code of its own, buffer by buffer, where the processor
// has AVX2 and BMI2: a slot's words are put together by pairs, each of them a shuffle of the
// buffer's address, its bytes and its number, and bits that are the same in all slots. For plans
// whose numbers are moved by whole bytes; all others are carried out column by column.
//
//   address, bytes, number ──shuffle, mask──┬── or ──► half of a slot, in one store
//                                   image ──┘
//
// Writes what the plan says, bit for bit; of slots that were posted before maybe more, with what
// they have already. Whether buffers are of the common case is for the caller to find out before.
// Never allocates once it is made. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_POST_ROWS_H_
#define QSPLIT_DATAPLANE_BURST_POST_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/burst/byte_moves.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/rx_ring_burst.h"

namespace qsplit::dataplane::burst {

struct PostRows {
  static constexpr uint32_t kMostHalves = kMaxWords / 2;

  // Two words in a row of a slot.
  struct Half {
    uint32_t offset = 0;  // in the slot, bytes
    ByteMoves moves = kNoMoves;
    WordPair mask{};
    std::array<WordPair, 2> image{};  // by phase
  };
  // Where to begin, and how many.
  struct At {
    std::byte* slots = nullptr;
    uint32_t number = 0;  // of the first buffer
    uint32_t phase = 0;
    uint32_t count = 0;
    bool were_posted = false;  // as RxRingBurst::Free
  };

  uint32_t slot_bytes = 0;
  uint32_t half_count = 0;
  uint32_t again_count = 0;  // of those, the first ones, for slots that were posted before
  std::array<Half, kMostHalves> halves;
  uint32_t same_bytes = 0;  // of every buffer; 0: each has its own
  bool keeps_address = false;
  bool keeps_memory = false;
  uint32_t handover_word = 0;

  // What carries it out; one of them is there. `posted` is of the first slot.
  void (*post_own_slots)(const PostRows& rows, const At& at, const RxBuffer* buffers,
                         PostedSlot* posted) = nullptr;
  void (*post_ring)(const PostRows& rows, const At& at, const RxBuffer* buffers,
                    RxBuffer* posted) = nullptr;
  // One buffer; the word that hands it over goes to *held.
  void (*post_held)(const PostRows& rows, const At& at, const RxBuffer& buffer, RxBuffer* posted,
                    uint64_t* held) = nullptr;

  // Null: the plan is not of this kind, or the processor cannot do it, or must not.
  static std::unique_ptr<const PostRows> Make(const RxBurstPlan& plan, Instructions which);
  static std::unique_ptr<const PostRows> Make(const RxRingPlan& plan, Instructions which);

 private:
  // Whether this processor can; then says what does it.
  bool FindPostOwnSlots();
  bool FindPostRing();
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_POST_ROWS_H_
