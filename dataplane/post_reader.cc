#include "dataplane/post_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {

absl::StatusOr<PostReader> PostReader::Create(const RingShape& shape) {
  if (shape.ring->kind() == v1::RING_KIND_TABLE || shape.post_forms.empty()) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": no ring into which the driver posts in order"));
  }
  PostReader reader;
  reader.slots_ = shape.slots;
  reader.at_ = shape.Begin();
  reader.has_sequence_ = shape.ring->has_sequence();
  const v1::Handover& posted = shape.ring->posted();
  const v1::Handover& completed = shape.ring->completed();
  const v1::Condition* when = posted.has_when() ? &posted.when() : nullptr;
  reader.bytes_decide_ = when != nullptr;
  absl::StatusOr<RingForms> forms = RingForms::Compile(shape, shape.post_forms, when);
  if (!forms.ok()) return forms.status();
  reader.forms_ = *std::move(forms);
  if (posted.has_cell() || posted.doorbell()) {
    absl::StatusOr<ProgressReader> progress = posted.has_cell()
                                                  ? ProgressReader::OfCell(shape, posted.cell())
                                                  : ProgressReader::OfProducerDoorbells(shape);
    if (!progress.ok()) return progress.status();
    reader.posted_ = *progress;
  } else if (when == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": nothing tells what the driver has posted"));
  }
  const RingCells cells = RingCells::Of(shape);
  if (cells.consumer != RingCells::kNone && shape.ring->cells(cells.consumer).device_writes() &&
      (completed.how_case() == v1::Handover::HOW_NOT_SET || completed.completion())) {
    absl::StatusOr<ProgressWriter> consumed =
        ProgressWriter::OfCell(shape, static_cast<uint32_t>(cells.consumer));
    if (!consumed.ok()) return consumed.status();
    reader.consumed_ = *consumed;
  }
  if (shape.ring->wrap().has_link_form()) {
    const uint32_t form = shape.ring->wrap().link_form();
    absl::StatusOr<RingForms> link = RingForms::Compile(shape, std::span(&form, 1), when);
    if (!link.ok()) return link.status();
    reader.link_ = *std::move(link);
    for (const v1::Field& field : shape.Form(form).fields()) {
      if (layout::FindRole(field.role()) != layout::Role::kPhaseToggle ||
          !layout::Applies(field.features(), shape.choices)) {
        continue;
      }
      absl::StatusOr<FieldAccess> toggle =
          FieldAccess::Compile(field, shape.Form(form).size_bytes());
      if (!toggle.ok()) return toggle.status();
      reader.link_toggle_ = *std::move(toggle);
      reader.has_link_toggle_ = true;
    }
  }
  reader.limit_ = shape.slot_count - (shape.ring->wrap().has_link_form() ? 1 : 0);
  absl::StatusOr<NotificationSwitch> notification = NotificationSwitch::Compile(shape);
  if (!notification.ok()) return notification.status();
  reader.notification_ = *notification;
  return reader;
}

bool PostReader::Look() {
  uint32_t ahead = 0;
  if (!posted_.Read(at_, 0, at_.slot_count(), &ahead)) {
    fault_ = RingFault::kDoorbellOutOfRange;
    return false;
  }
  end_ = at_.count() + ahead;
  return ahead != 0;
}

bool PostReader::SkipLink() {
  if (!bytes_decide_ && Known() == 0 && !Look()) return false;
  DescriptorBytes copy;
  const int form = link_.Read(slots_, at_, true, copy.bytes);
  if (form < 0) {
    if (form == RingForms::kUndefined) fault_ = RingFault::kUndefinedForm;
    return false;
  }
  at_.PassLink(has_link_toggle_ && link_toggle_.Load(copy.bytes) != 0);
  return true;
}

uint32_t PostReader::Available() {
  if (fault_ != RingFault::kNone || fetched_ >= limit_) return 0;
  if (at_.AtLink() && !SkipLink()) return 0;
  if (bytes_decide_) {
    DescriptorBytes copy;
    return forms_.Peek(slots_, at_, copy.bytes) ? 1 : 0;
  }
  return Look() ? Known() : 0;
}

