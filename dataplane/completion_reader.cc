#include "dataplane/completion_reader.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/condition.h"

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
  if (absl::Status status = reader.CompileFills(shape); !status.ok()) return status;
  if (!reader.fills_.empty()) {
    for (uint32_t slot = 0; slot < shape.slot_count; ++slot) reader.Fill(slot);
  }
  return reader;
}

absl::Status CompletionReader::CompileFills(const RingShape& shape) {
  DescriptorBytes mask{};
  DescriptorBytes value{};
  for (const v1::FillValue& fill : shape.ring->fills()) {
    const uint32_t form = fill.field().form();
    if (forms_.Find(form) < 0) continue;  // does not exist with these choices
    absl::StatusOr<FieldAccess> field = AccessReference(*shape.layout, fill.field());
    if (!field.ok()) return field.status();
    field->StoreRaw(mask.bytes, field->MaxRaw());
    field->StoreRaw(value.bytes, fill.value() & field->MaxRaw());
  }
  const uint32_t word_bytes = slots_.word_bytes();
  const uint32_t end = std::min(kMaxDescriptorBytes, slots_.slot_bytes());
  for (uint32_t offset = 0; offset < end; offset += word_bytes) {
    FillWord word;
    word.word = offset / word_bytes;
    std::memcpy(&word.mask, mask.bytes + offset, word_bytes);
    std::memcpy(&word.value, value.bytes + offset, word_bytes);
    if (word.mask != 0) fills_.push_back(word);
  }
  return absl::OkStatus();
}

void CompletionReader::Fill(uint32_t slot) {
  DescriptorBytes bytes;
  for (const FillWord& fill : fills_) {
    slots_.ReadWordAcquire(slot, fill.word, bytes.bytes);
    std::byte* at = bytes.bytes + size_t{fill.word} * slots_.word_bytes();
    uint64_t word = 0;
    std::memcpy(&word, at, slots_.word_bytes());
    word = (word & ~fill.mask) | fill.value;
    std::memcpy(at, &word, slots_.word_bytes());
    slots_.WriteWordRelease(slot, fill.word, bytes.bytes);
  }
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
  DoorbellState state;
  state.index = at_.index();
  state.count = at_.count();
  state.added = static_cast<uint32_t>(at_.count() - published_);
  state.phase = at_.phase();
  published_ = at_.count();
  return doorbells_.Ring(state);
}

}  // namespace qsplit::dataplane
