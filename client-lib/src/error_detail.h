// v1::ErrorDetail inside a gRPC status's details and inside an absl::Status. Pure; any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_ERROR_DETAIL_H_
#define QSPLIT_CLIENT_LIB_SRC_ERROR_DETAIL_H_

#include <optional>
#include <string>

#include "qsplit/v1/error.pb.h"

namespace qsplit::internal {

// Of the absl::Status payload, and of the Any in RpcStatus.details.
inline constexpr char kErrorDetailUrl[] = "type.googleapis.com/qsplit.v1.ErrorDetail";

// The first ErrorDetail in a serialized v1::RpcStatus; nullopt if there is none or the bytes do
// not parse.
std::optional<v1::ErrorDetail> FindErrorDetail(const std::string& rpc_status);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_ERROR_DETAIL_H_
