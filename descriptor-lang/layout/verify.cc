#include "descriptor-lang/layout/verify.h"

namespace qsplit::layout {

absl::Status VerifyLayout(const v1::Layout& layout) {
  if (layout.name().empty()) return absl::InvalidArgumentError("name: empty");
  return absl::OkStatus();
}

}  // namespace qsplit::layout
