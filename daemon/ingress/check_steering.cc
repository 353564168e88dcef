#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {
namespace {

// Bounds the addresses; their meaning is steering's to check.
absl::Status CheckBytes(std::string_view field, const v1::MaskedBytes& bytes) {
  constexpr size_t kLongest = 16;
  QSPLIT_CHECK_FIELD(CheckCount(field, bytes.value().size(), 0, kLongest));
  return CheckLength(field, bytes.mask().size(), bytes.value().size());
}

absl::Status CheckAction(const v1::AddRuleRequest& request) {
  const auto is_true = [](std::string_view field, bool value) {
    if (value) return absl::OkStatus();
    return Malformed(field, "false", "true",
                     std::string(field) + " is false; leave it out or set it");
  };
  switch (request.action_case()) {
    case v1::AddRuleRequest::kDrop:
      return is_true("drop", request.drop());
    case v1::AddRuleRequest::kPass:
      return is_true("pass", request.pass());
    case v1::AddRuleRequest::kReflect:
      return is_true("reflect", request.reflect());
    case v1::AddRuleRequest::ACTION_NOT_SET:
      return Malformed("action", "", "queue, lease_queue, drop, pass or reflect",
                       "no action is given; give queue, lease_queue, drop, pass or reflect");
    default:
      return absl::OkStatus();
  }
}

}  // namespace

absl::Status Check(const v1::AddRuleRequest& request) {
  QSPLIT_CHECK_FIELD(
      CheckName("device", request.device(), kMaxDeviceName, request.lease_id() != 0));
  QSPLIT_CHECK_FIELD(CheckAction(request));
  if (!request.has_match()) {
    return Malformed("match", "", "a match with a flow type", "match is missing");
  }
  const v1::FlowMatch& match = request.match();
  if (match.flow_type() == v1::FLOW_TYPE_UNSPECIFIED || !v1::FlowType_IsValid(match.flow_type())) {
    return CheckRange("match.flow_type", static_cast<uint32_t>(match.flow_type()), 1,
                      v1::FlowType_MAX);
  }
  QSPLIT_CHECK_FIELD(CheckBytes("match.src_mac", match.src_mac()));
  QSPLIT_CHECK_FIELD(CheckBytes("match.dst_mac", match.dst_mac()));
  QSPLIT_CHECK_FIELD(CheckBytes("match.src_ip", match.src_ip()));
  return CheckBytes("match.dst_ip", match.dst_ip());
}

absl::Status Check(const v1::RemoveRuleRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

absl::Status Check(const v1::ListRulesRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName, /*optional=*/true);
}

absl::Status Check(const v1::GetRssRequest& request) {
  return CheckName("device", request.device(), kMaxDeviceName);
}

absl::Status Check(const v1::SetRssRequest& request) {
  QSPLIT_CHECK_FIELD(CheckName("device", request.device(), kMaxDeviceName));
  QSPLIT_CHECK_FIELD(
      CheckCount("indirection", static_cast<size_t>(request.indirection_size()), 0, kMaxRssTable));
  if (!request.key().empty()) QSPLIT_CHECK_FIELD(CheckLength("key", request.key().size(), 40));
  if (request.reset() && request.indirection_size() != 0) {
    return Malformed("reset", "true", "reset or an indirection table, not both",
                     "reset and an indirection table exclude each other; give one");
  }
  return absl::OkStatus();
}

}  // namespace qsplit::ingress
