#include "daemon/guard/buffer_form.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/descriptor_mask.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::QueueScope;
using dataplane::RoleField;
using layout::Role;

namespace {

absl::Status TwoBuffers(const v1::Form& form, const v1::Field& field) {
  return absl::UnimplementedError(absl::StrCat("form ", form.name(), ", field ", field.name(),
                                               ": a guard checks one buffer in each descriptor"));
}

absl::Status ElsewhereInForm(const v1::Form& form, const v1::Field& field) {
  return absl::UnimplementedError(
      absl::StrCat("form ", form.name(), ", field ", field.name(),
                   ": a guard takes chains of descriptors that say the address in their first 8 "
                   "bytes, and all the rest in the last 8"));
}

}  // namespace

absl::StatusOr<BufferForm> BufferForm::Compile(const QueueScope& scope, uint32_t form,
                                               v1::Direction direction, const GuardOptions& options,
                                               const RegionMap& regions) {
  const v1::Form& message = scope.Form(form);
  if (message.size_bytes() != sizeof(WordPair)) {
    return absl::UnimplementedError(absl::StrCat(
        "form ", message.name(), ": ", message.size_bytes(), " bytes; a guard takes chains of 16"));
  }
  BufferForm compiled;
  absl::StatusOr<DescriptorPattern> pattern = DescriptorPattern::Of(scope, form);
  if (!pattern.ok()) return pattern.status();
  compiled.pattern_ = WordPattern<2>(*pattern);
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(scope, form, true, true);
  if (!kept.ok()) return kept.status();
  compiled.kept_ = {kept->words[0], kept->words[1]};
  compiled.device_writes_ = direction == v1::DIRECTION_RECEIVE;
  bool has_address = false;
  bool has_length = false;
  for (const RoleField& from : dataplane::RoleFields(scope, form)) {
    // What must be so is no choice of the client's; phases are the ring's.
    if (from.field->constraint() == v1::CONSTRAINT_CONSTANT || from.role == Role::kPhase) continue;
    if (from.role == Role::kBufferAddress) {
      absl::StatusOr<WordAddress> address = WordAddress::Compile(message, *from.field);
      if (!address.ok()) return address.status();
      if (absl::Status status = address->CheckReach(regions); !status.ok()) return status;
      if (std::exchange(has_address, true)) return TwoBuffers(message, *from.field);
      if (address->word != 0) return ElsewhereInForm(message, *from.field);
      compiled.address_mask_ = address->mask;
      continue;
    }
    absl::StatusOr<WordField> field = WordField::Compile(message, *from.field);
    if (!field.ok()) return field.status();
    if (field->word != 1) return ElsewhereInForm(message, *from.field);
    switch (from.role) {
      case Role::kBufferLength:
        if (std::exchange(has_length, true)) return TwoBuffers(message, *from.field);
        compiled.length_ = *field;
        compiled.max_bytes_ = std::min<uint64_t>(field->mask, UINT32_MAX);
        break;
      case Role::kNextPresent:
        compiled.next_present_ = *field;
        break;
      case Role::kNextIndex:
        compiled.next_index_ = *field;
        break;
      case Role::kTag:
        compiled.tag_ = *field;
        break;
      default:
        return absl::UnimplementedError(absl::StrCat("form ", message.name(), ", field ",
                                                     from.field->name(), " (", from.field->role(),
                                                     "): not checked by a guard in chains"));
    }
  }
  if (!has_address || !has_length) {
    return absl::UnimplementedError(
        absl::StrCat("form ", message.name(), ": a guard needs buffer.address and buffer.length"));
  }
  const v1::Limits& limits = scope.queue->limits();
  const auto lower = [&](uint64_t limit) {
    if (limit != 0) compiled.max_bytes_ = std::min(compiled.max_bytes_, limit);
  };
  lower(limits.max_bytes_per_descriptor());
  lower(options.max_buffer_bytes);
  if (compiled.device_writes_) {
    lower(limits.buffer().max_bytes());
    compiled.min_bytes_ = uint64_t{scope.queue->packet().prefix_bytes()} + 1;
  }
  if (compiled.max_bytes_ < compiled.min_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("form ", message.name(), ": buffers of at least ", compiled.min_bytes_,
                     " and at most ", compiled.max_bytes_, " bytes; raise the limit for buffers"));
  }
  compiled.alignment_mask_ = std::max(limits.buffer_alignment_bytes(), 1u) - 1;
  return compiled;
}

bool BufferForm::PlanPlain(const WordCondition& posted, dataplane::burst::SlotReadPlan* plan,
                           std::array<uint64_t, 2>* image) const {
  if (pattern_.selects() || !has_tag() || tag_.mask > UINT32_MAX || length_.mask > UINT32_MAX) {
    return false;
  }
  const auto piece = [](const WordField& field) {
    return dataplane::burst::Piece{field.word, field.shift, 0, false, field.mask};
  };
  plan->address = {{0, 0, 0, false, address_mask_}};
  plan->length = {piece(length_)};
  plan->note = {piece(tag_)};
  plan->most_bytes = static_cast<uint32_t>(max_bytes_);
  const uint64_t next = next_present_.mask << next_present_.shift;
  const uint64_t numbers = length_.mask << length_.shift | tag_.mask << tag_.shift;
  const std::array<uint64_t, 2> kept{kept_.low, kept_.high};
  const std::array<uint64_t, 2> own{address_mask_, numbers};
  for (size_t w = 0; w < 2; ++w) {
    plan->tests[w] = {pattern_.mask()[w], pattern_.value()[w]};
    if (w == 1) {
      if ((pattern_.value()[w] & next) != 0) return false;  // always more to come
      plan->tests[w].mask |= next & kept[w];
    }
    // All that the device sees is a number or certain.
    const uint64_t handover = w == posted.word ? posted.mask : 0;
    if ((kept[w] & ~own[w] & ~plan->tests[w].mask & ~handover) != 0 || (own[w] & ~kept[w]) != 0)
      return false;
    (*image)[w] = plan->tests[w].value & kept[w];
  }
  return true;
}

}  // namespace qsplit::guard
