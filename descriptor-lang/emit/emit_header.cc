// Accessors in C++20, C and C for BPF: one generator, three ways to write a function.
//
// Whatever the dialect, a field is put together of shifted bytes; compilers make one load of them
// where the machine has it.
#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/emit/byte_slices.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/field_words.h"
#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_loops.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

enum class Dialect { kCpp, kC, kBpf };

class HeaderEmitter {
 public:
  HeaderEmitter(const VerifiedLayout& verified, Dialect dialect)
      : verified_(verified),
        layout_(verified.message()),
        dialect_(dialect),
        prefix_(Underscored(verified.name())) {}

  std::string Run() {
    const std::string guard = text::Cat("QSPLIT_LAYOUT_", Upper(prefix_),
                                        dialect_ == Dialect::kCpp ? "_CPP"
                                        : dialect_ == Dialect::kC ? "_C"
                                                                  : "_BPF",
                                        "_H_");
    text::Append(
        out_, "// ", layout_.name(), ": ", Line(layout_.documentation().title()),
        "\n// Made by qdlc; do not edit. Digest ", verified_.digest_hex(),
        "\n//\n// `d` points to a descriptor in private memory: copy it out of a ring first.\n"
        "// GET gives the value after its scale, GET_raw the bits; SET takes the value, SET_raw\n"
        "// the bits, and neither checks that it fits. HAS: the field means something in these\n"
        "// bytes. IS: the bytes can be of this form.\n#ifndef ",
        guard, "\n#define ", guard, "\n\n");
    Begin();
    for (const v1::Enumeration& known : layout_.enumerations()) EmitEnumeration(known);
    for (int i = 0; i < layout_.forms_size(); ++i) EmitForm(static_cast<uint32_t>(i));
    if (cpp())
      text::Append(out_, RingLoops(layout_), "}  // namespace qsplit_layout::", prefix_, "\n\n");
    text::Append(out_, "#endif  // ", guard, "\n");
    return std::move(out_);
  }

 private:
  bool cpp() const { return dialect_ == Dialect::kCpp; }

  // Notes come from a spec: no line of theirs may leave its comment.
  static std::string Line(std::string_view words) {
    std::string out;
    for (const char c : words) out += static_cast<unsigned char>(c) < 0x20 || c == '\\' ? ' ' : c;
    return out;
  }

  void Begin() {
    if (cpp()) {
      text::Append(out_,
                   "#include <array>\n#include <bit>\n#include <cstddef>\n#include <cstdint>\n"
                   "#include <type_traits>\n\n",
                   CppLoopMemory(), "namespace qsplit_layout::", prefix_,
                   " {\n\ninline constexpr char kDigest[] = \"", verified_.digest_hex(), "\";\n\n",
                   CppWordAccess());
      return;
    }
    // Without any header, so that it goes everywhere.
    text::Append(out_,
                 "#ifndef QSPLIT_LAYOUT_TYPES\n#define QSPLIT_LAYOUT_TYPES\n"
                 "typedef unsigned char qsplit_u8;\ntypedef unsigned long long qsplit_u64;\n"
                 "typedef long long qsplit_s64;\n#endif\n\n#define ",
                 Upper(prefix_), "_DIGEST \"", verified_.digest_hex(), "\"\n\n");
  }

  void EmitEnumeration(const v1::Enumeration& known) {
    if (cpp()) {
      const char* const type = known.bits() <= 32 ? "uint32_t" : "uint64_t";
      text::Append(out_, "enum class ", Safe(known.name()), " : ", type, " {\n");
      for (const v1::EnumerationValue& value : known.values()) {
        text::Append(out_, "  ", Safe(value.name()), " = ", Number(value.value()), ",\n");
      }
      text::Append(out_, "};\n\n");
      return;
    }
    for (const v1::EnumerationValue& value : known.values()) {
      text::Append(out_, "#define ",
                   Upper(text::Cat(prefix_, "_", Snake(known.name()), "_", value.name())), " ",
                   Number(value.value()), "\n");
    }
    out_ += '\n';
  }

