#include "daemon/backend/softnic/rule_bitmap.h"

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qsplit::softnic {
namespace {

constexpr size_t kLineWords = RuleBlock::kLineWords;

uint8_t KeyByte(const device::FlowKey& key, uint32_t at) {
  return reinterpret_cast<const uint8_t*>(&key)[at];
}

// A part's lines for a key. byte: the part's first; then the next part's.
[[gnu::always_inline]] inline const RuleBlock::Line* LinesOf(const RuleBlock& block,
                                                             const device::FlowKey& key,
                                                             const RuleBlock::Byte** byte) {
  size_t sum = 0;
  do {
    sum += (*byte)->step[KeyByte(key, (*byte)->offset)];
  } while ((*byte)++->goes_on);
  return reinterpret_cast<const RuleBlock::Line*>(
      reinterpret_cast<const std::byte*>(block.lines.data()) + sum);
}
const RuleBlock::Byte* TellingEnd(const RuleBlock& block) {
  return block.bytes.data() + block.telling_bytes;
}
const RuleBlock::Byte* End(const RuleBlock& block) {
  return block.bytes.data() + block.bytes.size();
}

template <size_t kLines>
uint32_t FindPlainIn(const RuleBlock& block, const device::FlowKey& key) {
  uint64_t left[kLines * kLineWords];
  std::fill(std::begin(left), std::end(left), UINT64_MAX);
  for (const RuleBlock::Byte* byte = block.bytes.data(); byte != End(block);) {
    const RuleBlock::Line* const lines = LinesOf(block, key, &byte);
    for (size_t i = 0; i < kLines * kLineWords; ++i) {
      left[i] &= lines[i / kLineWords].words[i % kLineWords];
    }
  }
  for (size_t i = 0; i < kLines * kLineWords; ++i) {
    if (left[i] != 0) {
      return block.OfBit(64 * i + static_cast<size_t>(std::countr_zero(left[i]))).place;
    }
  }
  return RuleBitmap::kNone;
}

#if defined(__x86_64__)

// The rule of the lowest bit of kCount words, or none. some: a bit for each word that is not 0.
// Without a branch that depends on what is left: that cannot be predicted.
template <size_t kCount>
[[gnu::target("bmi"), gnu::always_inline]] inline const RuleBlock::Rule& Lowest(
    const RuleBlock& block, const uint32_t* words, uint32_t some) {
  constexpr uint32_t kLast = uint32_t{1} << (kCount - 1);
  const auto at = static_cast<uint32_t>(std::countr_zero(some | kLast));
  const auto bit = static_cast<uint32_t>(std::countr_zero(words[at] | uint32_t{1} << 31));
  return block.rules[(32 * at + bit + 1) & ~NoneUnless(some != 0)];
}

// What is left of a block's rules: registers of 256 each.
template <size_t kLines>
struct Left256 {
  static constexpr size_t kRegisters = 2 * kLines;
  __m256i part[kRegisters];
};

// Some rules' bits less.
template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::always_inline]] inline void Narrow(const RuleBlock::Line* lines,
                                                                   Left256<kLines>* left) {
  const auto* const from = reinterpret_cast<const __m256i*>(lines);
#pragma GCC unroll 4
  for (size_t i = 0; i < Left256<kLines>::kRegisters; ++i) {
    left->part[i] = _mm256_and_si256(left->part[i], _mm256_load_si256(from + i));
  }
}

template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::always_inline]] inline const RuleBlock::Rule& First(
    const RuleBlock& block, const Left256<kLines>& left) {
  constexpr size_t kRegisters = Left256<kLines>::kRegisters;
  alignas(32) uint32_t words[8 * kRegisters];
  uint32_t zero = 0;  // a bit for each word that is 0
#pragma GCC unroll 4
  for (size_t i = 0; i < kRegisters; ++i) {
    const __m256i equal = _mm256_cmpeq_epi32(left.part[i], _mm256_setzero_si256());
    zero |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) << 8 * i;
    _mm256_store_si256(reinterpret_cast<__m256i*>(words) + i, left.part[i]);
  }
  constexpr auto kAll = static_cast<uint32_t>((uint64_t{1} << 8 * kRegisters) - 1);
  return Lowest<8 * kRegisters>(block, words, ~zero & kAll);
}

[[gnu::target("avx2,bmi"), gnu::always_inline]] inline bool Matches(const RuleBlock::Rule& rule,
                                                                    const device::FlowKey& key) {
  const auto load = reinterpret_cast<const __m256i*>(&key);
  const auto* const mask = reinterpret_cast<const __m256i*>(rule.mask.data());
  const auto* const value = reinterpret_cast<const __m256i*>(rule.value.data());
  const __m256i front =
      _mm256_xor_si256(_mm256_and_si256(_mm256_loadu_si256(load), _mm256_load_si256(mask)),
                       _mm256_load_si256(value));
  const __m256i back =
      _mm256_xor_si256(_mm256_and_si256(_mm256_loadu_si256(load + 1), _mm256_load_si256(mask + 1)),
                       _mm256_load_si256(value + 1));
  const __m256i differ = _mm256_or_si256(front, back);
  return _mm256_testz_si256(differ, differ) != 0;
}

