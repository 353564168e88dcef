#include "dataplane/ring_forms.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/queue_shape.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {
namespace {

// Buffers that one descriptor (part) of a form has in its own bytes.
uint32_t BuffersIn(const RingShape& shape, const v1::Form& form) {
  uint32_t buffers = 0;
  for (const v1::Field& field : form.fields()) {
    buffers += layout::FindRole(field.role()) == layout::Role::kBufferAddress &&
               layout::Applies(field.features(), shape.choices);
  }
  for (const v1::ContainedForm& part : form.contains()) {
    if (part.appended()) continue;
    const v1::Form& inner = shape.Form(part.form());
    for (const v1::Field& field : inner.fields()) {
      if (layout::FindRole(field.role()) == layout::Role::kBufferAddress) {
        buffers += part.max_count();
      }
    }
  }
  return buffers;
}

}  // namespace

absl::StatusOr<FormExtent> FormExtent::Compile(const RingShape& shape, uint32_t form) {
  const v1::Form& from = shape.Form(form);
  FormExtent extent;
  extent.fixed_bytes_ = DescriptorBytesOf(from);
  for (const v1::ContainedForm& contained : from.contains()) {
    if (!contained.appended()) continue;
    const v1::Form& inner = shape.Form(contained.form());
    Part part;
    part.stride = contained.stride_bytes() != 0 ? contained.stride_bytes() : inner.size_bytes();
    part.max_count = contained.max_count();
    part.part_buffers = std::max(BuffersIn(shape, inner), 1u);
    part.own_buffers = BuffersIn(shape, from);
    if (contained.has_count_field()) {
      const v1::Field& field = from.fields(static_cast<int>(contained.count_field()));
      absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, from.size_bytes());
      if (!access.ok()) return access.status();
      part.count = *std::move(access);
      part.counted = true;
      part.counts_buffers = layout::FindRole(field.role()) == layout::Role::kPacketBuffers;
    }
    extent.parts_.push_back(std::move(part));
  }
  return extent;
}

uint32_t FormExtent::Count(const std::byte* descriptor) const {
  uint32_t bytes = fixed_bytes_;
  for (const Part& part : parts_) {
    uint64_t count = part.max_count;
    if (part.counted) {
      count = part.count.Load(descriptor);
      if (part.counts_buffers) {
        count = count <= part.own_buffers
                    ? 0
                    : (count - part.own_buffers + part.part_buffers - 1) / part.part_buffers;
      }
      if (count > part.max_count) return 0;
    }
    bytes += static_cast<uint32_t>(count) * part.stride;
    if (bytes > kMaxDescriptorBytes) return 0;
  }
  return bytes;
}

absl::StatusOr<RingForms::Matcher> RingForms::CompileMatcher(const RingShape& shape,
                                                             const std::vector<RingForm>& forms,
                                                             v1::PacketPosition except) {
  Matcher matcher;
  std::vector<uint32_t> indices;
  for (size_t i = 0; i < forms.size(); ++i) {
    if (shape.Form(forms[i].form).position() == except) continue;
    matcher.position.push_back(static_cast<uint32_t>(i));
    indices.push_back(forms[i].form);
  }
  absl::StatusOr<FormMatcher> compiled =
      // By its first slot alone: what stands behind it is read when the form is known.
      FormMatcher::Compile(*shape.layout, indices, shape.choices, shape.ring->slot_bytes());
  if (!compiled.ok()) return compiled.status();
  matcher.forms = *std::move(compiled);
  return matcher;
}

