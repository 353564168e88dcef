#include "descriptor-lang/emit/diagram.h"

#include <algorithm>
#include <optional>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// Where a bit of memory is drawn.
struct Spot {
  uint32_t row = 0;
  uint32_t column = 0;
};

class Drawing {
 public:
  Drawing(const v1::Layout& layout, const v1::Form& form) : layout_(layout), form_(form) {
    diagram_.big_endian = IsBigEndian();
    const uint32_t rows = (form.size_bytes() + kDiagramBytes - 1) / kDiagramBytes;
    for (uint32_t i = 0; i < rows; ++i) {
      DiagramRow& row = diagram_.rows.emplace_back();
      row.first_byte = i * kDiagramBytes;
      row.bytes = std::min(kDiagramBytes, form.size_bytes() - row.first_byte);
      row.layers.emplace_back();
    }
  }

  Diagram Run() {
    for (int i = 0; i < form_.fields_size(); ++i) {
      const v1::Field& field = form_.fields(i);
      const auto index = static_cast<uint32_t>(i);
      if (field.parts().empty()) {
        AddBytes(field.bytes().byte_offset(), field.bytes().length(), field.name(), index,
                 DiagramBox::kNoField);
      } else {
        AddNumber(field, index);
      }
    }
    for (int i = 0; i < form_.contains_size(); ++i) AddPart(static_cast<uint32_t>(i));
    for (DiagramRow& row : diagram_.rows) {
      for (auto& layer : row.layers) {
        std::sort(layer.begin(), layer.end(),
                  [](const DiagramBox& a, const DiagramBox& b) { return a.column < b.column; });
      }
    }
    Fold();
    return std::move(diagram_);
  }

 private:
  bool IsBigEndian() const {
    uint32_t big = 0;
    uint32_t little = 0;
    for (const v1::Field& field : form_.fields()) {
      for (const v1::Bits& part : field.parts()) {
        if (part.word_bytes() < 2) continue;
        (part.byte_order() == v1::BYTE_ORDER_BIG ? big : little) += part.bits();
      }
    }
    return big > little;
  }

  Spot SpotOf(BitPosition bit) const {
    const uint32_t byte = bit / 8;
    const uint32_t in_row = byte % kDiagramBytes;
    const uint32_t from_left = diagram_.big_endian ? in_row : kDiagramBytes - 1 - in_row;
    return {byte / kDiagramBytes, from_left * 8 + (7 - bit % 8)};
  }

  // Into the first layer that has room.
  void Place(uint32_t row, DiagramBox box) {
    auto& layers = diagram_.rows[row].layers;
    const auto overlaps = [&](const DiagramBox& other) {
      return box.column < other.column + other.columns && other.column < box.column + box.columns;
    };
    for (auto& layer : layers) {
      if (std::any_of(layer.begin(), layer.end(), overlaps)) continue;
      layer.push_back(std::move(box));
      return;
    }
    layers.push_back({std::move(box)});
  }

  // Runs of bits that stand next to one another, the higher ones at the left.
  void AddNumber(const v1::Field& field, uint32_t index) {
    const std::vector<BitPosition> bits = BitPositions(field);
    const auto width = static_cast<uint32_t>(bits.size());
    for (uint32_t high = width; high > 0;) {
      const Spot left = SpotOf(bits[high - 1]);
      uint32_t low = high - 1;
      while (low > 0) {
        const Spot next = SpotOf(bits[low - 1]);
        if (next.row != left.row || next.column != left.column + (high - low)) break;
        --low;
      }
      DiagramBox box;
      box.column = left.column;
      box.columns = high - low;
      box.field = index;
      box.value_bits = width;
      box.low_bit = low;
      box.name = field.name();
      box.MakeLabel();
      if (left.row < diagram_.rows.size()) Place(left.row, std::move(box));
      high = low;
    }
  }

  void AddBytes(uint32_t first, uint32_t length, const std::string& name, uint32_t field,
                uint32_t part) {
    const uint32_t end = std::min(first + length, form_.size_bytes());
    for (uint32_t byte = first; byte < end;) {
      const uint32_t row = byte / kDiagramBytes;
      const uint32_t here = std::min(end, (row + 1) * kDiagramBytes) - byte;
      DiagramBox box;
      box.columns = here * 8;
      box.column = SpotOf(8 * (diagram_.big_endian ? byte : byte + here - 1) + 7).column;
      box.field = field;
      box.part = part;
      box.name = box.label = name;
      Place(row, std::move(box));
      byte += here;
    }
  }

  void AddPart(uint32_t index) {
    const v1::ContainedForm& part = form_.contains(static_cast<int>(index));
    if (part.appended()) return;
    const v1::Form& form = layout_.forms(static_cast<int>(part.form()));
    for (uint32_t i = 0; i < part.max_count(); ++i) {
      const uint64_t at = part.byte_offset() + uint64_t{i} * part.stride_bytes();
      if (at >= form_.size_bytes()) return;
      const std::string name =
          part.max_count() == 1 ? part.name() : text::Cat(part.name(), "[", i, "]");
      AddBytes(static_cast<uint32_t>(at), form.size_bytes(), text::Cat(name, ": ", form.name()),
               DiagramBox::kNoField, index);
    }
  }

  static bool WholeRowOf(const DiagramRow& row, const DiagramBox& box) {
    return row.bytes == kDiagramBytes && row.layers.size() == 1 && row.layers[0].size() == 1 &&
           row.layers[0][0].columns == kDiagramBits && row.layers[0][0].label == box.label;
  }

  // Several rows of one byte array, or with nothing in them, become one.
  void Fold() {
    std::vector<DiagramRow> rows;
    for (DiagramRow& row : diagram_.rows) {
      const bool empty = row.layers.size() == 1 && row.layers[0].empty();
      if (!rows.empty() && rows.back().first_byte + rows.back().bytes == row.first_byte) {
        DiagramRow& before = rows.back();
        const bool before_empty = before.layers.size() == 1 && before.layers[0].empty();
        const bool same = before.layers.size() == 1 && before.layers[0].size() == 1 &&
                          before.layers[0][0].columns == kDiagramBits &&
                          IsArray(before.layers[0][0]) && WholeRowOf(row, before.layers[0][0]);
        if ((empty && before_empty) || same) {
          before.bytes += row.bytes;
          continue;
        }
      }
      rows.push_back(std::move(row));
    }
    diagram_.rows = std::move(rows);
  }

  bool IsArray(const DiagramBox& box) const {
    return box.part != DiagramBox::kNoField ||
           (box.field != DiagramBox::kNoField &&
            form_.fields(static_cast<int>(box.field)).parts().empty());
  }

  const v1::Layout& layout_;
  const v1::Form& form_;
  Diagram diagram_;
};

}  // namespace

void DiagramBox::MakeLabel() {
  label = name;
  if (columns == value_bits) return;
  const uint32_t high_bit = low_bit + columns - 1;
  text::Append(label, "[", high_bit, high_bit == low_bit ? "" : text::Cat(":", low_bit), "]");
}

Diagram DrawForm(const v1::Layout& layout, uint32_t form) {
  return Drawing(layout, layout.forms(static_cast<int>(form))).Run();
}

}  // namespace qsplit::layout
