#include "daemon/linux/errno_status.h"

#include <string.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {

absl::Status ErrnoStatus(int error, std::string_view call, std::string_view thing) {
  std::string message(call);
  if (!thing.empty()) absl::StrAppend(&message, " ", std::string(thing));
  const char* text = strerrordesc_np(error);
  const char* name = strerrorname_np(error);
  absl::StrAppend(&message, ": ", text != nullptr ? text : "unknown error", " (",
                  name != nullptr ? name : std::to_string(error).c_str(), ")");
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

}  // namespace qsplit::linux_sys
