#include <algorithm>
#include <set>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/compare.h"
#include "descriptor-lang/passes/passes.h"

namespace qsplit::qdl {
namespace {

// A slot of a ring of completions before the device has written it: zeros, and what the driver
// fills in.
class FreshSlot {
 public:
  FreshSlot(const Unit& unit, const v1::Ring& ring) : unit_(unit), ring_(ring) {
    for (const v1::FillValue& fill : ring.fills()) {
      const uint64_t phase = ring.phase().initial() ^ 1;
      Store(FieldOf(fill.field()), fill.opposite_phase() ? phase : fill.value());
    }
  }

  bool Holds(const v1::Conjunction& alternative) const {
    return std::all_of(alternative.all_of().begin(), alternative.all_of().end(),
                       [&](const v1::Comparison& one) { return Holds(one); });
  }

  // Its constants stand there.
  bool LooksLike(const v1::Form& form) const {
    return std::all_of(form.fields().begin(), form.fields().end(), [&](const v1::Field& field) {
      return field.constraint() != v1::CONSTRAINT_CONSTANT || field.has_valid_when() ||
             !field.features().empty() || field.has_bytes() || Load(field) == field.constant();
    });
  }

 private:
  const v1::Field& FieldOf(const v1::FieldReference& reference) const {
    return unit_.Field(reference).field;
  }

  void Store(const v1::Field& field, uint64_t value) {
    for (const layout::BitPosition bit : layout::BitPositions(field)) {
      if ((value & 1) != 0) {
        ones_.insert(bit);
      } else {
        ones_.erase(bit);
      }
      value >>= 1;
    }
  }

  uint64_t Load(const v1::Field& field) const {
    uint64_t value = 0;
    uint64_t weight = 1;
    for (const layout::BitPosition bit : layout::BitPositions(field)) {
      if (ones_.contains(bit)) value |= weight;
      weight <<= 1;
    }
    return value;
  }

  uint64_t RightOf(const v1::Comparison& one) const {
    if (one.has_other()) return Load(FieldOf(one.other()));
    if (!one.has_state()) return one.constant();
    return one.state() == v1::RING_STATE_PHASE ? ring_.phase().initial()
                                               : ring_.sequence().initial();
  }

  bool Holds(const v1::Comparison& one) const {
    return layout::Compare(Load(FieldOf(one.field())), one.operator_(), RightOf(one));
  }

  const Unit& unit_;
  const v1::Ring& ring_;
  std::set<layout::BitPosition> ones_;
};

// The condition by which the form is completed.
const ast::Condition* ConditionOf(const ast::Ring& tree, const v1::Form& form) {
  for (const ast::Handover& completion : tree.completions) {
    if (!completion.when || completion.in_place) continue;
    if (std::any_of(completion.forms.begin(), completion.forms.end(),
                    [&](const ast::Identifier& name) { return name.text == form.name(); })) {
      return &**completion.when;
    }
  }
  return nullptr;
}

void CheckRing(Unit& unit, const ast::Ring& tree, const v1::Ring& ring) {
  const FreshSlot fresh(unit, ring);
  const auto looks_like = [&](uint32_t form) { return fresh.LooksLike(unit.forms[form].form); };
  const bool of_a_form =
      std::any_of(ring.complete_forms().begin(), ring.complete_forms().end(), looks_like);
  for (const v1::Conjunction& alternative : ring.completed().when().any_of()) {
    if (alternative.all_of().empty() || !fresh.Holds(alternative)) continue;
    const uint32_t form = alternative.all_of(0).field().form();
    const ast::Condition* when = ConditionOf(tree, unit.forms[form].form);
    // What is not of this form, but of another one, is asked that one's condition.
    if (when == nullptr || (of_a_form && !looks_like(form))) continue;
    unit.diagnostics.Report(Diagnostic::kFreshLooksDone, when->span,
                            {tree.name.text, unit.source.Text(when->span)});
  }
}

}  // namespace

void CheckFreshSlots(Unit& unit) {
  // A condition over a field that has no place says nothing.
  if (unit.diagnostics.error_count() > 0) return;
  for (int i = 0; i < unit.layout.queues_size(); ++i) {
    const ast::Queue& tree = unit.file.queues[static_cast<size_t>(i)];
    for (int j = 0; j < unit.layout.queues(i).rings_size(); ++j) {
      CheckRing(unit, tree.rings[static_cast<size_t>(j)], unit.layout.queues(i).rings(j));
    }
  }
}

}  // namespace qsplit::qdl
