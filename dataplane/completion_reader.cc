#include "dataplane/completion_reader.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

absl::StatusOr<CompletionReader> CompletionReader::Create(const RingShape& shape) {
  const v1::Handover& completed = shape.ring->completed();
  if (shape.complete_forms.empty() || !(completed.has_when() || completed.has_cell())) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": no completions that the device writes"));
  }
  CompletionReader reader;
  reader.slots_ = shape.slots;
  reader.at_ = shape.Begin();
  absl::StatusOr<RingForms> forms = RingForms::Compile(
      shape, shape.complete_forms, completed.has_when() ? &completed.when() : nullptr);
  if (!forms.ok()) return forms.status();
  reader.forms_ = *std::move(forms);
  if (completed.has_cell()) {
    absl::StatusOr<ProgressReader> cell = ProgressReader::OfCell(shape, completed.cell());
    if (!cell.ok()) return cell.status();
    reader.by_cell_ = *cell;
  }
  for (int i = 0; i < shape.ring->cells_size() && !shape.CompletesInOwnSlots(); ++i) {
    const v1::IndexCell& cell = shape.ring->cells(i);
    if (!shape.HasCell(static_cast<uint32_t>(i)) || cell.device_writes() ||
        (cell.meaning() != v1::CELL_MEANING_CONSUMER_INDEX &&
         cell.meaning() != v1::CELL_MEANING_CONSUMER_COUNT) ||
        reader.cell_count_ == reader.cells_.size()) {
      continue;
    }
    absl::StatusOr<ProgressWriter> consumed =
        ProgressWriter::OfCell(shape, static_cast<uint32_t>(i));
    if (!consumed.ok()) return consumed.status();
    reader.cells_[reader.cell_count_++] = *consumed;
  }
  absl::StatusOr<Doorbells> doorbells = Doorbells::OfConsumer(shape);
  if (!doorbells.ok()) return doorbells.status();
  reader.doorbells_ = *doorbells;
  absl::StatusOr<EventRequest> event = EventRequest::Compile(shape);
  if (!event.ok()) return event.status();
  reader.event_ = *event;
  absl::StatusOr<SlotFills> fills = SlotFills::Compile(shape, reader.forms_);
  if (!fills.ok()) return fills.status();
  reader.fills_ = *std::move(fills);
  reader.fills_.FillAll(reader.slots_, reader.at_);
  reader.fills_once_ = reader.forms_.TellsTurns() && reader.at_.FlipsEachPass();
  return reader;
}

void CompletionReader::TakeEach(uint32_t completions, uint32_t slots) {
  for (; completions > 0; --completions) Take(slots);
}

bool CompletionReader::Look() {
  uint32_t ahead = 0;
  if (!by_cell_.Read(at_, published_, at_.slot_count(), &ahead)) {
    look_ = RingFault::kDoorbellOutOfRange;
    return false;
  }
  look_ = RingFault::kEmpty;
  end_ = at_.count() + ahead;
  return ahead != 0;
}

bool CompletionReader::PublishTaken() {
  for (uint32_t i = 0; i < cell_count_; ++i) cells_[i].Store(at_);
  const uint64_t before = published_;
  published_ = at_.count();
  return doorbells_.empty() ? false : RingDoorbells(before);
}

bool CompletionReader::RingDoorbells(uint64_t before) const {
  return doorbells_.Ring(DoorbellState::Of(at_, before));
}

}  // namespace qsplit::dataplane
