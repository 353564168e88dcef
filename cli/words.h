// How values read for people: addresses, enumerations, durations, rates.
//
// Pure functions.
#ifndef QSPLIT_CLI_WORDS_H_
#define QSPLIT_CLI_WORDS_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "qsplit/v1/device.pb.h"

namespace qsplit::cli {

// "52:54:00:00:00:01"; any length.
std::string Mac(absl::string_view bytes);
// Lower-case hexadecimal.
std::string Hex(absl::string_view bytes);
// "layout name@0123456789ab".
std::string Layout(const v1::LayoutReference& layout);
// "3-5,8"; "-" for none.
std::string Ranges(const google::protobuf::RepeatedField<uint32_t>& numbers);
// "1.5 s", "20 ms".
std::string Age(uint64_t ns);
// "16 MiB".
std::string Bytes(uint64_t bytes);
// "1.25M" of something a second, with a unit of the reader's.
std::string Rate(double per_second);

// "500ms", "2s", "1m": INVALID_ARGUMENT otherwise.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// LEASE_STATE_ACTIVE -> "active": the value's name without the enumeration's prefix.
std::string EnumWord(const google::protobuf::EnumDescriptor* type, int value);
template <typename Enum>
std::string Word(Enum value) {
  return EnumWord(google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_WORDS_H_
