#include "dataplane/table_slots.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

absl::StatusOr<RingForms> TableForms(const RingShape& shape) {
  if (shape.ring->kind() != v1::RING_KIND_TABLE || shape.post_forms.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(shape.Where(), ": no table"));
  }
  absl::StatusOr<RingForms> forms = RingForms::Compile(shape, shape.post_forms, nullptr);
  for (uint32_t i = 0; forms.ok() && i < forms->size(); ++i) {
    if ((*forms)[i].slots != 1 || !(*forms)[i].extent.Fixed()) {
      return absl::UnimplementedError(absl::StrCat(
          shape.Where(), ": descriptors of several slots of a table are not driven by this build"));
    }
  }
  return forms;
}

}  // namespace

absl::StatusOr<FieldAccess> TableIndexOf(const QueueScope& scope, uint32_t form) {
  for (const RoleField& field : RoleFields(scope, form)) {
    if (field.role != layout::Role::kTableIndex) continue;
    return FieldAccess::Compile(*field.field, scope.Form(form).size_bytes());
  }
  return absl::UnimplementedError(
      absl::StrCat("form ", scope.Form(form).name(), ": names no slot of a table"));
}

absl::StatusOr<TableWriter> TableWriter::Create(const RingShape& shape) {
  absl::StatusOr<RingForms> forms = TableForms(shape);
  if (!forms.ok()) return forms.status();
  TableWriter table;
  table.slots_ = shape.slots;
  table.forms_ = *std::move(forms);
  table.free_.resize(shape.slot_count);
  table.taken_.resize(shape.slot_count);
  table.free_count_ = shape.slot_count;
  // The first ones are given out first.
  for (uint32_t i = 0; i < shape.slot_count; ++i) table.free_[i] = shape.slot_count - 1 - i;
  return table;
}

absl::StatusOr<TableReader> TableReader::Create(const RingShape& shape) {
  absl::StatusOr<RingForms> forms = TableForms(shape);
  if (!forms.ok()) return forms.status();
  TableReader table;
  table.slots_ = shape.slots;
  table.forms_ = *std::move(forms);
  table.slot_count_ = shape.slot_count;
  for (uint32_t i = 0; i < table.forms_.size(); ++i) {
    table.read_bytes_ = std::max(table.read_bytes_, table.forms_[i].bytes);
  }
  return table;
}

}  // namespace qsplit::dataplane
