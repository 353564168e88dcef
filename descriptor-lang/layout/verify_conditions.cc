// Conditions: every field exists and may be looked at, constants fit, nothing holds always or
// never.
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {
namespace {

absl::Status CheckConstant(Context& context, const std::string& path,
                           const v1::Comparison& comparison) {
  const uint32_t bits = BitWidth(context.field(comparison.field()));
  const uint64_t top = LowBits(bits);
  const uint64_t constant = comparison.constant();
  if (constant > top) {
    return Refuse(path, "constant ", constant, " does not fit the ", bits, " bits of ",
                  context.Name(comparison.field()));
  }
  bool always = false;
  bool never = false;
  switch (comparison.operator_()) {
    case v1::OPERATOR_LESS:
      never = constant == 0;
      break;
    case v1::OPERATOR_LESS_OR_EQUAL:
      always = constant == top;
      break;
    case v1::OPERATOR_GREATER:
      never = constant == top;
      break;
    case v1::OPERATOR_GREATER_OR_EQUAL:
      always = constant == 0;
      break;
    case v1::OPERATOR_ANY_BITS:
      never = constant == 0;
      break;
    case v1::OPERATOR_NO_BITS:
      always = constant == 0;
      break;
    default:
      break;
  }
  if (always) return Refuse(path, "holds for every value of ", context.Name(comparison.field()));
  if (never) return Refuse(path, "holds for no value of ", context.Name(comparison.field()));
  return absl::OkStatus();
}

absl::Status CheckState(Context& context, const std::string& path, const v1::Comparison& comparison,
                        const ConditionScope& scope) {
  const v1::RingState state = comparison.state();
  if (state == v1::RING_STATE_UNSPECIFIED || !v1::RingState_IsValid(state)) {
    return Refuse(path, "ring state ", static_cast<int>(state), " is none");
  }
  if (scope.state_of == nullptr) {
    return Refuse(path,
                  "compares with the ring's state; only what says how slots change hands may");
  }
  if (comparison.operator_() != v1::OPERATOR_EQUAL &&
      comparison.operator_() != v1::OPERATOR_NOT_EQUAL) {
    return Refuse(path, "ring state can only be equal or not equal");
  }
  if (state == v1::RING_STATE_PHASE) {
    if (!scope.state_of->has_phase()) {
      return Refuse(path, "compares with the phase, but the ring has none");
    }
    return context.CheckFlagReference(path, comparison.field(), scope.forms, scope.whose);
  }
  if (!scope.state_of->has_sequence()) {
    return Refuse(path, "compares with the sequence number, but the ring has none");
  }
  const uint32_t bits = BitWidth(context.field(comparison.field()));
  if (scope.state_of->sequence().last() > LowBits(bits)) {
    return Refuse(path, "sequence number ", scope.state_of->sequence().last(), " does not fit the ",
                  bits, " bits of ", context.Name(comparison.field()));
  }
  return absl::OkStatus();
}

absl::Status CheckComparison(Context& context, const std::string& path,
                             const v1::Comparison& comparison, const ConditionScope& scope) {
  if (!comparison.has_field()) return Refuse(path, "no field on the left side");
  QSPLIT_RETURN_IF_ERROR(
      context.CheckReference(path, comparison.field(), scope.forms, scope.whose));
  if (comparison.operator_() == v1::OPERATOR_UNSPECIFIED ||
      !v1::Operator_IsValid(comparison.operator_())) {
    return Refuse(path, "operator ", static_cast<int>(comparison.operator_()), " is none");
  }
  switch (comparison.right_case()) {
    case v1::Comparison::kConstant:
      return CheckConstant(context, path, comparison);
    case v1::Comparison::kState:
      return CheckState(context, path, comparison, scope);
    case v1::Comparison::kOther:
      QSPLIT_RETURN_IF_ERROR(
          context.CheckReference(path, comparison.other(), scope.forms, scope.whose));
      if (comparison.other().form() == comparison.field().form() &&
          comparison.other().field() == comparison.field().field()) {
        return Refuse(path, "compares ", context.Name(comparison.field()), " with itself");
      }
      return absl::OkStatus();
    case v1::Comparison::RIGHT_NOT_SET:
      break;
  }
  return Refuse(path, "nothing on the right side");
}

}  // namespace

absl::Status CheckCondition(Context& context, std::string_view path, const v1::Condition& condition,
                            const ConditionScope& scope) {
  QSPLIT_RETURN_IF_ERROR(
      CheckCount(path, "alternatives", condition.any_of_size(), kMaxConjunctions));
  for (int i = 0; i < condition.any_of_size(); ++i) {
    const v1::Conjunction& conjunction = condition.any_of(i);
    const std::string where = Cat(path, ".any_of[", i, "]");
    if (conjunction.all_of().empty()) return Refuse(where, "no comparison");
    QSPLIT_RETURN_IF_ERROR(
        CheckCount(where, "comparisons", conjunction.all_of_size(), kMaxComparisons));
    for (int k = 0; k < conjunction.all_of_size(); ++k) {
      const v1::Comparison& comparison = conjunction.all_of(k);
      const std::string here = Cat(where, ".all_of[", k, "]");
      QSPLIT_RETURN_IF_ERROR(CheckComparison(context, here, comparison, scope));
      const uint32_t first = conjunction.all_of(0).field().form();
      const bool strays = comparison.field().form() != first ||
                          (comparison.has_other() && comparison.other().form() != first);
      if (strays && scope.one_form_each) {
        return Refuse(here, "looks at ", context.Name(comparison.field()), " beside fields of ",
                      context.form(first).name(), "; they must be of one form");
      }
    }
  }
  const ConditionFacts facts = FactsOf(context.layout, condition);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (NeverHolds(facts[i], context.budget)) {
      return Refuse(Cat(path, ".any_of[", i, "]"), "can never hold");
    }
  }
  return context.CheckBudget(path);
}

}  // namespace qsplit::layout::verifier
