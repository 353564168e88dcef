#include <algorithm>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

class RingLowering {
 public:
  RingLowering(Unit& unit, const ast::Queue& queue)
      : unit_(unit), queue_(queue), diagnostics_(unit.diagnostics) {}

  void Run(const ast::Ring& tree, v1::Ring& out) {
    out.set_name(std::string(tree.name.text));
    out.set_kind(tree.is_table ? v1::RING_KIND_TABLE : v1::RING_KIND_ORDERED);
    for (const ast::FeatureChoice& choice : tree.features) {
      AddFeature(unit_, choice, *out.mutable_features());
    }
    LowerPosition(tree, out);
    LowerForms(ast::FormsOf(tree.posts), *out.mutable_post_forms());
    LowerForms(ast::FormsOf(tree.completions), *out.mutable_complete_forms());
    LowerSlots(tree, out);
    LowerSlotSize(tree, out);
    if (tree.alignment) out.set_alignment_bytes(PowerOfTwo(unit_, *tree.alignment));
    if (tree.reserved) {
      out.set_reserved_slots(Bounded(unit_, *tree.reserved, "the number of reserved slots", 0,
                                     out.slots().min() > 0 ? out.slots().min() - 1 : 0));
    }
    LowerCells(unit_, tree, out);
    for (const ast::Doorbell& bell : tree.doorbells) LowerDoorbell(unit_, bell, tree, out);
    LowerEntries(unit_, tree, out);
  }

 private:
  void LowerPosition(const ast::Ring& tree, v1::Ring& out) {
    out.set_position(v1::PACKET_POSITION_EACH);
    if (tree.position == v1::PACKET_POSITION_UNSPECIFIED) return;
    if (queue_.direction == v1::DIRECTION_RECEIVE && !tree.posts.empty() &&
        tree.position != v1::PACKET_POSITION_LAST) {
      out.set_position(tree.position);
      return;
    }
    const std::string_view word = tree.position == v1::PACKET_POSITION_FIRST  ? "first"
                                  : tree.position == v1::PACKET_POSITION_LAST ? "last"
                                                                              : "rest";
    unit_.ReportMissing(Diagnostic::kRingPosition, tree.position_span,
                        {tree.is_table ? "the table" : "the ring", tree.name.text, word});
  }

  void LowerForms(const std::vector<ast::Identifier>& names,
                  google::protobuf::RepeatedField<uint32_t>& out) {
    for (const ast::Identifier& name : names) {
      const auto form = FindForm(unit_, name);
      if (!form) continue;
      unit_.forms[*form].used = true;
      if (std::find(out.begin(), out.end(), *form) != out.end()) {
        diagnostics_.Report(Diagnostic::kRepeated, name.span, {name.text});
      } else {
        out.Add(*form);
      }
    }
  }

  void LowerSlots(const ast::Ring& tree, v1::Ring& out) {
    v1::SlotRange& slots = *out.mutable_slots();
    slots.set_min(1), slots.set_max(1), slots.set_step(1);
    if (!tree.slots) {
      unit_.ReportMissing(Diagnostic::kNoSlots, tree.name.span, {tree.name.text});
      return;
    }
    const ast::Range& range = *tree.slots;
    const uint64_t first = range.first.value;
    const uint64_t last = range.last.value;
    const Span span = Span::Join(range.first.span, range.last.span);
    if (first < 1 || last < first || last > layout::kMaxSlots) {
      diagnostics_.Report(Diagnostic::kSlotRange, span,
                          {tree.name.text, text::Cat(first), text::Cat(last)});
      return;
    }
    const uint64_t step = range.step ? range.step->value : 1;
    if (!CheckSteps(unit_, range, step)) return;
    slots.set_min(static_cast<uint32_t>(first));
    slots.set_max(static_cast<uint32_t>(last));
    slots.set_step(static_cast<uint32_t>(step));
    slots.set_power_of_two(range.power_of_two);
  }

  // A slot is as large as the first descriptor of the ring, unless the spec says its size.
  void LowerSlotSize(const ast::Ring& tree, v1::Ring& out) {
    const auto bytes_per_slot = [&](uint32_t form) {
      const v1::Form& known = unit_.forms[form].form;
      return known.size_bytes() / known.slots();
    };
    if (tree.slot_bytes) {
      out.set_slot_bytes(Bounded(unit_, *tree.slot_bytes, "the size of a slot in bytes", 1,
                                 layout::kMaxSlotBytes));
    } else if (!out.post_forms().empty()) {
      out.set_slot_bytes(bytes_per_slot(out.post_forms(0)));
    } else if (!out.complete_forms().empty()) {
      out.set_slot_bytes(bytes_per_slot(out.complete_forms(0)));
    }
    for (const auto* side : {&tree.posts, &tree.completions}) {
      CheckSizes(ast::FormsOf(*side), tree.slot_bytes.has_value(), out);
    }
  }

  // Without parts behind it a descriptor fills its slots, unless the ring says how long they are.
  void CheckSizes(const std::vector<ast::Identifier>& names, bool said, const v1::Ring& ring) {
    for (const ast::Identifier& name : names) {
      const auto found = unit_.form_names.find(name.text);
      if (found == unit_.form_names.end()) continue;
      const v1::Form& form = unit_.forms[found->second].form;
      if (form.slots() > ring.slots().min() && ring.slots().max() > 1) {
        diagnostics_.Report(
            Diagnostic::kLimitTooLarge, name.span,
            {text::Cat("the number of slots of `", name.text, "`"), text::Cat(form.slots()),
             text::Cat("at most the ring's fewest slots, ", ring.slots().min())});
      }
      const uint64_t room = uint64_t{form.slots()} * ring.slot_bytes();
      const bool grows = std::any_of(form.contains().begin(), form.contains().end(),
                                     [](const v1::ContainedForm& part) { return part.appended(); });
      if (form.size_bytes() == room || (form.size_bytes() < room && (said || grows))) continue;
      if (form.size_bytes() > room && grows) continue;
      unit_.ReportMissing(
          Diagnostic::kSlotSize, name.span,
          {name.text, text::Cat(form.size_bytes()), ring.name(), text::Cat(ring.slot_bytes())});
    }
  }

  Unit& unit_;
  const ast::Queue& queue_;
  Diagnostics& diagnostics_;
};

}  // namespace

void LowerRings(Unit& unit, const ast::Queue& tree, v1::Queue& out) {
  Names names;
  for (const ast::Ring& ring : tree.rings) {
    if (out.rings_size() >= static_cast<int>(layout::kMaxRings)) {
      unit.diagnostics.Report(Diagnostic::kTooMany, ring.name.span,
                              {"rings in a queue", text::Cat(layout::kMaxRings)});
      break;
    }
    DeclareIn(unit, names, "rings", ring.name, static_cast<uint32_t>(out.rings_size()));
    RingLowering(unit, tree).Run(ring, *out.add_rings());
  }
  LowerHandovers(unit, tree, names.index, out);
}

}  // namespace qsplit::qdl