absl::StatusOr<RingForms> RingForms::Compile(const RingShape& shape,
                                             std::span<const uint32_t> forms,
                                             const v1::Condition* when) {
  RingForms compiled;
  compiled.slot_bytes_ = shape.ring->slot_bytes();
  compiled.bytes_decide_ = when != nullptr;
  if (when != nullptr && when->any_of().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.Where(), ": slots that always belong to the other side"));
  }
  for (const uint32_t index : forms) {
    const v1::Form& from = shape.Form(index);
    const uint32_t bytes = DescriptorBytesOf(from);
    if (bytes > kMaxDescriptorBytes || bytes == 0) {
      return absl::UnimplementedError(
          absl::StrCat("form ", from.name(), ": ", bytes, " bytes; at most ", kMaxDescriptorBytes));
    }
    RingForm form;
    form.form = index;
    form.bytes = bytes;
    form.slots = std::max(from.slots(), 1u);
    form.slots = std::max(form.slots, (form.bytes - 1) / compiled.slot_bytes_ + 1);
    form.context = std::any_of(shape.queue->contexts().begin(), shape.queue->contexts().end(),
                               [&](const v1::ContextRule& rule) { return rule.form() == index; });
    absl::StatusOr<FormExtent> extent = FormExtent::Compile(shape, index);
    if (!extent.ok()) return extent.status();
    form.extent = *std::move(extent);
    form.read_bytes = form.bytes;
    if (!form.extent.Fixed()) {
      const uint64_t whole =
          ((uint64_t{form.bytes} - 1) / compiled.slot_bytes_ + 1) * uint64_t{compiled.slot_bytes_};
      form.read_bytes = static_cast<uint32_t>(std::min<uint64_t>(whole, kMaxDescriptorBytes));
    }
    if (when != nullptr) {
      absl::StatusOr<RingCondition> condition =
          RingCondition::Compile(*shape.layout, *when, index, compiled.slot_bytes_, true);
      if (!condition.ok()) return condition.status();
      form.when = *std::move(condition);
    }
    compiled.first_slot_bytes_ =
        std::max(compiled.first_slot_bytes_, std::min(form.read_bytes, compiled.slot_bytes_));
    compiled.each_is_one_slot_ =
        compiled.each_is_one_slot_ && form.slots == 1 && form.extent.Fixed();
    compiled.forms_.push_back(std::move(form));
  }
  if (compiled.each_is_one_slot_) compiled.one_slot_bytes_ = compiled.first_slot_bytes_;
  absl::StatusOr<Matcher> first = CompileMatcher(shape, compiled.forms_, v1::PACKET_POSITION_REST);
  if (!first.ok()) return first.status();
  compiled.first_ = *std::move(first);
  absl::StatusOr<Matcher> rest = CompileMatcher(shape, compiled.forms_, v1::PACKET_POSITION_FIRST);
  if (!rest.ok()) return rest.status();
  compiled.rest_ = *std::move(rest);
  compiled.has_one_form_ = compiled.size() == 1 && compiled.first_.forms.MatchesAll() &&
                           compiled.rest_.forms.MatchesAll();
  if (absl::Status status = compiled.FindWords(shape); !status.ok()) return status;
  return compiled;
}

// Which word hands each form over, and whether the same comparison does for all.
absl::Status RingForms::FindWords(const RingShape& shape) {
  if (!bytes_decide_) return absl::OkStatus();
  const SlotMemory& slots = shape.slots;
  has_common_ = !forms_.empty();
  for (RingForm& form : forms_) {
    const RingCondition::Bytes* chosen = nullptr;
    bool one_word = true;
    for (const RingCondition::Bytes& bytes : form.when.Reads()) {
      if (bytes.first >= slot_bytes_) continue;  // of a further slot
      if (chosen != nullptr && slots.WordOf(bytes.first) != slots.WordOf(chosen->first)) {
        one_word = false;
      }
      if (slots.WordOf(bytes.first) != slots.WordOf(bytes.last)) one_word = false;
      if (chosen == nullptr || bytes.ring_state || !chosen->ring_state) chosen = &bytes;
    }
    if (chosen == nullptr || slots.WordOf(chosen->first) != slots.WordOf(chosen->last)) {
      return absl::UnimplementedError(
          absl::StrCat(shape.Where(), ", form ", shape.Form(form.form).name(),
                       ": no single word of the first slot says that it has changed hands"));
    }
    form.last_word = slots.WordOf(chosen->first);
    has_common_ = has_common_ && one_word && form.when.IsSingle() &&
                  form.when.SameSingle(forms_.front().when) &&
                  form.last_word == forms_.front().last_word;
  }
  if (has_common_) {
    common_word_ = forms_.front().last_word;
    common_when_ = forms_.front().when;
  }
  return absl::OkStatus();
}

