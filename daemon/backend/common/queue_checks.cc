#include "daemon/backend/common/queue_checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace qsplit::backend {
namespace {

absl::Status CheckNumbers(std::span<const uint32_t> queues, uint32_t limit, const char* direction) {
  for (size_t i = 0; i < queues.size(); ++i) {
    if (queues[i] >= limit) {
      return absl::InvalidArgumentError(
          absl::StrCat(direction, " queue ", queues[i], "; the device has ", limit));
    }
    if (i != 0 && queues[i] <= queues[i - 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat(direction, " queues must be in ascending order"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFree(std::span<const uint32_t> wanted, std::span<const uint32_t> taken,
                       const char* direction) {
  const auto common = std::ranges::find_first_of(wanted, taken);
  if (common == wanted.end()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(direction, " queue ", *common, " is taken"));
}

}  // namespace

absl::Status CheckQueueNumbers(const device::QueueRequest& request,
                               const device::DeviceInfo& info) {
  if (request.rx_queues.empty() && request.tx_queues.empty()) {
    return absl::InvalidArgumentError("no queue was asked for");
  }
  absl::Status status = CheckNumbers(request.rx_queues, info.rx_queues, "receive");
  status.Update(CheckNumbers(request.tx_queues, info.tx_queues, "transmit"));
  return status;
}

absl::Status CheckApart(const device::QueueRequest& request, device::LeaseId open,
                        std::span<const uint32_t> open_rx, std::span<const uint32_t> open_tx) {
  if (request.lease == open) {
    return absl::AlreadyExistsError(absl::StrCat("lease ", open, " has queues already"));
  }
  absl::Status status = CheckFree(request.rx_queues, open_rx, "receive");
  status.Update(CheckFree(request.tx_queues, open_tx, "transmit"));
  return status;
}

}  // namespace qsplit::backend
