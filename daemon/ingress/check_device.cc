#include "absl/strings/str_cat.h"
#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::GetDeviceRequest& request) {
  return CheckName("name", request.name(), kMaxDeviceName);
}

absl::Status Check(const v1::WatchDevicesRequest& request) {
  return CheckName("name", request.name(), kMaxDeviceName, /*optional=*/true);
}

absl::Status Check(const v1::SetDeviceRequest& request) {
  QSPLIT_CHECK_FIELD(CheckName("name", request.name(), kMaxDeviceName));
  const auto& multicast = request.multicast().addresses();
  QSPLIT_CHECK_FIELD(
      CheckCount("multicast.addresses", static_cast<size_t>(multicast.size()), 0, kMaxMulticast));
  for (int i = 0; i < multicast.size(); ++i) {
    QSPLIT_CHECK_FIELD(
        CheckLength(absl::StrCat("multicast.addresses[", i, "]"), multicast[i].size(), 6));
  }
  return absl::OkStatus();
}

}  // namespace qsplit::ingress
