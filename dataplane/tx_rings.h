// Which of a transmit queue's rings does what: where descriptors stand, where they are handed over,
// and how packets come back. Both sides.
//
//   descriptors   ring or table with the forms that carry buffers
//   posts         what the device follows: the same ring, or the one that names slots of the table
//   completions   the ring with completions, if there is one; may be `descriptors` itself
//
// Pointers into a QueueShape, which must outlive it. Immutable; any thread.
#ifndef QSPLIT_DATAPLANE_TX_RINGS_H_
#define QSPLIT_DATAPLANE_TX_RINGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

// How the driver learns that packets are sent.
enum class TxReturn : uint8_t {
  kHead,        // a cell says how far the device is
  kInPlace,     // each descriptor's slot says it
  kUpTo,        // a completion names a packet, and stands for all before it
  kEach,        // a completion names one packet; in any order
  kAddress,     // a completion names the buffer of one descriptor
  kDescriptor,  // a completion is for the oldest descriptor
};

struct TxRings {
  const RingShape* descriptors = nullptr;
  const RingShape* posts = nullptr;
  const RingShape* completions = nullptr;
  TxReturn how = TxReturn::kHead;
  v1::CompletionKey key = v1::COMPLETION_KEY_UNSPECIFIED;
  // Only packets that ask for a report get a completion; it stands for all before it.
  bool only_where_reported = false;

  bool HasTable() const { return descriptors != posts; }
  // Completions stand in the descriptors' own slots.
  bool CompletesInOwnSlots() const { return completions == descriptors; }

  // UNIMPLEMENTED: several rings to post into, or nothing that tells of packets' ends.
  static absl::StatusOr<TxRings> Find(const QueueShape& queue);
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_RINGS_H_
