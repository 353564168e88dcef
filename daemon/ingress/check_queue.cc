#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::ExplainQueueRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

absl::Status Check(const v1::ReadQueueRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

}  // namespace qsplit::ingress
