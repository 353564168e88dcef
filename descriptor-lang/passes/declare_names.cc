#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

// Its own, which only one line of a value in several places may have.
bool HasOwnAttributes(const ast::Attributes& a) {
  return a.enumeration || a.role || a.constraint != ast::Attributes::Constraint::kNone || a.times ||
         a.plus || a.minus || a.zero_means || a.is_signed;
}

// Those that a whole word may have as well, which then each line may repeat.
bool HasGroupAttributes(const ast::Attributes& a) {
  return !a.when.empty() || a.position != v1::PACKET_POSITION_UNSPECIFIED || !a.features.empty();
}

class Declarer {
 public:
  explicit Declarer(Unit& unit) : unit_(unit), diagnostics_(unit.diagnostics) {}

  void Run() {
    const ast::File& file = unit_.file;
    if (file.name) unit_.layout.set_name(std::string(file.name->text));
    DeclareDocumentation();
    DeclareEnumerations();
    DeclareFeatures();
    Count("descriptors", file.descriptors, layout::kMaxForms);
    for (const ast::Descriptor& tree : file.descriptors) {
      if (unit_.forms.size() >= layout::kMaxForms) break;
      Declare(unit_.form_names, "descriptors", tree.name,
              static_cast<uint32_t>(unit_.forms.size()));
      DeclareForm(tree);
    }
    if (file.queues.empty()) unit_.ReportMissing(Diagnostic::kNoQueue, TopSpan(), {});
  }

 private:
  Span TopSpan() const { return unit_.file.name ? unit_.file.name->span : Span{0, 1}; }

  // Adds a name; reports it when it is there already.
  void Declare(NameIndex& index, std::string_view kind, const ast::Identifier& name, uint32_t at) {
    const auto [known, added] = index.emplace(name.text, at);
    const std::pair key(&index, name.text);
    if (added) {
      spans_[key] = name.span;
    } else {
      diagnostics_.Report(Diagnostic::kDuplicateName, name.span, {kind, name.text}, spans_[key],
                          "the other one");
    }
  }

  template <typename List>
  bool Count(std::string_view kind, const List& list, size_t most) {
    if (list.size() <= most) return true;
    diagnostics_.Report(Diagnostic::kTooMany, NameSpan(list[most]), {kind, text::Cat(most)});
    return false;
  }
  template <typename T>
  static Span NameSpan(const T& node) {
    if constexpr (requires { node.name.span; }) {
      return node.name.span;
    } else {
      return node.span;
    }
  }

  void DeclareDocumentation() {
    const ast::File& file = unit_.file;
    v1::Documentation& words = *unit_.layout.mutable_documentation();
    if (file.title) {
      CheckText(*file.title, "bytes in a title", layout::kMaxTitleBytes);
      words.set_title(CleanText(file.title->text, layout::kMaxTitleBytes));
    }
    Count("sources", file.sources, layout::kMaxSources);
    for (const ast::Identifier& source : file.sources) {
      CheckText(source, "bytes in a source", layout::kMaxSourceBytes);
      words.add_sources(CleanText(source.text, layout::kMaxSourceBytes));
      if (words.sources(words.sources_size() - 1).empty()) {
        diagnostics_.Report(Diagnostic::kNoSource, source.span, {});
      }
    }
    if (file.sources.empty()) unit_.ReportMissing(Diagnostic::kNoSource, TopSpan(), {});
  }

  void CheckText(const ast::Identifier& text, std::string_view kind, size_t most) {
    if (text.text.size() > most) {
      diagnostics_.Report(Diagnostic::kTooMany, text.span, {kind, text::Cat(most)});
    }
  }

