#include "daemon/layout_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace qsplit::daemon {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxFileBytes = uintmax_t{16} << 20;

std::string NamesOf(const std::vector<layout::VerifiedLayout>& layouts) {
  return absl::StrJoin(layouts, ", ", [](std::string* out, const layout::VerifiedLayout& layout) {
    out->append(layout.name());
  });
}

}  // namespace

std::string DefaultLayoutsDir() {
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  return (executable.parent_path().parent_path() / "share/qsplit/layouts").string();
}

absl::StatusOr<std::vector<layout::VerifiedLayout>> LoadLayouts(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator files(folder, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat("layouts: ", folder, ": ", error.message(),
                                            "; give the folder of *.layout with --layouts"));
  }
  std::vector<layout::VerifiedLayout> layouts;
  for (const fs::directory_entry& entry : files) {
    if (entry.path().extension() != ".layout" || !entry.is_regular_file(error)) continue;
    if (entry.file_size(error) > kMaxFileBytes || error) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.path().string(), ": longer than 16 MiB"));
    }
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    auto verified = layout::VerifiedLayout::FromBytes(bytes);
    if (!in || !verified.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.path().string(), ": ",
                       verified.ok() ? "cannot be read" : verified.status().message()));
    }
    layouts.push_back(*std::move(verified));
  }
  std::sort(layouts.begin(), layouts.end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  const auto twice =
      std::adjacent_find(layouts.begin(), layouts.end(),
                         [](const auto& a, const auto& b) { return a.name() == b.name(); });
  if (twice != layouts.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("layouts: ", folder, ": two are named '", twice->name(), "'"));
  }
  if (layouts.empty()) {
    return absl::NotFoundError(
        absl::StrCat("layouts: ", folder, ": no *.layout in it; give their folder with --layouts"));
  }
  return layouts;
}

absl::StatusOr<std::vector<layout::VerifiedLayout>> PickLayouts(
    const std::vector<layout::VerifiedLayout>& layouts, const std::vector<std::string>& names) {
  if (names.empty()) return layouts;
  std::vector<layout::VerifiedLayout> picked;
  for (const std::string& name : names) {
    const auto found = std::find_if(layouts.begin(), layouts.end(),
                                    [&](const auto& layout) { return layout.name() == name; });
    if (found == layouts.end()) {
      return absl::NotFoundError(
          absl::StrCat("no layout '", name, "'; loaded: ", NamesOf(layouts)));
    }
    picked.push_back(*found);
  }
  return picked;
}

}  // namespace qsplit::daemon