// What follows where the rule that the first bytes told does not match: all of them. Seldom.
template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::noinline]] uint32_t FindByAll256(const RuleBlock& block,
                                                                 const device::FlowKey& key) {
  Left256<kLines> left;
  for (__m256i& part : left.part) part = _mm256_set1_epi64x(-1);
  for (const RuleBlock::Byte* byte = block.bytes.data(); byte != End(block);) {
    Narrow(LinesOf(block, key, &byte), &left);
  }
  return First(block, left).place;
}

template <size_t kLines>
[[gnu::target("avx2,bmi")]] uint32_t Find256(const RuleBlock& block, const device::FlowKey& key) {
  Left256<kLines> left;
#pragma GCC unroll 4
  for (size_t i = 0; i < Left256<kLines>::kRegisters; ++i) left.part[i] = _mm256_set1_epi64x(-1);
  for (const RuleBlock::Byte* byte = block.bytes.data(); byte != TellingEnd(block);) {
    Narrow(LinesOf(block, key, &byte), &left);
  }
  const RuleBlock::Rule& rule = First(block, left);
  if (!Matches(rule, key)) [[unlikely]] {
    return FindByAll256<kLines>(block, key);
  }
  return rule.place;
}

// The same with registers of 512 bits.
template <size_t kLines>
struct Left512 {
  __m512i part[kLines];
};

template <size_t kLines>
[[gnu::target("avx512f,bmi"), gnu::always_inline]] inline void Narrow(const RuleBlock::Line* lines,
                                                                      Left512<kLines>* left) {
#pragma GCC unroll 2
  for (size_t i = 0; i < kLines; ++i) {
    left->part[i] = _mm512_and_si512(left->part[i], _mm512_load_si512(lines + i));
  }
}

template <size_t kLines>
[[gnu::target("avx512f,bmi"), gnu::always_inline]] inline const RuleBlock::Rule& First(
    const RuleBlock& block, const Left512<kLines>& left) {
  alignas(64) uint32_t words[16 * kLines];
  uint32_t some = 0;
#pragma GCC unroll 2
  for (size_t i = 0; i < kLines; ++i) {
    some |= uint32_t{_mm512_test_epi32_mask(left.part[i], left.part[i])} << 16 * i;
    _mm512_store_si512(words + 16 * i, left.part[i]);
  }
  return Lowest<16 * kLines>(block, words, some);
}

template <size_t kLines>
[[gnu::target("avx512f,bmi"), gnu::noinline]] uint32_t FindByAll512(const RuleBlock& block,
                                                                    const device::FlowKey& key) {
  Left512<kLines> left;
  for (__m512i& part : left.part) part = _mm512_set1_epi64(-1);
  for (const RuleBlock::Byte* byte = block.bytes.data(); byte != End(block);) {
    Narrow(LinesOf(block, key, &byte), &left);
  }
  return First(block, left).place;
}

template <size_t kLines>
[[gnu::target("avx512f,bmi")]] uint32_t Find512(const RuleBlock& block,
                                                const device::FlowKey& key) {
  Left512<kLines> left;
#pragma GCC unroll 2
  for (size_t i = 0; i < kLines; ++i) left.part[i] = _mm512_set1_epi64(-1);
  for (const RuleBlock::Byte* byte = block.bytes.data(); byte != TellingEnd(block);) {
    Narrow(LinesOf(block, key, &byte), &left);
  }
  const RuleBlock::Rule& rule = First(block, left);
  const __m512i differ = _mm512_xor_si512(
      _mm512_and_si512(_mm512_loadu_si512(&key), _mm512_load_si512(rule.mask.data())),
      _mm512_load_si512(rule.value.data()));
  if (_mm512_test_epi64_mask(differ, differ) != 0) [[unlikely]] {
    return FindByAll512<kLines>(block, key);
  }
  return rule.place;
}

#endif

}  // namespace

RuleBitmap::RuleBitmap(std::span<const Rule> rules, SearchRegisters registers)
    : find_{FindPlainIn<1>, FindPlainIn<2>} {
  for (size_t at = 0; at < rules.size(); at += RuleBlock::kMostRules) {
    blocks_.emplace_back(
        rules.subspan(at, std::min<size_t>(RuleBlock::kMostRules, rules.size() - at)));
  }
#if defined(__x86_64__)
  const SearchRegisters here = RegistersHere(registers);
  if (here == SearchRegisters::kUpTo256) find_ = {Find256<1>, Find256<2>};
  if (here == SearchRegisters::kWidest) find_ = {Find512<1>, Find512<2>};
#else
  (void)registers;
#endif
}

uint32_t RuleBitmap::Find(const device::FlowKey& key) const {
  for (const RuleBlock& block : blocks_) {
    const uint32_t place = find_[block.line_count - 1](block, key);
    if (&block == &blocks_.back() || place != kNone) return place;
  }
  return kNone;
}

}  // namespace qsplit::softnic
