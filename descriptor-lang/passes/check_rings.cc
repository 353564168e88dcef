#include <algorithm>
#include <string>

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

class RingChecker {
 public:
  RingChecker(Unit& unit, const ast::Queue& tree, const v1::Queue& queue)
      : unit_(unit), tree_(tree), queue_(queue), diagnostics_(unit.diagnostics) {}

  void Run() {
    for (int i = 0; i < queue_.rings_size(); ++i) {
      CheckRing(tree_.rings[static_cast<size_t>(i)], queue_.rings(i));
    }
    CheckContexts();
    if (queue_.direction() != v1::DIRECTION_COMMAND && !queue_.rings().empty() &&
        std::any_of(queue_.rings().begin(), queue_.rings().end(),
                    [](const v1::Ring& ring) { return !ring.post_forms().empty(); })) {
      CheckAddress();
    }
  }

 private:
  void CheckRing(const ast::Ring& tree, const v1::Ring& ring) {
    const std::string_view name = tree.name.text;
    if (tree.posts.empty()) {
      unit_.ReportMissing(Diagnostic::kNothingPosted, tree.name.span, {name});
    }
    if (!tree.completion) {
      unit_.ReportMissing(Diagnostic::kNotCompleted, tree.name.span, {name});
    }
    if (std::none_of(tree.doorbells.begin(), tree.doorbells.end(),
                     [](const ast::Doorbell& bell) { return !bell.consumer; })) {
      unit_.ReportMissing(Diagnostic::kNoDoorbell, tree.name.span, {name});
    }
    CheckTellApart(tree.posts, name);
    if (tree.completion) {
      CheckTellApart(tree.completion->forms, name);
      CheckCompletion(tree, ring);
    }
    CheckDirections(ring.post_forms());
    CheckDirections(ring.complete_forms());
  }

  const FormUnit* Find(const ast::Identifier& name) const {
    const auto found = unit_.form_names.find(name.text);
    return found == unit_.form_names.end() ? nullptr : &unit_.forms[found->second];
  }

  void CheckTellApart(const std::vector<ast::Identifier>& names, std::string_view ring) {
    for (size_t i = 0; i < names.size(); ++i) {
      const FormUnit* a = Find(names[i]);
      if (a == nullptr) continue;
      const layout::FormIdentity identity = layout::IdentityOf(a->form);
      for (size_t j = 0; j < i; ++j) {
        const FormUnit* b = Find(names[j]);
        if (b == nullptr || a == b) continue;
        if (layout::Exclude(a->form.features(), b->form.features(), unit_.budget) ||
            layout::Exclude(identity, layout::IdentityOf(b->form), unit_.budget)) {
          continue;
        }
        unit_.ReportMissing(Diagnostic::kFormsAlike, names[i].span,
                            {names[j].text, names[i].text, ring});
        break;
      }
    }
  }

  void CheckCompletion(const ast::Ring& tree, const v1::Ring& ring) {
    const v1::InPlace& rule = ring.ownership().in_place();
    if (rule.only_where_reported() && !Posts(layout::Role::kReportRequest)) {
      unit_.ReportMissing(Diagnostic::kNoReport, tree.completion->span, {});
    }
    if (rule.when().any_of().empty()) return;
    // What holds of bytes that count as completed, compared with what holds of bytes just posted.
    v1::Form completed;
    *completed.mutable_fields() =
        unit_.forms[rule.when().any_of(0).all_of(0).field().form()].form.fields();
    for (v1::Field& field : *completed.mutable_fields()) field.clear_constraint();
    *completed.mutable_selector() = rule.when();
    const layout::FormIdentity done = layout::IdentityOf(completed);
    for (const ast::Identifier& name : tree.posts) {
      const FormUnit* form = Find(name);
      if (form == nullptr) continue;
      if (layout::Exclude(layout::IdentityOf(form->form), done, unit_.budget)) continue;
      unit_.ReportMissing(Diagnostic::kPostedLooksDone, name.span,
                          {name.text, unit_.source.Text((*tree.completion->when)->span)});
    }
  }

  bool Posts(layout::Role role) const {
    for (const v1::Ring& ring : queue_.rings()) {
      for (const uint32_t form : ring.post_forms()) {
        for (const FieldUnit& field : unit_.forms[form].fields) {
          if (field.role == role) return true;
        }
      }
    }
    return false;
  }

  void CheckAddress() {
    if (Posts(layout::Role::kBufferAddress)) return;
    unit_.ReportMissing(Diagnostic::kNoAddress, tree_.name.span, {tree_.name.text});
  }

  void CheckDirections(const FormList& forms) {
    const bool receive = queue_.direction() == v1::DIRECTION_RECEIVE;
    const bool transmit = queue_.direction() == v1::DIRECTION_TRANSMIT;
    const unsigned here = receive    ? layout::kInReceive
                          : transmit ? layout::kInTransmit
                                     : layout::kInCommand;
    const std::string_view word = receive ? "receive" : transmit ? "transmit" : "command";
    for (const uint32_t form : forms) {
      for (const FieldUnit& field : unit_.forms[form].fields) {
        if (!field.role) continue;
        const layout::RoleInfo& info = layout::GetRoleInfo(*field.role);
        if ((info.directions & here) != 0) continue;
        diagnostics_.Report(
            Diagnostic::kRoleDirection, field.main->attributes.role->span,
            {field.field.name(), info.name, word, layout::RoleDirectionsName(info.directions)});
      }
    }
  }

  void CheckContexts() {
    for (const ast::ContextRule& rule : tree_.contexts) {
      const auto found = unit_.form_names.find(rule.form.text);
      if (found == unit_.form_names.end()) continue;
      const bool posted =
          std::any_of(queue_.rings().begin(), queue_.rings().end(), [&](const v1::Ring& ring) {
            return std::find(ring.post_forms().begin(), ring.post_forms().end(), found->second) !=
                   ring.post_forms().end();
          });
      const std::vector<FieldUnit>& fields = unit_.forms[found->second].fields;
      const bool indexed = std::any_of(fields.begin(), fields.end(), [](const FieldUnit& field) {
        return field.role == layout::Role::kContextIndex;
      });
      if (rule.contexts && rule.contexts->value > 1 && !indexed) {
        unit_.ReportMissing(Diagnostic::kNoContextIndex, rule.form.span,
                            {rule.form.text, text::Cat(rule.contexts->value)});
      }
      if (!posted) {
        unit_.ReportMissing(Diagnostic::kContextNotPosted, rule.form.span,
                            {rule.form.text, queue_.name()});
      }
    }
  }

  Unit& unit_;
  const ast::Queue& tree_;
  const v1::Queue& queue_;
  Diagnostics& diagnostics_;
};

}  // namespace

void CheckRings(Unit& unit) {
  for (int i = 0; i < unit.layout.queues_size(); ++i) {
    RingChecker(unit, unit.file.queues[static_cast<size_t>(i)], unit.layout.queues(i)).Run();
  }
  if (unit.file.queues.empty()) return;
  for (const FormUnit& form : unit.forms) {
    const auto named = unit.form_names.find(form.form.name());
    if (form.used || named == unit.form_names.end() || &unit.forms[named->second] != &form)
      continue;
    unit.ReportMissing(Diagnostic::kUnusedDescriptor, form.tree->name.span, {form.form.name()});
  }
}

}  // namespace qsplit::qdl
