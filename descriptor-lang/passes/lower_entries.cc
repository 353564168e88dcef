#include <algorithm>
#include <string>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/conditions.h"
#include "descriptor-lang/passes/lowering.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using FormList = google::protobuf::RepeatedField<uint32_t>;

class EntryLowering {
 public:
  EntryLowering(Unit& unit, const ast::Ring& tree, v1::Ring& ring)
      : unit_(unit), tree_(tree), ring_(ring), diagnostics_(unit.diagnostics) {}

  void Run() {
    for (const ast::Fill& fill : tree_.fills) LowerFill(fill);
    if (tree_.last_slot_field) LowerLastSlot(*tree_.last_slot_field);
    if (tree_.link_form) LowerLink(*tree_.link_form);
    if (tree_.compressed) LowerCompressed(*tree_.compressed);
    if (tree_.packets) LowerPackets(*tree_.packets);
  }

 private:
  static bool Contains(const FormList& list, uint32_t form) {
    return std::find(list.begin(), list.end(), form) != list.end();
  }

  // A field of the form, which is a number.
  std::optional<v1::FieldReference> NumberOf(uint32_t form, const ast::Identifier& name) {
    const auto reference = FindField(unit_, form, name.text);
    const FormUnit& unit = unit_.forms[form];
    if (!reference) {
      diagnostics_.Report(
          Diagnostic::kConditionField, name.span,
          {name.text, unit.form.name(), Suggest(name.text, NamesOf(unit.field_names))});
      return std::nullopt;
    }
    if (!unit_.Field(*reference).main->array_bytes) return reference;
    diagnostics_.Report(Diagnostic::kConditionBytes, name.span, {name.text});
    return std::nullopt;
  }

  // The field in the complete forms that have it.
  std::vector<v1::FieldReference> InCompletions(const ast::Identifier& name) {
    std::vector<v1::FieldReference> out;
    std::vector<std::string_view> names;
    for (const uint32_t form : ByName(unit_, ring_.complete_forms())) {
      if (const auto reference = FindField(unit_, form, name.text)) out.push_back(*reference);
      for (const std::string_view known : NamesOf(unit_.forms[form].field_names)) {
        names.push_back(known);
      }
    }
    if (out.empty()) {
      unit_.ReportMissing(Diagnostic::kRuleField, name.span,
                          {name.text, tree_.name.text, Suggest(name.text, names)});
    }
    return out;
  }

  // `FIELD` or `FORM.FIELD`.
  void LowerFill(const ast::Fill& fill) {
    std::vector<v1::FieldReference> fields;
    const size_t dot = fill.field.text.find('.');
    if (dot == std::string_view::npos) {
      fields = InCompletions(fill.field);
    } else {
      const auto width = static_cast<uint32_t>(dot);
      const ast::Identifier form_name{fill.field.text.substr(0, dot),
                                      {fill.field.span.begin, fill.field.span.begin + width}};
      const ast::Identifier name{fill.field.text.substr(dot + 1),
                                 {fill.field.span.begin + width + 1, fill.field.span.end}};
      const auto form = FindForm(unit_, form_name);
      if (!form) return;
      const bool in_posted =
          !tree_.posts.empty() && tree_.posts.front().when && Contains(ring_.post_forms(), *form);
      if (!in_posted && !Contains(ring_.complete_forms(), *form)) {
        ReportForm(form_name, "completes",
                   "name a descriptor of the ring's `complete`, or of its `post … when`");
        return;
      }
      if (const auto reference = NumberOf(*form, name)) fields.push_back(*reference);
    }
    for (const v1::FieldReference& reference : fields) {
      const FieldUnit& field = unit_.Field(reference);
      if (field.main->array_bytes) {
        diagnostics_.Report(Diagnostic::kConditionBytes, fill.field.span, {fill.field.text});
        return;
      }
      if (field.placed && fill.value.value > layout::LowBits(field.bits)) {
        diagnostics_.Report(
            Diagnostic::kConstantTooLarge, fill.value.span,
            {text::Cat(fill.value.value), field.field.name(), BitsText(field.bits)});
        return;
      }
      v1::FillValue& out = *ring_.add_fills();
      *out.mutable_field() = reference;
      out.set_value(fill.value.value);
      out.set_opposite_phase(fill.not_phase);
    }
  }

  void ReportForm(const ast::Identifier& form, std::string_view verb, std::string_view advice) {
    unit_.ReportMissing(Diagnostic::kRuleForm, form.span,
                        {form.text, tree_.name.text, verb, advice});
  }

