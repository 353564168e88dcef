#include "daemon/policy/error.h"

#include <fmt/format.h>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace qsplit::policy {
namespace {

constexpr absl::string_view kUrl(kErrorDetailUrl.data(), kErrorDetailUrl.size());

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

absl::StatusCode CodeOf(v1::ErrorReason reason) {
  switch (reason) {
    case v1::ERROR_REASON_MALFORMED:
    case v1::ERROR_REASON_OUT_OF_RANGE:
    case v1::ERROR_REASON_NOT_A_MEMFD:
    case v1::ERROR_REASON_MISSING_SEAL:
    case v1::ERROR_REASON_TOO_SMALL:
    case v1::ERROR_REASON_MISALIGNED:
    case v1::ERROR_REASON_BAD_CONFIGURATION:
      return absl::StatusCode::kInvalidArgument;
    case v1::ERROR_REASON_NO_SESSION:
    case v1::ERROR_REASON_SESSION_ENDED:
      return absl::StatusCode::kUnauthenticated;
    case v1::ERROR_REASON_OVERLAP:
    case v1::ERROR_REASON_RULE_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case v1::ERROR_REASON_QUOTA:
    case v1::ERROR_REASON_NO_FREE_QUEUE:
    case v1::ERROR_REASON_QUEUE_TAKEN:
    case v1::ERROR_REASON_RULES_FULL:
      return absl::StatusCode::kResourceExhausted;
    case v1::ERROR_REASON_NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case v1::ERROR_REASON_NOT_ALLOWED:
    case v1::ERROR_REASON_TRAFFIC_TAKEN:
    case v1::ERROR_REASON_OUT_OF_SCOPE:
      return absl::StatusCode::kPermissionDenied;
    case v1::ERROR_REASON_UNSUPPORTED:
    case v1::ERROR_REASON_MISSING_ROLES:
      return absl::StatusCode::kUnimplemented;
    case v1::ERROR_REASON_REVOKED:
      return absl::StatusCode::kAborted;
    case v1::ERROR_REASON_NOT_READY:
    case v1::ERROR_REASON_UNUSABLE:
      return absl::StatusCode::kUnavailable;
    case v1::ERROR_REASON_IN_USE:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kUnknown;
  }
}

absl::Status ErrorWithCode(absl::StatusCode code, v1::ErrorReason reason, std::string_view field,
                           std::string_view value, std::string_view limit,
                           std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason(reason);
  detail.set_field(std::string(field));
  detail.set_value(std::string(value));
  detail.set_limit(std::string(limit));
  absl::Status status(code, std::string(message));
  status.SetPayload(kUrl, absl::Cord(detail.SerializeAsString()));
  return status;
}

absl::Status Error(v1::ErrorReason reason, std::string_view field, std::string_view value,
                   std::string_view limit, std::string_view message) {
  return ErrorWithCode(CodeOf(reason), reason, field, value, limit, message);
}

absl::Status InCall(std::string_view call, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status named(status.code(), fmt::format("{}: {}", call, Text(status)));
  status.ForEachPayload([&named](absl::string_view url, const absl::Cord& payload) {
    named.SetPayload(url, payload);
  });
  return named;
}

std::optional<v1::ErrorDetail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kUrl);
  if (!payload) return std::nullopt;
  v1::ErrorDetail detail;
  if (!detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

absl::Status FromDevice(const absl::Status& status) {
  if (status.ok() || status.GetPayload(kUrl)) return status;
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  if (absl::IsUnimplemented(status)) reason = v1::ERROR_REASON_UNSUPPORTED;
  if (absl::IsUnavailable(status)) reason = v1::ERROR_REASON_NOT_READY;
  if (absl::IsInvalidArgument(status)) reason = v1::ERROR_REASON_OUT_OF_RANGE;
  return ErrorWithCode(status.code(), reason, "", "", "", Text(status));
}

std::string Hex(uint64_t value) { return fmt::format("{:#x}", value); }

}  // namespace qsplit::policy
