#include <bit>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/conditions.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class QueueLowering {
 public:
  explicit QueueLowering(Unit& unit) : unit_(unit), diagnostics_(unit.diagnostics) {}

  void Run() {
    NameIndex names;
    for (const ast::Queue& tree : unit_.file.queues) {
      if (unit_.layout.queues_size() >= static_cast<int>(layout::kMaxQueues)) {
        diagnostics_.Report(Diagnostic::kTooMany, tree.name.span,
                            {"queues", text::Cat(layout::kMaxQueues)});
        return;
      }
      Declare(names, "queues", tree.name);
      Lower(tree, *unit_.layout.add_queues());
    }
  }

 private:
  void Declare(NameIndex& names, std::string_view kind, const ast::Identifier& name) {
    const auto [known, added] = names.emplace(name.text, name.span.begin);
    if (!added) {
      diagnostics_.Report(Diagnostic::kDuplicateName, name.span, {kind, name.text},
                          {known->second, known->second}, "the other one");
    }
  }

  uint32_t Bounded(const ast::Number& number, std::string_view what, uint64_t least,
                   uint64_t most) {
    return qdl::Bounded(unit_, number, what, least, most);
  }

  std::optional<uint32_t> FindForm(const ast::Identifier& name) {
    const auto found = unit_.form_names.find(name.text);
    if (found != unit_.form_names.end()) return found->second;
    diagnostics_.Report(Diagnostic::kUnknownName, name.span,
                        {"descriptor", name.text, Suggest(name.text, NamesOf(unit_.form_names))});
    return std::nullopt;
  }

  void Lower(const ast::Queue& tree, v1::Queue& out) {
    out.set_name(std::string(tree.name.text));
    out.set_direction(tree.direction);
    if (tree.rings.empty()) {
      unit_.ReportMissing(Diagnostic::kNoRing, tree.name.span, {tree.name.text});
    }
    NameIndex names;
    for (const ast::Ring& ring : tree.rings) {
      if (out.rings_size() >= static_cast<int>(layout::kMaxRings)) {
        diagnostics_.Report(Diagnostic::kTooMany, ring.name.span,
                            {"rings in a queue", text::Cat(layout::kMaxRings)});
        break;
      }
      Declare(names, "rings", ring.name);
      LowerRing(ring, *out.add_rings());
    }
    LowerPacket(tree, out);
    LowerLimits(tree.limits, *out.mutable_limits());
    LowerContexts(tree, out);
  }

  void LowerRing(const ast::Ring& tree, v1::Ring& out) {
    out.set_name(std::string(tree.name.text));
    LowerForms(tree.posts, *out.mutable_post_forms());
    if (tree.completion) {
      LowerForms(tree.completion->forms, *out.mutable_complete_forms());
      LowerOwnership(*tree.completion, out);
    }
    LowerSlots(tree, out);
    LowerSlotSize(tree, out);
    if (tree.alignment) out.set_alignment_bytes(PowerOfTwo(*tree.alignment));
    if (tree.reserved) {
      out.set_reserved_slots(Bounded(*tree.reserved, "the number of reserved slots", 0,
                                     out.slots().min() > 0 ? out.slots().min() - 1 : 0));
    }
    for (const ast::Doorbell& bell : tree.doorbells) LowerDoorbell(unit_, bell, out);
  }

  void LowerForms(const std::vector<ast::Identifier>& names,
                  google::protobuf::RepeatedField<uint32_t>& out) {
    for (const ast::Identifier& name : names) {
      const auto form = FindForm(name);
      if (!form) continue;
      unit_.forms[*form].used = true;
      if (std::find(out.begin(), out.end(), *form) != out.end()) {
        diagnostics_.Report(Diagnostic::kRepeated, name.span, {name.text});
      } else {
        out.Add(*form);
      }
    }
  }

  // The condition speaks of each form that may be completed.
  void LowerOwnership(const ast::Completion& tree, v1::Ring& out) {
    v1::InPlace& rule = *out.mutable_ownership()->mutable_in_place();
    rule.set_only_where_reported(tree.only_where_reported);
    out.mutable_completes()->set_key(v1::COMPLETION_KEY_IN_PLACE);
    if (!tree.when) return;
    for (const uint32_t form : out.complete_forms()) {
      const auto condition =
          ResolveCondition(unit_, **tree.when, {form, Diagnostic::kOwnershipField});
      if (condition && rule.when().any_of().empty()) *rule.mutable_when() = *condition;
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
    if (!CheckSteps(range, step)) return;
    slots.set_min(static_cast<uint32_t>(first));
    slots.set_max(static_cast<uint32_t>(last));
    slots.set_step(static_cast<uint32_t>(step));
    slots.set_power_of_two(range.power_of_two);
  }

  // Both ends are of the range, and the step leads from the one to the other.
  bool CheckSteps(const ast::Range& range, uint64_t step) {
    const uint64_t first = range.first.value;
    const uint64_t last = range.last.value;
    if (range.power_of_two) {
      for (const ast::Number& end : {range.first, range.last}) {
        if (std::has_single_bit(end.value)) continue;
        diagnostics_.Report(Diagnostic::kBadRange, end.span,
                            {text::Cat(end.value), "it is no power of two"});
        return false;
      }
    }
    if (step == 0 || step > UINT32_MAX) {
      diagnostics_.Report(Diagnostic::kBadRange, range.step->span,
                          {text::Cat("step ", step), "use 1 or more"});
      return false;
    }
    if ((last - first) % step == 0) return true;
    diagnostics_.Report(Diagnostic::kSlotMultiple, range.last.span,
                        {text::Cat(last), text::Cat(first), text::Cat(step),
                         text::Cat(last - (last - first) % step)});
    return false;
  }

  // A slot is as large as the first descriptor of the ring, unless the spec says its size.
  void LowerSlotSize(const ast::Ring& tree, v1::Ring& out) {
    const auto bytes_per_slot = [&](uint32_t form) {
      const v1::Form& known = unit_.forms[form].form;
      return known.size_bytes() / known.slots();
    };
    if (tree.slot_bytes) {
      out.set_slot_bytes(
          Bounded(*tree.slot_bytes, "the size of a slot in bytes", 1, layout::kMaxFormBytes));
    } else if (!out.post_forms().empty()) {
      out.set_slot_bytes(bytes_per_slot(out.post_forms(0)));
    } else if (!out.complete_forms().empty()) {
      out.set_slot_bytes(bytes_per_slot(out.complete_forms(0)));
    }
    CheckSizes(tree.posts, out);
    if (tree.completion) CheckSizes(tree.completion->forms, out);
  }

  void CheckSizes(const std::vector<ast::Identifier>& names, const v1::Ring& ring) {
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
      if (form.size_bytes() == form.slots() * ring.slot_bytes()) continue;
      unit_.ReportMissing(
          Diagnostic::kSlotSize, name.span,
          {name.text, text::Cat(form.size_bytes()), ring.name(), text::Cat(ring.slot_bytes())});
    }
  }

  uint32_t PowerOfTwo(const ast::Number& number) {
    if (std::has_single_bit(number.value) && number.value <= layout::kMaxAlignmentBytes) {
      return static_cast<uint32_t>(number.value);
    }
    diagnostics_.Report(Diagnostic::kNotPowerOfTwo, number.span, {text::Cat(number.value)});
    return 1;
  }

  void LowerPacket(const ast::Queue& tree, v1::Queue& out) {
    v1::PacketRule& rule = *out.mutable_packet();
    rule.set_length(tree.length == v1::LENGTH_MEANING_UNSPECIFIED ? v1::LENGTH_MEANING_BUFFER
                                                                  : tree.length);
    if (tree.crc_bytes) {
      if (tree.crc_bytes->value != 0 && tree.crc_bytes->value != 4) {
        diagnostics_.Report(
            Diagnostic::kLimitTooLarge, tree.crc_bytes->span,
            {"the frame check sequence in bytes", text::Cat(tree.crc_bytes->value), "0 or 4"});
      } else {
        rule.set_length_includes_crc_bytes(static_cast<uint32_t>(tree.crc_bytes->value));
      }
    }
    if (tree.prefix_bytes) {
      rule.set_prefix_bytes(
          Bounded(*tree.prefix_bytes, "the prefix in bytes", 0, layout::kMaxPrefixBytes));
    }
    rule.set_buffers_per_descriptor(1);
    if (tree.buffers_per_descriptor) {
      rule.set_buffers_per_descriptor(Bounded(*tree.buffers_per_descriptor,
                                              "the number of buffers in a descriptor", 1,
                                              layout::kMaxBuffersPerDescriptor));
    }
    if (!tree.packet) {
      if (tree.direction != v1::DIRECTION_COMMAND) {
        unit_.ReportMissing(Diagnostic::kNoPacketRule, tree.name.span, {tree.name.text});
      }
      rule.set_span(v1::SPAN_SINGLE);
      return;
    }
    rule.set_span(tree.packet->how);
    if (tree.packet->until) LowerLast(**tree.packet->until, out, rule);
  }

  // The condition holds for every form of the queue that has its fields, context forms aside: on
  // the side of the driver as on the side of the device.
  void LowerLast(const ast::Condition& tree, const v1::Queue& queue, v1::PacketRule& rule) {
    std::vector<uint32_t> forms;
    for (const v1::Ring& ring : queue.rings()) {
      for (const auto* list : {&ring.post_forms(), &ring.complete_forms()}) {
        for (const uint32_t form : *list) {
          if (!HasFields(unit_, tree, form)) continue;
          if (std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(form);
        }
      }
    }
    if (forms.empty()) {
      std::string_view name;
      Span span = tree.span;
      for (const ast::ConditionNode& node : tree.nodes) {
        if (node.kind != ast::ConditionNode::Kind::kComparison) continue;
        name = node.comparison.left.text;
        span = node.comparison.left.span;
        break;
      }
      unit_.ReportMissing(Diagnostic::kPacketField, span,
                          {name, queue.name(), "posts or completes"});
      return;
    }
    for (const uint32_t form : forms) {
      const auto condition = ResolveCondition(unit_, tree, {form});
      if (!condition) continue;
      for (const v1::Conjunction& alternative : condition->any_of()) {
        if (rule.last_when().any_of_size() >= static_cast<int>(layout::kMaxConjunctions)) {
          diagnostics_.Report(Diagnostic::kConditionTooComplex, tree.span, {});
          return;
        }
        *rule.mutable_last_when()->add_any_of() = alternative;
      }
    }
  }

  void LowerLimits(const ast::Limits& tree, v1::Limits& out) {
    if (tree.buffer) LowerBuffers(*tree.buffer, *out.mutable_buffer());
    if (tree.buffer_alignment) {
      out.set_buffer_alignment_bytes(PowerOfTwo(*tree.buffer_alignment));
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
    if (!CheckSteps(range, step)) return;
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
      const auto form = FindForm(rule.form);
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

void LowerQueues(Unit& unit) { QueueLowering(unit).Run(); }

}  // namespace qsplit::qdl
