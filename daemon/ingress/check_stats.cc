#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::GetStatsRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

absl::Status Check(const v1::WatchStatsRequest& request) {
  constexpr uint64_t kLeastNs = 10'000'000;
  constexpr uint64_t kMostNs = 3'600'000'000'000;
  QSPLIT_CHECK_FIELD(CheckName("device", request.device(), kMaxDeviceName));
  if (request.interval_ns() == 0) return absl::OkStatus();
  return CheckRange("interval_ns", request.interval_ns(), kLeastNs, kMostNs);
}

}  // namespace qsplit::ingress
