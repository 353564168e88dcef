#include <algorithm>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/passes/conditions.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

class HandoverLowering {
 public:
  HandoverLowering(Unit& unit, const NameIndex& rings, v1::Queue& queue)
      : unit_(unit), rings_(rings), queue_(queue), diagnostics_(unit.diagnostics) {}

  void Run(const ast::Ring& tree, uint32_t index) {
    v1::Ring& ring = *queue_.mutable_rings(static_cast<int>(index));
    LowerPhase(tree, ring);
    LowerSequence(tree, ring);
    if (Together(tree, tree.posts, "posted")) LowerPosted(tree, ring);
    if (Together(tree, tree.completions, "completed")) LowerCompleted(tree, index, ring);
    for (const ast::CompletionRule& rule : tree.completes) LowerRule(rule, tree, ring);
  }

 private:
  void LowerPhase(const ast::Ring& tree, v1::Ring& ring) {
    if (!tree.phase) return;
    if (tree.phase->initial.value > 1) {
      diagnostics_.Report(Diagnostic::kBadPhase, tree.phase->initial.span,
                          {text::Cat(tree.phase->initial.value)});
      return;
    }
    ring.mutable_phase()->set_initial(static_cast<uint32_t>(tree.phase->initial.value));
    ring.mutable_phase()->set_flip(tree.phase->flip);
  }

  void LowerSequence(const ast::Ring& tree, v1::Ring& ring) {
    if (!tree.sequence) return;
    const ast::SequenceRule& rule = *tree.sequence;
    const ast::Number initial = rule.initial.value_or(rule.first);
    if (rule.first.value >= rule.last.value || initial.value > rule.last.value) {
      diagnostics_.Report(
          Diagnostic::kBadSequence, rule.span,
          {text::Cat(rule.first.value), text::Cat(rule.last.value), text::Cat(initial.value)});
      return;
    }
    ring.mutable_sequence()->set_initial(initial.value);
    ring.mutable_sequence()->set_first(rule.first.value);
    ring.mutable_sequence()->set_last(rule.last.value);
  }

  // At most one of `when` and `up to`; several statements only with a condition each. False when
  // there is none, or after an error.
  bool Together(const ast::Ring& tree, const std::vector<ast::Handover>& all,
                std::string_view what) {
    bool good = !all.empty();
    for (const ast::Handover& one : all) {
      const ast::Handover& first = all.front();
      const bool apart = all.size() > 1 && (!one.when || one.in_place != first.in_place ||
                                            one.only_where_reported != first.only_where_reported);
      if (!apart && !(one.when && one.up_to)) continue;
      diagnostics_.Report(Diagnostic::kTwoHandovers, one.span,
                          {tree.name.text, what, "`when …` or `up to CELL`"});
      good = false;
    }
    return good;
  }

  // The alternatives of all statements.
  void LowerWhen(const ast::Ring& tree, const std::vector<ast::Handover>& all, v1::Handover& out) {
    v1::Condition when;
    for (const ast::Handover& one : all) {
      FormList forms;
      for (const ast::Identifier& name : one.forms) {
        const auto form = unit_.form_names.find(name.text);
        if (form != unit_.form_names.end()) forms.Add(form->second);
      }
      const auto part =
          ResolveForForms(unit_, **one.when, {forms, Diagnostic::kOwnershipField, &tree});
      if (!part) return;
      if (when.any_of_size() + part->any_of_size() > static_cast<int>(layout::kMaxConjunctions)) {
        diagnostics_.Report(Diagnostic::kConditionTooComplex, (*one.when)->span, {});
        return;
      }
      when.mutable_any_of()->MergeFrom(part->any_of());
    }
    *out.mutable_when() = std::move(when);
  }

  void LowerPosted(const ast::Ring& tree, v1::Ring& ring) {
    const ast::Handover& post = tree.posts.front();
    if (tree.is_table) {
      if (!post.when && !post.up_to) return;
      diagnostics_.Report(Diagnostic::kTableHandover, post.span,
                          {post.when ? "post … when" : "post … up to"});
      return;
    }
    if (post.when) {
      LowerWhen(tree, tree.posts, *ring.mutable_posted());
    } else if (post.up_to) {
      if (const auto cell = FindCell(unit_, *post.up_to, tree, ring)) {
        CheckCell(*post.up_to, ring.cells(static_cast<int>(*cell)), false, false);
        ring.mutable_posted()->set_cell(*cell);
      }
    } else {
      ring.mutable_posted()->set_doorbell(true);
    }
  }

  void LowerCompleted(const ast::Ring& tree, uint32_t index, v1::Ring& ring) {
    const ast::Handover& how = tree.completions.front();
    v1::Handover& out = *ring.mutable_completed();
    out.set_only_where_reported(how.only_where_reported);
    if (how.when) {
      LowerWhen(tree, tree.completions, out);
    } else if (how.up_to) {
      if (const auto cell = FindCell(unit_, *how.up_to, tree, ring)) {
        CheckCell(*how.up_to, ring.cells(static_cast<int>(*cell)), true, !tree.posts.empty());
        out.set_cell(*cell);
      }
    }
    if (!how.in_place) return;
    v1::CompletionRule& rule = *ring.add_completes();
    rule.set_key(v1::COMPLETION_KEY_IN_PLACE);
    rule.set_ring(index);
  }

