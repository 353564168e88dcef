// What an emitted C++ header says of a form's fields from outside of its structure: accessors by
// their whole names, conditions, the bits that both look at.
//
// Reads one layout, which must outlive it; knows no descriptor. Any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_FORM_TEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_FORM_TEXT_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/roles.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

using BitSet = std::set<BitPosition>;

class FormText {
 public:
  // choices: one for each of Layout.features; fields of others are not there.
  FormText(const v1::Layout& layout, uint32_t form, std::vector<uint32_t> choices);

  const v1::Form& form() const { return form_; }
  uint32_t number() const { return number_; }
  // Fields with that role, in the form's order.
  std::vector<const v1::Field*> FieldsOf(Role role) const;
  const v1::Field* FieldOf(Role role) const;  // the first; null: none
  const v1::Field& FieldOf(const v1::FieldReference& reference) const;

  // "RxRead::length_raw(d)", "RxRead::length(d)".
  std::string Raw(const v1::Field& field, std::string_view before = "") const;
  std::string Value(const v1::Field& field) const;
  // A flag, in positive logic.
  std::string IsSet(const v1::Field& field) const;
  // "RxRead::set_length(d, value);"
  std::string Set(const v1::Field& field, std::string_view value) const;
  // The condition over this form's own fields; what looks at others' is left out. Empty: always.
  // nullopt: it asks for a ring's state, or holds of no bytes of this form.
  std::optional<std::string> Holds(const v1::Condition& condition, BitSet* bits) const;
  static void AddBits(const v1::Field& field, BitSet* bits);

 private:
  const v1::Layout& layout_;
  const v1::Form& form_;
  uint32_t number_;
  std::vector<uint32_t> choices_;
};

// `left` compared with `right`, both expressions.
std::string ComparedText(v1::Operator how, const std::string& left, const std::string& right);
// The choices that a ring is set up with where it exists: the first ones, but for those that it
// asks for.
std::vector<uint32_t> ChoicesOf(const v1::Layout& layout, const v1::Ring& ring);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_FORM_TEXT_H_
