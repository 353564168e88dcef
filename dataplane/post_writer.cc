#include "dataplane/post_writer.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {

absl::StatusOr<PostWriter> PostWriter::Create(const RingShape& shape) {
  if (shape.ring->kind() == v1::RING_KIND_TABLE || shape.post_forms.empty()) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": no ring into which the driver posts in order"));
  }
  PostWriter writer;
  writer.slots_ = shape.slots;
  writer.at_ = shape.Begin();
  if (std::has_single_bit(shape.slot_count)) writer.index_mask_ = shape.slot_count - 1;
  writer.freed_ = writer.at_;
  writer.iova_ = shape.view.slots_iova;
  const v1::Handover& posted = shape.ring->posted();
  writer.bytes_decide_ = posted.has_when();
  absl::StatusOr<RingForms> forms =
      RingForms::Compile(shape, shape.post_forms, posted.has_when() ? &posted.when() : nullptr);
  if (!forms.ok()) return forms.status();
  writer.forms_ = *std::move(forms);
  absl::StatusOr<SlotFills> fills = SlotFills::Compile(shape, writer.forms_);
  if (!fills.ok()) return fills.status();
  writer.fills_ = *std::move(fills);
  writer.fill_at_ = writer.at_;
  writer.fills_.FillAll(writer.slots_, writer.at_);
  if (absl::Status status = writer.CompileHandover(shape); !status.ok()) return status;
  if (absl::Status status = writer.CompileLink(shape); !status.ok()) return status;
  if (absl::Status status = writer.CompileLastSlot(shape); !status.ok()) return status;
  writer.plain_ = !writer.bytes_decide_ && !writer.marks_last_slot_ && writer.bell_bytes_ == 0 &&
                  !writer.at_.has_link() && writer.forms_.EachIsOneSlot();
  return writer;
}

absl::Status PostWriter::CompileHandover(const RingShape& shape) {
  const v1::Handover& posted = shape.ring->posted();
  const v1::Handover& completed = shape.ring->completed();
  for (uint32_t i = 0; i < forms_.size(); ++i) {
    if (forms_[i].when.CanMakeTrue()) continue;
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ", form ", shape.Form(forms_[i].form).name(),
                     ": no stores are known that make it the device's"));
  }
  absl::StatusOr<Doorbells> doorbells = Doorbells::OfProducer(shape);
  if (!doorbells.ok()) return doorbells.status();
  doorbells_ = *doorbells;
  bell_bytes_ = doorbells_.DescriptorBytes();

  bool reserve = bytes_decide_ && shape.ring->wrap().has_link_form();
  bool posts_by_cell = false;
  for (int i = 0; i < shape.ring->cells_size(); ++i) {
    const auto number = static_cast<uint32_t>(i);
    const v1::IndexCell& cell = shape.ring->cells(i);
    if (!shape.HasCell(number)) continue;
    const bool producer = cell.meaning() == v1::CELL_MEANING_PRODUCER_INDEX ||
                          cell.meaning() == v1::CELL_MEANING_PRODUCER_COUNT;
    const bool consumer = cell.meaning() == v1::CELL_MEANING_CONSUMER_INDEX ||
                          cell.meaning() == v1::CELL_MEANING_CONSUMER_COUNT;
    if (producer && !cell.device_writes() && cell_count_ < cells_.size()) {
      absl::StatusOr<ProgressWriter> progress = ProgressWriter::OfCell(shape, number);
      if (!progress.ok()) return progress.status();
      reserve = reserve || progress->FullLooksEmpty();
      posts_by_cell = posts_by_cell || (posted.has_cell() && posted.cell() == number);
      cells_[cell_count_++] = *progress;
    } else if (consumer && cell.device_writes() &&
               (completed.how_case() == v1::Handover::HOW_NOT_SET || completed.completion())) {
      absl::StatusOr<ProgressReader> progress = ProgressReader::OfCell(shape, number);
      if (!progress.ok()) return progress.status();
      reserve = reserve || progress->FullLooksEmpty();
      by_cell_ = *progress;
    }
  }
  if (posted.has_cell() && !posts_by_cell) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": no cell of the driver's says how far it is"));
  }
  if (posted.doorbell()) {
    const absl::StatusOr<ProgressReader> told = ProgressReader::OfProducerDoorbells(shape);
    reserve = reserve || (told.ok() && told->FullLooksEmpty());
  }
  if (completed.has_cell()) {
    absl::StatusOr<ProgressReader> head = ProgressReader::OfCell(shape, completed.cell());
    if (!head.ok()) return head.status();
    reserve = reserve || head->FullLooksEmpty();
  }
  const uint64_t kept = std::max(shape.ring->reserved_slots(), reserve ? 1u : 0u) +
                        uint64_t{shape.ring->wrap().has_link_form() ? 1u : 0u};
  if (kept >= shape.slot_count) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": ", kept, " of ", shape.slot_count, " slots stay empty"));
  }
  capacity_ = shape.slot_count - static_cast<uint32_t>(kept);
  for (uint32_t i = 0; i < forms_.size(); ++i) {
    if (forms_[i].slots > capacity_) {
      return absl::InvalidArgumentError(absl::StrCat(shape.Where(), ": ", capacity_,
                                                     " slots are too few for ",
                                                     shape.Form(forms_[i].form).name()));
    }
  }
  return absl::OkStatus();
}

