// Checks of single fields, with the words of their refusals. Pure functions; any thread.
#ifndef QSPLIT_DAEMON_INGRESS_FIELD_CHECKS_H_
#define QSPLIT_DAEMON_INGRESS_FIELD_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace qsplit::ingress {

inline constexpr size_t kMaxDeviceName = 32;
inline constexpr size_t kMaxLayoutName = 64;
inline constexpr size_t kMaxRoleName = 64;
inline constexpr size_t kMaxRegionName = 64;
inline constexpr size_t kMaxRoles = 64;
inline constexpr size_t kMaxFeatures = 32;
inline constexpr size_t kMaxFeatureText = 129;  // name=choice
inline constexpr size_t kMaxLeaseRegions = 16;
inline constexpr size_t kMaxMulticast = 128;
inline constexpr size_t kMaxRssTable = 4096;

// 1..most bytes of [a-z0-9_.-]; or none when `optional`.
absl::Status CheckName(std::string_view field, std::string_view value, size_t most,
                       bool optional = false);
// At most `most` bytes of printable ASCII.
absl::Status CheckText(std::string_view field, std::string_view value, size_t most);
absl::Status CheckCount(std::string_view field, size_t count, size_t least, size_t most);
absl::Status CheckRange(std::string_view field, uint64_t value, uint64_t least, uint64_t most);
// Exactly this many bytes.
absl::Status CheckLength(std::string_view field, size_t bytes, size_t expected);
// A number that names something; 0 names nothing.
absl::Status CheckId(std::string_view field, uint64_t value);
// MALFORMED, with these words.
absl::Status Malformed(std::string_view field, std::string_view value, std::string_view limit,
                       std::string_view message);

// At most 48 bytes of what a client sent, fit for a message.
std::string Shown(std::string_view value);

}  // namespace qsplit::ingress

// Returns the first error out of the function.
#define QSPLIT_CHECK_FIELD(expression)                                      \
  do {                                                                      \
    if (absl::Status checked = (expression); !checked.ok()) return checked; \
  } while (false)

#endif  // QSPLIT_DAEMON_INGRESS_FIELD_CHECKS_H_
