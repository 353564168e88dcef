#include <algorithm>
#include <vector>

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

// The first bit that both have.
struct SharedBit {
  uint32_t byte = 0;
  int bit = 0;
};
bool Share(const FieldUnit& a, const FieldUnit& b, SharedBit& out) {
  auto y = b.masks.begin();
  for (const layout::ByteMask& x : a.masks) {
    while (y != b.masks.end() && y->byte < x.byte) ++y;
    if (y == b.masks.end()) return false;
    const unsigned both = y->byte == x.byte ? x.mask & y->mask : 0u;
    if (both == 0) continue;
    out = {x.byte, __builtin_ctz(both)};
    return true;
  }
  return false;
}

}  // namespace

void CheckOverlaps(Unit& unit) {
  for (FormUnit& form : unit.forms) {
    // In order of first bytes, so that each field meets only those that begin before it ends.
    std::vector<const FieldUnit*> order;
    for (const FieldUnit& field : form.fields) {
      if (field.placed && !field.masks.empty()) order.push_back(&field);
    }
    std::stable_sort(order.begin(), order.end(), [](const FieldUnit* a, const FieldUnit* b) {
      return a->masks.front().byte < b->masks.front().byte;
    });
    for (size_t i = 0; i < order.size(); ++i) {
      for (size_t j = i + 1; j < order.size(); ++j) {
        if (order[j]->masks.front().byte > order[i]->masks.back().byte) break;
        SharedBit at;
        if (!Share(*order[i], *order[j], at) || Exclusive(unit, *order[i], *order[j])) continue;
        const FieldUnit* first = order[i];
        const FieldUnit* second = order[j];
        if (first->span().begin > second->span().begin) std::swap(first, second);
        unit.diagnostics.Report(Diagnostic::kOverlap, second->span(),
                                {first->field.name(), second->field.name()}, first->span(),
                                text::Cat("`", first->field.name(), "` has bit ", at.bit,
                                          " of byte ", at.byte, " as well"));
      }
    }
  }
}

}  // namespace qsplit::qdl
