// The bit diagram in a terminal: two characters for each bit, so that it fits into 80 columns.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "descriptor-lang/emit/diagram.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

constexpr size_t kIndent = 8;
constexpr size_t kWidth = 2 * kDiagramBits + 1;
constexpr std::string_view kMarks = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

using Edges = std::array<bool, kDiagramBits + 1>;
using Layer = std::vector<DiagramBox>;

// Where boxes begin or end.
Edges EdgesOf(const Layer& layer, uint32_t first_column) {
  Edges edges{};
  edges[first_column] = edges[kDiagramBits] = true;
  for (const DiagramBox& box : layer) edges[box.column] = edges[box.column + box.columns] = true;
  return edges;
}

class Picture {
 public:
  explicit Picture(Diagram diagram) : diagram_(std::move(diagram)) {}

  std::string Run() {
    std::string head(kIndent + kWidth, ' ');
    head.replace(2, 4, "byte");
    for (uint32_t column = 0; column < kDiagramBits; column += 8) {
      Put(head, column, text::Cat(BitOfColumn(column)));
    }
    head.replace(kIndent + kWidth - 2, 1, "0");
    if (diagram_.big_endian) head += "  (byte 0 at the left)";
    AppendLine(head);
    Edges above{};
    for (const DiagramRow& row : diagram_.rows) {
      // A form's last bytes may be fewer than a row has.
      const uint32_t missing = row.bytes < kDiagramBytes ? (kDiagramBytes - row.bytes) * 8 : 0;
      const uint32_t first = diagram_.big_endian ? 0 : missing;
      for (size_t i = 0; i < row.layers.size(); ++i) {
        const Edges edges = EdgesOf(row.layers[i], first);
        Border(above, edges, i > 0);
        Boxes(row, row.layers[i], edges, i == 0);
        above = edges;
      }
    }
    Border(above, {}, false);
    AppendMarks();
    return std::move(out_);
  }

 private:
  static size_t At(uint32_t column) { return kIndent + 2 * column; }

  static void Put(std::string& line, uint32_t column, std::string_view word) {
    line.replace(At(column) + 1, word.size(), word);
  }

  void AppendLine(std::string line) {
    line.resize(line.find_last_not_of(' ') + 1);
    text::Append(out_, line, "\n");
  }

  // Between two lines of boxes; dotted between two meanings of the same bytes.
  void Border(const Edges& above, const Edges& below, bool alternative) {
    std::string line(kIndent + kWidth, ' ');
    bool in_above = false;
    bool in_below = false;
    const auto last = [](const Edges& edges) { return edges[kDiagramBits]; };
    for (uint32_t column = 0; column <= kDiagramBits; ++column) {
      if (above[column]) in_above = last(above);
      if (below[column]) in_below = last(below);
      const bool edge = above[column] || below[column];
      const bool inside = in_above || in_below;
      if (edge) {
        line[At(column)] = '+';
      } else if (inside) {
        line[At(column)] = alternative ? '.' : '-';
      }
      if (inside && column < kDiagramBits) line[At(column) + 1] = alternative ? ' ' : '-';
    }
    AppendLine(line);
  }

  void Boxes(const DiagramRow& row, const Layer& layer, const Edges& edges, bool says_byte) {
    std::string line(kIndent + kWidth, ' ');
    if (says_byte) {
      const std::string bytes =
          row.bytes <= kDiagramBytes
              ? text::Cat(row.first_byte)
              : text::Cat(row.first_byte, "..", row.first_byte + row.bytes - 1);
      line.replace(kIndent - 1 - std::min(bytes.size(), kIndent - 1), bytes.size(), bytes);
    }
    for (uint32_t column = 0; column <= kDiagramBits; ++column) {
      if (edges[column]) line[At(column)] = '|';
    }
    for (const DiagramBox& box : layer) {
      const size_t room = 2 * box.columns - 1;
      const std::string label = box.label.size() <= room ? box.label : Mark(box.label);
      const size_t left = (room - std::min(room, label.size())) / 2;
      line.replace(At(box.column) + 1 + left, label.size(), label);
    }
    AppendLine(line);
  }

  // A letter for a label that does not fit.
  std::string Mark(const std::string& label) {
    for (const auto& [mark, known] : marks_) {
      if (known == label) return mark;
    }
    const std::string mark =
        marks_.size() < kMarks.size() ? std::string(1, kMarks[marks_.size()]) : std::string("*");
    marks_.emplace_back(mark, label);
    return mark;
  }

  void AppendMarks() {
    std::string line(kIndent - 2, ' ');
    for (const auto& [mark, label] : marks_) {
      const std::string word = text::Cat("  ", mark, " ", label);
      if (line.size() + word.size() > kIndent + kWidth && line.size() > kIndent) {
        AppendLine(std::exchange(line, std::string(kIndent - 2, ' ')));
      }
      line += word;
    }
    if (!marks_.empty()) AppendLine(line);
  }

  Diagram diagram_;
  std::vector<std::pair<std::string, std::string>> marks_;
  std::string out_;
};

}  // namespace

std::string FormDiagram(const v1::Layout& layout, uint32_t form) {
  return Picture(DrawForm(layout, form)).Run();
}

std::string EmitDiagram(const VerifiedLayout& layout) {
  std::string out;
  for (int i = 0; i < layout.message().forms_size(); ++i) {
    const v1::Form& form = layout.message().forms(i);
    text::Append(out, i > 0 ? "\n" : "", form.name(), ", ", form.size_bytes(), " bytes\n",
                 FormDiagram(layout.message(), static_cast<uint32_t>(i)));
  }
  return out;
}

}  // namespace qsplit::layout
