#include "cli/words.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace qsplit::cli {

std::string Mac(absl::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    absl::StrAppend(&out, out.empty() ? "" : ":",
                    absl::Hex(static_cast<unsigned char>(byte), absl::kZeroPad2));
  }
  return out;
}

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

std::string Layout(const v1::LayoutReference& layout) {
  return absl::StrCat(layout.name(), "@", Hex(layout.digest()).substr(0, 12));
}

std::string Ranges(const google::protobuf::RepeatedField<uint32_t>& numbers) {
  std::string out;
  for (int i = 0; i < numbers.size();) {
    int end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] > numbers[end] &&
           numbers[end + 1] - numbers[end] == 1) {
      ++end;
    }
    absl::StrAppend(&out, out.empty() ? "" : ",", numbers[i]);
    if (end > i) absl::StrAppend(&out, "-", numbers[end]);
    i = end + 1;
  }
  return out.empty() ? "-" : out;
}

std::string Age(uint64_t ns) {
  constexpr uint64_t kMs = 1'000'000, kSecond = 1'000'000'000;
  if (ns < kSecond) return absl::StrCat(ns / kMs, " ms");
  if (ns < 100 * kSecond) return absl::StrFormat("%.1f s", static_cast<double>(ns) / kSecond);
  return absl::FormatDuration(absl::Seconds(static_cast<int64_t>(ns / kSecond)));
}

std::string Bytes(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (unit + 1 < kUnits.size() && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, " ", kUnits[unit]);
}

std::string Rate(double per_second) {
  constexpr std::array<const char*, 4> kUnits = {"", "k", "M", "G"};
  size_t unit = 0;
  while (unit + 1 < kUnits.size() && per_second >= 1000) {
    per_second /= 1000;
    ++unit;
  }
  return absl::StrFormat(unit == 0 ? "%.0f%s" : "%.2f%s", per_second, kUnits[unit]);
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration > absl::Hours(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not a duration from 0 to 1h; write it as 500ms, 2s or 1m"));
  }
  return duration;
}

std::string EnumWord(const google::protobuf::EnumDescriptor* type, int value) {
  const auto* name = type->FindValueByNumber(value);
  if (name == nullptr) return absl::StrCat(value);
  // LeaseState -> LEASE_STATE_: the common prefix is that of the value 0, *_UNSPECIFIED.
  std::string prefix = type->FindValueByNumber(0)->name();
  prefix.resize(prefix.size() - absl::string_view("UNSPECIFIED").size());
  std::string word = name->name();
  if (word.rfind(prefix, 0) == 0) word.erase(0, prefix.size());
  return absl::StrReplaceAll(absl::AsciiStrToLower(word), {{"_", "-"}});
}

}  // namespace qsplit::cli
