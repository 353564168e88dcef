#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {
namespace {

// Of the things that are looked at, fewer count.
constexpr size_t kMaxSampleCounts = 64;

}  // namespace

absl::Status Check(const v1::ExplainQueueRequest& request) {
  const auto counts = static_cast<size_t>(request.since().counts_size());
  if (absl::Status status = CheckCount("since.counts", counts, 0, kMaxSampleCounts); !status.ok()) {
    return status;
  }
  return CheckName("device", request.device(), kMaxDeviceName);
}

absl::Status Check(const v1::ReadQueueRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

}  // namespace qsplit::ingress