absl::Status PostWriter::CompileLink(const RingShape& shape) {
  if (!shape.ring->wrap().has_link_form()) return absl::OkStatus();
  const uint32_t form = shape.ring->wrap().link_form();
  absl::StatusOr<RingForms> link = RingForms::Compile(
      shape, std::span(&form, 1), bytes_decide_ ? &shape.ring->posted().when() : nullptr);
  if (!link.ok()) return link.status();
  link_ = *std::move(link);
  if (link_[0].slots != 1 || !link_[0].when.CanMakeTrue()) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": its link cannot be made the device's"));
  }
  absl::StatusOr<DescriptorBytes> image = FormImage(shape, form);
  if (!image.ok()) return image.status();
  link_image_ = *image;
  for (const v1::Field& field : shape.Form(form).fields()) {
    const auto role = layout::FindRole(field.role());
    if (!role.has_value() || field.parts().empty() ||
        !layout::Applies(field.features(), shape.choices)) {
      continue;
    }
    uint64_t value = 0;
    if (role == layout::Role::kLinkAddress) {
      value = shape.view.slots_iova.value;
    } else if (role == layout::Role::kPhaseToggle) {
      value = 1;
    } else {
      continue;
    }
    absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, shape.Form(form).size_bytes());
    if (!access.ok()) return access.status();
    if (!access->Store(link_image_.bytes, value)) {
      return absl::InvalidArgumentError(
          absl::StrCat(shape.Where(), ", field ", field.name(), ": cannot say ", absl::Hex(value)));
    }
  }
  return absl::OkStatus();
}

absl::Status PostWriter::CompileLastSlot(const RingShape& shape) {
  if (!shape.ring->wrap().has_last_slot_field()) return absl::OkStatus();
  const v1::FieldReference& named = shape.ring->wrap().last_slot_field();
  const std::string& name = shape.Form(named.form()).fields(static_cast<int>(named.field())).name();
  marks_last_slot_ = true;
  last_slot_.resize(forms_.size());
  for (uint32_t i = 0; i < forms_.size(); ++i) {
    const v1::Form& form = shape.Form(forms_[i].form);
    for (const v1::Field& field : form.fields()) {
      if (field.parts().empty() || !layout::Applies(field.features(), shape.choices) ||
          (field.name() != name && layout::FindRole(field.role()) != layout::Role::kRingLast)) {
        continue;
      }
      absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, form.size_bytes());
      if (!access.ok()) return access.status();
      last_slot_[i] = *std::move(access);
      break;
    }
  }
  return absl::OkStatus();
}

void PostWriter::Refresh() {
  const uint64_t before = freed_.count();
  uint32_t ahead = 0;
  const auto limit = static_cast<uint32_t>(at_.count() - before);
  if (!by_cell_.Read(freed_, 0, limit, &ahead)) return;
  freed_.SkipSlots(ahead);
  TakeBack(freed_.DescriptorSlots(before, freed_.count()));
}

void PostWriter::FillOldest(uint32_t slots) {
  for (uint32_t i = 0; i < slots; ++i) {
    fills_.Fill(slots_, fill_at_.index(), fill_at_.PhaseNextTurn());
    fill_at_.NextDescriptorSlot();
  }
}

void PostWriter::WriteLink() {
  link_.Sign(0, link_image_.bytes, at_);
  link_.Write(slots_, at_, 0, link_image_.bytes, link_[0].bytes, false);
  at_.PassLink(at_.link_toggles());
}

void PostWriter::MarkLastSlot(uint32_t form, std::byte* image, uint32_t slots) const {
  if (!last_slot_[form].has_value()) return;
  const bool last = at_.index() + slots >= at_.slot_count();
  last_slot_[form]->Store(image, last ? 1 : 0);
}

bool PostWriter::FreeUpTo(uint64_t count) {
  if (count <= freed_up_to_ || count > at_.count()) return false;
  Free(at_.DescriptorSlots(freed_up_to_, count));
  freed_up_to_ = count;
  return true;
}

}  // namespace qsplit::dataplane
