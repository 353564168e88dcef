#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class Placer {
 public:
  Placer(Unit& unit, FormUnit& form) : unit_(unit), form_(form), diagnostics_(unit.diagnostics) {}

  void Run() {
    // Last, for these make the descriptor longer.
    for (const bool to_end : {false, true}) {
      for (FieldUnit& field : form_.fields) {
        if (field.lines.front()->to_end_of_slot == to_end) Place(field);
      }
    }
  }

 private:
  // A part of a value: its bits in memory and the value's bits that they are.
  struct Part {
    v1::Bits bits;
    uint64_t value_high = 0;
    uint64_t value_low = 0;
    Span span;
  };

  bool Inside(const ast::Field& line, uint64_t bytes) {
    const uint64_t begin = line.byte_offset.value;
    const uint64_t size = form_.form.size_bytes();
    if (begin <= size && bytes <= size - begin) return true;
    const uint64_t end = begin > UINT64_MAX - bytes ? UINT64_MAX : begin + bytes;
    diagnostics_.Report(Diagnostic::kFieldOutsideDescriptor, line.name.span,
                        {line.name.text, text::Cat(end), text::Cat(size)});
    return false;
  }

  void Place(FieldUnit& field) {
    const ast::Field& first = *field.lines.front();
    if (first.array_bytes) {
      PlaceArray(field, first);
      return;
    }
    std::vector<Part> parts;
    for (const ast::Field* line : field.lines) {
      Part part;
      if (!PlacePart(*line, part)) return;
      parts.push_back(part);
    }
    if (first.slice && !JoinParts(field, parts)) return;
    for (const Part& part : parts) {
      *field.field.add_parts() = part.bits;
      field.bits += part.bits.bits();
    }
    field.placed = true;
    field.masks = layout::ByteMasks(field.field);
  }

  void PlaceArray(FieldUnit& field, const ast::Field& line) {
    if (field.lines.size() > 1 || line.slice) {
      diagnostics_.Report(Diagnostic::kByteArrayAttribute, line.name.span,
                          {line.name.text, "split"});
      return;
    }
    if (line.to_end_of_slot) {
      PlaceToEnd(field, line);
      return;
    }
    if (line.array_bytes->value == 0) {
      diagnostics_.Report(Diagnostic::kLimitTooLarge, line.array_bytes->span,
                          {"the length of bytes", "0", "1 or more"});
      return;
    }
    if (!Inside(line, line.array_bytes->value)) return;
    SetBytes(field, line.byte_offset.value, line.array_bytes->value);
  }

  static void SetBytes(FieldUnit& field, uint64_t offset, uint64_t length) {
    field.field.mutable_bytes()->set_byte_offset(static_cast<uint32_t>(offset));
    field.field.mutable_bytes()->set_length(static_cast<uint32_t>(length));
    field.placed = true;
    field.masks = layout::ByteMasks(field.field);
  }

  // The descriptor then has the slot's size.
  void PlaceToEnd(FieldUnit& field, const ast::Field& line) {
    const uint64_t slot_bytes = SlotBytes();
    const uint64_t begin = line.byte_offset.value;
    const ast::Descriptor& tree = *form_.tree;
    std::string_view why;
    std::string_view advice = "it stands behind all others, in a descriptor of one slot";
    if (slot_bytes == 0 || slot_bytes > layout::kMaxFormBytes) {
      why = "no ring says how long its slots are";
      advice = "say `slot N bytes` in the ring";
    } else if (tree.slots && tree.slots->value != 1) {
      why = "the descriptor takes several slots";
    } else if (!tree.parts.empty()) {
      why = "the descriptor has parts";
    } else if (begin >= slot_bytes) {
      why = "it begins behind the slot";
    } else if (begin < tree.size_bytes.value || size_grown_) {
      why = "other fields stand behind it";
    }
    if (!why.empty()) {
      unit_.ReportMissing(Diagnostic::kToEndOfSlot, line.name.span, {line.name.text, why, advice});
      return;
    }
    size_grown_ = true;
    form_.form.set_size_bytes(static_cast<uint32_t>(slot_bytes));
    SetBytes(field, begin, slot_bytes - begin);
  }

  // Of the rings in which the descriptor stands, the first that says so; 0 when there is none.
  uint64_t SlotBytes() const {
    for (const ast::Queue& queue : unit_.file.queues) {
      for (const ast::Ring& ring : queue.rings) {
        if (!ring.slot_bytes) continue;
        for (const auto* side : {&ring.posts, &ring.completions}) {
          for (const ast::Identifier& name : ast::FormsOf(*side)) {
            if (name.text == form_.form.name()) return ring.slot_bytes->value;
          }
        }
      }
    }
    return 0;
  }

  bool PlacePart(const ast::Field& line, Part& part) {
    if (line.array_bytes) {
      diagnostics_.Report(Diagnostic::kByteArrayAttribute, line.name.span,
                          {line.name.text, "split"});
      return false;
    }
    const uint32_t word_bits = 8 * line.word_bytes;
    uint64_t high = word_bits - 1;
    uint64_t low = 0;
    if (line.bits && !BitRange(line, word_bits, high, low)) return false;
    if (!Inside(line, line.word_bytes)) return false;
    v1::ByteOrder order = line.byte_order;
    if (order == v1::BYTE_ORDER_UNSPECIFIED) order = unit_.file.byte_order;
    if (line.word_bytes == 1) order = v1::BYTE_ORDER_LITTLE;
    if (order == v1::BYTE_ORDER_UNSPECIFIED) {
      unit_.ReportMissing(Diagnostic::kNoByteOrder, line.word_span, {});
      return false;
    }
    part.span = line.name.span;
    part.bits.set_byte_offset(static_cast<uint32_t>(line.byte_offset.value));
    part.bits.set_word_bytes(line.word_bytes);
    part.bits.set_byte_order(order);
    part.bits.set_lsb(static_cast<uint32_t>(low));
    part.bits.set_bits(static_cast<uint32_t>(high - low + 1));
    part.value_high = part.bits.bits() - 1;
    if (!line.slice) return true;
    part.value_high = line.slice->first.value;
    part.value_low = line.slice->second.value;
    if (part.value_high < part.value_low || part.value_high > 63) {
      diagnostics_.Report(Diagnostic::kBadSlice, line.slice->first.span,
                          {line.name.text, "bits of a value are 63 to 0, the higher one first"});
      return false;
    }
    const uint64_t width = part.value_high - part.value_low + 1;
    if (width != part.bits.bits()) {
      diagnostics_.Report(Diagnostic::kSliceWidth, line.slice->first.span,
                          {line.name.text, BitsText(width), BitsText(part.bits.bits())});
      return false;
    }
    return true;
  }

  // Bits as the spec numbers them, turned into bits from the least significant one.
  bool BitRange(const ast::Field& line, uint32_t word_bits, uint64_t& high, uint64_t& low) {
    const auto& [first, second] = *line.bits;
    for (const ast::Number& bit : {first, second}) {
      if (bit.value < word_bits) continue;
      diagnostics_.Report(Diagnostic::kBitsOutsideWord, bit.span,
                          {text::Cat(bit.value), text::Cat(word_bits), text::Cat(word_bits - 1)});
      return false;
    }
    const bool msb_first = unit_.file.first_bit_is_most_significant;
    high = msb_first ? word_bits - 1 - first.value : first.value;
    low = msb_first ? word_bits - 1 - second.value : second.value;
    if (high >= low) return true;
    diagnostics_.Report(Diagnostic::kBitsReversed, Span::Join(first.span, second.span),
                        {text::Cat(first.value), text::Cat(second.value)});
    return false;
  }

  // Most significant part first; together they are one value.
  bool JoinParts(FieldUnit& field, std::vector<Part>& parts) {
    if (parts.size() > layout::kMaxFieldParts) {
      diagnostics_.Report(Diagnostic::kTooMany, field.span(),
                          {"parts of a value", text::Cat(layout::kMaxFieldParts)});
      return false;
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const Part& a, const Part& b) { return a.value_high > b.value_high; });
    for (size_t i = 0; i < parts.size(); ++i) {
      const uint64_t next = i + 1 < parts.size() ? parts[i + 1].value_high + 1 : 0;
      if (parts[i].value_low == next) continue;
      const std::string why = parts[i].value_low > next
                                  ? text::Cat("bit ", parts[i].value_low - 1, " is in none of them")
                                  : text::Cat("bit ", parts[i].value_low, " is in two of them");
      diagnostics_.Report(Diagnostic::kBadSlice, parts[i].span, {field.field.name(), why});
      return false;
    }
    return true;
  }

  Unit& unit_;
  FormUnit& form_;
  Diagnostics& diagnostics_;
  // A field reaches to the end of the slot.
  bool size_grown_ = false;
};

}  // namespace

void PlaceFields(Unit& unit) {
  for (FormUnit& form : unit.forms) Placer(unit, form).Run();
}

}  // namespace qsplit::qdl
