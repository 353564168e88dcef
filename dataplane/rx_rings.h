// Which ring of a receive queue does what: those that buffers are posted into, and the one that
// completions stand in; and what each form of a completion says. Shared by both sides.
//
// Reads no shared memory. Made once at open, immutable; any thread.
#ifndef QSPLIT_DATAPLANE_RX_RINGS_H_
#define QSPLIT_DATAPLANE_RX_RINGS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"
#include "dataplane/rx_delivery.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

struct RxRings {
  // A ring of buffers, or a table of them with the ring whose descriptors name its slots.
  struct Lane {
    // What completions name.
    const RingShape* buffers = nullptr;
    // Null: `buffers` is a ring.
    const RingShape* names = nullptr;

    const RingShape& ordered() const { return names != nullptr ? *names : *buffers; }
  };
  std::vector<Lane> lanes;
  const RingShape* completions = nullptr;

  // Completions stand in the slots of a lane.
  bool InOwnSlots() const { return completions->CompletesInOwnSlots(); }
};

// UNIMPLEMENTED: not one ring of completions, no buffers, completions that stand for several
// packets.
absl::StatusOr<RxRings> FindRxRings(const QueueShape& queue);

// A form of a completion.
struct RxCompletionForm {
  v1::PacketPosition position = v1::PACKET_POSITION_EACH;
  // False: it says nothing of a packet (an event, an error).
  bool is_packet = false;
  RxProgram program;
  // How many completions the packet has.
  std::optional<FieldAccess> count;
  // Where the buffer is, again.
  std::optional<FieldAccess> address;
};

// One for each of `forms`, those of the ring's CompletionReader or CompletionWriter.
absl::StatusOr<std::vector<RxCompletionForm>> CompileRxCompletions(const QueueScope& scope,
                                                                   const RingShape& ring,
                                                                   const RingForms& forms,
                                                                   const RxPacketRules& rules,
                                                                   RxFields wanted);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_RINGS_H_
