#include "daemon/backend/softnic/run_tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "daemon/backend/softnic/run_choice.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qsplit::softnic {
namespace {

using FindRuns = uint32_t (*)(const KeyPacking& packing, std::span<const RunTable> tables,
                              const device::FlowKey& key);

// The place of the first rule of a block that is equal: the lowest of 8 bits. Without a branch.
[[gnu::always_inline]] inline uint32_t FirstEqual(const RunTable& table, size_t block,
                                                  uint32_t equal) {
  const auto first = static_cast<size_t>(std::countr_zero(equal | 1u << RunTable::kRun));
  return table.places[block].of[first];
}

template <size_t kWords>
uint32_t FindRunsPlain(const KeyPacking& packing, std::span<const RunTable> tables,
                       const device::FlowKey& key) {
  const FlowWords packed = packing.Pack(WordsOf(key));
  uint32_t best = RunTables::kNone;
  for (const RunTable& table : tables) {
    const size_t block = table.slots[table.SlotOf<kWords>(packed)];
    const RunTable::Words* const words = &table.words[kWords * block];
    uint32_t equal = 0;
    for (size_t rule = 0; rule < RunTable::kRun; ++rule) {
      uint64_t differ = 0;
      ForWords<kWords>(
          [&](size_t i) { differ |= (packed[i] & words[i].mask[rule]) ^ words[i].value[rule]; });
      equal |= uint32_t{differ == 0} << rule;
    }
    best = std::min(best, FirstEqual(table, block, equal));
  }
  return best;
}

#if defined(__x86_64__)

template <size_t kWords>
[[gnu::target("avx2,bmi")]] uint32_t FindRuns256(const KeyPacking& packing,
                                                 std::span<const RunTable> tables,
                                                 const device::FlowKey& key) {
  const auto* const from = reinterpret_cast<const __m128i*>(&key);
  FlowWords packed;
#pragma GCC unroll 4
  for (size_t pair = 0; pair < kWords / 2; ++pair) {
    __m128i both = _mm_setzero_si128();
#pragma GCC unroll 4
    for (size_t i = 0; i < packing.from_quarter.size(); ++i) {
      const auto* const control =
          reinterpret_cast<const __m128i*>(packing.from_quarter[i].data()) + pair;
      both =
          _mm_or_si128(both, _mm_shuffle_epi8(_mm_loadu_si128(from + i), _mm_load_si128(control)));
    }
    packed[2 * pair] = static_cast<uint64_t>(both[0]);
    packed[2 * pair + 1] = static_cast<uint64_t>(both[1]);
  }
  uint32_t best = RunTables::kNone;
  for (const RunTable& table : tables) {
    const size_t block = table.slots[table.SlotOf<kWords>(packed)];
    const RunTable::Words* const words = &table.words[kWords * block];
    __m256i differ[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 8
    for (size_t i = 0; i < kWords; ++i) {
      const __m256i word = _mm256_set1_epi64x(static_cast<int64_t>(packed[i]));
      const auto* const mask = reinterpret_cast<const __m256i*>(words[i].mask.data());
      const auto* const value = reinterpret_cast<const __m256i*>(words[i].value.data());
#pragma GCC unroll 2
      for (size_t half = 0; half < 2; ++half) {
        const __m256i masked = _mm256_and_si256(word, _mm256_load_si256(mask + half));
        differ[half] = _mm256_or_si256(differ[half],
                                       _mm256_xor_si256(masked, _mm256_load_si256(value + half)));
      }
    }
    uint32_t equal = 0;
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; ++half) {
      const __m256i same = _mm256_cmpeq_epi64(differ[half], _mm256_setzero_si256());
      equal |= static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(same))) << 4 * half;
    }
    best = std::min(best, FirstEqual(table, block, equal));
  }
  return best;
}

template <size_t kWords>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vbmi,bmi")]] uint32_t FindRuns512(
    const KeyPacking& packing, std::span<const RunTable> tables, const device::FlowKey& key) {
  const __m512i whole = _mm512_loadu_si512(&key);
  __m512i eight[kWords];  // times each word
  FlowWords packed;
#pragma GCC unroll 8
  for (size_t i = 0; i < kWords; ++i) {
    // With a mask, of all bytes: gcc 12 warns of the other's header.
    eight[i] = _mm512_maskz_permutexvar_epi8(
        ~__mmask64{0}, _mm512_load_si512(packing.from_by_word[i].data()), whole);
    packed[i] = static_cast<uint64_t>(eight[i][0]);
  }
  uint32_t best = RunTables::kNone;
  for (const RunTable& table : tables) {
    const size_t block = table.slots[table.SlotOf<kWords>(packed)];
    const RunTable::Words* const words = &table.words[kWords * block];
    __mmask8 equal = 0xff;
#pragma GCC unroll 8
    for (size_t i = 0; i < kWords; ++i) {
      equal = _mm512_mask_cmpeq_epi64_mask(
          equal, _mm512_and_si512(eight[i], _mm512_load_si512(words[i].mask.data())),
          _mm512_load_si512(words[i].value.data()));
    }
    best = std::min(best, FirstEqual(table, block, equal));
  }
  return best;
}

#endif

template <size_t kWords>
FindRuns FindWith(SearchRegisters registers) {
#if defined(__x86_64__)
  if (registers == SearchRegisters::kWidest) return FindRuns512<kWords>;
  if (registers == SearchRegisters::kUpTo256) return FindRuns256<kWords>;
#else
  (void)registers;
#endif
  return FindRunsPlain<kWords>;
}

FindRuns FindWith(size_t words, SearchRegisters registers) {
  switch (words) {
    case 2:
      return FindWith<2>(registers);
    case 4:
      return FindWith<4>(registers);
    case 6:
      return FindWith<6>(registers);
    default:
      return FindWith<8>(registers);
  }
}

FlowWords ComparedBy(std::span<const RunTables::Rule> rules) {
  FlowWords compared{};
  for (const auto& rule : rules) {
    for (size_t i = 0; i < compared.size(); ++i) compared[i] |= rule.mask[i];
  }
  return compared;
}

}  // namespace

RunTables::RunTables(std::vector<Rule>* rules, uint64_t seed, SearchRegisters registers)
    : packing_(ComparedBy(*rules)) {
  std::vector<PackedRule> packed;
  packed.reserve(rules->size());
  for (const Rule& rule : *rules) {
    packed.push_back({packing_.Pack(rule.mask), packing_.Pack(rule.value), rule.place});
  }
  const SearchRegisters here = RegistersHere(registers);
  const RunChoice choice = ChooseRuns(packing_.words, seed, packed, here);
  find_ = FindWith(packing_.words, here);
  std::vector<uint32_t> rest = choice.rest;
  for (const RunChoice::Table& chosen : choice.tables) {
    std::vector<PackedRule> members;
    members.reserve(chosen.rules.size());
    for (const uint32_t number : chosen.rules) members.push_back(packed[number]);
    RunTable table;
    if (table.Fill(packing_.words, chosen.common, chosen.seeds, chosen.slots, members)) {
      tables_.push_back(std::move(table));
    } else {
      rest.insert(rest.end(), chosen.rules.begin(), chosen.rules.end());
    }
  }
  std::sort(rest.begin(), rest.end());
  std::vector<Rule> left;
  left.reserve(rest.size());
  for (const uint32_t number : rest) left.push_back((*rules)[number]);
  *rules = std::move(left);
}

}  // namespace qsplit::softnic
