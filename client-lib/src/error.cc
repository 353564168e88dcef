#include "qsplit/error.h"

#include <google/protobuf/any.pb.h>

#include <string>

#include "absl/strings/cord.h"
#include "client-lib/src/error_detail.h"

namespace qsplit {
namespace internal {

std::optional<v1::ErrorDetail> FindErrorDetail(const std::string& rpc_status) {
  v1::RpcStatus status;
  if (!status.ParseFromString(rpc_status)) return std::nullopt;
  for (const google::protobuf::Any& any : status.details()) {
    v1::ErrorDetail detail;
    if (any.Is<v1::ErrorDetail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace internal

std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(internal::kErrorDetailUrl);
  v1::ErrorDetail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return ErrorDetail{v1::ErrorReason_Name(detail.reason()), detail.field(), detail.value(),
                     detail.limit()};
}

}  // namespace qsplit
