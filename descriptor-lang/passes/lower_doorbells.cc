#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class DoorbellLowering {
 public:
  explicit DoorbellLowering(Unit& unit) : unit_(unit), diagnostics_(unit.diagnostics) {}

  void Run(const ast::Doorbell& tree, const ast::Ring& ring_tree, v1::Ring& ring) {
    auto& list =
        tree.consumer ? *ring.mutable_consumer_doorbells() : *ring.mutable_producer_doorbells();
    if (list.size() >= static_cast<int>(layout::kMaxDoorbells)) {
      diagnostics_.Report(Diagnostic::kTooMany, tree.span,
                          {"doorbells of a ring", text::Cat(layout::kMaxDoorbells)});
      return;
    }
    v1::Doorbell& out = *list.Add();
    out.set_target(tree.target);
    out.set_barrier(tree.barrier);
    uint32_t bytes = 0;
    const bool store =
        tree.target == v1::DOORBELL_TARGET_REGISTER || tree.target == v1::DOORBELL_TARGET_MEMORY;
    if (store) {
      const uint64_t width = tree.bytes->value;
      if (width == 1 || width == 2 || width == 4 || width == 8) {
        bytes = static_cast<uint32_t>(width);
      } else {
        diagnostics_.Report(Diagnostic::kDoorbellWidth, tree.bytes->span, {text::Cat(width)});
        bytes = 8;
      }
    } else if (tree.bytes) {
      bytes =
          Bounded(unit_, *tree.bytes, "the size of the copy in bytes", 1, layout::kMaxFormBytes);
    }
    out.set_bytes(bytes);
    out.set_byte_order(store ? ByteOrderOf(unit_, tree.byte_order, bytes, tree.span)
                             : v1::BYTE_ORDER_LITTLE);
    for (const ast::DoorbellTerm& term : tree.terms) LowerTerm(term, bytes, out);
    for (const ast::FeatureChoice& choice : tree.features) {
      AddFeature(unit_, choice, *out.mutable_features());
    }
    if (tree.cell) Suppress(tree, ring_tree, ring, out);
  }

 private:
  void Suppress(const ast::Doorbell& tree, const ast::Ring& ring_tree, const v1::Ring& ring,
                v1::Doorbell& out) {
    const auto cell = FindCell(unit_, *tree.cell, ring_tree, ring);
    if (!cell) return;
    const v1::CellMeaning meaning = ring.cells(static_cast<int>(*cell)).meaning();
    if (meaning == tree.cell_meaning) {
      out.set_suppressed_by_cell(*cell);
      return;
    }
    diagnostics_.Report(Diagnostic::kCellMeaning, tree.cell->span,
                        {tree.cell->text, MeaningWords(meaning), MeaningWords(tree.cell_meaning)});
  }

  void LowerTerm(const ast::DoorbellTerm& tree, uint32_t bytes, v1::Doorbell& out) {
    if (out.terms_size() >= static_cast<int>(layout::kMaxDoorbellTerms)) {
      if (out.terms_size() == static_cast<int>(layout::kMaxDoorbellTerms)) {
        diagnostics_.Report(Diagnostic::kTooMany,
                            tree.constant.span.empty() ? Span{} : tree.constant.span,
                            {"terms of a doorbell", text::Cat(layout::kMaxDoorbellTerms)});
      }
      return;
    }
    const uint32_t width = bytes == 0 || bytes > 8 ? 64 : 8 * bytes;
    v1::DoorbellTerm& term = *out.add_terms();
    term.set_source(tree.source);
    term.set_constant(tree.constant.value);
    if (tree.shift) {
      term.set_shift(Bounded(unit_, *tree.shift, "the shift in bits", 0, width - 1));
    }
    const uint64_t room = layout::LowBits(width - term.shift());
    term.set_mask(room);
    if (!tree.mask) return;
    if (tree.mask->value == 0 || tree.mask->value > room) {
      diagnostics_.Report(Diagnostic::kLimitTooLarge, tree.mask->span,
                          {"the mask", text::Cat(tree.mask->value), text::Cat("1 to ", room)});
      return;
    }
    term.set_mask(tree.mask->value);
  }

  Unit& unit_;
  Diagnostics& diagnostics_;
};

}  // namespace

uint32_t Bounded(Unit& unit, const ast::Number& number, std::string_view what, uint64_t least,
                 uint64_t most) {
  if (number.value >= least && number.value <= most) return static_cast<uint32_t>(number.value);
  unit.diagnostics.Report(Diagnostic::kLimitTooLarge, number.span,
                          {what, text::Cat(number.value), text::Cat(least, " to ", most)});
  return static_cast<uint32_t>(least);
}

v1::ByteOrder ByteOrderOf(Unit& unit, v1::ByteOrder said, uint32_t bytes, Span span) {
  if (bytes == 1) return v1::BYTE_ORDER_LITTLE;
  if (said == v1::BYTE_ORDER_UNSPECIFIED) said = unit.file.byte_order;
  if (said != v1::BYTE_ORDER_UNSPECIFIED) return said;
  unit.ReportMissing(Diagnostic::kNoByteOrder, span, {});
  return v1::BYTE_ORDER_LITTLE;
}

void LowerDoorbell(Unit& unit, const ast::Doorbell& bell, const ast::Ring& tree, v1::Ring& ring) {
  DoorbellLowering(unit).Run(bell, tree, ring);
}

}  // namespace qsplit::qdl