RingFault PostReader::Next(std::byte* copy, FetchedDescriptor* out, bool first) {
  if (fault_ != RingFault::kNone) [[unlikely]] {
    return fault_;
  }
  if (fetched_ >= limit_) return RingFault::kEmpty;
  if (at_.AtLink() && !SkipLink()) {
    return fault_ != RingFault::kNone ? fault_ : RingFault::kEmpty;
  }
  if (!bytes_decide_ && Known() == 0 && !Look()) {
    return fault_ != RingFault::kNone ? fault_ : RingFault::kEmpty;
  }
  const int form = forms_.Read(slots_, at_, first, copy);
  if (form < 0) {
    return form == RingForms::kNotYet ? RingFault::kEmpty : Fail(RingFault::kUndefinedForm);
  }
  out->form = static_cast<uint32_t>(form);
  out->index = at_.index();
  out->count = at_.count();
  out->bytes = forms_.ReadRest(slots_, at_, out->form, copy);
  if (out->bytes == 0) return Fail(RingFault::kChainTooLong);
  out->slots = forms_.SlotsOf(out->form, out->bytes);
  if (out->slots > limit_) return Fail(RingFault::kChainTooLong);
  if (fetched_ + out->slots > limit_) return RingFault::kEmpty;
  RingCursor next = at_;
  for (uint32_t i = 1; i < out->slots; ++i) next.NextDescriptorSlot();
  next.NextSlot();  // onto a link, if one is there: it is looked at when its turn comes
  next.NextSequence();
  if (!bytes_decide_ && next.count() - at_.count() > Known()) {
    if (!Look() && fault_ != RingFault::kNone) return fault_;
    if (next.count() - at_.count() > Known()) return RingFault::kEmpty;
  }
  at_ = next;
  fetched_ += out->slots;
  return RingFault::kNone;
}

bool PostReader::Plan(uint32_t form, burst::SlotReadPlan* plan) const {
  constexpr uint32_t kWord = 8;
  const RingForm& f = forms_[form];
  plan->slot_count = at_.slot_count();
  plan->slot_bytes = slots_.slot_bytes();
  if (slots_.word_bytes() != kWord || plan->slot_bytes > kWord * burst::kMaxWords ||
      at_.has_link() || has_sequence_ || f.slots != 1 || !f.extent.Fixed() ||
      f.bytes > plan->slot_bytes) {
    return false;
  }
  DescriptorBytes mask{};
  DescriptorBytes value[2] = {};
  if (!forms_.IsBits(form, mask.bytes, value[0].bytes)) return false;
  value[1] = value[0];
  if (bytes_decide_) {
    DescriptorBytes odd = mask;
    if (forms_.HandoverWord() == RingForms::kNoWord || f.when.LooksAtSequence() ||
        !f.when.IsBits(0, mask.bytes, value[0].bytes) ||
        !f.when.IsBits(1, odd.bytes, value[1].bytes) ||
        std::memcmp(mask.bytes, odd.bytes, sizeof mask.bytes) != 0) {
      return false;
    }
    plan->first_word = forms_.HandoverWord();
  }
  if (!plan->Require(mask, value[0])) return false;
  for (uint32_t w = 0; w < burst::kMaxWords; ++w) {
    uint64_t even, odd;
    std::memcpy(&even, value[0].bytes + size_t{kWord} * w, kWord);
    std::memcpy(&odd, value[1].bytes + size_t{kWord} * w, kWord);
    plan->phase[w] = even ^ odd;
  }
  return true;
}

uint32_t PostReader::NextRun(const burst::SlotReader& reader, uint32_t most, uint32_t* notes,
                             PlainBuffer* out) {
  if (fault_ != RingFault::kNone) return 0;
  uint32_t count = 0;
  while (count < most && fetched_ < limit_) {
    if (!bytes_decide_ && Known() == 0 && !Look()) break;
    // Up to the ring's end.
    uint32_t part = std::min({most - count, at_.slot_count() - at_.index(), limit_ - fetched_});
    if (!bytes_decide_) part = std::min(part, Known());
    const uint32_t read =
        reader.Read(slots_.data(), notes, at_.index(), part, at_.phase(), out + count);
    at_.SkipSlots(read);
    fetched_ += read;
    count += read;
    if (read < part) break;
  }
  return count;
}

}  // namespace qsplit::dataplane
