#include "absl/strings/str_cat.h"
#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {
namespace {

absl::Status CheckRoles(std::string_view field,
                        const google::protobuf::RepeatedPtrField<std::string>& roles) {
  QSPLIT_CHECK_FIELD(CheckCount(field, static_cast<size_t>(roles.size()), 0, kMaxRoles));
  for (int i = 0; i < roles.size(); ++i) {
    QSPLIT_CHECK_FIELD(
        CheckName(absl::StrCat(std::string(field), "[", i, "]"), roles[i], kMaxRoleName));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Check(const v1::AcquireLeaseRequest& request) {
  QSPLIT_CHECK_FIELD(CheckName("device", request.device(), kMaxDeviceName));
  QSPLIT_CHECK_FIELD(CheckName("layout", request.layout(), kMaxLayoutName, /*optional=*/true));
  QSPLIT_CHECK_FIELD(CheckCount("region_ids", static_cast<size_t>(request.region_ids_size()), 1,
                                kMaxLeaseRegions));
  for (int i = 0; i < request.region_ids_size(); ++i) {
    QSPLIT_CHECK_FIELD(CheckId(absl::StrCat("region_ids[", i, "]"), request.region_ids(i)));
  }
  QSPLIT_CHECK_FIELD(CheckRoles("rx_roles", request.rx_roles()));
  QSPLIT_CHECK_FIELD(CheckRoles("tx_roles", request.tx_roles()));
  QSPLIT_CHECK_FIELD(
      CheckCount("features", static_cast<size_t>(request.features_size()), 0, kMaxFeatures));
  for (int i = 0; i < request.features_size(); ++i) {
    QSPLIT_CHECK_FIELD(
        CheckText(absl::StrCat("features[", i, "]"), request.features(i), kMaxFeatureText));
  }
  if (!v1::ProtectionMode_IsValid(request.protection())) {
    return CheckRange("protection", static_cast<uint32_t>(request.protection()),
                      v1::ProtectionMode_MIN, v1::ProtectionMode_MAX);
  }
  return absl::OkStatus();
}

absl::Status Check(const v1::GetLeaseRequest& request) {
  return CheckId("lease_id", request.lease_id());
}

absl::Status Check(const v1::ReleaseLeaseRequest& request) {
  return CheckId("lease_id", request.lease_id());
}

}  // namespace qsplit::ingress
