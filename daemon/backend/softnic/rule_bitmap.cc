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
                                                             const RuleBlock::Part& part,
                                                             const device::FlowKey& key,
                                                             const RuleBlock::Byte** byte) {
  size_t sum = 0;
  uint32_t left = part.byte_count;
  do {
    sum += (*byte)->step[KeyByte(key, (*byte)->offset)];
    ++*byte;
  } while (--left != 0);
  return reinterpret_cast<const RuleBlock::Line*>(
      reinterpret_cast<const std::byte*>(block.lines.data()) + sum);
}

template <size_t kLines>
uint32_t FindPlainIn(const RuleBlock& block, const device::FlowKey& key) {
  uint64_t left[kLines * kLineWords];
  std::fill(std::begin(left), std::end(left), UINT64_MAX);
  const RuleBlock::Byte* byte = block.bytes.data();
  for (const RuleBlock::Part& part : block.parts) {
    const RuleBlock::Line* const lines = LinesOf(block, part, key, &byte);
    for (size_t i = 0; i < kLines * kLineWords; ++i) {
      left[i] &= lines[i / kLineWords].words[i % kLineWords];
    }
  }
  for (size_t i = 0; i < kLines * kLineWords; ++i) {
    if (left[i] != 0) {
      return block.rules[64 * i + static_cast<size_t>(std::countr_zero(left[i]))].place;
    }
  }
  return RuleBitmap::kNone;
}

#if defined(__x86_64__)

// What is left of a block's rules: registers of 256 each.
template <size_t kLines>
struct Left {
  static constexpr size_t kRegisters = 2 * kLines;
  __m256i part[kRegisters];
};

// Some rules' bits less.
template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::always_inline]] inline void Narrow(const RuleBlock::Line* lines,
                                                                   Left<kLines>* left) {
  const auto* const from = reinterpret_cast<const __m256i*>(lines);
#pragma GCC unroll 4
  for (size_t i = 0; i < Left<kLines>::kRegisters; ++i) {
    left->part[i] = _mm256_and_si256(left->part[i], _mm256_load_si256(from + i));
  }
}

// The lowest bit, 0 if there is none. Without a branch that depends on what is left: that cannot be
// predicted.
template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::always_inline]] inline size_t Lowest(const Left<kLines>& left,
                                                                     bool* any) {
  constexpr size_t kRegisters = Left<kLines>::kRegisters;
  alignas(32) uint32_t words[8 * kRegisters];
  uint32_t zero = 0;  // a bit for each 32 that are all 0
#pragma GCC unroll 4
  for (size_t i = 0; i < kRegisters; ++i) {
    const __m256i equal = _mm256_cmpeq_epi32(left.part[i], _mm256_setzero_si256());
    zero |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) << 8 * i;
    _mm256_store_si256(reinterpret_cast<__m256i*>(words) + i, left.part[i]);
  }
  constexpr auto kAll = static_cast<uint32_t>((uint64_t{1} << 8 * kRegisters) - 1);
  constexpr uint32_t kLast = uint32_t{1} << (8 * kRegisters - 1);
  const uint32_t some = ~zero & kAll;
  *any = some != 0;
  const auto at = static_cast<uint32_t>(std::countr_zero(some | kLast));
  const auto bit = static_cast<uint32_t>(std::countr_zero(words[at] | uint32_t{1} << 31));
  return (32 * at + bit) & ~NoneUnless(*any);
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

template <size_t kLines>
[[gnu::target("avx2,bmi"), gnu::always_inline]] inline uint32_t FindWideIn(
    const RuleBlock& block, const device::FlowKey& key) {
  Left<kLines> left;
#pragma GCC unroll 4
  for (size_t i = 0; i < Left<kLines>::kRegisters; ++i) left.part[i] = _mm256_set1_epi64x(-1);
  const RuleBlock::Byte* byte = block.bytes.data();
  const RuleBlock::Part* part = block.parts.data();
  for (const RuleBlock::Part* const end = part + block.telling_parts; part < end; ++part) {
    Narrow(LinesOf(block, *part, key, &byte), &left);
  }
  bool any = false;
  const RuleBlock::Rule* rule = &block.rules[Lowest(left, &any)];
  bool matches = Matches(*rule, key);
  if (any && !matches) [[unlikely]] {
    for (const RuleBlock::Part* const end = block.parts.data() + block.parts.size(); part < end;
         ++part) {
      Narrow(LinesOf(block, *part, key, &byte), &left);
    }
    rule = &block.rules[Lowest(left, &matches)];
  }
  return rule->place | NoneUnless(matches);
}

#endif

}  // namespace

RuleBitmap::RuleBitmap(std::span<const Rule> rules, Registers registers) {
  for (size_t at = 0; at < rules.size(); at += RuleBlock::kMostRules) {
    blocks_.emplace_back(
        rules.subspan(at, std::min<size_t>(RuleBlock::kMostRules, rules.size() - at)));
  }
#if defined(__x86_64__)
  wide_ = registers == Registers::kWidest && __builtin_cpu_supports("avx2") != 0 &&
          __builtin_cpu_supports("bmi") != 0;
#else
  (void)registers;
#endif
}

uint32_t RuleBitmap::FindPlain(const device::FlowKey& key) const {
  for (const RuleBlock& block : blocks_) {
    const uint32_t place =
        block.line_count == 1 ? FindPlainIn<1>(block, key) : FindPlainIn<2>(block, key);
    if (place != kNone) return place;
  }
  return kNone;
}

#if defined(__x86_64__)

[[gnu::target("avx2,bmi")]] uint32_t RuleBitmap::FindWide(const device::FlowKey& key) const {
  for (const RuleBlock& block : blocks_) {
    const uint32_t place =
        block.line_count == 1 ? FindWideIn<1>(block, key) : FindWideIn<2>(block, key);
    if (&block == &blocks_.back() || place != kNone) return place;
  }
  return kNone;
}

[[gnu::target("avx2,bmi")]] void RuleBitmap::FindWideBurst(std::span<const device::FlowKey> keys,
                                                           uint32_t* best) const {
  for (const RuleBlock& block : blocks_) {
    if (block.line_count == 1) {
      for (size_t i = 0; i < keys.size(); ++i) {
        best[i] = std::min(best[i], FindWideIn<1>(block, keys[i]));
      }
    } else {
      for (size_t i = 0; i < keys.size(); ++i) {
        best[i] = std::min(best[i], FindWideIn<2>(block, keys[i]));
      }
    }
  }
}

#else

uint32_t RuleBitmap::FindWide(const device::FlowKey& key) const { return FindPlain(key); }
void RuleBitmap::FindWideBurst(std::span<const device::FlowKey>, uint32_t*) const {}

#endif

uint32_t RuleBitmap::Find(const device::FlowKey& key) const {
  return wide_ ? FindWide(key) : FindPlain(key);
}

void RuleBitmap::FindBurst(std::span<const device::FlowKey> keys, uint32_t* best) const {
  if (wide_) return FindWideBurst(keys, best);
  for (size_t i = 0; i < keys.size(); ++i) best[i] = std::min(best[i], FindPlain(keys[i]));
}

}  // namespace qsplit::softnic
