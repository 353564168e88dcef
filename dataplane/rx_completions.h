// What may stand in a ring of receive completions: the forms, what each says, and which posted
// descriptors each is about. Shared by both sides.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_RX_COMPLETIONS_H_
#define QSPLIT_DATAPLANE_RX_COMPLETIONS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/condition.h"
#include "dataplane/queue_shape.h"
#include "dataplane/rx_delivery.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

// A rule of the ring, as far as one form is concerned.
struct RxKey {
  v1::CompletionKey key = v1::COMPLETION_KEY_IN_ORDER;
  uint32_t ring = 0;  // in Queue.rings, whose descriptors it completes
  bool cumulative = false;
  FieldAccess field;  // the key, where it stands in the completion
  Condition when;
};

struct RxCompletionForm {
  uint32_t form = 0;
  v1::PacketPosition position = v1::PACKET_POSITION_EACH;
  uint32_t slots = 1;
  // False: it says nothing of a packet (an event).
  bool is_packet = false;
  RxProgram program;
  // How many completions the packet has.
  std::optional<FieldAccess> count;
  // In order; the first one that holds counts.
  std::vector<RxKey> keys;

  // Null: it completes nothing.
  const RxKey* KeyOf(const std::byte* completion) const {
    for (const RxKey& key : keys) {
      if (key.when.Holds(completion)) return &key;
    }
    return nullptr;
  }
};

// The complete forms of Queue.rings[ring] that exist, in the ring's order.
absl::StatusOr<std::vector<RxCompletionForm>> CompileRxCompletions(const QueueScope& scope,
                                                                   uint32_t ring,
                                                                   const RxPacketRules& rules,
                                                                   RxFields wanted);

// A form as the device writes it: with the rule that finds the descriptor that it completes.
struct RxCompletionWay {
  uint32_t form = 0;
  v1::PacketPosition position = v1::PACKET_POSITION_EACH;
  uint32_t slots = 1;
  RxKey key;
  RxProgram program;
  std::optional<FieldAccess> count;
};
// All ways in which completions in Queue.rings[ring] complete something.
absl::StatusOr<std::vector<RxCompletionWay>> CompileRxCompletionWays(const QueueScope& scope,
                                                                     uint32_t ring,
                                                                     const RxPacketRules& rules);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_COMPLETIONS_H_
