// The bit diagram as SVG.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "descriptor-lang/emit/diagram.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/escape.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// In pixels. Rows of 32 bits; on narrow screens each is two lines of 16.
struct Measures {
  uint32_t columns = kDiagramBits;  // of a line
  uint32_t bit = 26;
  uint32_t left = 64;  // bytes' numbers
};
constexpr Measures kWide;
constexpr Measures kNarrow = {16, 20, 44};
constexpr uint32_t kHead = 22;   // bits' numbers
constexpr uint32_t kTitle = 28;  // of a form, where there are several
constexpr uint32_t kRow = 30;
constexpr uint32_t kCharacter = 7;  // of 12 px, about
constexpr uint32_t kTallest = 170;

constexpr std::string_view kStyle =
    ".qd{font:12px ui-sans-serif,system-ui,'DejaVu Sans',sans-serif;fill:#1d2733}"
    ".qd .n{font-size:10px;fill:#5b6876}"
    ".qd .t{font-size:14px;font-weight:600}"
    ".qd rect{stroke:#5b6876;fill:#fff}"
    ".qd .none{fill:#eef1f4;stroke:#c5ccd3}"
    ".qd .buffer{fill:#dbeafe}.qd .packet{fill:#dcfce7}.qd .check{fill:#fef3c7}"
    ".qd .own{fill:#fee2e2}.qd .tag{fill:#ede9fe}.qd .other{fill:#f5f5f4}"
    "@media (prefers-color-scheme:dark){.qd{fill:#e6ebf0}.qd .n{fill:#9aa7b4}"
    ".qd rect{stroke:#8592a0;fill:#1c232b}.qd .none{fill:#151a20;stroke:#323b45}"
    ".qd .buffer{fill:#1e3a5f}.qd .packet{fill:#14432a}.qd .check{fill:#4d3a0c}"
    ".qd .own{fill:#561f1f}.qd .tag{fill:#372a5c}.qd .other{fill:#2a2a28}}";

// The colour of a role's group.
std::string_view ClassOf(std::string_view role) {
  const auto starts = [&](std::string_view prefix) { return role.starts_with(prefix); };
  if (starts("buffer.") || starts("header.") || starts("link.")) return "buffer";
  if (starts("packet.") || starts("vlan.") || starts("segment.") || starts("timestamp")) {
    return "packet";
  }
  if (starts("checksum.") || starts("hash.") || starts("error") || starts("offload.")) {
    return "check";
  }
  if (role == "completed" || role == "phase" || role == "own" || role == "sequence" ||
      starts("report.") || starts("ring.") || starts("phase.")) {
    return "own";
  }
  if (starts("tag") || starts("next.") || starts("table.") || starts("slot.") || role == "queue" ||
      role == "opcode" || starts("context.") || starts("descriptor.")) {
    return "tag";
  }
  return "other";
}

// The part of a line that lies in its columns first..first + columns, moved to its left end.
std::vector<std::vector<DiagramBox>> Cut(const std::vector<std::vector<DiagramBox>>& layers,
                                         uint32_t first, uint32_t columns) {
  std::vector<std::vector<DiagramBox>> cut;
  for (const auto& layer : layers) {
    std::vector<DiagramBox> boxes;
    for (DiagramBox box : layer) {
      const uint32_t begin = std::max(box.column, first);
      const uint32_t end = std::min(box.column + box.columns, first + columns);
      if (begin >= end) continue;
      box.low_bit += box.column + box.columns - end;
      box.column = begin - first;
      box.columns = end - begin;
      if (box.value_bits > 0) box.MakeLabel();
      boxes.push_back(std::move(box));
    }
    if (!boxes.empty()) cut.push_back(std::move(boxes));
  }
  if (cut.empty()) cut.emplace_back();
  return cut;
}

class SvgPicture {
 public:
  SvgPicture(const v1::Layout& layout, const Measures& measures)
      : layout_(layout), measures_(measures) {}

  void Add(uint32_t form, bool titled) {
    const v1::Form& message = layout_.forms(static_cast<int>(form));
    const Diagram diagram = DrawForm(layout_, form);
    if (titled) {
      if (y_ > 0) y_ += 16;
      Text(measures_.left, y_ + 18, "t", "start",
           text::Cat(message.name(), ", ", message.size_bytes(), " bytes"));
      y_ += kTitle;
    }
    if (Halved()) {
      y_ += 4;
    } else {
      for (uint32_t column = 0; column < kDiagramBits; ++column) {
        Text(X(column) + measures_.bit / 2, y_ + kHead - 6, "n", "middle",
             text::Cat(BitOfColumn(column)));
      }
      y_ += kHead;
    }
    for (const DiagramRow& row : diagram.rows) AddRow(form, diagram, row);
    y_ += 2;
  }

  std::string Finish(std::string_view label, std::string_view style) {
    const uint32_t width = X(measures_.columns) + 8;
    return text::Cat("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qd",
                     Halved() ? " narrow" : "", "\" role=\"img\" ", "viewBox=\"0 0 ", width, " ",
                     y_ + 4, "\" width=\"", width, "\" height=\"", y_ + 4, "\" aria-label=\"",
                     Escape(label), "\">", style, "\n", body_, "</svg>\n");
  }

 private:
  bool Halved() const { return measures_.columns < kDiagramBits; }
  uint32_t X(uint32_t column) const { return measures_.left + column * measures_.bit; }

  void Text(uint32_t x, uint32_t y, std::string_view style, std::string_view anchor,
            std::string_view words) {
    text::Append(body_, "<text x=\"", x, "\" y=\"", y, "\" class=\"", style, "\" text-anchor=\"",
                 anchor, "\">", Escape(words), "</text>\n");
  }

