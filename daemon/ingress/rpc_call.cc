#include "daemon/ingress/rpc_call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "qsplit/v1/error.pb.h"

namespace qsplit::ingress {
namespace {

constexpr size_t kMaxMessage = 1500;
constexpr size_t kMaxDetail = 1500;

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message().substr(0, kMaxMessage));
  auto detail = policy::DetailOf(status);
  if (!detail) return {code, message};
  if (detail->ByteSizeLong() > kMaxDetail) {
    detail->clear_value();
    detail->clear_limit();
    detail->mutable_field()->resize(std::min<size_t>(detail->field().size(), 256));
  }
  v1::RpcStatus full;
  full.set_code(static_cast<int32_t>(status.code()));
  full.set_message(message);
  google::protobuf::Any& any = *full.add_details();
  any.set_type_url(std::string(policy::kErrorDetailUrl));
  any.set_value(detail->SerializeAsString());
  return {code, message, full.SerializeAsString()};
}

absl::StatusOr<lease::SessionId> CallerOf(const lease::Broker& broker,
                                          const grpc::CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range(kSessionKey);
  if (first == last) return lease::kNobody;
  const size_t count = static_cast<size_t>(std::distance(first, last));
  if (count > 1) {
    return policy::Error(
        v1::ERROR_REASON_NO_SESSION, kSessionKey, std::to_string(count), "1",
        absl::StrCat("metadata '", kSessionKey, "' came ", count, " times; send it once"));
  }
  const grpc::string_ref token = first->second;
  if (token.size() != kTokenLength) {
    // The value stays out: it may be most of a secret.
    return policy::Error(v1::ERROR_REASON_NO_SESSION, kSessionKey,
                         absl::StrCat(token.size(), " characters"),
                         absl::StrCat(kTokenLength, " characters"),
                         absl::StrCat("metadata '", kSessionKey, "' has ", token.size(),
                                      " characters; a session's token has ", kTokenLength,
                                      ": send the one of Welcome"));
  }
  return broker.Authenticate({token.data(), token.size()});
}

}  // namespace qsplit::ingress
