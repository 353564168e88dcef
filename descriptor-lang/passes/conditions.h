// Conditions on their way into the layout: from trees over names to sums of products over
// references, and the questions that checks ask of them.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_CONDITIONS_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_CONDITIONS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "descriptor-lang/passes/unit.h"

namespace qsplit::qdl {

// Where a condition's names are looked up: the fields of one form. A field that is missing is
// reported as `missing`, with the form's name. With a ring, `phase` and `sequence` on the right
// side are its state. With siblings, an alternative of an `or` with a field that this form lacks
// and one of them has is theirs, and left out.
struct Scope {
  uint32_t form = 0;
  Diagnostic missing = Diagnostic::kConditionField;
  const ast::Ring* ring = nullptr;
  const google::protobuf::RepeatedField<uint32_t>* siblings = nullptr;
};

// The condition as a sum of products; nullopt after an error (reported).
std::optional<v1::Condition> ResolveCondition(Unit& unit, const ast::Condition& tree, Scope scope);

// The condition for each of the forms that has its fields, one behind the other, in the order of
// the forms' names; forms that lack one are left out, and reported as `missing` unless that is
// kConditionField and another form has all. nullopt after an error (reported).
struct FormsScope {
  const google::protobuf::RepeatedField<uint32_t>& forms;
  Diagnostic missing = Diagnostic::kConditionField;
  const ast::Ring* ring = nullptr;
};
std::optional<v1::Condition> ResolveForForms(Unit& unit, const ast::Condition& tree,
                                             const FormsScope& scope);

// The forms in the order of their names.
std::vector<uint32_t> ByName(const Unit& unit,
                             const google::protobuf::RepeatedField<uint32_t>& forms);

// True when `tree` names only fields that the form has.
bool HasFields(const Unit& unit, const ast::Condition& tree, uint32_t form);

// Both; nullopt when that would take more alternatives or comparisons than a layout may have. An
// empty condition always holds.
std::optional<v1::Condition> And(const v1::Condition& a, const v1::Condition& b);

// Leaves out the alternatives that no bytes can make true; false when nothing is left.
bool Prune(Unit& unit, v1::Condition& condition);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_CONDITIONS_H_
