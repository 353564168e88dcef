// Which transmit plans can be carried out for several packets at once, and what with: shuffles that
// move a TxPacket's bytes to the two words of its descriptor, and shifts of these words. Made of a
// plan when a queue is opened; says the same as the plan, bit for bit.
//
// What is natural is done: one slot of 16 bytes for each packet, of its address and length alone,
// and not handed over by its own bytes. All else is left to code that goes packet by packet.
// Plain values; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_WIDE_TX_H_
#define QSPLIT_DATAPLANE_BURST_WIDE_TX_H_

#include <optional>
#include <vector>

#include "dataplane/burst/byte_moves.h"
#include "dataplane/burst/tx_ring.h"

namespace qsplit::dataplane::burst {

struct WidePush {
  // Bytes of a packet, moved to the descriptor, then each word shifted to the left by some bits,
  // less than 8.
  struct Move {
    ByteMoves bytes = kNoMoves;
    WordPair left{};
    // What of the words is numbers', where bytes have others too.
    WordPair bits{};
    bool has_others = false;

    bool Shifts() const { return left != WordPair{}; }
  };

  std::vector<Move> moves;
};

// None: the plan wants more than is done here.
std::optional<WidePush> PlanWidePush(const TxRingPlan& plan);

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_WIDE_TX_H_
