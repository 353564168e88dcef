#include "descriptor-lang/emit/field_words.h"

#include <algorithm>
#include <initializer_list>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// bytes stays 0 where no word fits.
FieldWord WordOf(const v1::Bits& part, uint32_t form_bytes) {
  const uint32_t end = part.byte_offset() + part.word_bytes();
  const uint32_t low = part.lsb() / 8;
  const uint32_t high = (part.lsb() + part.bits() - 1) / 8;
  FieldWord word;
  word.big = part.byte_order() == v1::BYTE_ORDER_BIG;
  word.bits = part.bits();
  const uint32_t first = word.big ? end - 1 - high : part.byte_offset() + low;
  const uint32_t last = word.big ? end - 1 - low : part.byte_offset() + high;
  word.bytes = 0;
  for (const uint32_t bytes : {1u, 2u, 4u, 8u}) {
    if (last - first >= bytes || bytes > form_bytes) continue;
    const uint32_t aligned = first / bytes * bytes;
    const bool aligned_fits = last < aligned + bytes && aligned + bytes <= form_bytes;
    word.offset = aligned_fits ? aligned : std::min(first, form_bytes - bytes);
    word.bytes = bytes;
    break;
  }
  word.shift = word.big ? part.lsb() + 8 * (word.offset + word.bytes) - 8 * end
                        : part.lsb() + 8 * part.byte_offset() - 8 * word.offset;
  return word;
}

}  // namespace

std::vector<FieldWord> WordsOf(const v1::Field& field, uint32_t form_bytes) {
  std::vector<FieldWord> words;
  for (const v1::Bits& part : field.parts()) {
    words.push_back(WordOf(part, form_bytes));
    if (words.back().bytes == 0) return {};
  }
  return words;
}

std::string_view CppWordAccess() {
  return R"(template <typename T, bool kBig>
constexpr T qsplit_load(const uint8_t* d) {
  T v = 0;
  if (std::is_constant_evaluated() || (std::endian::native == std::endian::big)) {
    for (uint32_t i = 0; i < sizeof(T); ++i) {
      v = static_cast<T>(v | uint64_t{d[i]} << 8 * (kBig ? sizeof(T) - 1 - i : i));
    }
    return v;
  }
  __builtin_memcpy(&v, d, sizeof v);
  if constexpr (kBig && sizeof(T) == 2) v = __builtin_bswap16(v);
  if constexpr (kBig && sizeof(T) == 4) v = __builtin_bswap32(v);
  if constexpr (kBig && sizeof(T) == 8) v = __builtin_bswap64(v);
  return v;
}
template <typename T, bool kBig>
constexpr void qsplit_store(uint8_t* d, uint64_t value) {
  T v = static_cast<T>(value);
  if (std::is_constant_evaluated() || (std::endian::native == std::endian::big)) {
    for (uint32_t i = 0; i < sizeof(T); ++i) {
      d[i] = static_cast<uint8_t>(v >> 8 * (kBig ? sizeof(T) - 1 - i : i));
    }
    return;
  }
  if constexpr (kBig && sizeof(T) == 2) v = __builtin_bswap16(v);
  if constexpr (kBig && sizeof(T) == 4) v = __builtin_bswap32(v);
  if constexpr (kBig && sizeof(T) == 8) v = __builtin_bswap64(v);
  __builtin_memcpy(d, &v, sizeof v);
}

)";
}

std::string CppArguments(const FieldWord& word) {
  std::string where = "d";
  if (word.offset > 0) text::Append(where, " + ", word.offset);
  return text::Cat("<uint", word.bytes * 8, "_t, ", word.big ? "true" : "false", ">(", where);
}

std::string CppValue(const std::vector<FieldWord>& words) {
  std::string value;
  for (const FieldWord& word : words) {
    std::string part = text::Cat("uint64_t{qsplit_load", CppArguments(word), ")}");
    if (word.shift > 0) part = text::Cat("(", part, " >> ", word.shift, ")");
    if (word.shift + word.bits < word.bytes * 8) {
      part = text::Cat("(", part, " & ", Number(LowBits(word.bits)), ")");
    }
    value = value.empty() ? part : text::Cat("((", value, ") << ", word.bits, ") | ", part);
  }
  return value;
}

}  // namespace qsplit::layout