  // One bit, at the same place in all that is posted.
  void LowerLastSlot(const ast::Identifier& name) {
    const FieldUnit* first = nullptr;
    for (const uint32_t form : ByName(unit_, ring_.post_forms())) {
      const auto reference = FindField(unit_, form, name.text);
      if (!reference) {
        ReportLastSlot(name, text::Cat("`", unit_.forms[form].form.name(), "` has none"));
        return;
      }
      const FieldUnit& field = unit_.Field(*reference);
      if (!field.placed) return;
      if (field.bits != 1) {
        ReportLastSlot(name, text::Cat("it is ", BitsText(field.bits), " wide"));
        return;
      }
      if (first == nullptr) {
        first = &field;
        *ring_.mutable_wrap()->mutable_last_slot_field() = *reference;
      } else if (!std::equal(first->masks.begin(), first->masks.end(), field.masks.begin(),
                             field.masks.end(), [](const auto& a, const auto& b) {
                               return a.byte == b.byte && a.mask == b.mask;
                             })) {
        ReportLastSlot(name,
                       text::Cat("in `", unit_.forms[form].form.name(), "` it stands elsewhere"));
        return;
      }
    }
    if (first == nullptr) ReportLastSlot(name, "nothing is posted");
  }

  void ReportLastSlot(const ast::Identifier& name, std::string_view why) {
    unit_.ReportMissing(Diagnostic::kLastSlotField, name.span, {name.text, why});
  }

  void LowerLink(const ast::Identifier& name) {
    const auto form = FindForm(unit_, name);
    if (!form) return;
    unit_.forms[*form].used = true;
    const uint32_t size = unit_.forms[*form].form.size_bytes();
    if (size > ring_.slot_bytes()) {
      unit_.ReportMissing(
          Diagnostic::kSlotSize, name.span,
          {name.text, text::Cat(size), tree_.name.text, text::Cat(ring_.slot_bytes())});
    }
    ring_.mutable_wrap()->set_link_form(*form);
  }

  void LowerCompressed(const ast::Compressed& tree) {
    const auto title = FindForm(unit_, tree.title);
    const auto mini = FindForm(unit_, tree.mini);
    if (!title || !mini) return;
    unit_.forms[*mini].used = true;
    if (!Contains(ring_.complete_forms(), *title)) {
      ReportForm(tree.title, "completes", "a title is a completion: name it in `complete`");
      return;
    }
    v1::CompressedEntries& out = *ring_.mutable_compressed();
    out.set_title_form(*title);
    out.set_mini_form(*mini);
    out.set_per_slot(Bounded(unit_, tree.per_slot, "the number of small completions in a slot", 1,
                             layout::kMaxCompressedEntries));
    const uint64_t bytes = uint64_t{out.per_slot()} * unit_.forms[*mini].form.size_bytes();
    if (bytes > ring_.slot_bytes()) {
      unit_.ReportMissing(Diagnostic::kCompressedSize, tree.per_slot.span,
                          {text::Cat(out.per_slot()), tree.mini.text, text::Cat(bytes),
                           tree_.name.text, text::Cat(ring_.slot_bytes())});
    }
    if (const auto count = NumberOf(*title, tree.count)) *out.mutable_count() = *count;
    if (!tree.when) return;
    const auto when =
        ResolveCondition(unit_, **tree.when, {*title, Diagnostic::kConditionField, &tree_});
    if (when) *out.mutable_when() = *when;
  }

  void LowerPackets(const ast::SlotPackets& tree) {
    const auto form = FindForm(unit_, tree.form);
    if (!form) return;
    unit_.forms[*form].used = true;
    v1::SlotPackets& out = *ring_.mutable_packets();
    out.set_form(*form);
    const auto first = InCompletions(tree.first);
    const auto count = InCompletions(tree.count);
    if (!first.empty()) *out.mutable_first() = first.front();
    if (!count.empty()) *out.mutable_count() = count.front();
    if (const auto next = NumberOf(*form, tree.next)) *out.mutable_next() = *next;
    const std::vector<ast::Field>& fields = unit_.forms[*form].tree->fields;
    const bool says = std::any_of(fields.begin(), fields.end(), [](const ast::Field& field) {
      return field.attributes.role && field.attributes.role->text == "packet.offset";
    });
    if (says) return;
    unit_.ReportMissing(Diagnostic::kSlotPacketRoom, tree.form.span,
                        {tree.form.text, "packet.offset",
                         "it says where the packet's bytes begin, from the descriptor on"});
  }

  Unit& unit_;
  const ast::Ring& tree_;
  v1::Ring& ring_;
  Diagnostics& diagnostics_;
};

}  // namespace

void LowerEntries(Unit& unit, const ast::Ring& tree, v1::Ring& out) {
  EntryLowering(unit, tree, out).Run();
}

}  // namespace qsplit::qdl
