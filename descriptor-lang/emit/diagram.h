// The picture of a form that datasheets print: rows of 32 bits, a box for each field. Drawn as text
// (emit_diagram.cc) and as SVG (emit_svg.cc).
//
// Pure functions of a verified layout; any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_DIAGRAM_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_DIAGRAM_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {

inline constexpr uint32_t kDiagramBits = 32;  // of a row
inline constexpr uint32_t kDiagramBytes = kDiagramBits / 8;

// A box: adjacent bits of one field or part.
struct DiagramBox {
  uint32_t column = 0;  // of its leftmost bit, 0..31
  uint32_t columns = 1;
  // Index into Form.fields; kNoField: bits that nothing names, or a part.
  uint32_t field = kNoField;
  // Index into Form.contains, for parts inside the form.
  uint32_t part = kNoField;
  // For a number: its bits in all, and which of them stands at the box's right end. 0 bits: bytes,
  // or a part.
  uint32_t value_bits = 0;
  uint32_t low_bit = 0;
  std::string name;
  // The name, with the value's bits where only some of them stand here: "address[31:0]".
  std::string label;

  // From name, columns, value_bits and low_bit.
  void MakeLabel();

  static constexpr uint32_t kNoField = UINT32_MAX;
};

// Four bytes, or several times four that look alike: one byte array.
struct DiagramRow {
  uint32_t first_byte = 0;
  uint32_t bytes = kDiagramBytes;
  // Boxes from left to right that do not overlap. Fields that share bits, because conditions keep
  // them apart, stand in further layers. At least one.
  std::vector<std::vector<DiagramBox>> layers;
};

struct Diagram {
  // True: byte 0 is at the left, and bits count down to the right, as big-endian formats are drawn.
  // False: byte 0 is at the right, and a row is a little-endian word.
  bool big_endian = false;
  std::vector<DiagramRow> rows;
};

// Of the form with that index.
Diagram DrawForm(const v1::Layout& layout, uint32_t form);

// One form as lines of text.
std::string FormDiagram(const v1::Layout& layout, uint32_t form);
// One form as two SVG elements, of which the page's style shows one: rows of 32 bits, and lines of
// 16 for narrow screens (class narrow); and the style that all such elements of a page share.
std::string FormSvg(const VerifiedLayout& layout, uint32_t form);
std::string_view SvgStyle();

// What the number above a column is: the bit of a row's 32, as the row is drawn.
constexpr uint32_t BitOfColumn(uint32_t column) { return kDiagramBits - 1 - column; }

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_DIAGRAM_H_
