// A Kaitai Struct description (.ksy) that reads the same bytes: words by Kaitai's own integer
// types, bits by shifting those, so that nothing of it rests on our own reading of byte order.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/part_count.h"
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
    for (const v1::Field& field : form.fields()) EmitField(form, index, field, words);
    for (const v1::ContainedForm& part : form.contains()) EmitPart(form, part);
  }

  // An integer of Kaitai's own that some of a field's bits are cut from: at most four bytes, for
  // Kaitai computes with 32 bits (and with signs) in several languages.
  struct Piece {
    std::string word;
    uint32_t lsb = 0;
    uint32_t bits = 0;
  };

  // Declares a word of 1, 2 or 4 bytes when it is new.
  std::string Word(uint32_t at, uint32_t bytes, v1::ByteOrder order, std::set<std::string>& known) {
    const std::string type = text::Cat("u", bytes,
                                       bytes == 1                    ? ""
                                       : order == v1::BYTE_ORDER_BIG ? "be"
                                                                     : "le");
    std::string name = text::Cat("word_", at, "_", type);
    if (known.insert(name).second) {
      text::Append(out_, "      ", name, ":\n        pos: ", at, "\n        type: ", type, "\n");
    }
    return name;
  }

  // The pieces of one part, most significant first. Words of three and eight bytes are two.
  std::vector<Piece> PiecesOf(const v1::Bits& part, std::set<std::string>& known) {
    const bool big = part.byte_order() == v1::BYTE_ORDER_BIG;
    const uint32_t at = part.byte_offset();
    const uint32_t bytes = part.word_bytes();
    if (bytes != 3 && bytes != 8) {
      return {{Word(at, bytes, part.byte_order(), known), part.lsb(), part.bits()}};
    }
    // How many of the word's low bits are in its low half.
    const uint32_t low_bytes = bytes == 8 ? 4 : big ? 1 : 2;
    const uint32_t high_bytes = bytes - low_bytes;
    const uint32_t low_bits = 8 * low_bytes;
    const uint32_t end = part.lsb() + part.bits();
    std::vector<Piece> pieces;
    if (end > low_bits) {
      const uint32_t lsb = part.lsb() > low_bits ? part.lsb() - low_bits : 0;
      pieces.push_back({Word(big ? at : at + low_bytes, high_bytes, part.byte_order(), known), lsb,
                        end - low_bits - lsb});
    }
    if (part.lsb() < low_bits) {
      pieces.push_back({Word(big ? at + high_bytes : at, low_bytes, part.byte_order(), known),
                        part.lsb(), std::min(end, low_bits) - part.lsb()});
    }
    return pieces;
  }

  static uint32_t BitsOf(const std::string& word) { return 8 * (word[word.rfind("_u") + 2] - '0'); }

  void EmitNumber(const v1::Field& field, std::set<std::string>& known) {
    const v1::Bits& first = field.parts(0);
    if (first.bits() == 64) {
      text::Append(out_, "      ", Id(field.name()), ":\n        pos: ", first.byte_offset(),
                   "\n        type: ", first.byte_order() == v1::BYTE_ORDER_BIG ? "u8be" : "u8le",
                   "\n");
      return;
    }
    std::vector<Piece> pieces;
    for (const v1::Bits& part : field.parts()) {
      for (Piece& piece : PiecesOf(part, known)) pieces.push_back(std::move(piece));
    }
    std::vector<std::string> terms;
    uint32_t left = BitWidth(field);
    for (const Piece& piece : pieces) {
      left -= piece.bits;
      std::string term = piece.word;
      if (piece.lsb > 0) term = text::Cat("(", term, " >> ", piece.lsb, ")");
      if (piece.bits < BitsOf(piece.word)) {
        term = text::Cat("(", term, " & ", LowBits(piece.bits), ")");
      }
      // A product, for a shift would lose bits above the 32nd where Kaitai's are so wide.
      if (left > 0) term = text::Cat(term, " * ", uint64_t{1} << left);
      terms.push_back(std::move(term));
    }
    text::Append(out_, "      ", Id(field.name()), ":\n        value: ", text::Join(terms, " + "),
                 "\n");
  }

  void EmitField(const v1::Form& form, uint32_t index, const v1::Field& field,
                 std::set<std::string>& known) {
    if (!field.parts().empty()) {
      EmitNumber(field, known);
    } else {
      const uint32_t at = field.bytes().byte_offset();
      text::Append(out_, "      ", Id(field.name()), ":\n        pos: ", at, "\n        ");
      // Bytes up to the end of the slot lie behind the form.
      if (uint64_t{at} + field.bytes().length() > form.size_bytes()) {
        out_ += "size-eos: true\n";
      } else {
        text::Append(out_, "size: ", field.bytes().length(), "\n");
      }
    }
    if (field.has_enumeration()) {
      const v1::Enumeration& known_values =
          layout_.enumerations(static_cast<int>(field.enumeration()));
      text::Append(out_, "        enum: ", Id(known_values.name()), "\n");
    }
    std::string words = field.role();
    if (const std::string when = ConditionText(layout_, field.valid_when(), index); !when.empty()) {
      text::Append(words, words.empty() ? "" : ", ", "when ", when);
    }
    const std::string_view note = NoteOn(layout_, text::Cat(form.name(), ".", field.name()));
    if (!note.empty()) text::Append(words, words.empty() ? "" : "; ", note);
    if (!words.empty()) text::Append(out_, "        doc: ", Quoted(words), "\n");
  }

  void EmitPart(const v1::Form& form, const v1::ContainedForm& part) {
    const v1::Form& inner = layout_.forms(static_cast<int>(part.form()));
    const std::string name = Id(part.name());
    if (part.max_count() == 1 && !part.has_count_field()) {
      text::Append(out_, "      ", name, ":\n        pos: ", part.byte_offset(),
                   "\n        size: ", inner.size_bytes(), "\n        type: ", Id(inner.name()),
                   "\n");
      return;
    }
    text::Append(
        out_, "      ", name, ":\n        pos: ", part.byte_offset(),
        "\n        size: ", std::max(part.stride_bytes(), inner.size_bytes()),
        "\n        type: ", Id(inner.name()),
        "\n        repeat: expr\n        repeat-expr: ", Quoted(CountExpression(form, part)), "\n");
  }

  // How many parts there are, as Decode counts them.
  std::string CountExpression(const v1::Form& form, const v1::ContainedForm& part) const {
    if (!part.has_count_field()) return text::Cat(part.max_count());
    const PartCount count = PartCountOf(layout_, form, part);
    const v1::Field& field = form.fields(static_cast<int>(part.count_field()));
    std::string value = Id(field.name());
    if (field.has_enumeration()) value += ".to_i";
    if (field.scale().multiplier() > 1) text::Append(value, " * ", field.scale().multiplier());
    if (field.scale().bias() != 0) text::Append(value, " + ", field.scale().bias());
    if (field.scale().has_zero_value()) {
      value = text::Cat("(", Id(field.name()), " == 0 ? ", field.scale().zero_value(), " : ", value,
                        ")");
    }
    std::string parts = value;
    if (count.own > 0 || count.per_part > 1) {
      parts = text::Cat("(", value, " - ", count.own, " + ", count.per_part - 1, ") / ",
                        count.per_part);
    }
    const uint64_t most = count.own + uint64_t{part.max_count()} * count.per_part;
    return text::Cat("(", value, ") <= ", count.own, " ? 0 : (", value, ") > ", most, " ? ",
                     part.max_count(), " : ", parts);
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
  std::string out_;
};

}  // namespace

std::string EmitKaitai(const VerifiedLayout& layout) { return KaitaiEmitter(layout).Run(); }

}  // namespace qsplit::layout
