#include <algorithm>
#include <string>

#include "descriptor-lang/passes/conditions.h"
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
    if (queue_.direction() != v1::DIRECTION_COMMAND && !queue_.rings().empty() &&
        std::any_of(queue_.rings().begin(), queue_.rings().end(),
                    [](const v1::Ring& ring) { return !ring.post_forms().empty(); })) {
      CheckAddress();
    }
  }

 private:
  void CheckRing(const ast::Ring& tree, const v1::Ring& ring) {
    const std::string_view name = tree.name.text;
    if (tree.posts.empty() && tree.completions.empty()) {
      unit_.ReportMissing(Diagnostic::kNothingPosted, tree.name.span, {name});
    }
    if (!tree.posts.empty()) CheckPosted(tree, ring);
    std::vector<ast::Identifier> posted = ast::FormsOf(tree.posts);
    if (tree.link_form) posted.push_back(*tree.link_form);
    CheckTellApart(posted, name);
    CheckTellApart(ast::FormsOf(tree.completions), name);
    if (!tree.completions.empty()) CheckCompletion(tree, ring);
    CheckRules(tree);
    CheckPhase(tree, ring);
    CheckUse(tree, ring);
    CheckTable(tree);
    CheckDirections(ring.post_forms());
    CheckDirections(ring.complete_forms());
  }

  // Slots come back, and the device knows what was posted.
  void CheckPosted(const ast::Ring& tree, const v1::Ring& ring) {
    const std::string_view name = tree.name.text;
    if (tree.completions.empty() && !ring.completed().completion() && !CompletedByError(name)) {
      unit_.ReportMissing(Diagnostic::kNotCompleted, tree.name.span, {name});
    }
    const bool named = NamedByAnother(name);
    if (!tree.completions.empty() && named &&
        (tree.completions.front().in_place || !HasRuleFor(tree, name))) {
      unit_.ReportMissing(Diagnostic::kTwoHandovers, tree.completions.front().span,
                          {name, "completed", "`complete` here or `completes` in another ring"});
    }
    const ast::Handover& post = tree.posts.front();
    if (tree.is_table || post.when || post.up_to) return;
    const auto& bells = ring.producer_doorbells();
    if (bells.empty()) {
      unit_.ReportMissing(Diagnostic::kNoDoorbell, tree.name.span, {name});
      return;
    }
    const bool tells = std::any_of(bells.begin(), bells.end(), [](const v1::Doorbell& bell) {
      return std::any_of(bell.terms().begin(), bell.terms().end(), [](const auto& term) {
        return term.source() == v1::DOORBELL_SOURCE_PRODUCER_INDEX ||
               term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT ||
               term.source() == v1::DOORBELL_SOURCE_INCREMENT;
      });
    });
    if (!tells) unit_.ReportMissing(Diagnostic::kDoorbellSilent, post.span, {name});
  }

  // A rule names the ring, but could not be lowered.
  bool CompletedByError(std::string_view name) const {
    return std::any_of(tree_.rings.begin(), tree_.rings.end(),
                       [&](const ast::Ring& ring) { return HasRuleFor(ring, name); });
  }
  bool NamedByAnother(std::string_view name) const {
    return std::any_of(tree_.rings.begin(), tree_.rings.end(), [&](const ast::Ring& ring) {
      return ring.name.text != name && HasRuleFor(ring, name);
    });
  }
  static bool HasRuleFor(const ast::Ring& ring, std::string_view name) {
    return std::any_of(ring.completes.begin(), ring.completes.end(),
                       [&](const ast::CompletionRule& rule) { return rule.ring.text == name; });
  }

  // What is completed was posted; completions of their own say what they complete.
  void CheckRules(const ast::Ring& tree) {
    if (tree.completes.empty()) {
      if (!tree.completions.empty() && !tree.completions.front().in_place &&
          !tree.completions.front().forms.empty()) {
        unit_.ReportMissing(Diagnostic::kNothingCompleted, tree.completions.front().span,
                            {tree.name.text});
      }
      return;
    }
    for (const ast::CompletionRule& rule : tree.completes) {
      if (ast::FormsOf(tree.completions).empty()) {
        unit_.ReportMissing(Diagnostic::kRuleField, rule.span,
                            {rule.field ? rule.field->text : "…", tree.name.text,
                             "say what the device writes: `complete FORM when …`"});
      }
      for (const ast::Ring& target : tree_.rings) {
        if (target.name.text != rule.ring.text || !target.posts.empty()) continue;
        unit_.ReportMissing(Diagnostic::kUnpostedRing, rule.ring.span, {rule.ring.text});
      }
      CheckRuleRole(rule);
    }
  }

  // Software finds what comes back by a tag or an address that it wrote.
  void CheckRuleRole(const ast::CompletionRule& rule) {
    const bool tag = rule.key == v1::COMPLETION_KEY_TAG;
    if (!tag && rule.key != v1::COMPLETION_KEY_ADDRESS) return;
    for (const v1::Ring& target : queue_.rings()) {
      if (target.name() != rule.ring.text || target.post_forms().empty()) continue;
      if (tag ? HasRole(target.post_forms(), layout::Role::kTag) ||
                    HasRole(target.post_forms(), layout::Role::kBufferTag)
              : HasRole(target.post_forms(), layout::Role::kBufferAddress)) {
        continue;
      }
      unit_.ReportMissing(Diagnostic::kRuleRole, rule.span,
                          {rule.ring.text, tag ? "tag" : "address",
                           tag ? "tag` or `is buffer.tag" : "buffer.address"});
    }
  }

  // Somebody names the table's slots.
  void CheckTable(const ast::Ring& tree) {
    if (!tree.is_table) return;
    const bool named =
        std::any_of(queue_.rings().begin(), queue_.rings().end(), [&](const v1::Ring& ring) {
          return ring.kind() == v1::RING_KIND_ORDERED &&
                 HasRole(ring.post_forms(), layout::Role::kTableIndex);
        });
    if (!named) {
      unit_.ReportMissing(Diagnostic::kTableUnnamed, tree.name.span, {tree.name.text});
    }
  }

  // True when a condition by which slots change hands compares with it.
  static bool Compares(const ast::Ring& tree, std::string_view word) {
    for (const auto* side : {&tree.posts, &tree.completions}) {
      for (const ast::Handover& one : *side) {
        if (!one.when) continue;
        for (const ast::ConditionNode& node : (*one.when)->nodes) {
          if (node.comparison.word && node.comparison.word->text == word) return true;
        }
      }
    }
    return false;
  }

  void CheckUse(const ast::Ring& tree, const v1::Ring& ring) {
    const auto has = [&](layout::Role role) {
      return HasRole(ring.post_forms(), role) || HasRole(ring.complete_forms(), role);
    };
    const bool rung =
        std::any_of(tree.doorbells.begin(), tree.doorbells.end(), [](const ast::Doorbell& bell) {
          return std::any_of(bell.terms.begin(), bell.terms.end(), [](const auto& term) {
            return term.source == v1::DOORBELL_SOURCE_PHASE;
          });
        });
    if (tree.phase && !Compares(tree, "phase") && !rung && !has(layout::Role::kPhase)) {
      unit_.ReportMissing(Diagnostic::kStateUnused, tree.phase->span, {tree.name.text, "phase"});
    }
    if (tree.sequence && !Compares(tree, "sequence") && !has(layout::Role::kSequence)) {
      unit_.ReportMissing(Diagnostic::kStateUnused, tree.sequence->span,
                          {tree.name.text, "sequence"});
    }
  }

  void CheckPhase(const ast::Ring& tree, const v1::Ring& ring) {
    if (!tree.phase || tree.phase->flip != v1::PHASE_FLIP_BY_LINK) return;
    if (!tree.link_form) {
      unit_.ReportMissing(Diagnostic::kNoLinkToFlip, tree.phase->span, {tree.name.text});
      return;
    }
    if (!ring.wrap().has_link_form()) return;
    const std::vector<FieldUnit>& fields = unit_.forms[ring.wrap().link_form()].fields;
    if (std::any_of(fields.begin(), fields.end(), [](const FieldUnit& field) {
          return field.role == layout::Role::kPhaseToggle;
        })) {
      return;
    }
    unit_.ReportMissing(Diagnostic::kLinkToggle, tree.link_form->span, {tree.link_form->text});
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
    const v1::Handover& completed = ring.completed();
    if (completed.only_where_reported() && !Posts(layout::Role::kReportRequest)) {
      unit_.ReportMissing(Diagnostic::kNoReport, tree.completions.front().span, {});
    }
    if (tree.posts.empty()) return;
    for (const v1::Conjunction& alternative : completed.when().any_of()) {
      // What compares with the ring's state tells the two sides apart by itself.
      if (std::any_of(alternative.all_of().begin(), alternative.all_of().end(),
                      [](const v1::Comparison& one) { return one.has_state(); })) {
        continue;
      }
      CheckPostedLooksDone(tree, ring, alternative);
    }
  }

  // What holds of bytes that count as completed, compared with what holds of bytes just posted.
  void CheckPostedLooksDone(const ast::Ring& tree, const v1::Ring& ring,
                            const v1::Conjunction& alternative) {
    const FormUnit& done_form = unit_.forms[alternative.all_of(0).field().form()];
    if (!AllPlaced(done_form)) return;
    v1::Form completed;
    *completed.mutable_fields() = done_form.form.fields();
    for (v1::Field& field : *completed.mutable_fields()) field.clear_constraint();
    *completed.mutable_selector()->add_any_of() = alternative;
    const layout::FormIdentity done = layout::IdentityOf(completed);
    for (const ast::Identifier& name : ast::FormsOf(tree.posts)) {
      const FormUnit* form = Find(name);
      if (form == nullptr || !AllPlaced(*form)) continue;
      if (layout::Exclude(IdentityOfPosted(*form, tree, ring), done, unit_.budget)) continue;
      unit_.ReportMissing(Diagnostic::kPostedLooksDone, name.span,
                          {name.text, unit_.source.Text((*tree.completions.front().when)->span)});
    }
  }

  // False after an error that was reported for one of its fields.
  static bool AllPlaced(const FormUnit& form) {
    return std::all_of(form.fields.begin(), form.fields.end(),
                       [](const FieldUnit& field) { return field.placed; });
  }

  // With what the driver sets to hand it over.
  layout::FormIdentity IdentityOfPosted(const FormUnit& form, const ast::Ring& tree,
                                        const v1::Ring& ring) {
    const auto post =
        std::find_if(tree.posts.begin(), tree.posts.end(), [&](const ast::Handover& one) {
          return std::any_of(one.forms.begin(), one.forms.end(), [&](const ast::Identifier& name) {
            return name.text == form.form.name();
          });
        });
    if (post == tree.posts.end() || !post->when || !ring.posted().has_when()) {
      return layout::IdentityOf(form.form);
    }
    const auto index = static_cast<uint32_t>(&form - unit_.forms.data());
    const auto when =
        ResolveCondition(unit_, **post->when, {index, Diagnostic::kOwnershipField, &tree});
    const auto both = when ? And(form.form.selector(), *when) : std::nullopt;
    if (!both) return layout::IdentityOf(form.form);
    v1::Form posted = form.form;
    *posted.mutable_selector() = *both;
    return layout::IdentityOf(posted);
  }

  bool Posts(layout::Role role) const {
    return std::any_of(queue_.rings().begin(), queue_.rings().end(),
                       [&](const v1::Ring& ring) { return HasRole(ring.post_forms(), role); });
  }

  // In the form or in one of its parts.
  bool HasRole(uint32_t form, layout::Role role) const {
    std::vector<bool> seen(unit_.forms.size(), false);
    std::vector<uint32_t> todo = {form};
    while (!todo.empty()) {
      const FormUnit& unit = unit_.forms[todo.back()];
      todo.pop_back();
      if (std::any_of(unit.fields.begin(), unit.fields.end(),
                      [&](const FieldUnit& field) { return field.role == role; })) {
        return true;
      }
      // Parts that could not be placed may have it.
      if (unit.parts.size() < unit.tree->parts.size()) return true;
      for (const v1::ContainedForm& part : unit.form.contains()) {
        if (!seen[part.form()]) todo.push_back(part.form());
        seen[part.form()] = true;
      }
    }
    return false;
  }
  bool HasRole(const FormList& forms, layout::Role role) const {
    return std::any_of(forms.begin(), forms.end(),
                       [&](uint32_t form) { return HasRole(form, role); });
  }

  void CheckAddress() {
    if (Posts(layout::Role::kBufferAddress) || Posts(layout::Role::kPacketInline)) return;
    if (std::any_of(tree_.rings.begin(), tree_.rings.end(),
                    [](const ast::Ring& ring) { return ring.packets.has_value(); })) {
      return;
    }
    unit_.ReportMissing(Diagnostic::kNoAddress, tree_.name.span, {tree_.name.text});
  }

  void CheckDirections(const FormList& forms) {
    if (queue_.direction() == v1::DIRECTION_UNSPECIFIED) return;
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
    if (form.used || form.tree->beside_rings || named == unit.form_names.end() ||
        &unit.forms[named->second] != &form)
      continue;
    unit.ReportMissing(Diagnostic::kUnusedDescriptor, form.tree->name.span, {form.form.name()});
  }
}

}  // namespace qsplit::qdl
