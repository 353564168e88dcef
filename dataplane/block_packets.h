// Packets that lie in a ring's slots themselves (Ring.packets): where they stand in a slot, for
// both sides.
//
//   slot   block form │ packet form … bytes │ packet form … bytes │ …
//                     └ first               └ next, from the form's first byte; 0 in the last
//
// Reads and writes private copies only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_BLOCK_PACKETS_H_
#define QSPLIT_DATAPLANE_BLOCK_PACKETS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_shape.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

struct BlockPackets {
  // UNIMPLEMENTED: not one ring with packets in its slots, slots that no packet fits into.
  static absl::StatusOr<BlockPackets> Compile(const QueueShape& queue, RxFields wanted);

  const RingShape* ring = nullptr;
  uint32_t slot_bytes = 0;
  uint32_t block_form = 0;    // index in Layout.forms
  uint32_t block_bytes = 0;   // of the form
  FieldAccess first;          // of the block: where its first packet stands
  FieldAccess count;          // of the block: how many there are
  uint32_t packet_bytes = 0;  // of the form in front of each packet
  FieldAccess next;
  RxProgram program;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_BLOCK_PACKETS_H_
