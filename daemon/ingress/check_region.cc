#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::RegisterRegionRequest& request) {
  QSPLIT_CHECK_FIELD(CheckId("descriptor_handle", request.descriptor_handle()));
  return CheckText("name", request.name(), kMaxRegionName);
}

absl::Status Check(const v1::UnregisterRegionRequest& request) {
  return CheckId("region_id", request.region_id());
}

}  // namespace qsplit::ingress
