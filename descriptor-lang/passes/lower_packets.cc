#include <algorithm>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/conditions.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

class PacketLowering {
 public:
  PacketLowering(Unit& unit, const ast::Queue& tree, v1::Queue& queue)
      : unit_(unit), tree_(tree), queue_(queue), diagnostics_(unit.diagnostics) {}

  void Run() {
    v1::PacketRule& rule = *queue_.mutable_packet();
    LowerLengths(rule);
    LowerPrefix(rule);
    rule.set_buffers_per_descriptor(1);
    if (tree_.buffers_per_descriptor) {
      rule.set_buffers_per_descriptor(Bounded(unit_, *tree_.buffers_per_descriptor,
                                              "the number of buffers in a descriptor", 1,
                                              layout::kMaxBuffersPerDescriptor));
    }
    if (!tree_.packet) {
      if (tree_.direction != v1::DIRECTION_COMMAND) {
        unit_.ReportMissing(Diagnostic::kNoPacketRule, tree_.name.span, {tree_.name.text});
      }
      rule.set_span(v1::SPAN_SINGLE);
      return;
    }
    rule.set_span(tree_.packet->how);
    if (tree_.packet->until) LowerLast(**tree_.packet->until, rule);
    if (tree_.packet->field) LowerField(*tree_.packet->field, rule);
  }

 private:
  void LowerLengths(v1::PacketRule& rule) {
    rule.set_length(tree_.length == v1::LENGTH_MEANING_UNSPECIFIED ? v1::LENGTH_MEANING_BUFFER
                                                                   : tree_.length);
    if (!tree_.crc_bytes) return;
    if (tree_.crc_bytes->value != 0 && tree_.crc_bytes->value != 4) {
      diagnostics_.Report(
          Diagnostic::kLimitTooLarge, tree_.crc_bytes->span,
          {"the frame check sequence in bytes", text::Cat(tree_.crc_bytes->value), "0 or 4"});
      return;
    }
    rule.set_length_includes_crc_bytes(static_cast<uint32_t>(tree_.crc_bytes->value));
  }

  void LowerPrefix(v1::PacketRule& rule) {
    if (tree_.prefix_bytes) {
      rule.set_prefix_bytes(
          Bounded(unit_, *tree_.prefix_bytes, "the prefix in bytes", 0, layout::kMaxPrefixBytes));
    }
    if (tree_.prefix_form) {
      if (const auto form = FindForm(unit_, *tree_.prefix_form)) {
        FormUnit& unit = unit_.forms[*form];
        unit.used = true;
        rule.set_prefix_form(*form);
        rule.set_prefix_bytes(unit.form.size_bytes());
        const auto& parts = unit.form.contains();
        if (std::any_of(parts.begin(), parts.end(),
                        [](const v1::ContainedForm& part) { return part.appended(); })) {
          diagnostics_.Report(Diagnostic::kPrefixForm, tree_.prefix_form->span,
                              {tree_.prefix_form->text, "it has appended parts",
                               "a prefix has one size for all packets"});
        }
      }
    }
    if (!tree_.length_includes_prefix) return;
    rule.set_length_includes_prefix(true);
    if (!tree_.prefix_form && !tree_.prefix_bytes) {
      unit_.ReportMissing(Diagnostic::kNoPrefix, *tree_.length_includes_prefix, {tree_.name.text});
    }
  }

  // What stands in the queue's rings, each once, by name.
  std::vector<uint32_t> Forms() const {
    FormList all;
    for (const v1::Ring& ring : queue_.rings()) {
      for (const auto* list : {&ring.post_forms(), &ring.complete_forms()}) {
        for (const uint32_t form : *list) {
          if (std::find(all.begin(), all.end(), form) == all.end()) all.Add(form);
        }
      }
    }
    return ByName(unit_, all);
  }

  // The condition holds for every form of the queue that has its fields: on the side of the driver
  // as on the side of the device.
  void LowerLast(const ast::Condition& tree, v1::PacketRule& rule) {
    FormList forms;
    for (const uint32_t form : Forms()) {
      if (HasFields(unit_, tree, form)) forms.Add(form);
    }
    if (forms.empty()) {
      for (const ast::ConditionNode& node : tree.nodes) {
        if (node.kind != ast::ConditionNode::Kind::kComparison) continue;
        ReportField(node.comparison.left);
        return;
      }
      return;
    }
    const auto when = ResolveForForms(unit_, tree, {forms});
    if (when) *rule.mutable_last_when() = *when;
  }

  void ReportField(const ast::Identifier& name) {
    unit_.ReportMissing(Diagnostic::kPacketField, name.span,
                        {name.text, queue_.name(), "posts or completes"});
  }

  // A number of completions stands in a completion or in the prefix.
  void LowerField(const ast::Identifier& name, v1::PacketRule& rule) {
    std::vector<uint32_t> forms = Forms();
    if (rule.span() == v1::SPAN_COMPLETIONS) {
      std::erase_if(forms, [&](uint32_t form) {
        return std::none_of(queue_.rings().begin(), queue_.rings().end(), [&](const auto& ring) {
          const auto& list = ring.complete_forms();
          return std::find(list.begin(), list.end(), form) != list.end();
        });
      });
      if (rule.has_prefix_form()) forms.push_back(rule.prefix_form());
    }
    for (const uint32_t form : forms) {
      const auto reference = FindField(unit_, form, name.text);
      if (!reference) continue;
      if (unit_.Field(*reference).main->array_bytes) {
        diagnostics_.Report(Diagnostic::kConditionBytes, name.span, {name.text});
        return;
      }
      *rule.add_fields() = *reference;
    }
    if (rule.fields().empty()) ReportField(name);
  }

  Unit& unit_;
  const ast::Queue& tree_;
  v1::Queue& queue_;
  Diagnostics& diagnostics_;
};

}  // namespace

void LowerPacketRule(Unit& unit, const ast::Queue& tree, v1::Queue& out) {
  PacketLowering(unit, tree, out).Run();
}

}  // namespace qsplit::qdl
