// Errors of calls: a status with a qsplit.v1.ErrorDetail attached, so that programs need not read
// the message.
//
// Pure functions. The message names the call, the value and what to do:
//   RegisterRegion: length 0x1800 is not a multiple of the page size 0x1000; round up to 0x2000
// No message may tell one tenant about another. Any thread may call these.
#ifndef QSPLIT_DAEMON_POLICY_ERROR_H_
#define QSPLIT_DAEMON_POLICY_ERROR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "qsplit/v1/error.pb.h"

namespace qsplit::policy {

// Key of the payload (absl::Status::GetPayload) that holds the serialized ErrorDetail. It is the
// type URL of the Any that goes into google.rpc.Status.details.
inline constexpr std::string_view kErrorDetailUrl = "type.googleapis.com/qsplit.v1.ErrorDetail";

// The gRPC code that goes with a reason, as error.proto says it.
absl::StatusCode CodeOf(v1::ErrorReason reason);

// An error with its detail. `field` is a path in the request, empty when none is at fault; `value`
// what was given; `limit` what it missed. The code is CodeOf(reason).
absl::Status Error(v1::ErrorReason reason, std::string_view field, std::string_view value,
                   std::string_view limit, std::string_view message);

// The same with another code than the reason's own.
absl::Status ErrorWithCode(absl::StatusCode code, v1::ErrorReason reason, std::string_view field,
                           std::string_view value, std::string_view limit,
                           std::string_view message);

// Puts "call: " before the message and keeps code and detail. An OK status stays OK.
absl::Status InCall(std::string_view call, const absl::Status& status);

// The detail of a status; nullopt when it has none or an unreadable one.
std::optional<v1::ErrorDetail> DetailOf(const absl::Status& status);

// An answer of a device, for the caller: UNIMPLEMENTED gets reason UNSUPPORTED, UNAVAILABLE gets
// NOT_READY; all others keep their code. Details that are there already stay.
absl::Status FromDevice(const absl::Status& status);

// "0x1800".
std::string Hex(uint64_t value);

}  // namespace qsplit::policy

#endif  // QSPLIT_DAEMON_POLICY_ERROR_H_
