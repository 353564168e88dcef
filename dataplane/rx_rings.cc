#include "dataplane/rx_rings.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {

using layout::Role;

namespace {

bool HasRole(const RingShape& ring, Role role) {
  for (const uint32_t form : ring.post_forms) {
    for (const v1::Field& field : ring.Form(form).fields()) {
      if (layout::FindRole(field.role()) == role &&
          layout::Applies(field.features(), ring.choices)) {
        return true;
      }
    }
  }
  return false;
}

absl::Status CheckRules(const RingShape& ring) {
  for (const v1::CompletionRule& rule : ring.ring->completes()) {
    if (!rule.cumulative() || !layout::Applies(rule.features(), ring.choices)) continue;
    return absl::UnimplementedError(absl::StrCat(
        ring.Where(), ": completions of all received packets up to one are not driven"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RxRings> FindRxRings(const QueueShape& queue) {
  RxRings rings;
  std::vector<const RingShape*> tables;
  std::vector<const RingShape*> names;
  for (const RingShape& ring : queue.rings) {
    if (!ring.complete_forms.empty()) {
      if (rings.completions != nullptr) {
        return absl::UnimplementedError(
            absl::StrCat(ring.Where(), ": a second ring of completions of received packets"));
      }
      if (absl::Status status = CheckRules(ring); !status.ok()) return status;
      rings.completions = &ring;
    }
    if (ring.post_forms.empty()) continue;
    if (ring.ring->kind() == v1::RING_KIND_TABLE) {
      tables.push_back(&ring);
    } else if (HasRole(ring, Role::kTableIndex)) {
      names.push_back(&ring);
    } else {
      rings.lanes.push_back({&ring, nullptr});
    }
  }
  if (tables.size() != names.size() || tables.size() > 1) {
    return absl::UnimplementedError(
        absl::StrCat("layout ", queue.layout->name(), ", queue ", queue.queue->name(), ": ",
                     tables.size(), " tables, ", names.size(), " rings that name their slots"));
  }
  if (!tables.empty()) rings.lanes.push_back({tables.front(), names.front()});
  if (rings.completions == nullptr || rings.lanes.empty()) {
    return absl::UnimplementedError(absl::StrCat("layout ", queue.layout->name(), ", queue ",
                                                 queue.queue->name(),
                                                 ": no ring of buffers, or none of completions"));
  }
  return rings;
}

absl::StatusOr<std::vector<RxCompletionForm>> CompileRxCompletions(const QueueScope& scope,
                                                                   const RingShape& ring,
                                                                   const RingForms& forms,
                                                                   const RxPacketRules& rules,
                                                                   RxFields wanted) {
  const bool length_in_prefix = rules.prefix.has_value() && rules.prefix->HasLength();
  std::vector<RxCompletionForm> compiled;
  for (uint32_t i = 0; i < forms.size(); ++i) {
    const uint32_t index = forms[i].form;
    const v1::Form& form = scope.Form(index);
    RxCompletionForm& to = compiled.emplace_back();
    to.position = form.position();
    bool has_length = length_in_prefix;
    for (const RoleField& field : RoleFields(scope, index)) {
      has_length = has_length || field.role == Role::kPacketLength;
      if (field.role != Role::kBufferAddress) continue;
      absl::StatusOr<FieldAccess> access = FieldAccess::Compile(*field.field, form.size_bytes());
      if (!access.ok()) return access.status();
      to.address = *std::move(access);
    }
    RxFormUse use;
    use.wanted = wanted;
    use.bytes = std::max(form.size_bytes(),
                         std::min(ring.slots.slot_bytes() * forms[i].slots, kMaxDescriptorBytes));
    use.needs_length = false;
    use.needs_last =
        has_length && (rules.span == v1::SPAN_ADJACENT_UNTIL_LAST || rules.span == v1::SPAN_SINGLE);
    absl::StatusOr<RxProgram> program = RxProgram::Compile(scope, index, use);
    if (!program.ok()) {
      if (has_length) return program.status();
      continue;  // an event: it need not be understood
    }
    to.program = *std::move(program);
    to.is_packet = has_length;
    absl::StatusOr<std::optional<FieldAccess>> count = RxPacketRules::CountIn(scope, index);
    if (!count.ok()) return count.status();
    to.count = *std::move(count);
  }
  return compiled;
}

}  // namespace qsplit::dataplane
