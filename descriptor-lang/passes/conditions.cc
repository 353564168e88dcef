#include "descriptor-lang/passes/conditions.h"

#include <algorithm>
#include <utility>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

v1::Operator Negated(v1::Operator op) {
  switch (op) {
    case v1::OPERATOR_EQUAL:
      return v1::OPERATOR_NOT_EQUAL;
    case v1::OPERATOR_NOT_EQUAL:
      return v1::OPERATOR_EQUAL;
    case v1::OPERATOR_LESS:
      return v1::OPERATOR_GREATER_OR_EQUAL;
    case v1::OPERATOR_LESS_OR_EQUAL:
      return v1::OPERATOR_GREATER;
    case v1::OPERATOR_GREATER:
      return v1::OPERATOR_LESS_OR_EQUAL;
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return v1::OPERATOR_LESS;
    case v1::OPERATOR_ANY_BITS:
      return v1::OPERATOR_NO_BITS;
    default:
      return v1::OPERATOR_ANY_BITS;
  }
}

// Adds a comparison unless it is there; false when there is no room.
bool AddComparison(v1::Conjunction& to, const v1::Comparison& comparison) {
  for (const v1::Comparison& known : to.all_of()) {
    if (known.SerializeAsString() == comparison.SerializeAsString()) return true;
  }
  if (to.all_of_size() >= static_cast<int>(layout::kMaxComparisons)) return false;
  *to.add_all_of() = comparison;
  return true;
}

class Resolver {
 public:
  Resolver(Unit& unit, const ast::Condition& tree, Scope scope)
      : unit_(unit), tree_(tree), form_(unit.forms[scope.form]), scope_(scope) {}

  std::optional<v1::Condition> Run() {
    const auto root = static_cast<uint32_t>(tree_.nodes.size() - 1);
    auto condition = Resolve(root, false);
    if (failed_) return std::nullopt;
    if (!condition) {
      unit_.diagnostics.Report(Diagnostic::kConditionTooComplex, tree_.span, {});
      return std::nullopt;
    }
    if (!Prune(unit_, *condition)) {
      unit_.diagnostics.Report(Diagnostic::kConditionNever, tree_.span, {});
      return std::nullopt;
    }
    return condition;
  }

 private:
  // Depth is bounded: the parser bounds the number of nodes. nullopt: too complex.
  std::optional<v1::Condition> Resolve(uint32_t index, bool negate) {
    const ast::ConditionNode& node = tree_.nodes[index];
    if (node.kind == ast::ConditionNode::Kind::kNot) return Resolve(node.first, !negate);
    if (node.kind == ast::ConditionNode::Kind::kComparison) {
      v1::Condition out;
      if (!Compare(node.comparison, negate, *out.add_any_of()->add_all_of())) failed_ = true;
      return out;
    }
    const bool all = (node.kind == ast::ConditionNode::Kind::kAnd) != negate;
    if (!all && scope_.siblings != nullptr) {
      const bool first_here = !OfSibling(node.first);
      if (first_here == OfSibling(node.second)) {
        return Resolve(first_here ? node.first : node.second, negate);
      }
    }
    auto first = Resolve(node.first, negate);
    auto second = Resolve(node.second, negate);
    if (!first || !second) return std::nullopt;
    if (failed_) return first;
    if (all) return And(*first, *second);
    for (const v1::Conjunction& alternative : second->any_of()) {
      if (first->any_of_size() >= static_cast<int>(layout::kMaxConjunctions)) return std::nullopt;
      *first->add_any_of() = alternative;
    }
    return first;
  }

  // True when it names a field that a sibling has and this form lacks.
  bool OfSibling(uint32_t index) const {
    const ast::ConditionNode& node = tree_.nodes[index];
    if (node.kind == ast::ConditionNode::Kind::kNot) return OfSibling(node.first);
    if (node.kind != ast::ConditionNode::Kind::kComparison) {
      return OfSibling(node.first) || OfSibling(node.second);
    }
    const std::string_view name = node.comparison.left.text;
    return !form_.field_names.contains(name) &&
           std::any_of(scope_.siblings->begin(), scope_.siblings->end(),
                       [&](uint32_t form) { return unit_.forms[form].field_names.contains(name); });
  }

  const FieldUnit* FindField(const ast::Identifier& name, v1::FieldReference& out) {
    const auto found = form_.field_names.find(name.text);
    if (found == form_.field_names.end()) return nullptr;
    out.set_form(scope_.form);
    out.set_field(found->second);
    return &form_.fields[found->second];
  }

