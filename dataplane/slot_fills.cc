#include "dataplane/slot_fills.h"

#include <algorithm>
#include <cstring>

#include "dataplane/condition.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane {

absl::StatusOr<SlotFills> SlotFills::Compile(const RingShape& shape, const RingForms& forms) {
  DescriptorBytes mask{};
  DescriptorBytes value[2] = {};
  for (const v1::FillValue& fill : shape.ring->fills()) {
    const uint32_t form = fill.field().form();
    if (forms.Find(form) < 0) continue;  // the other side's, or of a feature that was not chosen
    absl::StatusOr<FieldAccess> field = AccessReference(*shape.layout, fill.field());
    if (!field.ok()) return field.status();
    const v1::Field& named = shape.Form(form).fields(static_cast<int>(fill.field().field()));
    if (!layout::Applies(named.features(), shape.choices)) continue;
    field->StoreRaw(mask.bytes, field->MaxRaw());
    for (uint32_t phase = 0; phase < 2; ++phase) {
      field->StoreRaw(value[phase].bytes, fill.opposite_phase() ? phase ^ 1 : fill.value());
    }
  }
  SlotFills compiled;
  const uint32_t word_bytes = shape.slots.word_bytes();
  const uint32_t end = std::min(kMaxDescriptorBytes, shape.slots.slot_bytes());
  for (uint32_t offset = 0; offset < end; offset += word_bytes) {
    Word word;
    word.word = offset / word_bytes;
    std::memcpy(&word.mask, mask.bytes + offset, word_bytes);
    for (int phase = 0; phase < 2; ++phase) {
      std::memcpy(&word.value[phase], value[phase].bytes + offset, word_bytes);
    }
    if (word.mask != 0) compiled.words_.push_back(word);
  }
  return compiled;
}

void SlotFills::Fill(const SlotMemory& slots, uint32_t slot, uint32_t phase) const {
  for (const Word& fill : words_) slots.Merge(slot, fill.word, fill.mask, fill.value[phase & 1]);
}

void SlotFills::FillAll(const SlotMemory& slots, RingCursor at) const {
  if (empty()) return;
  const uint32_t phase = at.phase();
  for (uint32_t slot = 0; slot < at.slot_count(); ++slot) Fill(slots, slot, phase);
}

absl::Status StartSlots(const RingShape& shape) {
  if (shape.ring->fills().empty()) return absl::OkStatus();
  for (const std::vector<uint32_t>* side : {&shape.post_forms, &shape.complete_forms}) {
    absl::StatusOr<RingForms> forms = RingForms::Compile(shape, *side, nullptr);
    if (!forms.ok()) return forms.status();
    absl::StatusOr<SlotFills> fills = SlotFills::Compile(shape, *forms);
    if (!fills.ok()) return fills.status();
    fills->FillAll(shape.slots, shape.Begin());
  }
  return absl::OkStatus();
}

}  // namespace qsplit::dataplane
