#include "daemon/ingress/field_checks.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "daemon/policy/error.h"

namespace qsplit::ingress {
namespace {

std::string Text(std::string_view text) { return std::string(text); }

}  // namespace

std::string Shown(std::string_view value) {
  constexpr size_t kMost = 48;
  std::string shown = absl::CHexEscape(Text(value.substr(0, kMost)));
  if (value.size() > kMost) shown.append("...");
  return shown;
}

absl::Status Malformed(std::string_view field, std::string_view value, std::string_view limit,
                       std::string_view message) {
  return policy::Error(v1::ERROR_REASON_MALFORMED, field, Shown(value), limit, message);
}

absl::Status CheckName(std::string_view field, std::string_view value, size_t most, bool optional) {
  if (value.empty() && optional) return absl::OkStatus();
  const bool letters = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  if (letters && !value.empty() && value.size() <= most) return absl::OkStatus();
  const std::string limit = absl::StrCat("1..", most, " characters of a-z 0-9 _ - .");
  return Malformed(field, value, limit,
                   absl::StrCat(Text(field), " '", Shown(value), "' is no name; it has ", limit));
}

absl::Status CheckText(std::string_view field, std::string_view value, size_t most) {
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (printable && value.size() <= most) return absl::OkStatus();
  const std::string limit = absl::StrCat("at most ", most, " characters of printable ASCII");
  return Malformed(
      field, value, limit,
      absl::StrCat(Text(field), " '", Shown(value), "' is too long or not printable; ", limit));
}

absl::Status CheckCount(std::string_view field, size_t count, size_t least, size_t most) {
  if (count >= least && count <= most) return absl::OkStatus();
  const std::string limit = absl::StrCat(least, "..", most);
  return policy::Error(v1::ERROR_REASON_OUT_OF_RANGE, field, std::to_string(count), limit,
                       absl::StrCat(Text(field), " has ", count, " elements; allowed: ", limit));
}

absl::Status CheckRange(std::string_view field, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  const std::string limit = absl::StrCat(least, "..", most);
  return policy::Error(v1::ERROR_REASON_OUT_OF_RANGE, field, std::to_string(value), limit,
                       absl::StrCat(Text(field), " ", value, " is out of range; allowed: ", limit));
}

absl::Status CheckLength(std::string_view field, size_t bytes, size_t expected) {
  if (bytes == expected) return absl::OkStatus();
  return policy::Error(v1::ERROR_REASON_MALFORMED, field, absl::StrCat(bytes, " bytes"),
                       absl::StrCat(expected, " bytes"),
                       absl::StrCat(Text(field), " has ", bytes, " bytes; it needs ", expected));
}

absl::Status CheckId(std::string_view field, uint64_t value) {
  if (value != 0) return absl::OkStatus();
  return Malformed(field, "0", "a number that the daemon gave",
                   absl::StrCat(Text(field), " is missing; give the number that the daemon gave"));
}

}  // namespace qsplit::ingress
