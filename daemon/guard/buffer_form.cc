#include "daemon/guard/buffer_form.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::FieldAccess;
using dataplane::QueueScope;
using dataplane::RoleField;
using layout::Role;

absl::StatusOr<BufferForm> BufferForm::Compile(const QueueScope& scope, uint32_t form,
                                               v1::Direction direction,
                                               const GuardOptions& options) {
  const v1::Form& message = scope.Form(form);
  BufferForm compiled;
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(scope, form, true, true);
  if (!kept.ok()) return kept.status();
  compiled.kept_ = *kept;
  compiled.copy_bytes_ = (message.size_bytes() + 7) / 8 * 8;
  compiled.device_writes_ = direction == v1::DIRECTION_RECEIVE;
  bool has_address = false;
  bool has_length = false;
  for (const RoleField& from : dataplane::RoleFields(scope, form)) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    // What must be so is no choice of the client's.
    const bool constant = from.field->constraint() == v1::CONSTRAINT_CONSTANT;
    switch (from.role) {
      case Role::kBufferAddress:
      case Role::kBufferLength: {
        bool& has = from.role == Role::kBufferAddress ? has_address : has_length;
        if (has) {
          return absl::UnimplementedError(
              absl::StrCat("form ", message.name(), ", field ", from.field->name(),
                           ": a guard checks one buffer in each descriptor"));
        }
        has = true;
        (from.role == Role::kBufferAddress ? compiled.address_ : compiled.length_) = *field;
        break;
      }
      case Role::kNextPresent:
        if (!constant) compiled.next_present_ = *field;
        break;
      case Role::kNextIndex:
        compiled.next_index_ = *field;
        break;
      case Role::kTag:
        compiled.tag_ = *field;
        break;
      case Role::kPhase:
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
  compiled.max_bytes_ = std::min<uint64_t>(compiled.length_.MaxValue(), UINT32_MAX);
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

}  // namespace qsplit::guard
