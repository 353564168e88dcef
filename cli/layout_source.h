// Where the layouts that verbs speak of come from: the daemon, or a file.
//
// Both are untrusted until verified, which happens here. One thread.
#ifndef QSPLIT_CLI_LAYOUT_SOURCE_H_
#define QSPLIT_CLI_LAYOUT_SOURCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/context.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::cli {

// The layout of this name that the daemon has loaded; or, of a word with a '/' or the ending
// ".layout", the one in that file, for which no daemon is needed.
absl::StatusOr<layout::VerifiedLayout> GetLayout(Context& context, const std::string& name);
// All that the daemon has loaded.
absl::StatusOr<std::vector<layout::VerifiedLayout>> GetAllLayouts(Context& context);
// Of a file.
absl::StatusOr<layout::VerifiedLayout> LoadLayout(const std::string& path);

// What LAYOUT may be, for help.
inline constexpr char kLayoutHelp[] = "the layout's name, or a .layout file";

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_LAYOUT_SOURCE_H_
