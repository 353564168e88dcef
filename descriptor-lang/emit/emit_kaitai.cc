// A Kaitai Struct description (.ksy) that reads the same bytes: words by Kaitai's own integer
// types, bits by shifting those, so that nothing of it rests on our own reading of byte order.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// Kaitai's names: lower case, digits, underscores, a letter first.
std::string Id(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool upper = c >= 'A' && c <= 'Z';
    const bool before_upper = i > 0 && name[i - 1] >= 'A' && name[i - 1] <= 'Z';
    if (upper && i > 0 && !before_upper && name[i - 1] != '_') out += '_';
    out += upper ? static_cast<char>(c - 'A' + 'a') : c == '.' ? '_' : c;
  }
  const bool letter = !out.empty() && out[0] >= 'a' && out[0] <= 'z';
  return letter ? out : "n" + out;
}

// In double quotes, as YAML (and JSON) writes it.
std::string Quoted(std::string_view words) {
  std::string out = "\"";
  for (const char c : words) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

class KaitaiEmitter {
 public:
  explicit KaitaiEmitter(const VerifiedLayout& verified)
      : verified_(verified), layout_(verified.message()) {}

  std::string Run() {
    text::Append(out_, "# ", verified_.digest_hex(),
                 ", made by qdlc; do not edit.\nmeta:\n  id: ", Id(layout_.name()),
                 "\n  title: ", Quoted(layout_.documentation().title()),
                 "\n  endian: le\n  bit-endian: le\ndoc: ",
                 Quoted("One type for each descriptor; read it with the type that stands there."),
                 "\ntypes:\n");
    for (int i = 0; i < layout_.forms_size(); ++i) EmitForm(static_cast<uint32_t>(i));
    EmitEnumerations();
    return std::move(out_);
  }

 private:
  void EmitEnumerations() {
    if (layout_.enumerations().empty()) return;
    out_ += "enums:\n";
    for (const v1::Enumeration& known : layout_.enumerations()) {
      text::Append(out_, "  ", Id(known.name()), ":\n");
      for (const v1::EnumerationValue& value : known.values()) {
        text::Append(out_, "    ", value.value(), ": ", Id(value.name()), "\n");
      }
    }
  }

  void EmitForm(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    text::Append(out_, "  ", Id(form.name()), ":\n");
    if (const std::string_view note = NoteOn(layout_, form.name()); !note.empty()) {
      text::Append(out_, "    doc: ", Quoted(note), "\n");
    }
    if (form.fields().empty() && form.contains().empty()) {
      text::Append(out_, "    seq:\n      - id: bytes\n        size: ", form.size_bytes(), "\n");
      return;
    }
    out_ += "    instances:\n";
    std::set<std::string> words;
    for (const v1::Field& field : form.fields()) EmitWords(field, words);
    for (const v1::Field& field : form.fields()) EmitField(form, index, field);
    for (const v1::ContainedForm& part : form.contains()) EmitPart(form, part);
  }

  static std::string WordName(const v1::Bits& part) {
    return text::Cat("word_", part.byte_offset(), "_u", part.word_bytes(),
                     part.word_bytes() == 1                    ? ""
                     : part.byte_order() == v1::BYTE_ORDER_BIG ? "be"
                                                               : "le");
  }

  // The words that the field is cut from; three bytes are a word and a byte.
  void EmitWords(const v1::Field& field, std::set<std::string>& known) {
    for (const v1::Bits& part : field.parts()) {
      const std::string name = WordName(part);
      if (!known.insert(name).second) continue;
      const uint32_t at = part.byte_offset();
      if (part.word_bytes() != 3) {
        text::Append(out_, "      ", name, ":\n        pos: ", at,
                     "\n        type: ", name.substr(name.find("_u") + 1), "\n");
        continue;
      }
      const bool big = part.byte_order() == v1::BYTE_ORDER_BIG;
      text::Append(out_, "      ", name, "_a:\n        pos: ", at,
                   "\n        type: ", big ? "u2be" : "u2le", "\n      ", name,
                   "_b:\n        pos: ", at + 2, "\n        type: u1\n      ", name,
                   ":\n        value: ",
                   big ? text::Cat("(", name, "_a << 8) | ", name, "_b")
                       : text::Cat(name, "_a | (", name, "_b << 16)"),
                   "\n");
    }
  }

  void EmitField(const v1::Form& form, uint32_t index, const v1::Field& field) {
    text::Append(out_, "      ", Id(field.name()), ":\n");
    if (field.parts().empty()) {
      text::Append(out_, "        pos: ", field.bytes().byte_offset(),
                   "\n        size: ", field.bytes().length(), "\n");
    } else {
      std::vector<std::string> terms;
      uint32_t left = BitWidth(field);
      for (const v1::Bits& part : field.parts()) {
        left -= part.bits();
        std::string term = WordName(part);
        if (part.lsb() > 0) term = text::Cat("(", term, " >> ", part.lsb(), ")");
        if (part.bits() < 8 * part.word_bytes()) {
          term = text::Cat("(", term, " & ", LowBits(part.bits()), ")");
        }
        if (left > 0) term = text::Cat("(", term, " << ", left, ")");
        terms.push_back(std::move(term));
      }
      text::Append(out_, "        value: ", text::Join(terms, " | "), "\n");
      if (field.has_enumeration()) {
        const v1::Enumeration& known = layout_.enumerations(static_cast<int>(field.enumeration()));
        text::Append(out_, "        enum: ", Id(known.name()), "\n");
      }
    }
    std::string words = field.role();
    if (const std::string when = ConditionText(layout_, field.valid_when(), index); !when.empty()) {
      text::Append(words, words.empty() ? "" : ", ", "when ", when);
    }
    const std::string_view note = NoteOn(layout_, text::Cat(form.name(), ".", field.name()));
    if (!note.empty()) text::Append(words, words.empty() ? "" : "; ", note);
    if (!words.empty()) text::Append(out_, "        doc: ", Quoted(words), "\n");
  }

  // Each by its own position: parts may stand further apart than they are long.
  void EmitPart(const v1::Form& form, const v1::ContainedForm& part) {
    static_cast<void>(form);
    const v1::Form& inner = layout_.forms(static_cast<int>(part.form()));
    const uint32_t count = std::min(part.max_count(), 16u);
    for (uint32_t i = 0; i < count; ++i) {
      const std::string name = part.max_count() == 1 ? part.name() : text::Cat(part.name(), "_", i);
      text::Append(out_, "      ", Id(name),
                   ":\n        pos: ", part.byte_offset() + i * part.stride_bytes(),
                   "\n        size: ", inner.size_bytes(), "\n        type: ", Id(inner.name()),
                   "\n");
    }
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
  std::string out_;
};

}  // namespace

std::string EmitKaitai(const VerifiedLayout& layout) { return KaitaiEmitter(layout).Run(); }

}  // namespace qsplit::layout