  // The head of a function of a form.
  std::string Function(std::string_view type, const v1::Form& form, std::string_view name,
                       std::string_view arguments) const {
    if (cpp()) return text::Cat("  static constexpr ", type, " ", name, "(", arguments, ")");
    const char* const how = dialect_ == Dialect::kBpf
                                ? "static inline __attribute__((always_inline, unused)) "
                                : "static inline ";
    return text::Cat(how, type, " ", prefix_, "_", Snake(form.name()), "_", name, "(", arguments,
                     ")");
  }
  std::string Call(const v1::Form& form, std::string_view name) const {
    return cpp() ? std::string(name) : text::Cat(prefix_, "_", Snake(form.name()), "_", name);
  }
  std::string_view U64() const { return cpp() ? "uint64_t" : "qsplit_u64"; }
  std::string_view Bytes() const { return cpp() ? "const uint8_t* d" : "const qsplit_u8 *d"; }
  std::string_view Writable() const { return cpp() ? "uint8_t* d" : "qsplit_u8 *d"; }
  std::string_view Indent() const { return cpp() ? "    " : "  "; }
  std::string_view Close() const { return cpp() ? "  }\n" : "}\n"; }

  void EmitForm(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    const std::string_view note = NoteOn(layout_, form.name());
    if (!note.empty()) text::Append(out_, "// ", Line(note), "\n");
    if (cpp()) {
      text::Append(out_, "struct ", Safe(form.name()),
                   " {\n  static constexpr uint32_t kBytes = ", form.size_bytes(), ";\n\n");
    } else {
      text::Append(out_, "#define ", Upper(text::Cat(prefix_, "_", Snake(form.name()), "_BYTES ")),
                   form.size_bytes(), "\n\n");
    }
    // In C, what conditions look at must stand before them.
    for (const v1::Field& field : form.fields()) {
      if (!cpp() && !field.parts().empty()) EmitRaw(form, field, SlicesOf(field));
    }
    for (const v1::Field& field : form.fields()) {
      if (field.parts().empty()) {
        EmitArray(form, field);
      } else {
        EmitNumber(form, index, field);
      }
    }
    for (const v1::ContainedForm& part : form.contains()) EmitPart(form, part);
    EmitIs(form, index);
    out_ += cpp() ? "};\n\n" : "\n";
  }

  void EmitNote(const v1::Form& form, const v1::Field& field) {
    std::string words = field.role();
    if (field.inverted()) words = "not " + words;
    const std::string_view note = NoteOn(layout_, text::Cat(form.name(), ".", field.name()));
    if (!note.empty()) text::Append(words, words.empty() ? "" : ": ", Line(note));
    if (!words.empty()) text::Append(out_, cpp() ? "  " : "", "// ", words, "\n");
  }

  void EmitRaw(const v1::Form& form, const v1::Field& field, const std::vector<ByteSlice>& slices) {
    const std::vector<FieldWord> words = WordsOf(field, form.size_bytes());
    if (cpp() && !words.empty()) {
      text::Append(out_, Function(U64(), form, field.name() + "_raw", Bytes()), " {\n", Indent(),
                   "return ", CppValue(words), ";\n", Close());
      return;
    }
    std::vector<std::string> terms;
    for (const ByteSlice& slice : slices) {
      std::string term =
          text::Cat(cpp() ? "uint64_t{d[" : "(qsplit_u64)d[", slice.byte, cpp() ? "]}" : "]");
      if (slice.shift > 0) term = text::Cat("(", term, " >> ", slice.shift, ")");
      if (slice.mask != 0xff) term = text::Cat("(", term, " & ", slice.mask, "u)");
      if (slice.place > 0) term = text::Cat("(", term, " << ", slice.place, ")");
      terms.push_back(std::move(term));
    }
    const std::string raw = field.name() + "_raw";
    text::Append(out_, Function(U64(), form, raw, Bytes()), " {\n", Indent(), "return ",
                 text::Join(terms, " | "), ";\n", Close());
  }

  void EmitNumber(const v1::Form& form, uint32_t index, const v1::Field& field) {
    const std::vector<ByteSlice> slices = SlicesOf(field);
    const std::string name = cpp() ? Safe(field.name()) : field.name();
    const std::string raw = field.name() + "_raw";
    EmitNote(form, field);
    if (cpp()) EmitRaw(form, field, slices);
    EmitGet(form, field, name, raw);
    EmitSet(form, field, slices);
    const std::string has = Condition(form, field.valid_when(), index);
    if (!has.empty()) {
      text::Append(out_, Function(cpp() ? "bool" : "int", form, "has_" + field.name(), Bytes()),
                   " {\n", Indent(), "return ", has, ";\n", Close());
    }
    out_ += cpp() ? "\n" : "";
  }

  static bool IsPlain(const v1::Field& field) {
    return field.scale().multiplier() <= 1 && field.scale().bias() == 0 &&
           !field.scale().has_zero_value() && !field.is_signed();
  }

