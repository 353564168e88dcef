// Writes layouts in C++ for tests: forms and fields by name, references looked up. The result is
// not yet canonical. A name that does not exist ends the test program.
#ifndef QSPLIT_TESTS_SUPPORT_LAYOUT_BUILDER_H_
#define QSPLIT_TESTS_SUPPORT_LAYOUT_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout::testing {

// Bits of a word at byte `at`: `bits` bits from `lsb`.
struct At {
  uint32_t at;
  uint32_t word_bytes;
  uint32_t lsb = 0;
  uint32_t bits = 0;  // 0: the whole word
};

class LayoutBuilder {
 public:
  LayoutBuilder(std::string name, v1::ByteOrder order);

  void Enumeration(std::string_view name, uint32_t bits,
                   std::vector<std::pair<std::string_view, uint64_t>> values);
  // Begins a form; the fields that follow are its own.
  v1::Form& Form(std::string_view name, uint32_t size_bytes);
  v1::Field& Field(std::string_view name, std::string_view role, At at);
  // A value in several places, most significant first.
  v1::Field& Split(std::string_view name, std::string_view role, std::vector<At> parts);
  v1::Field& Coded(std::string_view name, std::string_view role, At at,
                   std::string_view enumeration);
  // A field that must have this value.
  v1::Field& Constant(std::string_view name, At at, uint64_t value);
  v1::Field& Zeros(std::string_view name, uint32_t at, uint32_t length);

  uint32_t FormIndex(std::string_view form) const;
  v1::FieldReference Reference(std::string_view form, std::string_view field) const;
  v1::Condition When(std::string_view form, std::string_view field, v1::Operator op,
                     uint64_t value) const;
  // Field of the form begun last.
  v1::Condition WhenOwn(std::string_view field, v1::Operator op, uint64_t value) const;

  // Adds a queue in protobuf text format. `$Form` stands for that form's index, `{$Form.field}` for
  // a reference to the field.
  v1::Queue& Queue(std::string_view text);

  v1::Layout& layout() { return layout_; }

 private:
  void AddPart(v1::Field& field, At at) const;

  v1::Layout layout_;
  v1::ByteOrder order_;
};

}  // namespace qsplit::layout::testing

#endif  // QSPLIT_TESTS_SUPPORT_LAYOUT_BUILDER_H_
