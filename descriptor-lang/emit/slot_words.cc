#include "descriptor-lang/emit/slot_words.h"

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// Whole bytes in big-endian order: then a swap makes one run of them.
bool IsSwapped(const std::vector<BitPosition>& bits) {
  if (bits.size() != 16 && bits.size() != 32 && bits.size() != 64) return false;
  for (size_t i = 0; i < bits.size(); ++i) {
    const size_t byte = bits.size() / 8 - 1 - i / 8;
    if (bits[i] != bits.back() / 8 * 8 + byte * 8 + i % 8) return false;
  }
  return true;
}

}  // namespace

bool SlotWords::IsPlain(const v1::Field& field) {
  return field.scale().multiplier() <= 1 && field.scale().bias() == 0 &&
         !field.scale().has_zero_value() && !field.is_signed() && !field.parts().empty() &&
         !field.inverted();
}

void SlotWords::Begin(const std::vector<uint8_t>& bytes) {
  for (size_t i = 0; i < bytes.size() && i / word_bytes_ < words_.size(); ++i) {
    words_[i / word_bytes_].constant |= uint64_t{bytes[i]} << i % word_bytes_ * 8;
  }
}

void SlotWords::Clear(const v1::Field& field, uint32_t base) {
  for (const BitPosition bit : BitPositions(field)) {
    const uint32_t at = bit + base * 8;
    words_[at / (word_bytes_ * 8)].constant &= ~(uint64_t{1} << at % (word_bytes_ * 8));
  }
}

void SlotWords::Put(const v1::Field& field, uint32_t base, std::string_view value,
                    bool is_same_in_run) {
  const std::vector<BitPosition> bits = BitPositions(field);
  const auto width = static_cast<uint32_t>(bits.size());
  const uint32_t word_bits = word_bytes_ * 8;
  std::string source(value);
  std::vector<BitPosition> places = bits;
  if (IsSwapped(bits)) {
    source = text::Cat("uint64_t{__builtin_bswap", width, "(static_cast<uint", width, "_t>(", value,
                       "))}");
    for (uint32_t i = 0; i < width; ++i) places[i] = bits.back() / 8 * 8 + i;
  }
  for (uint32_t i = 0; i < width;) {
    const uint32_t first = places[i] + base * 8;
    uint32_t run = 1;
    while (i + run < width && places[i + run] + base * 8 == first + run &&
           (first + run) / word_bits == first / word_bits) {
      ++run;
    }
    std::string term = i == 0 ? source : text::Cat("(", source, " >> ", i, ")");
    if (i + run < width || (i != 0 && run < 64)) {
      term = text::Cat("(", term, " & ", Number(LowBits(run)), ")");
    }
    if (first % word_bits != 0) term = text::Cat("(", term, " << ", first % word_bits, ")");
    std::vector<std::string>& terms = words_[first / word_bits].terms;
    terms.insert(is_same_in_run ? terms.begin() : terms.end(), std::move(term));
    i += run;
  }
}

std::string SlotWords::Text(uint32_t word) const {
  std::vector<std::string> terms;
  if (words_[word].constant != 0 || words_[word].terms.empty()) {
    terms.push_back(Number(words_[word].constant));
  }
  terms.insert(terms.end(), words_[word].terms.begin(), words_[word].terms.end());
  return text::Join(terms, " | ");
}

}  // namespace qsplit::layout
