// What an error says beyond its code and its message, for programs that decide by it.
//
// Every fallible call of the library returns absl::Status with the code that the daemon gave; its
// message names the call, the value and what to do. Pure functions; any thread.
#ifndef QSPLIT_ERROR_H_
#define QSPLIT_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace qsplit {

// Of an error that the daemon reported.
struct ErrorDetail {
  // Why, as proto/qsplit/v1/error.proto names it: "ERROR_REASON_QUOTA", ….
  std::string reason;
  // Field of the request that is at fault; empty when none is.
  std::string field;
  // The value that was given.
  std::string value;
  // The limit or the set that it missed.
  std::string limit;
};

// The detail of an error; nullopt for errors that come from the library itself or have none.
std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status);

}  // namespace qsplit

#endif  // QSPLIT_ERROR_H_