  // Two's complement, so that negative values go round.
  void EmitGet(const v1::Form& form, const v1::Field& field, const std::string& name,
               const std::string& raw) {
    text::Append(out_, Function(U64(), form, name, Bytes()), " {\n");
    if (IsPlain(field)) {
      text::Append(out_, Indent(), "return ", Call(form, raw), "(d);\n", Close());
      return;
    }
    text::Append(out_, Indent(), cpp() ? "uint64_t" : "qsplit_u64", " v = ", Call(form, raw),
                 "(d);\n");
    if (field.scale().has_zero_value()) {
      text::Append(out_, Indent(), "if (v == 0) return ", Number(field.scale().zero_value()),
                   ";\n");
    }
    const uint32_t bits = BitWidth(field);
    if (field.is_signed() && bits < 64) {
      text::Append(out_, Indent(), "if (v >> ", bits - 1, ") v |= ", Number(~LowBits(bits)), ";\n");
    }
    text::Append(out_, Indent(), "return v * ",
                 Number(std::max<uint64_t>(field.scale().multiplier(), 1)), " + ",
                 Number(static_cast<uint64_t>(field.scale().bias())), ";\n", Close());
  }

  void EmitSet(const v1::Form& form, const v1::Field& field, const std::vector<ByteSlice>& slices) {
    const std::string argument = text::Cat(Writable(), ", ", U64(), " v");
    text::Append(out_, Function("void", form, text::Cat("set_", field.name(), "_raw"), argument),
                 " {\n");
    const std::vector<FieldWord> words =
        cpp() ? WordsOf(field, form.size_bytes()) : std::vector<FieldWord>{};
    uint32_t place = BitWidth(field);
    for (const FieldWord& word : words) {
      place -= word.bits;
      std::string value = place > 0 ? text::Cat("(v >> ", place, ")") : std::string("v");
      if (word.bits < word.bytes * 8) {
        const uint64_t low = LowBits(word.bits);
        value = text::Cat("(uint64_t{qsplit_load", CppArguments(word), ")} & ",
                          Number(~(low << word.shift) & LowBits(word.bytes * 8)), ") | (", value,
                          " & ", Number(low), ")", word.shift > 0 ? " << " : "",
                          word.shift > 0 ? text::Cat(word.shift) : "");
      }
      text::Append(out_, Indent(), "qsplit_store", CppArguments(word), ", ", value, ");\n");
    }
    const std::string_view byte = cpp() ? "static_cast<uint8_t>(" : "(qsplit_u8)(";
    for (const ByteSlice& slice : words.empty() ? slices : std::vector<ByteSlice>{}) {
      const uint32_t mask = slice.mask << slice.shift;
      std::string value =
          slice.place > 0 ? text::Cat("(v >> ", slice.place, ")") : std::string("v");
      if (slice.mask == 0xff) {
        text::Append(out_, Indent(), "d[", slice.byte, "] = ", byte, value, ");\n");
        continue;
      }
      value = text::Cat("(", value, " & ", slice.mask, "u)");
      if (slice.shift > 0) value = text::Cat("(", value, " << ", slice.shift, ")");
      text::Append(out_, Indent(), "d[", slice.byte, "] = ", byte, "(d[", slice.byte, "] & ",
                   0xff & ~mask, "u) | ", value, ");\n");
    }
    text::Append(out_, Close(), Function("void", form, text::Cat("set_", field.name()), argument),
                 " {\n");
    const std::string set = Call(form, text::Cat("set_", field.name(), "_raw"));
    if (IsPlain(field)) {
      text::Append(out_, Indent(), set, "(d, v);\n", Close());
      return;
    }
    if (field.scale().has_zero_value()) {
      text::Append(out_, Indent(), "if (v == ", Number(field.scale().zero_value()), ") {\n",
                   Indent(), "  ", set, "(d, 0);\n", Indent(), "  return;\n", Indent(), "}\n");
    }
    const std::string offset =
        text::Cat("v - ", Number(static_cast<uint64_t>(field.scale().bias())));
    const uint64_t times = std::max<uint64_t>(field.scale().multiplier(), 1);
    const bool divides = times > 1;
    std::string value = text::Cat("(", offset, ")");
    if (divides && field.is_signed()) {
      value = cpp() ? text::Cat("static_cast<uint64_t>(static_cast<int64_t>(", offset, ") / ",
                                static_cast<int64_t>(times), ")")
                    : text::Cat("(qsplit_u64)((qsplit_s64)(", offset, ") / ",
                                static_cast<int64_t>(times), ")");
    } else if (divides) {
      text::Append(value, " / ", Number(times));
    }
    text::Append(out_, Indent(), set, "(d, ", value, ");\n", Close());
  }

