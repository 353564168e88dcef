#include "dataplane/rx_completions.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

absl::StatusOr<std::vector<RxKey>> KeysOf(const QueueScope& scope, const v1::Ring& ring,
                                          uint32_t form) {
  std::vector<RxKey> keys;
  for (const v1::CompletionRule& rule : ring.completes()) {
    const auto& target = scope.queue->rings(static_cast<int>(rule.ring()));
    if (!layout::Applies(target.features(), scope.choices)) continue;
    if (!layout::Applies(rule.features(), scope.choices)) continue;
    RxKey key;
    key.key = rule.key();
    key.ring = rule.ring();
    key.cumulative = rule.cumulative();
    bool here = rule.fields().empty();
    for (const v1::FieldReference& reference : rule.fields()) {
      if (reference.form() != form) continue;
      const v1::Field& field = scope.Form(form).fields(static_cast<int>(reference.field()));
      if (!layout::Applies(field.features(), scope.choices)) continue;
      absl::StatusOr<FieldAccess> access =
          FieldAccess::Compile(field, scope.Form(form).size_bytes());
      if (!access.ok()) return access.status();
      key.field = *std::move(access);
      here = true;
    }
    if (!here) continue;
    absl::StatusOr<Condition> when = Condition::Compile(*scope.layout, rule.when(), &form);
    if (!when.ok()) return when.status();
    key.when = *std::move(when);
    uint32_t first, last;
    const bool never = !key.when.AlwaysTrue() && !key.when.ByteRange(&first, &last);
    if (!never) keys.push_back(std::move(key));
  }
  return keys;
}

RxFormUse UseOf(const QueueScope& scope, const v1::Ring& ring, const v1::Form& form,
                const RxPacketRules& rules) {
  RxFormUse use;
  use.bytes = std::max(form.size_bytes(), std::min(ring.slot_bytes() * std::max(form.slots(), 1u),
                                                   kMaxDescriptorBytes));
  use.needs_length = false;
  use.needs_last =
      scope.queue->packet().span() == v1::SPAN_ADJACENT_UNTIL_LAST || rules.span == v1::SPAN_SINGLE;
  return use;
}

}  // namespace

absl::StatusOr<std::vector<RxCompletionForm>> CompileRxCompletions(const QueueScope& scope,
                                                                   uint32_t ring,
                                                                   const RxPacketRules& rules,
                                                                   RxFields wanted) {
  const v1::Ring& from = scope.queue->rings(static_cast<int>(ring));
  const bool length_in_prefix = rules.prefix.has_value() && rules.prefix->HasLength();
  std::vector<RxCompletionForm> forms;
  for (const uint32_t form : from.complete_forms()) {
    const v1::Form& message = scope.Form(form);
    if (!layout::Applies(message.features(), scope.choices)) continue;
    RxCompletionForm to;
    to.form = form;
    to.position = message.position();
    to.slots = std::max(message.slots(), 1u);
    absl::StatusOr<std::vector<RxKey>> keys = KeysOf(scope, from, form);
    if (!keys.ok()) return keys.status();
    to.keys = *std::move(keys);
    RxFormUse use = UseOf(scope, from, message, rules);
    use.wanted = wanted;
    // An event needs no more than to be known.
    if (!to.keys.empty()) {
      absl::StatusOr<RxProgram> program = RxProgram::Compile(scope, form, use);
      if (!program.ok()) return program.status();
      to.program = *std::move(program);
      to.is_packet = to.program.HasLength() || length_in_prefix || from.has_packets();
      absl::StatusOr<std::optional<FieldAccess>> count = RxPacketRules::CountIn(scope, form);
      if (!count.ok()) return count.status();
      to.count = *std::move(count);
    }
    forms.push_back(std::move(to));
  }
  return forms;
}

absl::StatusOr<std::vector<RxCompletionWay>> CompileRxCompletionWays(const QueueScope& scope,
                                                                     uint32_t ring,
                                                                     const RxPacketRules& rules) {
  absl::StatusOr<std::vector<RxCompletionForm>> forms =
      CompileRxCompletions(scope, ring, rules, RxFields::None());
  if (!forms.ok()) return forms.status();
  const v1::Ring& from = scope.queue->rings(static_cast<int>(ring));
  std::vector<RxCompletionWay> ways;
  for (const RxCompletionForm& form : *forms) {
    if (!form.is_packet) continue;
    for (size_t i = 0; i < form.keys.size(); ++i) {
      RxCompletionWay way;
      way.form = form.form;
      way.position = form.position;
      way.slots = form.slots;
      way.key = form.keys[i];
      way.count = form.count;
      RxFormUse use = UseOf(scope, from, scope.Form(form.form), rules);
      use.holds = {&way.key.when};
      absl::StatusOr<RxProgram> program = RxProgram::Compile(scope, form.form, use);
      if (!program.ok()) return program.status();
      way.program = *std::move(program);
      // A rule before it must not take it.
      ways.push_back(std::move(way));
    }
  }
  return ways;
}

}  // namespace qsplit::dataplane
