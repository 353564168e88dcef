#include <algorithm>
#include <string>

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

class ContextChecker {
 public:
  ContextChecker(Unit& unit, const v1::Queue& queue) : unit_(unit), queue_(queue) {}

  void Check(const ast::ContextRule& rule) {
    const auto found = unit_.form_names.find(rule.form.text);
    if (found == unit_.form_names.end()) return;
    const uint32_t form = found->second;
    if (rule.contexts && rule.contexts->value > 1 && !HasRole(form, layout::Role::kContextIndex)) {
      unit_.ReportMissing(Diagnostic::kNoContextIndex, rule.form.span,
                          {rule.form.text, text::Cat(rule.contexts->value)});
    }
    const bool posted = AnyPosted([&](uint32_t other) { return other == form; });
    if (rule.done_form) CheckAnswer(rule, form);
    if (rule.before_bytes) {
      CheckBeforeBytes(rule, posted);
    } else if (!posted) {
      unit_.ReportMissing(Diagnostic::kContextNotPosted, rule.form.span,
                          {rule.form.text, queue_.name()});
    }
  }

 private:
  bool HasRole(uint32_t form, layout::Role role) const {
    const std::vector<FieldUnit>& fields = unit_.forms[form].fields;
    return std::any_of(fields.begin(), fields.end(),
                       [&](const FieldUnit& field) { return field.role == role; });
  }
  template <typename Predicate>
  bool AnyPosted(const Predicate& holds) const {
    return std::any_of(queue_.rings().begin(), queue_.rings().end(), [&](const v1::Ring& ring) {
      return std::any_of(ring.post_forms().begin(), ring.post_forms().end(), holds);
    });
  }

  // In the memory of the packet that it is for, of which a descriptor must tell.
  void CheckBeforeBytes(const ast::ContextRule& rule, bool posted) {
    const auto refuse = [&](std::string_view why, std::string_view help) {
      unit_.ReportMissing(Diagnostic::kContextBeforeBytes, rule.form.span,
                          {rule.form.text, why, help});
    };
    const auto tells = [&](uint32_t form) { return HasRole(form, layout::Role::kContextPresent); };
    if (posted) refuse("a ring posts it", "leave `before bytes` out, or take it out of `post`");
    if (rule.lifetime != v1::CONTEXT_LIFETIME_PACKET || rule.after_first) {
      refuse("it is not for that packet alone", "say `per packet before bytes`");
    }
    if (!AnyPosted(tells)) {
      refuse("no descriptor says whether it is there",
             "give a posted descriptor a flag that `is context.present`");
    }
  }

  // What the device writes over it, which stands nowhere else.
  void CheckAnswer(const ast::ContextRule& rule, uint32_t form) {
    const auto found = unit_.form_names.find(rule.done_form->text);
    if (found == unit_.form_names.end()) return;
    const uint32_t done = found->second;
    const auto refuse = [&](std::string_view why, std::string_view help) {
      unit_.ReportMissing(Diagnostic::kContextAnswer, rule.done_form->span,
                          {rule.done_form->text, rule.form.text, why, help});
    };
    if (!rule.before_bytes) {
      refuse("only what stands before a packet's bytes is answered there",
             "say `per packet before bytes` in front of `answered by`");
    }
    if (done == form) {
      refuse("it is the question", "give the answer a descriptor of its own");
      return;
    }
    const bool in_ring =
        AnyPosted([&](uint32_t other) { return other == done; }) ||
        std::any_of(queue_.rings().begin(), queue_.rings().end(), [&](const v1::Ring& ring) {
          return std::find(ring.complete_forms().begin(), ring.complete_forms().end(), done) !=
                 ring.complete_forms().end();
        });
    if (in_ring) refuse("it stands in a ring", "give the answer a descriptor of its own");
    if (unit_.forms[done].form.size_bytes() > unit_.forms[form].form.size_bytes()) {
      refuse("it is longer", "make it no longer than what it is written over");
    }
  }

  Unit& unit_;
  const v1::Queue& queue_;
};

}  // namespace

void CheckContexts(Unit& unit) {
  for (int i = 0; i < unit.layout.queues_size(); ++i) {
    ContextChecker checker(unit, unit.layout.queues(i));
    for (const ast::ContextRule& rule : unit.file.queues[static_cast<size_t>(i)].contexts) {
      checker.Check(rule);
    }
  }
}

}  // namespace qsplit::qdl