  // Tall enough for names that must stand upright in narrow boxes.
  uint32_t HeightOf(const std::vector<DiagramBox>& layer) const {
    uint32_t height = kRow;
    for (const DiagramBox& box : layer) {
      if (Fits(box)) continue;
      height = std::max(height, static_cast<uint32_t>(box.label.size()) * kCharacter + 12);
    }
    return std::min(height, kTallest);
  }
  bool Fits(const DiagramBox& box) const {
    return box.label.size() * kCharacter + 4 <= size_t{box.columns} * measures_.bit;
  }

  void AddRow(uint32_t form, const Diagram& diagram, const DiagramRow& row) {
    const bool folded = row.bytes > kDiagramBytes;
    const std::string bytes = folded
                                  ? text::Cat(row.first_byte, "–", row.first_byte + row.bytes - 1)
                                  : text::Cat(row.first_byte);
    const uint32_t columns = std::min(row.bytes, kDiagramBytes) * 8;
    const uint32_t first = diagram.big_endian ? 0 : kDiagramBits - columns;
    if (!Halved()) {
      AddLine(form, row.layers, bytes, "", first, columns);
      return;
    }
    // In memory's order, as rows are.
    const uint32_t half = measures_.columns;
    for (uint32_t i = 0; i < (folded ? 1 : kDiagramBits / half); ++i) {
      const uint32_t from = diagram.big_endian ? i * half : kDiagramBits - (i + 1) * half;
      const uint32_t begin = std::max(from, first);
      const uint32_t end = std::min(from + half, first + columns);
      if (begin >= end) continue;
      AddLine(form, Cut(row.layers, from, half),
              folded ? bytes : text::Cat(row.first_byte + i * half / 8),
              folded ? "" : text::Cat(BitOfColumn(from), ":", BitOfColumn(from + half - 1)),
              begin - from, end - begin);
    }
  }

  // The columns that are there are first..first + columns.
  void AddLine(uint32_t form, const std::vector<std::vector<DiagramBox>>& layers,
               std::string_view byte, std::string_view bits, uint32_t first, uint32_t columns) {
    Text(measures_.left - 6, y_ + (bits.empty() ? 19 : 13), "n", "end", byte);
    if (!bits.empty()) Text(measures_.left - 6, y_ + 25, "n", "end", bits);
    for (const auto& layer : layers) {
      const uint32_t height = HeightOf(layer);
      text::Append(body_, "<rect class=\"none\" x=\"", X(first), "\" y=\"", y_, "\" width=\"",
                   columns * measures_.bit, "\" height=\"", height, "\"/>\n");
      for (const DiagramBox& box : layer) AddBox(form, box, height);
      y_ += height;
    }
  }

  void AddBox(uint32_t form, const DiagramBox& box, uint32_t height) {
    const v1::Field* field =
        box.field == DiagramBox::kNoField
            ? nullptr
            : &layout_.forms(static_cast<int>(form)).fields(static_cast<int>(box.field));
    const uint32_t width = box.columns * measures_.bit;
    text::Append(body_, "<g><rect class=\"", field == nullptr ? "other" : ClassOf(field->role()),
                 "\" x=\"", X(box.column), "\" y=\"", y_, "\" width=\"", width, "\" height=\"",
                 height, "\"/>");
    const uint32_t x = X(box.column) + width / 2;
    const uint32_t y = y_ + height / 2;
    std::string label = box.label;
    if (Fits(box)) {
      text::Append(body_, "<text x=\"", x, "\" y=\"", y + 4, "\" text-anchor=\"middle\">",
                   Escape(label), "</text>");
    } else {
      const size_t room = (height - 6) / kCharacter;
      if (label.size() > room) label = label.substr(0, room > 1 ? room - 1 : 1) + "…";
      text::Append(body_, "<text x=\"", x + 4, "\" y=\"", y,
                   "\" text-anchor=\"middle\" transform=\"rotate(-90 ", x + 4, " ", y, ")\">",
                   Escape(label), "</text>");
    }
    text::Append(body_, "<title>", Escape(Tooltip(form, box, field)), "</title></g>\n");
  }

  std::string Tooltip(uint32_t form, const DiagramBox& box, const v1::Field* field) {
    std::string words = box.label;
    if (field == nullptr) return words;
    if (!field->role().empty()) {
      text::Append(words, field->inverted() ? " is not " : " is ", field->role());
    }
    const std::string when = ConditionText(layout_, field->valid_when(), form);
    if (!when.empty()) text::Append(words, ", when ", when);
    const std::string_view note = NoteOn(
        layout_, text::Cat(layout_.forms(static_cast<int>(form)).name(), ".", field->name()));
    if (!note.empty()) text::Append(words, " (", note, ")");
    return words;
  }

  const v1::Layout& layout_;
  const Measures measures_;
  std::string body_;
  uint32_t y_ = 0;
};

}  // namespace

std::string_view SvgStyle() { return kStyle; }

std::string EmitSvg(const VerifiedLayout& layout) {
  SvgPicture picture(layout.message(), kWide);
  for (int i = 0; i < layout.message().forms_size(); ++i) {
    picture.Add(static_cast<uint32_t>(i), true);
  }
  return picture.Finish(layout.name(), text::Cat("<style>", kStyle, "</style>"));
}

std::string FormSvg(const VerifiedLayout& layout, uint32_t form) {
  std::string out;
  for (const Measures& measures : {kWide, kNarrow}) {
    SvgPicture picture(layout.message(), measures);
    picture.Add(form, false);
    out += picture.Finish(layout.message().forms(static_cast<int>(form)).name(), "");
  }
  return out;
}

}  // namespace qsplit::layout