  bool Number(const FieldUnit& field, uint64_t value, Span span, v1::Comparison& out) {
    if (field.placed && value > layout::LowBits(field.bits)) {
      unit_.diagnostics.Report(Diagnostic::kConditionValue, span,
                               {text::Cat(value), field.field.name(), BitsText(field.bits)});
      return false;
    }
    out.set_constant(value);
    return true;
  }

  bool Word(const FieldUnit& field, const ast::Identifier& word, v1::Comparison& out) {
    std::vector<std::string_view> names;
    if (field.field.has_enumeration()) {
      const v1::Enumeration& known =
          unit_.layout.enumerations(static_cast<int>(field.field.enumeration()));
      for (const v1::EnumerationValue& value : known.values()) {
        if (value.name() == word.text) return Number(field, value.value(), word.span, out);
        names.push_back(value.name());
      }
    }
    if (const FieldUnit* other = FindField(word, *out.mutable_other())) {
      if (!other->field.has_bytes()) return true;
      unit_.diagnostics.Report(Diagnostic::kConditionBytes, word.span, {word.text});
      return false;
    }
    if (names.empty()) names = NamesOf(form_.field_names);
    unit_.diagnostics.Report(
        Diagnostic::kConditionWord, word.span,
        {word.text, field.field.name(), form_.form.name(), Suggest(word.text, names)});
    return false;
  }

  // `phase` or `sequence`; false after an error.
  bool State(const FieldUnit& field, const ast::Comparison& tree, v1::Comparison& out) {
    const ast::Identifier& word = *tree.word;
    const ast::Ring& ring = *scope_.ring;
    const bool is_phase = word.text == "phase";
    if (tree.op != v1::OPERATOR_EQUAL && tree.op != v1::OPERATOR_NOT_EQUAL) {
      unit_.diagnostics.Report(Diagnostic::kStateOperator, word.span, {tree.left.text, word.text});
      return false;
    }
    if (is_phase ? !ring.phase : !ring.sequence) {
      unit_.ReportMissing(is_phase ? Diagnostic::kNoPhase : Diagnostic::kNoSequence, word.span,
                          {ring.name.text});
      return false;
    }
    out.set_state(is_phase ? v1::RING_STATE_PHASE : v1::RING_STATE_SEQUENCE);
    if (!field.placed) return true;
    if (is_phase && field.bits != 1) {
      unit_.diagnostics.Report(
          Diagnostic::kStateWidth, tree.left.span,
          {tree.left.text, BitsText(field.bits), "the phase is one bit", "compare one bit"});
      return false;
    }
    if (!is_phase && ring.sequence->last.value > layout::LowBits(field.bits)) {
      unit_.diagnostics.Report(Diagnostic::kStateWidth, tree.left.span,
                               {tree.left.text, BitsText(field.bits),
                                text::Cat("the sequence goes up to ", ring.sequence->last.value),
                                "correct the sequence's last number or the field's bits"});
      return false;
    }
    return true;
  }

  bool Compare(const ast::Comparison& tree, bool negate, v1::Comparison& out) {
    const FieldUnit* left = FindField(tree.left, *out.mutable_field());
    if (left == nullptr) {
      unit_.diagnostics.Report(
          scope_.missing, tree.left.span,
          {tree.left.text, form_.form.name(), Suggest(tree.left.text, NamesOf(form_.field_names))});
      return false;
    }
    if (left->field.has_bytes() || left->main->array_bytes) {
      unit_.diagnostics.Report(Diagnostic::kConditionBytes, tree.left.span, {tree.left.text});
      return false;
    }
    v1::Operator op = tree.op;
    if (op == v1::OPERATOR_UNSPECIFIED) {
      op = v1::OPERATOR_NOT_EQUAL;
      out.set_constant(0);
    } else if (tree.number) {
      if (!Number(*left, tree.number->value, tree.number->span, out)) return false;
    } else if (tree.word && scope_.ring != nullptr &&
               (tree.word->text == "phase" || tree.word->text == "sequence")) {
      if (!State(*left, tree, out)) return false;
    } else if (tree.word) {
      if (!Word(*left, *tree.word, out)) return false;
    } else {
      return false;
    }
    if (negate) op = Negated(op);
    // One way to say what one bit is.
    if (left->bits == 1 && op == v1::OPERATOR_NOT_EQUAL &&
        out.right_case() == v1::Comparison::kConstant) {
      op = v1::OPERATOR_EQUAL;
      out.set_constant(1 - out.constant());
    }
    out.set_operator_(op);
    return CheckSense(*left, tree, out);
  }

