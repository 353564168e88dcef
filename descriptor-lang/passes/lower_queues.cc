#include <algorithm>
#include <bit>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class QueueLowering {
 public:
  explicit QueueLowering(Unit& unit) : unit_(unit), diagnostics_(unit.diagnostics) {}

  void Run() {
    Names names;
    for (const ast::Queue& tree : unit_.file.queues) {
      if (unit_.layout.queues_size() >= static_cast<int>(layout::kMaxQueues)) {
        diagnostics_.Report(Diagnostic::kTooMany, tree.name.span,
                            {"queues", text::Cat(layout::kMaxQueues)});
        return;
      }
      DeclareIn(unit_, names, "queues", tree.name,
                static_cast<uint32_t>(unit_.layout.queues_size()));
      Lower(tree, *unit_.layout.add_queues());
    }
  }

 private:
  uint32_t Bounded(const ast::Number& number, std::string_view what, uint64_t least,
                   uint64_t most) {
    return qdl::Bounded(unit_, number, what, least, most);
  }

  void Lower(const ast::Queue& tree, v1::Queue& out) {
    out.set_name(std::string(tree.name.text));
    out.set_direction(tree.direction);
    if (tree.rings.empty()) {
      unit_.ReportMissing(Diagnostic::kNoRing, tree.name.span, {tree.name.text});
    }
    LowerRings(unit_, tree, out);
    LowerPacketRule(unit_, tree, out);
    LowerLimits(tree.limits, *out.mutable_limits());
    LowerContexts(tree, out);
  }

  void LowerLimits(const ast::Limits& tree, v1::Limits& out) {
    if (tree.buffer) LowerBuffers(*tree.buffer, *out.mutable_buffer());
    if (tree.buffer_alignment) {
      out.set_buffer_alignment_bytes(PowerOfTwo(unit_, *tree.buffer_alignment));
    }
    if (tree.descriptors_per_packet) {
      out.set_max_descriptors_per_packet(Bounded(
          *tree.descriptors_per_packet, "the most descriptors for a packet", 1, layout::kMaxSlots));
    }
    if (tree.bytes_per_descriptor) {
      out.set_max_bytes_per_descriptor(
          Bounded(*tree.bytes_per_descriptor, "the most bytes in a descriptor", 1, UINT32_MAX));
    }
    if (tree.bytes_per_packet) {
      out.set_max_bytes_per_packet(
          Bounded(*tree.bytes_per_packet, "the most bytes in a packet", 1, UINT32_MAX));
    }
    if (tree.least_bytes_per_packet) {
      const uint32_t most = out.max_bytes_per_packet() > 0 ? out.max_bytes_per_packet() : 65535;
      out.set_min_bytes_per_packet(
          Bounded(*tree.least_bytes_per_packet, "the fewest bytes in a packet", 1, most));
    }
  }

  void LowerBuffers(const ast::Range& range, v1::BufferRange& out) {
    const uint64_t first = range.first.value;
    const uint64_t last = range.last.value;
    out.set_min_bytes(1), out.set_max_bytes(1), out.set_step_bytes(1);
    if (first < 1 || last < first || last > UINT32_MAX) {
      diagnostics_.Report(Diagnostic::kBadRange, Span::Join(range.first.span, range.last.span),
                          {text::Cat("buffers of ", first, " to ", last, " bytes"),
                           "the smaller size comes first, and both are 1 to 4294967295"});
      return;
    }
    const uint64_t step = range.step ? range.step->value : 1;
    if (!CheckSteps(unit_, range, step)) return;
    out.set_min_bytes(static_cast<uint32_t>(first));
    out.set_max_bytes(static_cast<uint32_t>(last));
    out.set_step_bytes(static_cast<uint32_t>(step));
    out.set_power_of_two(range.power_of_two);
  }

  void LowerContexts(const ast::Queue& tree, v1::Queue& out) {
    for (const ast::ContextRule& rule : tree.contexts) {
      if (out.contexts_size() >= static_cast<int>(layout::kMaxContextRules)) {
        diagnostics_.Report(Diagnostic::kTooMany, rule.form.span,
                            {"contexts of a queue", text::Cat(layout::kMaxContextRules)});
        return;
      }
      const auto form = FindForm(unit_, rule.form);
      if (!form) continue;
      const bool again =
          std::any_of(out.contexts().begin(), out.contexts().end(),
                      [&](const v1::ContextRule& known) { return known.form() == *form; });
      if (again) {
        diagnostics_.Report(Diagnostic::kRepeated, rule.form.span, {rule.form.text});
        continue;
      }
      v1::ContextRule& context = *out.add_contexts();
      context.set_form(*form);
      context.set_lifetime(rule.lifetime);
      context.set_after_first(rule.after_first);
      context.set_before_bytes(rule.before_bytes);
      if (rule.before_bytes) unit_.forms[*form].used = true;
      if (rule.done_form) {
        if (const auto done = FindForm(unit_, *rule.done_form)) {
          context.set_done_form(*done);
          unit_.forms[*done].used = true;
        }
      }
      if (rule.contexts) {
        context.set_contexts(
            Bounded(*rule.contexts, "the number of contexts", 1, layout::kMaxContexts));
      }
    }
  }

  Unit& unit_;
  Diagnostics& diagnostics_;
};

}  // namespace

void DeclareIn(Unit& unit, Names& names, std::string_view kind, const ast::Identifier& name,
               uint32_t at) {
  if (names.index.emplace(name.text, at).second) {
    names.spans[name.text] = name.span;
    return;
  }
  unit.diagnostics.Report(Diagnostic::kDuplicateName, name.span, {kind, name.text},
                          names.spans[name.text], "the other one");
}

uint32_t PowerOfTwo(Unit& unit, const ast::Number& number) {
  if (std::has_single_bit(number.value) && number.value <= layout::kMaxAlignmentBytes) {
    return static_cast<uint32_t>(number.value);
  }
  unit.diagnostics.Report(Diagnostic::kNotPowerOfTwo, number.span, {text::Cat(number.value)});
  return 1;
}

// Both ends are of the range, and the step leads from the one to the other.
bool CheckSteps(Unit& unit, const ast::Range& range, uint64_t step) {
  const uint64_t first = range.first.value;
  const uint64_t last = range.last.value;
  if (range.power_of_two) {
    for (const ast::Number& end : {range.first, range.last}) {
      if (std::has_single_bit(end.value)) continue;
      unit.diagnostics.Report(Diagnostic::kBadRange, end.span,
                              {text::Cat(end.value), "it is no power of two"});
      return false;
    }
  }
  if (step == 0 || step > UINT32_MAX) {
    unit.diagnostics.Report(Diagnostic::kBadRange, range.step->span,
                            {text::Cat("step ", step), "use 1 or more"});
    return false;
  }
  if ((last - first) % step == 0) return true;
  unit.diagnostics.Report(Diagnostic::kSlotMultiple, range.last.span,
                          {text::Cat(last), text::Cat(first), text::Cat(step),
                           text::Cat(last - (last - first) % step)});
  return false;
}

void LowerQueues(Unit& unit) { QueueLowering(unit).Run(); }

}  // namespace qsplit::qdl
