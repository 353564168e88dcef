#include <algorithm>
#include <bitset>
#include <utility>
#include <vector>

#include "descriptor-lang/layout/limits.h"
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

using ByteSet = std::bitset<layout::kMaxFormBytes>;

// Parts inside share no byte with fields or with each other.
void CheckPartOverlaps(Unit& unit, FormUnit& form) {
  std::vector<std::pair<int, ByteSet>> inside;
  for (int i = 0; i < form.form.contains_size(); ++i) {
    const v1::ContainedForm& part = form.form.contains(i);
    if (part.appended()) continue;
    const ast::Part& tree = *form.parts[static_cast<size_t>(i)];
    const v1::Form& inner = unit.forms[part.form()].form;
    ByteSet bytes;
    for (uint32_t k = 0; k < part.max_count(); ++k) {
      const uint32_t at = part.byte_offset() + k * part.stride_bytes();
      for (uint32_t b = 0; b < inner.size_bytes(); ++b) bytes.set(at + b);
    }
    for (const FieldUnit& field : form.fields) {
      const auto shared = std::find_if(field.masks.begin(), field.masks.end(), [&](const auto& m) {
        return m.byte < bytes.size() && bytes.test(m.byte);
      });
      if (shared == field.masks.end() ||
          layout::Exclude(inner.features(), field.field.features(), unit.budget)) {
        continue;
      }
      unit.diagnostics.Report(Diagnostic::kPartOverlap, tree.name.span,
                              {tree.name.text, field.field.name(), text::Cat(shared->byte)},
                              field.span(), "the other one");
      break;
    }
    for (const auto& [other, other_bytes] : inside) {
      const v1::ContainedForm& second = form.form.contains(other);
      const v1::Form& other_form = unit.forms[second.form()].form;
      const ByteSet both = bytes & other_bytes;
      if (both.none() || layout::Exclude(inner.features(), other_form.features(), unit.budget) ||
          (part.byte_offset() == second.byte_offset() &&
           layout::Exclude(layout::IdentityOf(inner), layout::IdentityOf(other_form),
                           unit.budget))) {
        continue;
      }
      unit.diagnostics.Report(Diagnostic::kPartOverlap, tree.name.span,
                              {tree.name.text, second.name(), text::Cat(both._Find_first())},
                              form.parts[static_cast<size_t>(other)]->name.span, "the other one");
      break;
    }
    inside.emplace_back(i, bytes);
  }
}

}  // namespace

void CheckOverlaps(Unit& unit) {
  for (FormUnit& form : unit.forms) CheckPartOverlaps(unit, form);
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