  void DeclareEnumerations() {
    Count("enumerations", unit_.file.enumerations, layout::kMaxEnumerations);
    for (const ast::Enumeration& tree : unit_.file.enumerations) {
      const int index = unit_.layout.enumerations_size();
      if (index >= static_cast<int>(layout::kMaxEnumerations)) break;
      Declare(unit_.enumeration_names, "enumerations", tree.name, static_cast<uint32_t>(index));
      v1::Enumeration& out = *unit_.layout.add_enumerations();
      out.set_name(std::string(tree.name.text));
      const bool width_ok = tree.bits.value >= 1 && tree.bits.value <= 64;
      if (!width_ok && !tree.bits.span.empty()) {
        diagnostics_.Report(Diagnostic::kEnumerationWidth, tree.bits.span,
                            {text::Cat(tree.bits.value)});
      }
      out.set_bits(width_ok ? static_cast<uint32_t>(tree.bits.value) : 64);
      DeclareValues(tree, out);
    }
  }

  void DeclareValues(const ast::Enumeration& tree, v1::Enumeration& out) {
    Count("values in an enumeration", tree.values, layout::kMaxEnumerationValues);
    if (tree.values.empty()) {
      unit_.ReportMissing(Diagnostic::kEmptyEnumeration, tree.name.span, {tree.name.text});
    }
    NameIndex names;
    std::map<uint64_t, const ast::EnumerationValue*> values;
    for (const ast::EnumerationValue& value : tree.values) {
      if (out.values_size() >= static_cast<int>(layout::kMaxEnumerationValues)) break;
      Declare(names, "values", value.name, static_cast<uint32_t>(out.values_size()));
      if (value.value.value > layout::LowBits(out.bits())) {
        diagnostics_.Report(Diagnostic::kEnumerationValueTooLarge, value.value.span,
                            {text::Cat(value.value.value), BitsText(out.bits())});
      }
      const auto [other, added] = values.emplace(value.value.value, &value);
      if (!added) {
        diagnostics_.Report(
            Diagnostic::kDuplicateValue, value.value.span,
            {other->second->name.text, value.name.text, text::Cat(value.value.value)},
            other->second->name.span, "the other one");
      }
      v1::EnumerationValue& to = *out.add_values();
      to.set_name(std::string(value.name.text));
      to.set_value(value.value.value);
    }
  }

  void DeclareFeatures() {
    Count("features", unit_.file.features, layout::kMaxFeatures);
    for (const ast::Feature& tree : unit_.file.features) {
      const int index = unit_.layout.features_size();
      if (index >= static_cast<int>(layout::kMaxFeatures)) break;
      Declare(unit_.feature_names, "features", tree.name, static_cast<uint32_t>(index));
      v1::Feature& out = *unit_.layout.add_features();
      out.set_name(std::string(tree.name.text));
      if (tree.choices.size() < 2) {
        unit_.ReportMissing(Diagnostic::kFeatureChoices, tree.name.span, {tree.name.text});
      }
      Count("choices of a feature", tree.choices, layout::kMaxFeatureChoices);
      NameIndex names;
      for (const ast::Identifier& choice : tree.choices) {
        if (out.choices_size() >= static_cast<int>(layout::kMaxFeatureChoices)) break;
        Declare(names, "choices", choice, static_cast<uint32_t>(out.choices_size()));
        out.add_choices(std::string(choice.text));
      }
    }
  }

  void DeclareForm(const ast::Descriptor& tree) {
    FormUnit& form = unit_.forms.emplace_back(tree, *unit_.layout.add_forms());
    form.form.set_name(std::string(tree.name.text));
    const uint64_t size = tree.size_bytes.value;
    const bool size_ok = size >= 1 && size <= layout::kMaxFormBytes;
    if (!size_ok && !tree.size_bytes.span.empty()) {
      diagnostics_.Report(Diagnostic::kDescriptorSize, tree.size_bytes.span, {text::Cat(size)});
    }
    form.form.set_size_bytes(size_ok ? static_cast<uint32_t>(size) : layout::kMaxFormBytes);
    form.form.set_slots(1);
    if (tree.slots) {
      if (tree.slots->value < 1 || tree.slots->value > layout::kMaxFormSlots) {
        diagnostics_.Report(Diagnostic::kLimitTooLarge, tree.slots->span,
                            {"the number of slots", text::Cat(tree.slots->value), "1 to 256"});
      } else {
        form.form.set_slots(static_cast<uint32_t>(tree.slots->value));
      }
    }
    form.form.set_position(tree.position == v1::PACKET_POSITION_UNSPECIFIED
                               ? v1::PACKET_POSITION_EACH
                               : tree.position);
    if (tree.fields.empty() && tree.parts.empty()) {
      unit_.ReportMissing(Diagnostic::kEmptyDescriptor, tree.name.span, {tree.name.text});
    }
    for (const ast::Field& line : tree.fields) DeclareField(form, line);
    for (FieldUnit& field : form.fields) FinishField(field);
    for (const ast::FeatureChoice& choice : tree.features) {
      AddFeature(unit_, choice, *form.form.mutable_features());
    }
  }

