#include "daemon/guard/in_place_rings.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {

absl::StatusOr<InPlaceRings> InPlaceRings::Compile(const QueueParts& parts) {
  InPlaceRings rings;
  for (const bool real : {false, true}) {
    absl::StatusOr<dataplane::InPlaceShape> shape = dataplane::ShapeInPlaceQueue(
        parts.layout, real ? parts.real : parts.shadow, parts.direction);
    if (!shape.ok()) return shape.status();
    if (shape->slots.word_bytes() != sizeof(uint64_t)) {
      return absl::UnimplementedError(absl::StrCat(shape->ring_shape.Where(), ": slots of ",
                                                   shape->ring->slot_bytes(),
                                                   " bytes, which are not of whole words of 8"));
    }
    (real ? rings.real : rings.shadow) = *std::move(shape);
  }
  absl::StatusOr<WordCondition> done = WordCondition::Compile(
      *rings.shadow.layout, rings.shadow.ring->completed().when(), rings.shadow.ring_shape.Where());
  if (!done.ok()) return done.status();
  rings.done = *done;
  absl::StatusOr<dataplane::ProgressReader> producer =
      dataplane::ProgressReader::OfProducerDoorbells(rings.shadow.ring_shape);
  if (!producer.ok()) return producer.status();
  rings.producer = *producer;
  absl::StatusOr<dataplane::NotificationSwitch> notification =
      dataplane::NotificationSwitch::Compile(rings.shadow.ring_shape);
  if (!notification.ok()) return notification.status();
  rings.notification = *notification;
  absl::StatusOr<dataplane::Doorbells> doorbells =
      dataplane::Doorbells::OfProducer(rings.real.ring_shape);
  if (!doorbells.ok()) return doorbells.status();
  rings.doorbells = *doorbells;
  return rings;
}

}  // namespace qsplit::guard
