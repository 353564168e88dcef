// What both directions of a queue that is completed in place have: the shadow ring and the real
// one, and how each says how far it is.
//
// The shadow's doorbell is hostile: read once for each look, and checked. As thread-safe as its
// owner.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_RINGS_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_RINGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "dataplane/doorbell.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_cells.h"

namespace qsplit::guard {

struct InPlaceRings {
  dataplane::InPlaceShape shadow;
  dataplane::InPlaceShape real;
  WordCondition done;
  dataplane::ProgressReader producer;          // the client's, in the shadow
  dataplane::NotificationSwitch notification;  // to the client
  dataplane::Doorbells doorbells;              // the device's

  // UNIMPLEMENTED: not this protocol, or slots that are not of whole words.
  static absl::StatusOr<InPlaceRings> Compile(const QueueParts& parts);

  uint32_t Next(uint32_t slot) const { return slot + 1 == shadow.slot_count ? 0 : slot + 1; }
  // Slots posted from slot `at` on, of which `count` were before. False: a slot that the ring does
  // not have, or more than are free with so many in use.
  bool ReadPosted(uint32_t at, uint64_t count, uint32_t in_use, uint32_t* ahead) const {
    return producer.Read({at, shadow.slot_count, count}, 0, shadow.slot_count, ahead) &&
           *ahead <= shadow.capacity - in_use;
  }
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_RINGS_H_