  void DeclareField(FormUnit& form, const ast::Field& line) {
    const auto known = form.field_names.find(line.name.text);
    if (known != form.field_names.end()) {
      FieldUnit& field = form.fields[known->second];
      if (line.slice && field.lines.front()->slice) {
        field.lines.push_back(&line);
      } else {
        diagnostics_.Report(Diagnostic::kDuplicateName, line.name.span, {"fields", line.name.text},
                            field.span(), "the other one");
      }
      return;
    }
    if (form.fields.size() >= layout::kMaxFields) {
      diagnostics_.Report(Diagnostic::kTooMany, form.tree->name.span,
                          {"fields in a descriptor", text::Cat(layout::kMaxFields)});
      return;
    }
    form.field_names.emplace(line.name.text, static_cast<uint32_t>(form.fields.size()));
    FieldUnit& field = form.fields.emplace_back(*form.form.add_fields());
    field.lines.push_back(&line);
    field.field.set_name(std::string(line.name.text));
  }

  void ReportAgain(const ast::Field& line, const ast::Field& first) {
    diagnostics_.Report(Diagnostic::kRepeated, line.name.span, {line.name.text}, first.span,
                        "its attributes stand here");
  }

  bool SameGroup(const ast::Attributes& a, const ast::Attributes& b) const {
    return a.position == b.position &&
           std::equal(a.when.begin(), a.when.end(), b.when.begin(), b.when.end(),
                      [&](const ast::ConditionPtr& x, const ast::ConditionPtr& y) {
                        return unit_.source.Text(x->span) == unit_.source.Text(y->span);
                      }) &&
           std::equal(a.features.begin(), a.features.end(), b.features.begin(), b.features.end(),
                      [](const ast::FeatureChoice& x, const ast::FeatureChoice& y) {
                        return x.feature.text == y.feature.text && x.choice.text == y.choice.text;
                      });
  }

  void FinishField(FieldUnit& field) {
    field.main = field.lines.front();
    const ast::Field* own = nullptr;
    const ast::Field* group = nullptr;
    for (const ast::Field* line : field.lines) {
      const bool has_own = HasOwnAttributes(line->attributes);
      const bool has_group = HasGroupAttributes(line->attributes);
      if (has_own && own != nullptr) ReportAgain(*line, *own);
      if (has_group && group != nullptr && !SameGroup(line->attributes, group->attributes)) {
        ReportAgain(*line, *group);
      }
      if (has_own && own == nullptr) own = line;
      if (has_group && group == nullptr) group = line;
    }
    if (own != nullptr && group != nullptr && !HasGroupAttributes(own->attributes)) {
      ReportAgain(*own, *group);
    }
    if (own != nullptr || group != nullptr) field.main = own != nullptr ? own : group;
    for (const ast::FeatureChoice& choice : field.main->attributes.features) {
      AddFeature(unit_, choice, *field.field.mutable_features());
    }
  }

  Unit& unit_;
  Diagnostics& diagnostics_;
  // Where each name of each index was last declared.
  std::map<std::pair<const NameIndex*, std::string_view>, Span> spans_;
};

}  // namespace

void DeclareNames(Unit& unit) { Declarer(unit).Run(); }

}  // namespace qsplit::qdl
