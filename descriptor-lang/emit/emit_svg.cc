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

// In pixels.
constexpr uint32_t kBit = 26;
constexpr uint32_t kLeft = 64;  // bytes' numbers
constexpr uint32_t kWidth = kLeft + kDiagramBits * kBit + 8;
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

class SvgPicture {
 public:
  explicit SvgPicture(const v1::Layout& layout) : layout_(layout) {}

  void Add(uint32_t form, bool titled) {
    const v1::Form& message = layout_.forms(static_cast<int>(form));
    const Diagram diagram = DrawForm(layout_, form);
    if (titled) {
      if (y_ > 0) y_ += 16;
      Text(kLeft, y_ + 18, "t", "start",
           text::Cat(message.name(), ", ", message.size_bytes(), " bytes"));
      y_ += kTitle;
    }
    for (uint32_t column = 0; column < kDiagramBits; ++column) {
      Text(X(column) + kBit / 2, y_ + kHead - 6, "n", "middle", text::Cat(BitOfColumn(column)));
    }
    y_ += kHead;
    for (const DiagramRow& row : diagram.rows) AddRow(form, diagram, row);
    y_ += 2;
  }

  std::string Finish(std::string_view label, std::string_view style) {
    return text::Cat("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qd\" role=\"img\" ",
                     "viewBox=\"0 0 ", kWidth, " ", y_ + 4, "\" width=\"", kWidth, "\" height=\"",
                     y_ + 4, "\" aria-label=\"", Escape(label), "\">", style, "\n", body_,
                     "</svg>\n");
  }

 private:
  static uint32_t X(uint32_t column) { return kLeft + column * kBit; }

  void Text(uint32_t x, uint32_t y, std::string_view style, std::string_view anchor,
            std::string_view words) {
    text::Append(body_, "<text x=\"", x, "\" y=\"", y, "\" class=\"", style, "\" text-anchor=\"",
                 anchor, "\">", Escape(words), "</text>\n");
  }

  // Tall enough for names that must stand upright in narrow boxes.
  static uint32_t HeightOf(const std::vector<DiagramBox>& layer) {
    uint32_t height = kRow;
    for (const DiagramBox& box : layer) {
      if (Fits(box)) continue;
      height = std::max(height, static_cast<uint32_t>(box.label.size()) * kCharacter + 12);
    }
    return std::min(height, kTallest);
  }
  static bool Fits(const DiagramBox& box) {
    return box.label.size() * kCharacter + 4 <= size_t{box.columns} * kBit;
  }

  void AddRow(uint32_t form, const Diagram& diagram, const DiagramRow& row) {
    Text(kLeft - 8, y_ + 19, "n", "end",
         row.bytes <= kDiagramBytes
             ? text::Cat(row.first_byte)
             : text::Cat(row.first_byte, "–", row.first_byte + row.bytes - 1));
    const uint32_t columns = std::min(row.bytes, kDiagramBytes) * 8;
    const uint32_t first = diagram.big_endian ? 0 : kDiagramBits - columns;
    for (const auto& layer : row.layers) {
      const uint32_t height = HeightOf(layer);
      text::Append(body_, "<rect class=\"none\" x=\"", X(first), "\" y=\"", y_, "\" width=\"",
                   columns * kBit, "\" height=\"", height, "\"/>\n");
      for (const DiagramBox& box : layer) AddBox(form, box, height);
      y_ += height;
    }
  }

  void AddBox(uint32_t form, const DiagramBox& box, uint32_t height) {
    const v1::Field* field =
        box.field == DiagramBox::kNoField
            ? nullptr
            : &layout_.forms(static_cast<int>(form)).fields(static_cast<int>(box.field));
    const uint32_t width = box.columns * kBit;
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
  std::string body_;
  uint32_t y_ = 0;
};

}  // namespace

std::string_view SvgStyle() { return kStyle; }

std::string EmitSvg(const VerifiedLayout& layout) {
  SvgPicture picture(layout.message());
  for (int i = 0; i < layout.message().forms_size(); ++i) {
    picture.Add(static_cast<uint32_t>(i), true);
  }
  return picture.Finish(layout.name(), text::Cat("<style>", kStyle, "</style>"));
}

std::string FormSvg(const VerifiedLayout& layout, uint32_t form) {
  SvgPicture picture(layout.message());
  picture.Add(form, false);
  return picture.Finish(layout.message().forms(static_cast<int>(form)).name(), "");
}

}  // namespace qsplit::layout
