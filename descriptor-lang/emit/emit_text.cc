// Tables as a driver writer would draw them.
#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/emit/diagram.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/ring_text.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

using Row = std::vector<std::string>;

size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// Columns as wide as their widest cell; columns that are empty in all rows are left out.
std::string Table(const std::vector<Row>& rows, std::string_view indent) {
  std::vector<size_t> widths;
  for (size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()));
    for (size_t c = 0; c < rows[r].size(); ++c) {
      if (r > 0) widths[c] = std::max(widths[c], Width(rows[r][c]));
    }
  }
  for (size_t c = 0; c < widths.size() && !rows.empty(); ++c) {
    if (widths[c] > 0) widths[c] = std::max(widths[c], Width(rows[0][c]));
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line(indent);
    for (size_t c = 0; c < row.size(); ++c) {
      if (widths[c] == 0) continue;
      text::Append(line, row[c], std::string(widths[c] - Width(row[c]) + 2, ' '));
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text::Append(out, line, "\n");
  }
  return out;
}

class TextEmitter {
 public:
  TextEmitter(const VerifiedLayout& layout, bool draws)
      : verified_(layout), layout_(layout.message()), draws_(draws) {}

  std::string Run() {
    text::Append(out_, "layout ", layout_.name(), "\n");
    const v1::Documentation& words = layout_.documentation();
    if (!words.title().empty()) text::Append(out_, "title  ", words.title(), "\n");
    text::Append(out_, "digest ", verified_.digest_hex(), "\n");
    for (const std::string& source : words.sources()) {
      text::Append(out_, "source ", source, "\n");
    }
    EmitEnumerations();
    EmitFeatures();
    for (int i = 0; i < layout_.forms_size(); ++i) EmitForm(static_cast<uint32_t>(i));
    for (const v1::Queue& queue : layout_.queues()) {
      text::Append(out_, "\n", QueueText(layout_, queue));
    }
    return std::move(out_);
  }

 private:
  void EmitEnumerations() {
    for (const v1::Enumeration& known : layout_.enumerations()) {
      std::vector<std::string> values;
      for (const v1::EnumerationValue& value : known.values()) {
        values.push_back(text::Cat(value.name(), " ", value.value()));
      }
      text::Append(out_, "\nenum ", known.name(), ", ", known.bits(),
                   known.bits() == 1 ? " bit: " : " bits: ", text::Join(values, ", "), "\n");
    }
  }

  void EmitFeatures() {
    for (const v1::Feature& feature : layout_.features()) {
      text::Append(out_, "\nfeature ", feature.name(), ": ", text::Join(feature.choices(), ", "),
                   "\n");
    }
  }

  // A note behind two blanks, if there is one.
  std::string Remark(std::string_view path) {
    const std::string_view note = NoteOn(layout_, path);
    return note.empty() ? "" : text::Cat("    // ", note);
  }

  void EmitForm(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    text::Append(out_, "\ndescriptor ", form.name(), ", ", form.size_bytes(), " bytes");
    if (form.slots() > 1) text::Append(out_, ", ", form.slots(), " slots");
    if (form.position() != v1::PACKET_POSITION_EACH) {
      text::Append(out_, ", in ", Word(form.position()));
    }
    const std::string selector = ConditionText(layout_, form.selector(), index);
    if (!selector.empty()) text::Append(out_, ", when ", selector);
    if (!form.features().empty()) {
      text::Append(out_, ", with ", FeatureText(layout_, form.features()));
    }
    text::Append(out_, Remark(form.name()), "\n");
    if (draws_) text::Append(out_, "\n", FormDiagram(layout_, index), "\n");
    std::vector<Row> rows = {
        {"byte", "word", "bits", "field", "role", "value", "in", "when", "note"}};
    for (const v1::Field& field : form.fields()) AddField(form, index, field, rows);
    text::Append(out_, Table(rows, "  "));
    for (const v1::ContainedForm& part : form.contains()) {
      text::Append(out_, "  @", part.byte_offset(), " ", part.name(), ": ",
                   PartText(layout_, form, part), "\n");
    }
  }

  void AddField(const v1::Form& form, uint32_t index, const v1::Field& field,
                std::vector<Row>& rows) {
    const std::string role = text::Cat(field.inverted() ? "not " : "", field.role());
    const std::string_view position =
        field.position() == v1::PACKET_POSITION_EACH ? "" : Word(field.position());
    std::string when = ConditionText(layout_, field.valid_when(), index);
    if (!field.features().empty()) {
      text::Append(when, when.empty() ? "" : ", ", "with ", FeatureText(layout_, field.features()));
    }
    const std::string note(NoteOn(layout_, text::Cat(form.name(), ".", field.name())));
    Row tail = {role, ValueText(layout_, field), std::string(position), when, note};
    if (field.has_bytes()) {
      Row row = {text::Cat(field.bytes().byte_offset()),
                 text::Cat(field.bytes().length(), " bytes"), "", field.name()};
      row.insert(row.end(), tail.begin(), tail.end());
      rows.push_back(std::move(row));
      return;
    }
    // Value bits that stand in each part, for values in several places.
    uint32_t left = BitWidth(field);
    for (const v1::Bits& part : field.parts()) {
      left -= part.bits();
      std::string name = field.name();
      if (field.parts_size() > 1) {
        text::Append(name, "[", Range(left, part.bits()), "]");
      }
      const bool big = part.byte_order() == v1::BYTE_ORDER_BIG;
      Row row = {text::Cat(part.byte_offset()),
                 text::Cat("u", 8 * part.word_bytes(), big ? " big" : ""),
                 Range(part.lsb(), part.bits()), name};
      row.insert(row.end(), tail.begin(), tail.end());
      rows.push_back(std::move(row));
      tail.assign(tail.size(), "");
    }
  }

  static std::string Range(uint32_t low, uint32_t bits) {
    return bits == 1 ? text::Cat(low) : text::Cat(low + bits - 1, ":", low);
  }

  const std::string& FormName(uint32_t form) const {
    return layout_.forms(static_cast<int>(form)).name();
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
  bool draws_;
  std::string out_;
};

}  // namespace

std::string EmitText(const VerifiedLayout& layout) { return TextEmitter(layout, false).Run(); }
std::string EmitPage(const VerifiedLayout& layout) { return TextEmitter(layout, true).Run(); }

}  // namespace qsplit::layout
