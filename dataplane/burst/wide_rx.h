// Which receive plans can be carried out for several descriptors at once, in registers of 16 bytes,
// and what with: shuffles that move whole bytes, masks and values of two words of the metadata side
// by side. Made of a plan when a queue is opened; says the same as the plan, bit for bit.
//
// What is natural is done: descriptors of 16 or 32 bytes whose numbers begin and end at bytes, and
// fill the first two words of the metadata. All else is left to code that goes word by word.
// Plain values; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_WIDE_RX_H_
#define QSPLIT_DATAPLANE_BURST_WIDE_RX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/burst/byte_moves.h"
#include "dataplane/burst/rx_burst.h"

namespace qsplit::dataplane::burst {

struct WidePoll {
  // Bytes of a pair of the descriptor's words (0 and 1, or 2 and 3), moved to the metadata's first
  // pair; `bits`: those that numbers have there, bytes may hold others too.
  struct Move {
    uint8_t from = 0;
    ByteMoves bytes{};
    WordPair bits{};
  };
  // A table of the plan with entries of pairs: a mask for each move of `masks` (bits), which leaves
  // no bit beside the move's, then values if there are any.
  struct Lookup {
    uint32_t masks = 0;
    bool has_values = false;
    std::vector<uint16_t> entry_of_index;  // in bytes
    std::vector<WordPair> entries;
  };

  uint8_t length_word = 0;
  // From that word of two descriptors side by side: to the upper halves of two words.
  ByteMoves length{};
  uint32_t length_mask = 0;
  std::vector<Move> moves;
  std::vector<Lookup> lookups;  // as many as the plan has tables
  WordPair values{};            // where no lookup has them

  // Whether some lookup masks a move.
  bool IsMasked(size_t move) const;
};

// None: the plan wants more than is done here.
std::optional<WidePoll> PlanWidePoll(const RxBurstPlan& plan);
// The word of a slot that an address is all of, where a slot says nothing else that changes.
std::optional<uint32_t> PlanWidePost(const RxBurstPlan& plan);

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_WIDE_RX_H_
