#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

// How much of a part's count its field can say; UINT64_MAX when that is not known.
uint64_t LargestCount(const FieldUnit& field) {
  const v1::Scale& scale = field.field.scale();
  if (!field.placed || scale.has_zero_value() || field.field.is_signed()) return UINT64_MAX;
  uint64_t top = layout::LowBits(field.bits);
  if (__builtin_mul_overflow(top, std::max<uint64_t>(1, scale.multiplier()), &top)) {
    return UINT64_MAX;
  }
  if (scale.bias() >= 0) {
    return __builtin_add_overflow(top, static_cast<uint64_t>(scale.bias()), &top) ? UINT64_MAX
                                                                                  : top;
  }
  const uint64_t less = uint64_t{0} - static_cast<uint64_t>(scale.bias());
  return top > less ? top - less : 0;
}

class PartPlacer {
 public:
  PartPlacer(Unit& unit, uint32_t form) : unit_(unit), form_(unit.forms[form]), index_(form) {}

  void Run() {
    appended_at_ = form_.form.size_bytes();
    if (form_.tree->parts.size() > layout::kMaxContainedForms) {
      unit_.diagnostics.Report(Diagnostic::kTooMany,
                               form_.tree->parts[layout::kMaxContainedForms].name.span,
                               {"parts in a descriptor", text::Cat(layout::kMaxContainedForms)});
    }
    for (const ast::Part& tree : form_.tree->parts) {
      if (form_.form.contains_size() >= static_cast<int>(layout::kMaxContainedForms)) break;
      Place(tree);
    }
  }

 private:
  void Place(const ast::Part& tree) {
    CheckName(tree.name);
    const auto inner = FindForm(unit_, tree.form);
    if (!inner) return;
    unit_.forms[*inner].used = true;
    if (*inner == index_) {
      unit_.diagnostics.Report(Diagnostic::kPartLoop, tree.form.span, {tree.form.text});
      return;
    }
    v1::ContainedForm part;
    part.set_name(std::string(tree.name.text));
    part.set_form(*inner);
    const v1::Form& form = unit_.forms[*inner].form;
    const std::vector<ast::Part>& nested = unit_.forms[*inner].tree->parts;
    if (std::any_of(nested.begin(), nested.end(),
                    [](const ast::Part& one) { return !one.byte_offset; })) {
      unit_.diagnostics.Report(Diagnostic::kPartAppends, tree.form.span, {tree.form.text});
      return;
    }
    if (!Count(tree, part) || !CountField(tree, part) || !Stride(tree, form, part)) return;
    if (!Offset(tree, form, part)) return;
    *form_.form.add_contains() = std::move(part);
    form_.parts.push_back(&tree);
  }

  void CheckName(const ast::Identifier& name) {
    const auto field = form_.field_names.find(name.text);
    if (field != form_.field_names.end()) {
      unit_.diagnostics.Report(Diagnostic::kDuplicateName, name.span, {"fields", name.text},
                               form_.fields[field->second].span(), "the other one");
    }
    for (const ast::Part* other : form_.parts) {
      if (other->name.text != name.text) continue;
      unit_.diagnostics.Report(Diagnostic::kDuplicateName, name.span, {"parts", name.text},
                               other->name.span, "the other one");
    }
  }

  bool Count(const ast::Part& tree, v1::ContainedForm& part) {
    part.set_max_count(1);
    if (!tree.count) return true;
    const auto& [least, most] = *tree.count;
    std::string_view why;
    std::string_view advice = "give the fewest and the most, such as `[1..63]`";
    if (most.value < 1 || most.value > layout::kMaxContainedCount) {
      why = "1 to 4096 are possible";
    } else if (least.value > most.value) {
      why = "the smaller number comes first";
    } else if (least.value < most.value && !tree.count_field) {
      why = "nothing says how many there are";
      advice = "add `count by FIELD`";
    }
    if (why.empty()) {
      part.set_max_count(static_cast<uint32_t>(most.value));
      return true;
    }
    unit_.diagnostics.Report(
        Diagnostic::kPartCount, Span::Join(least.span, most.span),
        {tree.name.text,
         least.value == most.value ? text::Cat(most.value)
                                   : text::Cat(least.value, " to ", most.value),
         why, advice});
    return false;
  }

