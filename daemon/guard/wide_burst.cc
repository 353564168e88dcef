#include "daemon/guard/wide_burst.h"

#include "daemon/guard/prefetch.h"
#include "dataplane/barriers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qsplit::guard::wide {

#if defined(__x86_64__)

namespace {

constexpr uint32_t kTogether = 4;     // descriptors, of kWords registers
constexpr size_t kRegisterWords = 4;  // 8-byte words

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i All(uint64_t value) {
  return _mm256_set1_epi64x(static_cast<long long>(value));
}

// The words of one descriptor, for each of those in a register.
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i Each(
    const std::array<uint64_t, 2>& words) {
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(words.data())));
}
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i Each(
    const std::array<uint64_t, 4>& words) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words.data()));
}

// Four descriptors.
template <size_t kWords>
struct Four {
  __m256i part[kWords];
};

// All words of each descriptor in one: lanes of four numbers. Of two words they stand in the order
// 0, 2, 1, 3.
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i Fold(const Four<2>& four) {
  return _mm256_or_si256(_mm256_unpacklo_epi64(four.part[0], four.part[1]),
                         _mm256_unpackhi_epi64(four.part[0], four.part[1]));
}
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i Fold(const Four<4>& four) {
  const __m256i front = Fold(Four<2>{{four.part[0], four.part[1]}});
  const __m256i back = Fold(Four<2>{{four.part[2], four.part[3]}});
  return _mm256_or_si256(_mm256_permute2x128_si256(front, back, 0x20),
                         _mm256_permute2x128_si256(front, back, 0x31));
}

template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i FoldOf(
    const Four<kWords>& four, const std::array<uint64_t, kWords>& bits) {
  const __m256i mask = Each(bits);
  Four<kWords> masked;
  for (size_t i = 0; i < kWords; ++i) masked.part[i] = _mm256_and_si256(four.part[i], mask);
  return Fold(masked);
}
template <size_t kWords, typename Number>
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i NumberOf(const Four<kWords>& four,
                                                                    const Number& number) {
  return _mm256_srl_epi64(FoldOf(four, number.bits),
                          _mm_cvtsi32_si128(static_cast<int>(number.shift)));
}

// The other way round: a number for each descriptor, in all of its words.
[[gnu::target("avx2"), gnu::always_inline]] inline Four<2> Spread2(__m256i numbers) {
  return {{_mm256_unpacklo_epi64(numbers, numbers), _mm256_unpackhi_epi64(numbers, numbers)}};
}
[[gnu::target("avx2"), gnu::always_inline]] inline Four<4> Spread4(__m256i numbers) {
  return {{_mm256_permute4x64_epi64(numbers, 0x00), _mm256_permute4x64_epi64(numbers, 0x55),
           _mm256_permute4x64_epi64(numbers, 0xaa), _mm256_permute4x64_epi64(numbers, 0xff)}};
}
template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline Four<kWords> Spread(__m256i numbers) {
  if constexpr (kWords == 2) {
    return Spread2(numbers);
  } else {
    return Spread4(numbers);
  }
}

// Numbers of four descriptors in the descriptors' order.
template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i InOrder(__m256i numbers) {
  return kWords == 2 ? _mm256_permute4x64_epi64(numbers, 0xd8) : numbers;
}
// The top bits of the lanes.
[[gnu::target("avx2"), gnu::always_inline]] inline uint32_t Bits(__m256i lanes) {
  return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(lanes)));
}

// From the client's address to the device's; lanes of *missing with the top bit set: in no region.
template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i DeltaOf(const BurstPlan<kWords>& plan,
                                                                   __m256i address, __m256i length,
                                                                   __m256i* missing) {
  __m256i delta = _mm256_setzero_si256();
  *missing = All(UINT64_MAX);
  for (size_t i = 0; i < plan.region_count; ++i) {
    const auto& region = plan.regions[i];
    const __m256i offset = _mm256_sub_epi64(address, All(region.iova));
    // Regions are shorter than 2^63 bytes: an offset below 0 is one in front of it, room below 0
    // one that is too small.
    const __m256i room = _mm256_sub_epi64(All(region.bytes), length);
    const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi64(offset, room), offset);
    delta = _mm256_castpd_si256(_mm256_blendv_pd(_mm256_castsi256_pd(All(region.delta)),
                                                 _mm256_castsi256_pd(delta),
                                                 _mm256_castsi256_pd(outside)));
    *missing = _mm256_and_si256(*missing, outside);
  }
  return delta;
}

