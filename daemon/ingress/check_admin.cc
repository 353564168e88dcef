#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::RevokeLeaseRequest& request) {
  return CheckId("lease_id", request.lease_id());
}

absl::Status Check(const v1::InjectFaultRequest& request) {
  constexpr uint64_t kHourNs = 3'600'000'000'000;
  constexpr uint64_t kMostTimes = 1'000'000;
  QSPLIT_CHECK_FIELD(CheckName("device", request.device(), kMaxDeviceName));
  if (request.fault() == v1::INJECTED_FAULT_UNSPECIFIED ||
      !v1::InjectedFault_IsValid(request.fault())) {
    return CheckRange("fault", static_cast<uint32_t>(request.fault()), 1, v1::InjectedFault_MAX);
  }
  QSPLIT_CHECK_FIELD(CheckRange("count", request.count(), 0, kMostTimes));
  return CheckRange("duration_ns", request.duration_ns(), 0, kHourNs);
}

}  // namespace qsplit::ingress