bool RingForms::IsBits(uint32_t form, std::byte* mask, std::byte* value) const {
  if (has_one_form_) return true;
  const std::vector<uint32_t>& position = first_.position;
  const auto at = std::find(position.begin(), position.end(), form);
  return at != position.end() &&
         first_.forms.IsBits(static_cast<size_t>(at - position.begin()), mask, value);
}

bool RingForms::MarkBits(uint32_t form, bool first, std::byte* mask) const {
  const RingForm& f = forms_[form];
  if (!f.extent.Fixed() || f.bytes > slot_bytes_ || (bytes_decide_ && !has_common_)) return false;
  if (bytes_decide_) common_when_.MarkBits(mask);
  if (has_one_form_) return true;
  const Matcher& matcher = first ? first_ : rest_;
  const auto at = std::find(matcher.position.begin(), matcher.position.end(), form);
  if (at == matcher.position.end()) return false;
  matcher.forms.MarkBits(static_cast<size_t>(at - matcher.position.begin()), mask);
  return true;
}

int RingForms::Find(uint32_t layout_form) const {
  for (size_t i = 0; i < forms_.size(); ++i) {
    if (forms_[i].form == layout_form) return static_cast<int>(i);
  }
  return kUndefined;
}

int RingForms::ReadSlowly(const SlotMemory& slots, const RingCursor& at, bool first,
                          std::byte* copy) const {
  if (!bytes_decide_) {
    slots.Read(at.index(), copy, first_slot_bytes_);
    const int form = Match(copy, first);
    if (form >= 0) ReadSlots(slots, at, 1, forms_[static_cast<uint32_t>(form)].read_bytes, copy);
    return form;
  }
  // Once to see that it has changed hands, and then again: only what is read after that counts.
  int form = kNotYet;
  for (int turn = 0; turn < 2; ++turn) {
    slots.ReadAcquire(at.index(), copy, first_slot_bytes_);
    form = Match(copy, first);
    if (form < 0) {
      const bool any = std::any_of(forms_.begin(), forms_.end(), [&](const RingForm& f) {
        return f.read_bytes <= slot_bytes_ && f.when.Holds(copy, at);
      });
      if (!any) return kNotYet;
      continue;
    }
    const RingForm& f = forms_[static_cast<uint32_t>(form)];
    ReadSlots(slots, at, 1, f.read_bytes, copy);
    if (!f.when.Holds(copy, at)) return kNotYet;
  }
  return form;
}

uint32_t RingForms::ReadParts(const SlotMemory& slots, const RingCursor& at, const RingForm& form,
                              std::byte* copy) const {
  const uint32_t bytes = form.extent.Bytes(copy);
  if (bytes == 0 || bytes > kMaxDescriptorBytes) return 0;
  if (bytes > form.read_bytes) {
    ReadSlots(slots, at, (form.read_bytes + slot_bytes_ - 1) / slot_bytes_, bytes, copy);
  }
  return bytes;
}

void RingForms::ReadSlots(const SlotMemory& slots, const RingCursor& at, uint32_t from,
                          uint32_t bytes, std::byte* copy) const {
  for (uint32_t slot = from; slot * slot_bytes_ < bytes; ++slot) {
    const uint32_t offset = slot * slot_bytes_;
    // Acquire: a further slot may have a bit of its own that says it is there.
    slots.ReadAcquire(at.Ahead(slot).index(), copy + offset, std::min(slot_bytes_, bytes - offset));
  }
}

void RingForms::WriteSlots(const SlotMemory& slots, const RingCursor& at, const std::byte* image,
                           uint32_t bytes) const {
  for (uint32_t slot = (bytes - 1) / slot_bytes_; slot > 0; --slot) {
    const uint32_t offset = slot * slot_bytes_;
    slots.Write(at.Ahead(slot).index(), image + offset, std::min(slot_bytes_, bytes - offset));
  }
}

absl::StatusOr<DescriptorBytes> FormImage(const RingShape& shape, uint32_t form) {
  return ConstantImage(shape.Form(form), shape.choices);
}

}  // namespace qsplit::dataplane
