// Puts text together: strings, views, characters and integers. Header only, no state.
#ifndef QSPLIT_DESCRIPTOR_LANG_TEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_TEXT_H_

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace qsplit::text {

// Appends each word to `out`; integers in decimal.
template <typename Word>
void AppendOne(std::string& out, const Word& word) {
  if constexpr (std::same_as<Word, char>) {
    out += word;
  } else if constexpr (std::integral<Word>) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof(digits), word);
    out.append(digits, end.ptr);
  } else {
    out += std::string_view(word);
  }
}

template <typename... Words>
void Append(std::string& out, const Words&... words) {
  (AppendOne(out, words), ...);
}

template <typename... Words>
std::string Cat(const Words&... words) {
  std::string out;
  Append(out, words...);
  return out;
}

// "ff", without a prefix.
inline std::string Hex(uint64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16);
  return std::string(digits, end.ptr);
}

template <typename List>
std::string Join(const List& list, std::string_view between) {
  std::string out;
  bool first = true;
  for (const auto& word : list) {
    if (!first) out += between;
    first = false;
    out += std::string_view(word);
  }
  return out;
}

// `value` with zeros or blanks before it up to `width` characters.
inline std::string PadLeft(uint64_t value, size_t width, char pad) {
  std::string digits = Cat(value);
  return digits.size() >= width ? digits : std::string(width - digits.size(), pad) + digits;
}

// Without blanks at both ends.
inline std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Like std::isalpha and std::isdigit, for ASCII whatever the locale.
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Single letters to change, add or take away. Takes time like the product of both lengths.
inline size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

// The name that `wanted` may have been meant to be: one that it begins, or one that is spelt much
// like it; empty if there is none, or if `wanted` is longer than names are.
inline std::string_view Nearest(std::string_view wanted,
                                const std::vector<std::string_view>& names) {
  constexpr size_t kLeastBeginning = 4;
  constexpr size_t kLongest = 64;
  if (wanted.size() > kLongest) return {};
  std::string_view best;
  size_t least = wanted.size() / 3 + 1;
  for (const std::string_view name : names) {
    const bool begins = wanted.size() >= kLeastBeginning && name.starts_with(wanted);
    const size_t distance = begins ? 1 : EditDistance(wanted, name);
    if (distance <= least && (best.empty() || distance < least)) best = name, least = distance;
  }
  return best;
}

}  // namespace qsplit::text

#endif  // QSPLIT_DESCRIPTOR_LANG_TEXT_H_
