#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class CellLowering {
 public:
  CellLowering(Unit& unit, const ast::Ring& ring) : unit_(unit), ring_(ring) {}

  void Run(const ast::Cell& tree, v1::IndexCell& out) {
    out.set_name(std::string(tree.name.text));
    out.set_meaning(tree.meaning);
    out.set_bytes(tree.bytes);
    if (tree.bytes == 3) {
      unit_.diagnostics.Report(Diagnostic::kDoorbellWidth, tree.word_span, {"3"});
      out.set_bytes(4);
    }
    out.set_byte_order(ByteOrderOf(unit_, tree.byte_order, out.bytes(), tree.word_span));
    LowerMask(tree, out);
    LowerPlace(tree, out);
    if (tree.plus) out.set_index_plus(static_cast<int32_t>(Slots(*tree.plus)));
    if (tree.minus) out.set_index_plus(-static_cast<int32_t>(Slots(*tree.minus)));
    LowerWriter(tree, out);
    for (const ast::FeatureChoice& choice : tree.features) {
      AddFeature(unit_, choice, *out.mutable_features());
    }
  }

 private:
  uint32_t Slots(const ast::Number& number) {
    return Bounded(unit_, number, "what is added to the index", 1, layout::kMaxIndexPlus);
  }

  void LowerMask(const ast::Cell& tree, v1::IndexCell& out) {
    const uint64_t room = layout::LowBits(8 * out.bytes());
    out.set_mask(room);
    if (!tree.mask) return;
    const uint64_t mask = tree.mask->value;
    const uint64_t shifted = mask == 0 ? 0 : mask >> __builtin_ctzll(mask);
    if (mask == 0 || mask > room || (shifted & (shifted + 1)) != 0) {
      unit_.diagnostics.Report(Diagnostic::kLimitTooLarge, tree.mask->span,
                               {"the mask", text::Cat("0x", text::Hex(mask)),
                                text::Cat("neighbouring bits of 0x", text::Hex(room))});
      return;
    }
    out.set_mask(mask);
  }

  void LowerPlace(const ast::Cell& tree, v1::IndexCell& out) {
    out.set_is_register(tree.is_register);
    if (!tree.offset) return;
    const uint32_t offset =
        Bounded(unit_, *tree.offset, "the cell's offset in bytes", 0, layout::kMaxCellOffsetBytes);
    out.set_offset_bytes(tree.negative ? -int64_t{offset} : int64_t{offset});
    out.set_behind_slots(tree.behind_slots);
  }

  // Producer cells are written by who fills the ring.
  void LowerWriter(const ast::Cell& tree, v1::IndexCell& out) {
    const bool driver_fills = !ring_.posts.empty();
    bool either = false;
    switch (tree.meaning) {
      case v1::CELL_MEANING_PRODUCER_INDEX:
      case v1::CELL_MEANING_PRODUCER_COUNT:
        out.set_device_writes(!driver_fills);
        break;
      case v1::CELL_MEANING_CONSUMER_INDEX:
      case v1::CELL_MEANING_CONSUMER_COUNT:
        out.set_device_writes(driver_fills);
        break;
      case v1::CELL_MEANING_EVENT_INDEX:
      case v1::CELL_MEANING_NO_NOTIFICATION:
        either = true;
        out.set_device_writes(tree.device_writes.value_or(false));
        break;
      default:
        out.set_device_writes(true);
        break;
    }
    if (either == tree.device_writes.has_value()) return;
    unit_.diagnostics.Report(
        Diagnostic::kCellWriter, tree.name.span,
        {tree.name.text, either ? "does not say who writes it" : "need not say who writes it"});
  }

  Unit& unit_;
  const ast::Ring& ring_;
};

}  // namespace

void LowerCells(Unit& unit, const ast::Ring& tree, v1::Ring& out) {
  Names names;
  for (const ast::Cell& cell : tree.cells) {
    if (out.cells_size() >= static_cast<int>(layout::kMaxCells)) {
      unit.diagnostics.Report(Diagnostic::kTooMany, cell.name.span,
                              {"cells of a ring", text::Cat(layout::kMaxCells)});
      return;
    }
    DeclareIn(unit, names, "cells", cell.name, static_cast<uint32_t>(out.cells_size()));
    CellLowering(unit, tree).Run(cell, *out.add_cells());
  }
}

std::optional<uint32_t> FindCell(Unit& unit, const ast::Identifier& name, const ast::Ring& tree,
                                 const v1::Ring& ring) {
  std::vector<std::string_view> names;
  for (int i = 0; i < ring.cells_size(); ++i) {
    if (ring.cells(i).name() == name.text) return static_cast<uint32_t>(i);
    names.push_back(ring.cells(i).name());
  }
  unit.ReportMissing(
      Diagnostic::kUnknownName, name.span,
      {text::Cat("cell of the ring `", tree.name.text, "`"), name.text, Suggest(name.text, names)});
  return std::nullopt;
}

std::string_view MeaningWords(v1::CellMeaning meaning) {
  switch (meaning) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
      return "producer index";
    case v1::CELL_MEANING_PRODUCER_COUNT:
      return "producer count";
    case v1::CELL_MEANING_CONSUMER_INDEX:
      return "consumer index";
    case v1::CELL_MEANING_CONSUMER_COUNT:
      return "consumer count";
    case v1::CELL_MEANING_PENDING_COUNT:
      return "pending count";
    case v1::CELL_MEANING_EVENT_INDEX:
      return "event index";
    case v1::CELL_MEANING_NEED_WAKEUP:
      return "need wakeup";
    default:
      return "no notification";
  }
}

}  // namespace qsplit::qdl
