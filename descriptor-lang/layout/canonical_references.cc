#include "descriptor-lang/layout/canonical_references.h"

namespace qsplit::layout::canonical {
namespace {

// Sorts messages by their bytes and drops repetitions.
template <typename T>
void SortUnique(RepeatedPtrField<T>& list) {
  std::vector<std::pair<std::string, T>> keyed;
  keyed.reserve(static_cast<size_t>(list.size()));
  for (T& element : list) {
    std::string bytes = element.SerializeAsString();
    keyed.emplace_back(std::move(bytes), std::move(element));
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  keyed.erase(std::unique(keyed.begin(), keyed.end(),
                          [](const auto& a, const auto& b) { return a.first == b.first; }),
              keyed.end());
  list.Clear();
  for (auto& [bytes, element] : keyed) list.Add(std::move(element));
}

v1::Operator Mirrored(v1::Operator op) {
  switch (op) {
    case v1::OPERATOR_LESS:
      return v1::OPERATOR_GREATER;
    case v1::OPERATOR_LESS_OR_EQUAL:
      return v1::OPERATOR_GREATER_OR_EQUAL;
    case v1::OPERATOR_GREATER:
      return v1::OPERATOR_LESS;
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return v1::OPERATOR_LESS_OR_EQUAL;
    default:
      return op;
  }
}

}  // namespace

void References::Rewrite(v1::FieldReference& reference) const {
  if (reference.form() >= fields.size()) return;
  const uint32_t form = reference.form();
  reference.set_form(forms[form]);
  reference.set_field(Mapped(fields[form], reference.field()));
}

void References::Rewrite(v1::Condition& condition) const {
  for (v1::Conjunction& conjunction : *condition.mutable_any_of()) {
    for (v1::Comparison& comparison : *conjunction.mutable_all_of()) {
      if (comparison.has_field()) Rewrite(*comparison.mutable_field());
      if (!comparison.has_other()) continue;
      Rewrite(*comparison.mutable_other());
      v1::FieldReference& left = *comparison.mutable_field();
      v1::FieldReference& right = *comparison.mutable_other();
      if (std::make_pair(right.form(), right.field()) < std::make_pair(left.form(), left.field())) {
        left.Swap(&right);
        comparison.set_operator_(Mirrored(comparison.operator_()));
      }
    }
    SortUnique(*conjunction.mutable_all_of());
  }
  SortUnique(*condition.mutable_any_of());
}

void References::Rewrite(RepeatedPtrField<v1::FeatureChoice>& choices) const {
  for (v1::FeatureChoice& choice : choices) choice.set_feature(Mapped(features, choice.feature()));
  SortBy(choices, [](const auto& c) { return std::make_pair(c.feature(), c.choice()); });
  const auto same = [](const auto& a, const auto& b) {
    return a.feature() == b.feature() && a.choice() == b.choice();
  };
  choices.erase(std::unique(choices.begin(), choices.end(), same), choices.end());
}

void References::RewriteFormList(RepeatedField<uint32_t>& list) const {
  std::vector<bool> seen(forms.size(), false);
  int kept = 0;
  for (int i = 0; i < list.size(); ++i) {
    const uint32_t form = Mapped(forms, list[i]);
    if (form < seen.size()) {
      if (seen[form]) continue;
      seen[form] = true;
    }
    list[kept++] = form;
  }
  list.Truncate(kept);
}

void References::RewriteFieldList(RepeatedPtrField<v1::FieldReference>& list) const {
  for (v1::FieldReference& reference : list) Rewrite(reference);
  SortBy(list, [](const auto& r) { return std::make_pair(r.form(), r.field()); });
  const auto same = [](const auto& a, const auto& b) {
    return a.form() == b.form() && a.field() == b.field();
  };
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
}

}  // namespace qsplit::layout::canonical
