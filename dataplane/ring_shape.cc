#include "dataplane/ring_shape.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {
namespace {

absl::Status CheckView(const RingShape& shape) {
  const v1::SlotRange& range = shape.ring->slots();
  const uint32_t count = shape.view.slot_count;
  const bool step_fits = range.step() <= 1 || (count - range.min()) % range.step() == 0;
  if (count < range.min() || count > range.max() || count == 0 || !step_fits ||
      (range.power_of_two() && (count & (count - 1)) != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": ", count, " slots; possible are ", range.min(), "..",
                     range.max(), " in steps of ", std::max(range.step(), 1u),
                     range.power_of_two() ? ", powers of two" : ""));
  }
  const uintptr_t place = reinterpret_cast<uintptr_t>(shape.view.slots);
  const uint32_t alignment = std::min(std::max(shape.ring->alignment_bytes(), 1u), 8u);
  if (place == 0 || place % alignment != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": slots are null or not aligned to ", alignment, " bytes"));
  }
  if (shape.ring->slot_bytes() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(shape.Where(), ": slots of no size"));
  }
  return absl::OkStatus();
}

void AddForms(const RingShape& shape, const google::protobuf::RepeatedField<uint32_t>& from,
              std::vector<uint32_t>* to) {
  for (const uint32_t form : from) {
    if (layout::Applies(shape.Form(form).features(), shape.choices)) to->push_back(form);
  }
}

}  // namespace

bool RingShape::HasCell(uint32_t cell) const {
  return cell < static_cast<uint32_t>(ring->cells_size()) && cell < kMaxCells &&
         layout::Applies(ring->cells(static_cast<int>(cell)).features(), choices);
}

std::string RingShape::Where() const {
  return absl::StrCat("layout ", layout->name(), ", queue ", queue->name(), ", ring ",
                      ring->name());
}

uint32_t QueueShape::Position(uint32_t ring_index) const {
  for (size_t i = 0; i < rings.size(); ++i) {
    if (rings[i].ring_index == ring_index) return static_cast<uint32_t>(i);
  }
  return kNoRing;
}

absl::StatusOr<RingShape> ShapeRing(const v1::Layout& layout, const v1::Queue& queue,
                                    uint32_t ring_index, const QueueView& view) {
  RingShape shape;
  shape.layout = &layout;
  shape.queue = &queue;
  if (ring_index >= static_cast<uint32_t>(queue.rings_size()) || ring_index >= kMaxRings ||
      ring_index >= view.ring_count) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout ", layout.name(), ", queue ", queue.name(), ": the view has ",
                     view.ring_count, " rings, the ring in use is number ", ring_index));
  }
  shape.ring = &queue.rings(static_cast<int>(ring_index));
  shape.ring_index = ring_index;
  for (size_t i = 0; i < static_cast<size_t>(layout.features_size()); ++i) {
    shape.choices.push_back(i < view.features.choice.size() ? view.features.choice[i] : 0);
  }
  shape.view = view.rings[ring_index];
  shape.queue_number = view.queue_number;
  if (absl::Status status = CheckView(shape); !status.ok()) return status;
  shape.slots = SlotMemory(shape.view.slots, shape.ring->slot_bytes());
  shape.slot_count = shape.view.slot_count;
  AddForms(shape, shape.ring->post_forms(), &shape.post_forms);
  AddForms(shape, shape.ring->complete_forms(), &shape.complete_forms);
  if (shape.ring->wrap().has_link_form()) {
    if (shape.slot_count < 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(shape.Where(), ": one slot, which the link takes"));
    }
    const v1::Form& link = shape.Form(shape.ring->wrap().link_form());
    shape.link_toggles =
        std::any_of(link.fields().begin(), link.fields().end(), [&](const v1::Field& field) {
          return layout::FindRole(field.role()) == layout::Role::kPhaseToggle &&
                 layout::Applies(field.features(), shape.choices);
        });
  }
  return shape;
}

absl::StatusOr<QueueShape> ShapeQueue(const v1::Layout& layout, const v1::Queue& queue,
                                      const QueueView& view) {
  QueueShape shape;
  shape.layout = &layout;
  shape.queue = &queue;
  shape.view = view;
  for (size_t i = 0; i < static_cast<size_t>(layout.features_size()); ++i) {
    shape.choices.push_back(i < view.features.choice.size() ? view.features.choice[i] : 0);
  }
  for (int i = 0; i < queue.rings_size(); ++i) {
    if (!layout::Applies(queue.rings(i).features(), shape.choices)) continue;
    absl::StatusOr<RingShape> ring = ShapeRing(layout, queue, static_cast<uint32_t>(i), view);
    if (!ring.ok()) return ring.status();
    shape.rings.push_back(*std::move(ring));
  }
  if (shape.rings.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layout ", layout.name(), ", queue ", queue.name(), ": no ring exists with these choices"));
  }
  return shape;
}

absl::StatusOr<QueueShape> ShapeQueue(const layout::VerifiedLayout& layout, const QueueView& view,
                                      v1::Direction direction) {
  const v1::Queue* queue = nullptr;
  if (view.layout_queue == QueueView::kFirstOfDirection) {
    queue = layout.FindQueue(direction);
  } else if (view.layout_queue < static_cast<uint32_t>(layout.message().queues_size())) {
    queue = &layout.message().queues(static_cast<int>(view.layout_queue));
    if (queue->direction() != direction) queue = nullptr;
  }
  if (queue == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("layout ", layout.name(), ": no queue of ", v1::Direction_Name(direction)));
  }
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout.message(), *queue, view);
  if (shape.ok()) shape->verified = layout;
  return shape;
}

}  // namespace qsplit::dataplane