  void EmitArray(const v1::Form& form, const v1::Field& field) {
    EmitNote(form, field);
    const std::string name = cpp() ? Safe(field.name()) : field.name();
    text::Append(out_,
                 Function(cpp() ? "const uint8_t*" : "const qsplit_u8 *", form, name, Bytes()),
                 " {\n", Indent(), "return d + ", field.bytes().byte_offset(), ";  // ",
                 field.bytes().length(), " bytes\n", Close());
  }

  void EmitPart(const v1::Form& form, const v1::ContainedForm& part) {
    const v1::Form& inner = layout_.forms(static_cast<int>(part.form()));
    text::Append(out_, cpp() ? "  " : "", "// ", inner.name(), ", at most ", part.max_count(), "\n",
                 Function(cpp() ? "const uint8_t*" : "const qsplit_u8 *", form,
                          cpp() ? Safe(part.name()) : part.name(),
                          text::Cat(Bytes(), cpp() ? ", uint32_t i" : ", unsigned i")),
                 " {\n", Indent(), "return d + ", part.byte_offset(), " + i * ",
                 part.stride_bytes(), "u;\n", Close());
  }

  // The condition as an expression; comparisons with a ring's state are left out. Empty: always.
  std::string Condition(const v1::Form& form, const v1::Condition& condition,
                        uint32_t index) const {
    const auto side = [&](const v1::FieldReference& reference) {
      return text::Cat(Call(form, form.fields(static_cast<int>(reference.field())).name() + "_raw"),
                       "(d)");
    };
    std::vector<std::string> alternatives;
    for (const v1::Conjunction& conjunction : condition.any_of()) {
      std::vector<std::string> all;
      for (const v1::Comparison& comparison : conjunction.all_of()) {
        if (comparison.has_state() || comparison.field().form() != index) continue;
        if (comparison.has_other() && comparison.other().form() != index) continue;
        const std::string right =
            comparison.has_other() ? side(comparison.other()) : Number(comparison.constant());
        const std::string left = side(comparison.field());
        switch (comparison.operator_()) {
          case v1::OPERATOR_ANY_BITS:
            all.push_back(text::Cat("(", left, " & ", right, ") != 0"));
            break;
          case v1::OPERATOR_NO_BITS:
            all.push_back(text::Cat("(", left, " & ", right, ") == 0"));
            break;
          default:
            all.push_back(text::Cat(left, " ", Word(comparison.operator_()), " ", right));
        }
      }
      if (all.empty()) return "";
      alternatives.push_back(all.size() == 1 ? all[0]
                                             : text::Cat("(", text::Join(all, " && "), ")"));
    }
    return text::Join(alternatives, " || ");
  }

  void EmitIs(const v1::Form& form, uint32_t index) {
    std::vector<std::string> all;
    for (const v1::Field& field : form.fields()) {
      if (field.constraint() != v1::CONSTRAINT_CONSTANT || !field.features().empty()) continue;
      const std::string when = Condition(form, field.valid_when(), index);
      if (field.parts().empty()) {
        for (uint32_t i = 0; i < field.bytes().length() && i < 64; ++i) {
          const std::string byte =
              text::Cat("d[", field.bytes().byte_offset() + i, "] == ", field.constant() & 0xff);
          all.push_back(when.empty() ? byte : text::Cat("(!(", when, ") || ", byte, ")"));
        }
        continue;
      }
      const std::string equal =
          text::Cat(Call(form, field.name() + "_raw"), "(d) == ", Number(field.constant()));
      all.push_back(when.empty() ? equal : text::Cat("(!(", when, ") || ", equal, ")"));
    }
    if (const std::string when = Condition(form, form.selector(), index); !when.empty()) {
      all.push_back(text::Cat("(", when, ")"));
    }
    text::Append(out_, Function(cpp() ? "bool" : "int", form, "is", Bytes()), " {\n");
    if (all.empty()) text::Append(out_, Indent(), cpp() ? "static_cast<void>(d);\n" : "(void)d;\n");
    text::Append(out_, Indent(), "return ",
                 all.empty() ? "1" : text::Join(all, text::Cat(" &&\n", Indent(), "    ")), ";\n",
                 Close());
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
  Dialect dialect_;
  std::string prefix_;
  std::string out_;
};

}  // namespace

std::string EmitCppHeader(const VerifiedLayout& layout) {
  return HeaderEmitter(layout, Dialect::kCpp).Run();
}
std::string EmitCHeader(const VerifiedLayout& layout) {
  return HeaderEmitter(layout, Dialect::kC).Run();
}
std::string EmitBpfHeader(const VerifiedLayout& layout) {
  return HeaderEmitter(layout, Dialect::kBpf).Run();
}

}  // namespace qsplit::layout