// The ones of four, a bit each, that are plain; checked words, bytes, reports.
template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline uint32_t CheckFour(const BurstPlan<kWords>& plan,
                                                                      const uint64_t* copy,
                                                                      uint64_t* checked,
                                                                      uint64_t* bytes,
                                                                      uint32_t* reports) {
  const __m256i zero = _mm256_setzero_si256();
  Four<kWords> differ;
  Four<kWords> kept;
  for (size_t i = 0; i < kWords; ++i) {
    const __m256i raw =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(copy + i * kRegisterWords));
    differ.part[i] = _mm256_xor_si256(_mm256_and_si256(raw, Each(plan.mask)), Each(plan.value));
    kept.part[i] = _mm256_and_si256(raw, Each(plan.kept));
  }
  const __m256i address = FoldOf(kept, plan.address.bits);
  const __m256i length = _mm256_add_epi64(NumberOf(kept, plan.length), All(plan.set_bytes));
  // What must be 0.
  __m256i wrong =
      _mm256_or_si256(Fold(differ), _mm256_and_si256(address, All(plan.alignment_mask)));
  if (plan.total.there()) {
    wrong = _mm256_or_si256(wrong, _mm256_xor_si256(NumberOf(kept, plan.total), length));
  }
  // What must have its top bit clear.
  __m256i missing;
  const __m256i delta = DeltaOf(plan, address, length, &missing);
  __m256i bad = _mm256_or_si256(missing, _mm256_cmpgt_epi64(All(plan.min_bytes), length));
  bad = _mm256_or_si256(bad, _mm256_cmpgt_epi64(length, All(plan.max_bytes)));
  bad = _mm256_or_si256(bad, _mm256_cmpeq_epi64(FoldOf(kept, plan.done), All(plan.done_value)));

  const __m256i in_address =
      _mm256_xor_si256(_mm256_cmpeq_epi64(Each(plan.address.bits), zero), All(UINT64_MAX));
  const Four<kWords> deltas = Spread<kWords>(delta);
  for (size_t i = 0; i < kWords; ++i) {
    const __m256i moved =
        _mm256_add_epi64(kept.part[i], _mm256_and_si256(deltas.part[i], in_address));
    _mm256_store_si256(reinterpret_cast<__m256i*>(checked + i * kRegisterWords), moved);
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), InOrder<kWords>(length));
  const __m256i plain = _mm256_andnot_si256(bad, _mm256_cmpeq_epi64(wrong, zero));
  const __m256i silent = _mm256_cmpeq_epi64(FoldOf(kept, plan.report.bits), zero);
  *reports = ~Bits(InOrder<kWords>(silent));
  return Bits(InOrder<kWords>(plain));
}

// The client may write these bytes at the same time: whatever it does, each register has some of
// them, loaded once (volatile: not a second time either). That is no race for a sanitizer to find.
template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline, gnu::no_sanitize("thread")]] inline void ReadWords(
    const std::byte* first, DescriptorBurst<kWords>* burst) {
  const size_t words = burst->count * kWords;
  size_t at = 0;
  for (; at + kRegisterWords <= words; at += kRegisterWords) {
    // Any place: rings need not be aligned to a register.
    const __m256i part =
        *reinterpret_cast<const volatile __m256i_u*>(first + at * sizeof(uint64_t));
    _mm256_store_si256(reinterpret_cast<__m256i*>(&burst->copy[at]), part);
  }
  for (; at < words; ++at) {
    burst->copy[at] = dataplane::LoadRelaxed<uint64_t>(first + at * sizeof(uint64_t));
  }
}

template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline void CheckAll(const BurstPlan<kWords>& plan,
                                                                 DescriptorBurst<kWords>* burst) {
  const uint32_t count = burst->count;
  for (size_t i = count * kWords; i % (kTogether * kWords) != 0; ++i) burst->copy[i] = 0;
  uint32_t plain = 0;
  uint32_t reports = 0;
  for (uint32_t i = 0; i < count; i += kTogether) {
    uint32_t reported = 0;
    const uint32_t four = CheckFour(plan, &burst->copy[i * kWords], &burst->checked[i * kWords],
                                    &burst->bytes[i], &reported);
    plain |= four << i;
    reports |= (reported & four) << i;
  }
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << count) - 1);
  burst->plain = plain & all;
  burst->reports = (plan.report.there() ? reports : plain) & all;
}

template <size_t kWords>
[[gnu::target("avx2"), gnu::always_inline]] inline void StoreWords(
    const DescriptorBurst<kWords>& burst, uint32_t first, uint32_t count, std::byte* to) {
  const uint64_t* const from = burst.CheckedOf(first);
  const size_t words = count * kWords;
  size_t at = 0;
  for (; at + kRegisterWords <= words; at += kRegisterWords) {
    const __m256i part = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + at * sizeof(uint64_t)), part);
  }
  for (; at < words; ++at) {
    dataplane::StoreRelaxed<uint64_t>(to + at * sizeof(uint64_t), from[at]);
  }
}

}  // namespace

bool IsSupported() { return __builtin_cpu_supports("avx2") != 0; }

[[gnu::target("avx2"), gnu::no_sanitize("thread")]] void Read(const std::byte* first,
                                                              DescriptorBurst<2>* burst) {
  ReadWords(first, burst);
}
[[gnu::target("avx2"), gnu::no_sanitize("thread")]] void Read(const std::byte* first,
                                                              DescriptorBurst<4>* burst) {
  ReadWords(first, burst);
}
[[gnu::target("avx2")]] void Check(const BurstPlan<2>& plan, DescriptorBurst<2>* burst) {
  CheckAll(plan, burst);
}
[[gnu::target("avx2")]] void Check(const BurstPlan<4>& plan, DescriptorBurst<4>* burst) {
  CheckAll(plan, burst);
}
[[gnu::target("avx2")]] void Store(const DescriptorBurst<2>& burst, uint32_t first, uint32_t count,
                                   std::byte* to) {
  StoreWords(burst, first, count, to);
}
[[gnu::target("avx2")]] void Store(const DescriptorBurst<4>& burst, uint32_t first, uint32_t count,
                                   std::byte* to) {
  StoreWords(burst, first, count, to);
}

#else

bool IsSupported() { return false; }
void Read(const std::byte*, DescriptorBurst<2>*) {}
void Read(const std::byte*, DescriptorBurst<4>*) {}
void Check(const BurstPlan<2>&, DescriptorBurst<2>*) {}
void Check(const BurstPlan<4>&, DescriptorBurst<4>*) {}
void Store(const DescriptorBurst<2>&, uint32_t, uint32_t, std::byte*) {}
void Store(const DescriptorBurst<4>&, uint32_t, uint32_t, std::byte*) {}

#endif

}  // namespace qsplit::guard::wide
