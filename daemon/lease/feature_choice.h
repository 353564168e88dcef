// Choices of a layout's features, by name: "Completion=extended".
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_LEASE_FEATURE_CHOICE_H_
#define QSPLIT_DAEMON_LEASE_FEATURE_CHOICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::lease {

// A choice that a client insists on.
struct FeatureWish {
  std::string feature;
  std::string choice;
};

// INVALID_ARGUMENT (MALFORMED): not "Feature=choice", a feature twice, more than a layout can have.
absl::StatusOr<std::vector<FeatureWish>> ParseFeatures(const std::vector<std::string>& words);

// For each of Layout.features: the choice that is insisted on, or nullopt for any.
using PinnedChoices = std::vector<std::optional<uint32_t>>;

// nullopt: the layout lacks one of them.
std::optional<PinnedChoices> PinChoices(const v1::Layout& layout,
                                        const std::vector<FeatureWish>& wishes);

// "Completion=extended"; `choice` must be one of the feature's.
std::string NameOfChoice(const v1::Feature& feature, uint32_t choice);

// "Completion=basic|extended", one after the other with commas; empty: it has no features. With
// `allowed`, a mask of choices for each: only those.
std::string DescribeFeatures(const v1::Layout& layout, const std::vector<uint64_t>& allowed = {});

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_FEATURE_CHOICE_H_