  // A comparison that cannot go either way is a mistake.
  bool CheckSense(const FieldUnit& left, const ast::Comparison& tree, const v1::Comparison& out) {
    if (!left.placed || out.has_state()) return true;
    const uint64_t top = layout::LowBits(left.bits);
    const uint64_t constant = out.constant();
    bool always = false;
    bool never = false;
    if (out.has_other()) {
      never = out.other().field() == out.field().field();
    } else if (out.operator_() == v1::OPERATOR_LESS) {
      never = constant == 0;
    } else if (out.operator_() == v1::OPERATOR_GREATER_OR_EQUAL) {
      always = constant == 0;
    } else if (out.operator_() == v1::OPERATOR_LESS_OR_EQUAL) {
      always = constant == top;
    } else if (out.operator_() == v1::OPERATOR_GREATER) {
      never = constant == top;
    } else if (out.operator_() == v1::OPERATOR_ANY_BITS) {
      never = constant == 0;
    } else if (out.operator_() == v1::OPERATOR_NO_BITS) {
      always = constant == 0;
    }
    if (!always && !never) return true;
    unit_.diagnostics.Report(Diagnostic::kConditionTrivial, tree.left.span,
                             {left.field.name(), always ? "always" : "never"});
    return false;
  }

  Unit& unit_;
  const ast::Condition& tree_;
  const FormUnit& form_;
  const Scope scope_;
  bool failed_ = false;
};

}  // namespace

std::optional<v1::Condition> ResolveCondition(Unit& unit, const ast::Condition& tree, Scope scope) {
  return Resolver(unit, tree, scope).Run();
}

std::vector<uint32_t> ByName(const Unit& unit,
                             const google::protobuf::RepeatedField<uint32_t>& forms) {
  std::vector<uint32_t> out(forms.begin(), forms.end());
  std::sort(out.begin(), out.end(), [&](uint32_t a, uint32_t b) {
    return unit.forms[a].form.name() < unit.forms[b].form.name();
  });
  return out;
}

std::optional<v1::Condition> ResolveForForms(Unit& unit, const ast::Condition& tree,
                                             const FormsScope& scope) {
  v1::Condition out;
  bool failed = false;
  const bool some = std::any_of(scope.forms.begin(), scope.forms.end(),
                                [&](uint32_t form) { return HasFields(unit, tree, form); });
  for (const uint32_t form : ByName(unit, scope.forms)) {
    if (some && scope.missing == Diagnostic::kConditionField && !HasFields(unit, tree, form)) {
      continue;
    }
    const auto condition =
        ResolveCondition(unit, tree, {form, scope.missing, scope.ring, &scope.forms});
    if (!condition) {
      failed = true;
      continue;
    }
    for (const v1::Conjunction& alternative : condition->any_of()) {
      if (out.any_of_size() >= static_cast<int>(layout::kMaxConjunctions)) {
        unit.diagnostics.Report(Diagnostic::kConditionTooComplex, tree.span, {});
        return std::nullopt;
      }
      *out.add_any_of() = alternative;
    }
  }
  if (failed || out.any_of().empty()) return std::nullopt;
  return out;
}

bool HasFields(const Unit& unit, const ast::Condition& tree, uint32_t form) {
  return std::all_of(tree.nodes.begin(), tree.nodes.end(), [&](const ast::ConditionNode& node) {
    return node.kind != ast::ConditionNode::Kind::kComparison ||
           unit.forms[form].field_names.contains(node.comparison.left.text);
  });
}

std::optional<v1::Condition> And(const v1::Condition& a, const v1::Condition& b) {
  if (a.any_of().empty()) return b;
  if (b.any_of().empty()) return a;
  v1::Condition out;
  for (const v1::Conjunction& x : a.any_of()) {
    for (const v1::Conjunction& y : b.any_of()) {
      if (out.any_of_size() >= static_cast<int>(layout::kMaxConjunctions)) return std::nullopt;
      v1::Conjunction& both = *out.add_any_of() = x;
      for (const v1::Comparison& comparison : y.all_of()) {
        if (!AddComparison(both, comparison)) return std::nullopt;
      }
    }
  }
  return out;
}

bool Prune(Unit& unit, v1::Condition& condition) {
  const layout::ConditionFacts facts = layout::FactsOf(unit.layout, condition);
  v1::Condition kept;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (layout::NeverHolds(facts[i], unit.budget)) continue;
    *kept.add_any_of() = std::move(*condition.mutable_any_of(static_cast<int>(i)));
  }
  condition.Swap(&kept);
  return !condition.any_of().empty();
}

}  // namespace qsplit::qdl
