// Which kinds of plans the inputs of this process came to and did something with, so that a replay
// of the corpus can tell that nothing of it has quietly gone unreached.
//
// One thread.
#ifndef QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_REACHED_H_
#define QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_REACHED_H_

#include <cstddef>
#include <cstdint>

namespace qsplit::fuzz {

enum class Reached : uint8_t {
  // Rings completed in place (RxBurst).
  kInPlaceTaken,
  kInPlaceTakenAroundEnd,
  kInPlaceNotCommon,  // stopped at a completion of another kind, behind some
  kInPlaceTooLong,    // stopped at one that is longer than its buffer
  kInPlacePosted,
  kInPlacePostedAroundEnd,
  kInPlacePostedAgain,  // into slots that were taken
  kInPlaceOneSize,      // of buffers that are all of one size
  kInPlaceLikeDone,     // not posted: it would read as completed
  kInPlaceWide,         // several slots at once
  kInPlaceRows,         // row by row
  // Queues of several rings (RxRingBurst).
  kRingTaken,
  kRingTakenByNumber,
  kRingTakenByAddress,
  kRingTakenAroundEnd,
  kRingTakenInPhase1,
  kRingTakenByPrefix,
  kRingPosted,
  kRingPostedAgain,
  kRingPostedHeld,
  kRingRows,
  // Transmit (TxRingBurst), by what is remembered of a packet.
  kTxPushed,
  kTxPushedInOrder,
  kTxPushedById,
  kTxPushedTwoSlots,
  kTxPushedPrefix,
  kTxPushedHeld,
  kTxPushedKept,
  kTxPushedReport,
  kTxPushedWide,
  kTxNotPushedWide,  // one of several that would go at once has an address that cannot be said
  kTxTaken,
  kTxTakenExpected,
  kTxTakenRemembered,
  kTxNamedBeyond,  // stopped at a number that no packet can have
  // The device's side (SlotReader, SlotWriter).
  kSlotsRead,
  kSlotsWritten,
  // Whole drivers and devices of a layout, by how the fastest of them works.
  kRxDriverCompiled,
  kRxDriverEngine,
  kRxDriverAroundEnd,
  kRxDeviceCompiled,
  kTxDriverCompiled,
  kTxDriverEngine,
  kTxDriverAroundEnd,
  kTxDeviceCompiled,
  kCount,
};

void Reach(Reached what);
inline void ReachIf(bool reached, Reached what) {
  if (reached) Reach(what);
}

// Prints what was not reached that this processor can reach; how many.
size_t PrintUnreached();

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_REACHED_H_