  bool CountField(const ast::Part& tree, v1::ContainedForm& part) {
    if (!tree.count_field) return true;
    const ast::Identifier& name = *tree.count_field;
    const auto found = form_.field_names.find(name.text);
    if (found == form_.field_names.end()) {
      unit_.diagnostics.Report(
          Diagnostic::kConditionField, name.span,
          {name.text, form_.form.name(), Suggest(name.text, NamesOf(form_.field_names))});
      return false;
    }
    const FieldUnit& field = form_.fields[found->second];
    if (field.main->array_bytes) {
      unit_.diagnostics.Report(Diagnostic::kPartField, name.span, {name.text, "a byte array"});
      return false;
    }
    const uint64_t largest = LargestCount(field);
    if (largest < part.max_count()) {
      unit_.diagnostics.Report(Diagnostic::kPartCount, name.span,
                               {tree.name.text, text::Cat(part.max_count()),
                                text::Cat("`", name.text, "` counts up to ", largest),
                                "lower the most, or widen the field"});
      return false;
    }
    part.set_count_field(found->second);
    return true;
  }

  bool Stride(const ast::Part& tree, const v1::Form& form, v1::ContainedForm& part) {
    part.set_stride_bytes(form.size_bytes());
    if (!tree.stride) return true;
    if (tree.stride->value < form.size_bytes() ||
        tree.stride->value > layout::kMaxExtendedFormBytes) {
      unit_.diagnostics.Report(Diagnostic::kPartStride, tree.stride->span,
                               {tree.name.text, text::Cat(tree.stride->value), form.name(),
                                text::Cat(form.size_bytes())});
      return false;
    }
    part.set_stride_bytes(static_cast<uint32_t>(tree.stride->value));
    return true;
  }

  bool Offset(const ast::Part& tree, const v1::Form& form, v1::ContainedForm& part) {
    const uint64_t bytes =
        uint64_t{part.stride_bytes()} * (part.max_count() - 1) + form.size_bytes();
    const bool appended = !tree.byte_offset;
    if (appended && variable_ != nullptr) {
      unit_.diagnostics.Report(Diagnostic::kPartNotLast, tree.name.span,
                               {tree.name.text, variable_->name.text}, variable_->name.span,
                               "this one's number varies");
      return false;
    }
    const uint64_t begin = appended ? appended_at_ : tree.byte_offset->value;
    const uint64_t limit = appended ? layout::kMaxExtendedFormBytes : form_.form.size_bytes();
    if (begin > limit || bytes > limit - begin) {
      const uint64_t end = begin > UINT64_MAX - bytes ? UINT64_MAX : begin + bytes;
      unit_.diagnostics.Report(Diagnostic::kPartOutside, tree.name.span,
                               {tree.name.text, text::Cat(end), text::Cat(limit)});
      return false;
    }
    part.set_byte_offset(static_cast<uint32_t>(begin));
    part.set_appended(appended);
    if (!appended) return true;
    appended_at_ = begin + bytes;
    if (part.has_count_field()) variable_ = &tree;
    return true;
  }

  Unit& unit_;
  FormUnit& form_;
  const uint32_t index_;
  // Where the next appended part begins.
  uint64_t appended_at_ = 0;
  // The appended part whose number varies.
  const ast::Part* variable_ = nullptr;
};

// Descriptors that contain each other: takes away, again and again, those whose parts are all
// taken away; what stays is in a loop, or contains one.
void CheckLoops(Unit& unit) {
  std::vector<bool> done(unit.forms.size(), false);
  bool progress = true;
  while (progress) {
    progress = false;
    for (size_t i = 0; i < unit.forms.size(); ++i) {
      if (done[i]) continue;
      const auto& parts = unit.forms[i].form.contains();
      if (!std::all_of(parts.begin(), parts.end(),
                       [&](const v1::ContainedForm& part) { return done[part.form()]; })) {
        continue;
      }
      done[i] = progress = true;
    }
  }
  for (size_t i = 0; i < unit.forms.size(); ++i) {
    if (done[i]) continue;
    FormUnit& form = unit.forms[i];
    for (int k = 0; k < form.form.contains_size(); ++k) {
      if (done[form.form.contains(k).form()]) continue;
      unit.diagnostics.Report(Diagnostic::kPartLoop, form.parts[static_cast<size_t>(k)]->form.span,
                              {form.form.name()});
      break;
    }
    form.form.clear_contains();
    form.parts.clear();
  }
}

}  // namespace

void PlaceParts(Unit& unit) {
  for (uint32_t i = 0; i < unit.forms.size(); ++i) PartPlacer(unit, i).Run();
  CheckLoops(unit);
}

}  // namespace qsplit::qdl