  // How far the driver has posted shows in a producer cell. How far the device has come shows in a
  // cell of the consumer where the driver posts, else in one of the producer.
  void CheckCell(const ast::Identifier& name, const v1::IndexCell& cell, bool completed,
                 bool driver_posts) {
    const v1::CellMeaning meaning = cell.meaning();
    const bool producer =
        meaning == v1::CELL_MEANING_PRODUCER_INDEX || meaning == v1::CELL_MEANING_PRODUCER_COUNT;
    const bool consumer =
        meaning == v1::CELL_MEANING_CONSUMER_INDEX || meaning == v1::CELL_MEANING_CONSUMER_COUNT;
    const bool pending = driver_posts && meaning == v1::CELL_MEANING_PENDING_COUNT;
    if (pending || (driver_posts ? consumer : producer)) return;
    const std::string_view wanted = !completed ? "`producer index` or `producer count`"
                                    : driver_posts
                                        ? "`consumer index`, `consumer count` or `pending count`"
                                        : "`producer index` or `producer count`";
    diagnostics_.Report(Diagnostic::kCellMeaning, name.span,
                        {name.text, MeaningWords(meaning), wanted});
  }

  // The forms of a rule are those that have its field and the fields of its condition.
  void LowerRule(const ast::CompletionRule& tree, const ast::Ring& ring_tree, v1::Ring& ring) {
    const auto target = rings_.find(tree.ring.text);
    if (target == rings_.end()) {
      unit_.ReportMissing(
          Diagnostic::kUnknownName, tree.ring.span,
          {"ring of the queue", tree.ring.text, Suggest(tree.ring.text, NamesOf(rings_))});
      unit_.incomplete = true;
      return;
    }
    v1::CompletionRule rule;
    rule.set_key(tree.key);
    rule.set_ring(target->second);
    rule.set_cumulative(tree.cumulative);
    for (const ast::FeatureChoice& choice : tree.features) {
      AddFeature(unit_, choice, *rule.mutable_features());
    }
    FormList forms;
    for (const uint32_t form : ByName(unit_, ring.complete_forms())) {
      if (tree.field && !FindField(unit_, form, tree.field->text)) continue;
      forms.Add(form);
    }
    if (tree.field && forms.empty()) {
      ReportField(*tree.field, ring_tree, ring);
      return;
    }
    if (tree.when) {
      FormList both;
      for (const uint32_t form : forms) {
        if (HasFields(unit_, **tree.when, form)) both.Add(form);
      }
      if (both.empty() && !forms.empty()) {
        // Says which field is missing.
        ResolveCondition(unit_, **tree.when, {forms[0], Diagnostic::kOwnershipField, &ring_tree});
        return;
      }
      forms.Swap(&both);
      const auto when =
          ResolveForForms(unit_, **tree.when, {forms, Diagnostic::kConditionField, &ring_tree});
      if (!when) return;
      *rule.mutable_when() = *when;
    }
    if (tree.field) {
      for (const uint32_t form : forms) {
        *rule.add_fields() = *FindField(unit_, form, tree.field->text);
      }
    }
    *ring.add_completes() = std::move(rule);
  }

  void ReportField(const ast::Identifier& field, const ast::Ring& tree, const v1::Ring& ring) {
    std::vector<std::string_view> names;
    for (const uint32_t form : ring.complete_forms()) {
      for (const std::string_view name : NamesOf(unit_.forms[form].field_names)) {
        names.push_back(name);
      }
    }
    unit_.ReportMissing(Diagnostic::kRuleField, field.span,
                        {field.text, tree.name.text, Suggest(field.text, names)});
  }

  Unit& unit_;
  const NameIndex& rings_;
  v1::Queue& queue_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::optional<v1::FieldReference> FindField(const Unit& unit, uint32_t form,
                                            std::string_view name) {
  const auto found = unit.forms[form].field_names.find(name);
  if (found == unit.forms[form].field_names.end()) return std::nullopt;
  v1::FieldReference out;
  out.set_form(form);
  out.set_field(found->second);
  return out;
}

void LowerHandovers(Unit& unit, const ast::Queue& tree, const NameIndex& rings, v1::Queue& out) {
  for (int i = 0; i < out.rings_size(); ++i) {
    HandoverLowering(unit, rings, out)
        .Run(tree.rings[static_cast<size_t>(i)], static_cast<uint32_t>(i));
  }
  // What another ring completes has no handover of its own.
  for (const v1::Ring& ring : out.rings()) {
    for (const v1::CompletionRule& rule : ring.completes()) {
      v1::Ring& target = *out.mutable_rings(static_cast<int>(rule.ring()));
      if (&target == &ring || target.completed().how_case() != v1::Handover::HOW_NOT_SET) continue;
      target.mutable_completed()->set_completion(true);
    }
  }
  // What names descriptors of a table comes back with them.
  const auto is_table = [](const v1::Ring& ring) { return ring.kind() == v1::RING_KIND_TABLE; };
  if (std::none_of(out.rings().begin(), out.rings().end(), is_table)) return;
  for (v1::Ring& ring : *out.mutable_rings()) {
    if (is_table(ring) || ring.has_completed()) continue;
    for (const uint32_t form : ring.post_forms()) {
      for (const FieldUnit& field : unit.forms[form].fields) {
        if (field.field.role() == layout::RoleName(layout::Role::kTableIndex)) {
          ring.mutable_completed()->set_completion(true);
        }
      }
    }
  }
}

}  // namespace qsplit::qdl
