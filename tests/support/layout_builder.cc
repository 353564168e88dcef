#include "tests/support/layout_builder.h"

#include <google/protobuf/text_format.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace qsplit::layout::testing {
namespace {

[[noreturn]] void Missing(std::string_view what, std::string_view name) {
  std::fprintf(stderr, "layout builder: no %.*s `%.*s`\n", static_cast<int>(what.size()),
               what.data(), static_cast<int>(name.size()), name.data());
  std::abort();
}

}  // namespace

LayoutBuilder::LayoutBuilder(std::string name, v1::ByteOrder order) : order_(order) {
  layout_.set_name(std::move(name));
}

void LayoutBuilder::Enumeration(std::string_view name, uint32_t bits,
                                std::vector<std::pair<std::string_view, uint64_t>> values) {
  v1::Enumeration& enumeration = *layout_.add_enumerations();
  enumeration.set_name(std::string(name));
  enumeration.set_bits(bits);
  for (const auto& [value_name, value] : values) {
    v1::EnumerationValue& added = *enumeration.add_values();
    added.set_name(std::string(value_name));
    added.set_value(value);
  }
}

v1::Form& LayoutBuilder::Form(std::string_view name, uint32_t size_bytes) {
  v1::Form& form = *layout_.add_forms();
  form.set_name(std::string(name));
  form.set_size_bytes(size_bytes);
  return form;
}

void LayoutBuilder::AddPart(v1::Field& field, At at) const {
  v1::Bits& part = *field.add_parts();
  part.set_byte_offset(at.at);
  part.set_word_bytes(at.word_bytes);
  part.set_byte_order(at.word_bytes == 1 ? v1::BYTE_ORDER_LITTLE : order_);
  part.set_lsb(at.lsb);
  part.set_bits(at.bits == 0 ? 8 * at.word_bytes : at.bits);
}

v1::Field& LayoutBuilder::Field(std::string_view name, std::string_view role, At at) {
  return Split(name, role, {at});
}

v1::Field& LayoutBuilder::Split(std::string_view name, std::string_view role,
                                std::vector<At> parts) {
  v1::Field& field = *layout_.mutable_forms(layout_.forms_size() - 1)->add_fields();
  field.set_name(std::string(name));
  field.set_role(std::string(role));
  for (const At& part : parts) AddPart(field, part);
  return field;
}

v1::Field& LayoutBuilder::Coded(std::string_view name, std::string_view role, At at,
                                std::string_view enumeration) {
  v1::Field& field = Field(name, role, at);
  for (int i = 0; i < layout_.enumerations_size(); ++i) {
    if (layout_.enumerations(i).name() != enumeration) continue;
    field.set_enumeration(static_cast<uint32_t>(i));
    return field;
  }
  Missing("enumeration", enumeration);
}

v1::Field& LayoutBuilder::Constant(std::string_view name, At at, uint64_t value) {
  v1::Field& field = Field(name, "", at);
  field.set_constraint(v1::CONSTRAINT_CONSTANT);
  field.set_constant(value);
  return field;
}

v1::Field& LayoutBuilder::Zeros(std::string_view name, uint32_t at, uint32_t length) {
  v1::Field& field = Split(name, "", {});
  field.mutable_bytes()->set_byte_offset(at);
  field.mutable_bytes()->set_length(length);
  field.set_constraint(v1::CONSTRAINT_CONSTANT);
  return field;
}

uint32_t LayoutBuilder::FormIndex(std::string_view form) const {
  for (int i = 0; i < layout_.forms_size(); ++i) {
    if (layout_.forms(i).name() == form) return static_cast<uint32_t>(i);
  }
  Missing("form", form);
}

v1::FieldReference LayoutBuilder::Reference(std::string_view form, std::string_view field) const {
  const uint32_t index = FormIndex(form);
  const auto& fields = layout_.forms(static_cast<int>(index)).fields();
  for (int i = 0; i < fields.size(); ++i) {
    if (fields[i].name() != field) continue;
    v1::FieldReference reference;
    reference.set_form(index);
    reference.set_field(static_cast<uint32_t>(i));
    return reference;
  }
  Missing("field", field);
}

v1::Condition LayoutBuilder::When(std::string_view form, std::string_view field, v1::Operator op,
                                  uint64_t value) const {
  v1::Condition condition;
  v1::Comparison& comparison = *condition.add_any_of()->add_all_of();
  *comparison.mutable_field() = Reference(form, field);
  comparison.set_operator_(op);
  comparison.set_constant(value);
  return condition;
}

v1::Condition LayoutBuilder::WhenOwn(std::string_view field, v1::Operator op,
                                     uint64_t value) const {
  return When(layout_.forms(layout_.forms_size() - 1).name(), field, op, value);
}

v1::Queue& LayoutBuilder::Queue(std::string_view text) {
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  std::string expanded;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      expanded += text[i++];
      continue;
    }
    const size_t form_begin = ++i;
    while (i < text.size() && is_name(text[i])) ++i;
    const std::string_view form = text.substr(form_begin, i - form_begin);
    if (i >= text.size() || text[i] != '.') {
      expanded += std::to_string(FormIndex(form));
      continue;
    }
    const size_t field_begin = ++i;
    while (i < text.size() && is_name(text[i])) ++i;
    const v1::FieldReference reference = Reference(form, text.substr(field_begin, i - field_begin));
    expanded += "form: " + std::to_string(reference.form()) +
                " field: " + std::to_string(reference.field());
  }
  v1::Queue& queue = *layout_.add_queues();
  if (!google::protobuf::TextFormat::ParseFromString(expanded, &queue)) {
    Missing("text format of a queue in", layout_.name());
  }
  return queue;
}

}  // namespace qsplit::layout::testing
