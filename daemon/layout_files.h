// The compiled layouts that the daemon serves, read from a folder and verified. Main thread.
#ifndef QSPLIT_DAEMON_LAYOUT_FILES_H_
#define QSPLIT_DAEMON_LAYOUT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::daemon {

// ../share/qsplit/layouts from the executable: right in the build tree and where it is installed.
std::string DefaultLayoutsDir();

// All *.layout of the folder, by name. NOT_FOUND: no such folder, or none in it. INVALID_ARGUMENT:
// one that the verifier refuses, or two of one name; the message begins with the file.
absl::StatusOr<std::vector<layout::VerifiedLayout>> LoadLayouts(const std::string& folder);

// Those of `names`, in this order; all of them when `names` is empty. NOT_FOUND: one is not there.
absl::StatusOr<std::vector<layout::VerifiedLayout>> PickLayouts(
    const std::vector<layout::VerifiedLayout>& layouts, const std::vector<std::string>& names);

}  // namespace qsplit::daemon

#endif  // QSPLIT_DAEMON_LAYOUT_FILES_H_
