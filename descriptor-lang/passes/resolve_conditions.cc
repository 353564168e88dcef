#include <cstdint>
#include <utility>
#include <vector>

#include "descriptor-lang/passes/conditions.h"
#include "descriptor-lang/passes/passes.h"

namespace qsplit::qdl {
namespace {

// The lists of `when` conditions that are too many to resolve are the parser's to prevent: a field
// has its own and its group's.
void ResolveField(Unit& unit, uint32_t form_index, FieldUnit& field) {
  v1::Condition all;
  for (const ast::ConditionPtr& tree : field.main->attributes.when) {
    const auto one = ResolveCondition(unit, *tree, {form_index});
    if (!one) return;
    auto both = And(all, *one);
    if (!both) {
      unit.diagnostics.Report(Diagnostic::kConditionTooComplex, tree->span, {});
      return;
    }
    if (!Prune(unit, *both)) {
      unit.diagnostics.Report(Diagnostic::kConditionNever, tree->span, {});
      return;
    }
    all = *both;
  }
  if (all.any_of().empty()) return;
  field.facts = layout::FactsOf(unit.layout, all);
  *field.field.mutable_valid_when() = std::move(all);
}

// The fields that must be known before field `at` means something. `at != 0xffff`, a value of its
// own that stands for none, needs no other field.
template <typename Visit>
void ForEachNeeded(uint32_t at, const v1::Condition& condition, Visit visit) {
  for (const v1::Conjunction& alternative : condition.any_of()) {
    for (const v1::Comparison& comparison : alternative.all_of()) {
      if (comparison.field().field() == at && comparison.operator_() == v1::OPERATOR_NOT_EQUAL &&
          comparison.has_constant()) {
        continue;
      }
      visit(comparison.field().field());
      if (comparison.has_other()) visit(comparison.other().field());
    }
  }
}

// Conditions that lead back to their own field: a search in depth without recursion, each field
// once.
class LoopSearch {
 public:
  LoopSearch(Unit& unit, FormUnit& form)
      : unit_(unit), form_(form), state_(form.fields.size(), State::kNew) {}

  void Run() {
    for (uint32_t i = 0; i < form_.fields.size(); ++i) {
      if (state_[i] == State::kNew) Visit(i);
    }
  }

 private:
  enum class State : uint8_t { kNew, kOpen, kDone };

  void Visit(uint32_t root) {
    std::vector<std::pair<uint32_t, bool>> stack = {{root, false}};
    while (!stack.empty()) {
      const uint32_t at = stack.back().first;
      const bool left = stack.back().second;
      stack.pop_back();
      if (left) {
        state_[at] = State::kDone;
        continue;
      }
      if (state_[at] != State::kNew) continue;
      state_[at] = State::kOpen;
      stack.emplace_back(at, true);
      ForEachNeeded(at, form_.fields[at].field.valid_when(), [&](uint32_t next) {
        if (next == at) {
          Report(Diagnostic::kConditionOnItself, at);
        } else if (state_[next] == State::kOpen) {
          Report(Diagnostic::kConditionLoop, next);
        } else if (state_[next] == State::kNew) {
          stack.emplace_back(next, false);
        }
      });
    }
  }

  void Report(Diagnostic id, uint32_t at) {
    const FieldUnit& field = form_.fields[at];
    unit_.diagnostics.Report(id, field.span(), {field.field.name()});
  }

  Unit& unit_;
  FormUnit& form_;
  std::vector<State> state_;
};

}  // namespace

void ResolveConditions(Unit& unit) {
  for (uint32_t i = 0; i < unit.forms.size(); ++i) {
    FormUnit& form = unit.forms[i];
    for (FieldUnit& field : form.fields) ResolveField(unit, i, field);
    LoopSearch(unit, form).Run();
    if (!form.tree->selector) continue;
    if (auto selector = ResolveCondition(unit, **form.tree->selector, {i})) {
      *form.form.mutable_selector() = std::move(*selector);
    }
  }
}

}  // namespace qsplit::qdl
