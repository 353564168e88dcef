#include "descriptor-lang/passes/unit.h"

#include <algorithm>

#include "descriptor-lang/text.h"

namespace qsplit::qdl {
bool Exclusive(Unit& unit, const FieldUnit& a, const FieldUnit& b) {
  return layout::Exclude(a.field.features(), b.field.features(), unit.budget) ||
         layout::Exclude(a.facts, b.facts, unit.budget);
}

void AddFeature(Unit& unit, const ast::FeatureChoice& tree,
                google::protobuf::RepeatedPtrField<v1::FeatureChoice>& out) {
  const auto feature = unit.feature_names.find(tree.feature.text);
  if (feature == unit.feature_names.end()) {
    unit.diagnostics.Report(
        Diagnostic::kUnknownName, tree.feature.span,
        {"feature", tree.feature.text, Suggest(tree.feature.text, NamesOf(unit.feature_names))});
    return;
  }
  const v1::Feature& known = unit.layout.features(static_cast<int>(feature->second));
  std::vector<std::string_view> names(known.choices().begin(), known.choices().end());
  for (uint32_t i = 0; i < names.size(); ++i) {
    if (names[i] != tree.choice.text) continue;
    for (const v1::FeatureChoice& other : out) {
      if (other.feature() != feature->second) continue;
      unit.diagnostics.Report(Diagnostic::kRepeated, tree.feature.span, {tree.feature.text});
      return;
    }
    v1::FeatureChoice& choice = *out.Add();
    choice.set_feature(feature->second);
    choice.set_choice(i);
    return;
  }
  unit.diagnostics.Report(Diagnostic::kUnknownName, tree.choice.span,
                          {text::Cat("choice of `", known.name(), "`"), tree.choice.text,
                           Suggest(tree.choice.text, names)});
}

std::optional<uint32_t> FindForm(Unit& unit, const ast::Identifier& name) {
  const auto found = unit.form_names.find(name.text);
  if (found != unit.form_names.end()) return found->second;
  unit.diagnostics.Report(Diagnostic::kUnknownName, name.span,
                          {"descriptor", name.text, Suggest(name.text, NamesOf(unit.form_names))});
  unit.incomplete = true;
  return std::nullopt;
}

std::string CleanText(std::string_view words, size_t most) {
  words = text::Trim(words);
  std::string out;
  for (size_t at = 0; at < words.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(words.substr(at)));
    if (out.size() + length > most) break;
    const auto first = static_cast<uint8_t>(words[at]);
    const bool control =
        first < 0x20 || first == 0x7f ||
        (first == 0xc2 && length == 2 && static_cast<uint8_t>(words[at + 1]) < 0xa0);
    out += control ? std::string(" ") : std::string(words.substr(at, length));
    at += length;
  }
  return std::string(text::Trim(out));
}

std::string BitsText(uint64_t bits) { return text::Cat(bits, bits == 1 ? " bit" : " bits"); }

std::string Suggest(std::string_view wanted, const std::vector<std::string_view>& names) {
  constexpr size_t kMaxListed = 8;
  const std::string_view best = text::Nearest(wanted, names);
  if (!best.empty()) return text::Cat("did you mean `", best, "`?");
  if (names.empty()) return "there are none";
  if (names.size() > kMaxListed) return "check the spelling";
  return text::Cat("there are: ", text::Join(names, ", "));
}

std::vector<std::string_view> NamesOf(const NameIndex& index) {
  std::vector<std::string_view> out;
  for (const auto& [name, position] : index) out.push_back(name);
  return out;
}

}  // namespace qsplit::qdl
