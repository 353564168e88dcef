// The first two words of a record put together as one of 16 bytes, where its numbers are whole
// bytes of at most two words of the descriptor and one table says all about them: each byte from
// where it stands, what the table's masks leave of them, and what the table adds.
//
// Plain values; when a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_RECORD_PAIR_H_
#define QSPLIT_DATAPLANE_BURST_RECORD_PAIR_H_

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

struct RecordPair {
  // Where a byte is that is none of the words'.
  static constexpr uint8_t kNone = 0x80;

  // nullopt: the record is not of this kind.
  static std::optional<RecordPair> Of(const RecordPlan& plan);

  // The words of the descriptor, side by side, that bytes are from.
  std::array<uint8_t, 2> words{};
  uint32_t word_count = 0;
  std::array<uint8_t, 16> from{};  // of each byte, its number in them
  // As the plan's; an entry is both masks, then both words that are added.
  Table table;

 private:
  bool Add(const Lane& lane);
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RECORD_PAIR_H_
