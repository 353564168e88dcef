#include "daemon/lease/feature_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/policy/error.h"
#include "descriptor-lang/layout/limits.h"

namespace qsplit::lease {
namespace {

using policy::Error;

// Index of a name; -1: it is not there.
int IndexOf(const google::protobuf::RepeatedPtrField<std::string>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

}  // namespace

absl::StatusOr<std::vector<FeatureWish>> ParseFeatures(const std::vector<std::string>& words) {
  if (words.size() > layout::kMaxFeatures) {
    return Error(v1::ERROR_REASON_MALFORMED, "features", fmt::format("{}", words.size()),
                 fmt::format("{}", layout::kMaxFeatures),
                 fmt::format("{} features are named; a layout has at most {}", words.size(),
                             layout::kMaxFeatures));
  }
  std::vector<FeatureWish> wishes;
  for (const std::string& word : words) {
    const std::string shown = word.substr(0, 2 * layout::kMaxNameBytes);
    const size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == word.size()) {
      return Error(v1::ERROR_REASON_MALFORMED, "features", shown, "Feature=choice",
                   fmt::format("'{}' is no choice of a feature; write Feature=choice", shown));
    }
    FeatureWish wish{word.substr(0, equals), word.substr(equals + 1)};
    if (std::any_of(wishes.begin(), wishes.end(),
                    [&](const FeatureWish& other) { return other.feature == wish.feature; })) {
      return Error(
          v1::ERROR_REASON_MALFORMED, "features", shown, "each once",
          fmt::format("'{}' chooses a feature for the second time; name each once", shown));
    }
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

std::optional<PinnedChoices> PinChoices(const v1::Layout& layout,
                                        const std::vector<FeatureWish>& wishes) {
  PinnedChoices pinned(static_cast<size_t>(layout.features_size()));
  for (const FeatureWish& wish : wishes) {
    const auto feature =
        std::find_if(layout.features().begin(), layout.features().end(),
                     [&](const v1::Feature& one) { return one.name() == wish.feature; });
    if (feature == layout.features().end()) return std::nullopt;
    const int choice = IndexOf(feature->choices(), wish.choice);
    if (choice < 0) return std::nullopt;
    pinned[static_cast<size_t>(feature - layout.features().begin())] =
        static_cast<uint32_t>(choice);
  }
  return pinned;
}

std::string NameOfChoice(const v1::Feature& feature, uint32_t choice) {
  return fmt::format("{}={}", feature.name(), feature.choices(static_cast<int>(choice)));
}

std::string DescribeFeatures(const v1::Layout& layout, const std::vector<uint64_t>& allowed) {
  std::vector<std::string> features;
  for (const v1::Feature& feature : layout.features()) {
    std::vector<std::string> choices;
    for (int i = 0; i < feature.choices_size(); ++i) {
      const bool there = allowed.empty() || ((allowed[features.size()] >> i) & 1) != 0;
      if (there) choices.push_back(feature.choices(i));
    }
    features.push_back(fmt::format("{}={}", feature.name(), fmt::join(choices, "|")));
  }
  return fmt::format("{}", fmt::join(features, ", "));
}

}  // namespace qsplit::lease
