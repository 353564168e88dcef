#include "dataplane/completion_rules.h"

#include <cstring>

#include "absl/status/status.h"
#include "dataplane/condition.h"

namespace qsplit::dataplane {

absl::StatusOr<CompletionRules> CompletionRules::Compile(const QueueShape& queue,
                                                         const RingShape& shape,
                                                         const RingForms& forms) {
  CompletionRules compiled;
  compiled.rules_.resize(forms.size());
  for (uint32_t form = 0; form < forms.size(); ++form) {
    for (const v1::CompletionRule& from : shape.ring->completes()) {
      const RingShape* target = queue.Find(from.ring());
      if (target == nullptr || !layout::Applies(from.features(), shape.choices)) continue;
      Rule rule;
      rule.target.ring = from.ring();
      rule.target.key = from.key();
      rule.target.cumulative = from.cumulative();
      if (from.key() == v1::COMPLETION_KEY_INDEX) rule.slot_count = target->slot_count;
      for (const v1::FieldReference& reference : from.fields()) {
        const v1::Form& layout_form = shape.Form(reference.form());
        if (reference.form() != forms[form].form ||
            !layout::Applies(layout_form.fields(static_cast<int>(reference.field())).features(),
                             shape.choices)) {
          continue;
        }
        absl::StatusOr<FieldAccess> field = AccessReference(*shape.layout, reference);
        if (!field.ok()) return field.status();
        rule.field = *std::move(field);
        rule.has_field = true;
      }
      if (from.fields_size() > 0 && !rule.has_field) continue;
      absl::StatusOr<RingCondition> when = RingCondition::Compile(
          *shape.layout, from.when(), forms[form].form, shape.ring->slot_bytes(), false);
      if (!when.ok()) return when.status();
      rule.when = *std::move(when);
      compiled.rules_[form].push_back(std::move(rule));
    }
  }
  return compiled;
}

const CompletionRules::Rule* CompletionRules::RuleFor(uint32_t form, uint32_t ring) const {
  for (const Rule& rule : rules_[form]) {
    if (rule.target.ring == ring && rule.when.CanMakeTrue()) return &rule;
  }
  return nullptr;
}

const FieldAccess* CompletionRules::KeyOf(uint32_t form, const std::byte* copy,
                                          const RingCursor& at, uint32_t ring,
                                          std::byte* mask) const {
  for (const Rule& rule : rules_[form]) {
    rule.when.MarkBits(mask);
    if (rule.when.LooksAtSequence()) return nullptr;
    if (rule.when.Holds(copy, at)) {
      return rule.has_field && rule.target.ring == ring ? &rule.field : nullptr;
    }
  }
  return nullptr;
}

const CompletionTarget* CompletionRules::TargetByBits(uint32_t form, std::byte* mask,
                                                      std::byte* value,
                                                      const FieldAccess** key) const {
  if (rules_[form].empty()) return nullptr;
  const Rule& rule = rules_[form].front();
  DescriptorBytes other_mask, other_value;
  std::memcpy(other_mask.bytes, mask, kMaxDescriptorBytes);
  std::memcpy(other_value.bytes, value, kMaxDescriptorBytes);
  // The same at both phases.
  if (!rule.when.IsBits(0, mask, value) ||
      !rule.when.IsBits(1, other_mask.bytes, other_value.bytes) ||
      std::memcmp(mask, other_mask.bytes, kMaxDescriptorBytes) != 0 ||
      std::memcmp(value, other_value.bytes, kMaxDescriptorBytes) != 0) {
    return nullptr;
  }
  *key = rule.has_field ? &rule.field : nullptr;
  return &rule.target;
}

v1::CompletionKey CompletionRules::KeyFor(uint32_t form, uint32_t ring) const {
  const Rule* rule = RuleFor(form, ring);
  return rule == nullptr ? v1::COMPLETION_KEY_UNSPECIFIED : rule->target.key;
}

bool CompletionRules::Write(uint32_t form, uint32_t ring, uint64_t value, std::byte* image,
                            const RingCursor& at) const {
  const Rule* rule = RuleFor(form, ring);
  if (rule == nullptr || (rule->has_field && !rule->field.Store(image, value))) return false;
  if (!rule->when.Holds(image, at)) rule->when.MakeTrue(image, at);
  return rule->when.Holds(image, at);
}

}  // namespace qsplit::dataplane
