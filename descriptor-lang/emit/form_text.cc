#include "descriptor-lang/emit/form_text.h"

#include <utility>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {

std::string ComparedText(v1::Operator how, const std::string& left, const std::string& right) {
  switch (how) {
    case v1::OPERATOR_ANY_BITS:
      return text::Cat("(", left, " & ", right, ") != 0");
    case v1::OPERATOR_NO_BITS:
      return text::Cat("(", left, " & ", right, ") == 0");
    default:
      return text::Cat(left, " ", Word(how), " ", right);
  }
}

std::vector<uint32_t> ChoicesOf(const v1::Layout& layout, const v1::Ring& ring) {
  std::vector<uint32_t> choices(static_cast<size_t>(layout.features_size()));
  for (const v1::FeatureChoice& choice : ring.features()) {
    choices[choice.feature()] = choice.choice();
  }
  return choices;
}

FormText::FormText(const v1::Layout& layout, uint32_t form, std::vector<uint32_t> choices)
    : layout_(layout),
      form_(layout.forms(static_cast<int>(form))),
      number_(form),
      choices_(std::move(choices)) {}

std::vector<const v1::Field*> FormText::FieldsOf(Role role) const {
  std::vector<const v1::Field*> fields;
  for (const v1::Field& field : form_.fields()) {
    if (field.parts().empty() || !Applies(field.features(), choices_)) continue;
    if (FindRole(field.role()) == role) fields.push_back(&field);
  }
  return fields;
}

const v1::Field* FormText::FieldOf(Role role) const {
  const std::vector<const v1::Field*> fields = FieldsOf(role);
  return fields.empty() ? nullptr : fields.front();
}

const v1::Field& FormText::FieldOf(const v1::FieldReference& reference) const {
  return layout_.forms(static_cast<int>(reference.form()))
      .fields(static_cast<int>(reference.field()));
}

std::string FormText::Raw(const v1::Field& field, std::string_view before) const {
  return text::Cat(Safe(form_.name()), "::", before, field.name(), "_raw(d)");
}
std::string FormText::Value(const v1::Field& field) const {
  return text::Cat(Safe(form_.name()), "::", Safe(field.name()), "(d)");
}
std::string FormText::IsSet(const v1::Field& field) const {
  return text::Cat(Raw(field), field.inverted() ? " == 0" : " != 0");
}
std::string FormText::Set(const v1::Field& field, std::string_view value) const {
  return text::Cat(Safe(form_.name()), "::set_", field.name(), "(d, ", value, ");");
}

void FormText::AddBits(const v1::Field& field, BitSet* bits) {
  for (const BitPosition bit : BitPositions(field)) bits->insert(bit);
}

std::optional<std::string> FormText::Holds(const v1::Condition& condition, BitSet* bits) const {
  std::vector<std::string> any;
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    std::vector<std::string> all;
    bool of_others = false;
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.has_state()) return std::nullopt;
      of_others = of_others || comparison.field().form() != number_ ||
                  (comparison.has_other() && comparison.other().form() != number_);
      if (of_others) continue;
      AddBits(FieldOf(comparison.field()), bits);
      if (comparison.has_other()) AddBits(FieldOf(comparison.other()), bits);
      all.push_back(ComparedText(comparison.operator_(), Raw(FieldOf(comparison.field())),
                                 comparison.has_other() ? Raw(FieldOf(comparison.other()))
                                                        : Number(comparison.constant())));
    }
    // An alternative of another form's fields.
    if (of_others) continue;
    const std::string one = text::Join(all, " && ");
    any.push_back(all.size() > 1 ? text::Cat("(", one, ")") : one);
  }
  if (any.empty() && !condition.any_of().empty()) return std::nullopt;
  const std::string one = text::Join(any, " || ");
  return any.size() > 1 ? text::Cat("(", one, ")") : one;
}

}  // namespace qsplit::layout
