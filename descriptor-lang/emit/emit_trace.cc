// The style of the kernel's tracing `format` files, with the bits that it lacks.
#include <algorithm>
#include <string>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

void Line(std::string& out, std::string_view type, std::string_view name, uint32_t offset,
          uint32_t size, std::string_view rest) {
  text::Append(out, "\tfield:", type, " ", name, ";\toffset:", offset, ";\tsize:", size, ";", rest,
               "\n");
}

void EmitField(const v1::Field& field, std::string& out) {
  const std::string role =
      field.role().empty() ? ""
                           : text::Cat("\trole:", field.inverted() ? "!" : "", field.role(), ";");
  const int is_signed = field.is_signed() ? 1 : 0;
  if (field.parts().empty()) {
    const uint32_t length = field.bytes().length();
    Line(out, "u8", text::Cat(field.name(), "[", length, "]"), field.bytes().byte_offset(), length,
         text::Cat("\tsigned:0;", role));
    return;
  }
  uint32_t left = BitWidth(field);
  for (const v1::Bits& part : field.parts()) {
    left -= part.bits();
    const std::string name =
        field.parts_size() == 1
            ? field.name()
            : text::Cat(field.name(), "[", left + part.bits() - 1, ":", left, "]");
    Line(out, text::Cat("u", 8 * part.word_bytes()), name, part.byte_offset(), part.word_bytes(),
         text::Cat("\tbit:", part.lsb(), ";\twidth:", part.bits(),
                   ";\tendian:", Word(part.byte_order()), ";\tsigned:", is_signed, ";", role));
  }
}

}  // namespace

std::string EmitTraceFormat(const VerifiedLayout& layout) {
  const v1::Layout& message = layout.message();
  std::string out;
  for (int i = 0; i < message.forms_size(); ++i) {
    const v1::Form& form = message.forms(i);
    text::Append(out, i > 0 ? "\n" : "", "name: ", form.name(), "\nID: ", i,
                 "\nsize: ", form.size_bytes(), "\nformat:\n");
    for (const v1::Field& field : form.fields()) EmitField(field, out);
    for (const v1::ContainedForm& part : form.contains()) {
      const v1::Form& inner = message.forms(static_cast<int>(part.form()));
      Line(out, inner.name(), text::Cat(part.name(), "[", part.max_count(), "]"),
           part.byte_offset(), std::max(part.stride_bytes(), inner.size_bytes()) * part.max_count(),
           part.appended() ? "\tappended:1;" : "");
    }
  }
  return out;
}

}  // namespace qsplit::layout
