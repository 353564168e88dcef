#include "dataplane/completion_writer.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

absl::StatusOr<CompletionWriter> CompletionWriter::Create(const RingShape& shape) {
  const v1::Handover& completed = shape.ring->completed();
  if (shape.complete_forms.empty() || !(completed.has_when() || completed.has_cell())) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": no completions that the device writes"));
  }
  CompletionWriter writer;
  writer.slots_ = shape.slots;
  writer.at_ = shape.Begin();
  writer.has_sequence_ = shape.ring->has_sequence();
  writer.read_at_ = writer.at_;
  absl::StatusOr<RingForms> forms = RingForms::Compile(
      shape, shape.complete_forms, completed.has_when() ? &completed.when() : nullptr);
  if (!forms.ok()) return forms.status();
  writer.forms_ = *std::move(forms);
  for (uint32_t i = 0; i < writer.forms_.size(); ++i) {
    if (writer.forms_[i].when.CanMakeTrue()) continue;
    return absl::UnimplementedError(absl::StrCat(shape.Where(), ", form ",
                                                 shape.Form(writer.forms_[i].form).name(),
                                                 ": no stores are known that make it completed"));
  }
  const bool own_ring = !shape.CompletesInOwnSlots();
  const RingCells cells = RingCells::Of(shape);
  bool reserve = false;
  int progress = completed.has_cell() ? static_cast<int>(completed.cell()) : RingCells::kNone;
  if (own_ring && progress == RingCells::kNone && cells.producer != RingCells::kNone &&
      shape.ring->cells(cells.producer).device_writes()) {
    progress = cells.producer;
  }
  if (progress != RingCells::kNone) {
    absl::StatusOr<ProgressWriter> cell =
        ProgressWriter::OfCell(shape, static_cast<uint32_t>(progress));
    if (!cell.ok()) return cell.status();
    writer.progress_ = *cell;
    reserve = completed.has_cell() && cell->FullLooksEmpty();
  }
  if (own_ring) {
    absl::StatusOr<ProgressReader> read =
        cells.consumer != RingCells::kNone && !shape.ring->cells(cells.consumer).device_writes()
            ? ProgressReader::OfCell(shape, static_cast<uint32_t>(cells.consumer))
            : ProgressReader::OfConsumerDoorbells(shape);
    if (read.ok()) {
      writer.read_ = *read;
      reserve = reserve || read->FullLooksEmpty();
    } else if (!absl::IsUnimplemented(read.status())) {
      return read.status();
    }
  }
  const uint32_t kept = std::max(shape.ring->reserved_slots(), reserve ? 1u : 0u);
  if (kept >= shape.slot_count) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": ", kept, " of ", shape.slot_count, " slots stay empty"));
  }
  writer.capacity_ = shape.slot_count - kept;
  absl::StatusOr<EventRequest> event = EventRequest::Compile(shape);
  if (!event.ok()) return event.status();
  writer.event_ = *event;
  return writer;
}

bool CompletionWriter::Plan(uint32_t form, burst::SlotWritePlan* plan) const {
  constexpr uint32_t kWord = 8;
  const RingForm& f = forms_[form];
  plan->slot_count = at_.slot_count();
  plan->slot_bytes = slots_.slot_bytes();
  plan->word_count = (f.bytes + kWord - 1) / kWord;
  plan->last_word = f.last_word;
  return slots_.word_bytes() == kWord && plan->slot_bytes <= kWord * burst::kMaxWords &&
         !at_.has_link() && !has_sequence_ && f.slots == 1 && f.extent.Fixed() &&
         f.bytes <= plan->slot_bytes && f.last_word < plan->word_count && f.when.StoresByPhase() &&
         !f.when.LooksAtSequence();
}

bool CompletionWriter::LookForRoom(uint32_t slots) {
  if (fault_ != RingFault::kNone) return false;
  uint32_t ahead = 0;
  if (!read_.Read(read_at_, 0, unread_, &ahead)) {
    fault_ = RingFault::kDoorbellOutOfRange;
    return false;
  }
  read_at_.SkipSlots(ahead);
  unread_ -= ahead;
  return slots <= capacity_ - unread_;
}

}  // namespace qsplit::dataplane
