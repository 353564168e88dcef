#include "daemon/backend/vfio/driver_choices.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace qsplit::vfio {
namespace {

absl::StatusOr<device::AllowedChoices> AllowedOf(const DrivenLayout& driven,
                                                 const v1::Layout& layout) {
  device::AllowedChoices allowed(static_cast<size_t>(layout.features_size()), 0);
  for (const auto& [feature, choice] : driven.choices) {
    bool found = false;
    for (int f = 0; f < layout.features_size(); ++f) {
      if (layout.features(f).name() != feature) continue;
      for (int c = 0; c < layout.features(f).choices_size(); ++c) {
        if (layout.features(f).choices(c) != choice) continue;
        allowed[static_cast<size_t>(f)] |= uint64_t{1} << c;
        found = true;
      }
    }
    if (!found) {
      return absl::InternalError(absl::StrCat(
          "the driver sets layout ", driven.name, " up with ", feature, " = ", choice,
          ", which the loaded layout does not have; install layouts and daemon of one version"));
    }
  }
  for (uint64_t& mask : allowed) {
    if (mask == 0) mask = 1;
  }
  return allowed;
}

}  // namespace

absl::StatusOr<std::vector<OfferedLayout>> OfferedLayouts(
    const DriverFacts& facts, std::span<const layout::VerifiedLayout> loaded) {
  std::vector<OfferedLayout> offered;
  std::string names;
  for (const DrivenLayout& driven : facts.layouts) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", driven.name);
    const auto found = std::find_if(loaded.begin(), loaded.end(), [&](const auto& layout) {
      return layout.name() == driven.name;
    });
    if (found == loaded.end()) continue;
    absl::StatusOr<device::AllowedChoices> allowed = AllowedOf(driven, found->message());
    if (!allowed.ok()) return allowed.status();
    offered.push_back({*found, *std::move(allowed), &driven});
  }
  if (offered.empty()) {
    return absl::NotFoundError(absl::StrCat("the device is driven by ", names,
                                            ", and none of them is loaded; see layouts_dir"));
  }
  return offered;
}

absl::Status CheckChoices(const OfferedLayout& offered, std::span<const uint32_t> features) {
  for (size_t f = 0; f < offered.allowed.size(); ++f) {
    const uint32_t choice = f < features.size() ? features[f] : 0;
    if (choice < 64 && (offered.allowed[f] >> choice & 1) != 0) continue;
    const v1::Feature& feature = offered.layout.message().features(static_cast<int>(f));
    return absl::InvalidArgumentError(
        absl::StrCat("the device cannot be set up with choice ", choice, " of ", feature.name()));
  }
  return absl::OkStatus();
}

}  // namespace qsplit::vfio
