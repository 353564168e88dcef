// The receive loop of hand_rx.h for intel.ixgbe.advanced with SIMD (AVX2), four packets at once:
// how far compiled access is from that, too. What is not four whole packets in a row, that are the
// common case, goes to the loop in words.
//
// A descriptor is read by one load of 16 bytes, which processors with AVX do as a single access
// (Intel's manual, volume 3, 9.1.1; AMD's, volume 2, 7.3.2), so that its done bit holds for all of
// it.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HAND_SIMD_RX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HAND_SIMD_RX_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/bench/dataplane/hand_rx.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace qsplit::bench {

class HandIxgbeSimdRx : public HandIxgbeRx {
 public:
  using HandIxgbeRx::HandIxgbeRx;

  static bool RunsHere() { return __builtin_cpu_supports("avx2"); }

  [[gnu::target("avx2")]] uint32_t Post(std::span<const RxBuffer> buffers) {
    static_assert(sizeof(RxBuffer) == 24 && offsetof(RxBuffer, bytes) == 8 &&
                  offsetof(RxBuffer, cookie) == 12);
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), slot_count_ - 1 - outstanding_));
    const uint32_t fours = std::min(most, slot_count_ - produce_) / 4;
    const __m128i room = _mm_set1_epi32(static_cast<int>(buffer_bytes_));
    std::byte* slot = slots_ + size_t{produce_} * 16;
    uint32_t* cookie = cookies_.data() + produce_;
    const RxBuffer* buffer = buffers.data();
    uint32_t done = 0;
    for (; done < fours * 4; done += 4) {
      const __m128i a = Load(buffer), b = Load(buffer + 1);
      const __m128i c = Load(buffer + 2), d = Load(buffer + 3);
      const __m128i ab = _mm_unpackhi_epi32(a, b), cd = _mm_unpackhi_epi32(c, d);
      const __m128i bytes = _mm_unpacklo_epi64(ab, cd);
      if (_mm_movemask_epi8(_mm_cmpeq_epi32(_mm_min_epu32(bytes, room), room)) != 0xffff) break;
      Store(cookie, _mm_unpackhi_epi64(ab, cd));
      Store(slot, _mm_move_epi64(a));
      Store(slot + 16, _mm_move_epi64(b));
      Store(slot + 32, _mm_move_epi64(c));
      Store(slot + 48, _mm_move_epi64(d));
      slot += 64;
      cookie += 4;
      buffer += 4;
    }
    produce_ += done;
    if (produce_ == slot_count_) produce_ = 0;
    outstanding_ += done;
    return done == most ? done : done + HandIxgbeRx::Post(buffers.subspan(done));
  }

  [[gnu::target("avx2")]] uint32_t Poll(std::span<RxCompletion> out) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    const uint32_t fours = std::min(most, slot_count_ - consume_) / 4;
    const __m128i room = _mm_set1_epi32(static_cast<int>(buffer_bytes_));
    const __m128i low_16 = _mm_set1_epi32(0xffff);
    const __m128i second = _mm_set1_epi64x(int64_t{0x101} << 32);  // first and last
    const std::byte* slot = slots_ + size_t{consume_} * 16;
    const uint32_t* cookie = cookies_.data() + consume_;
    auto* to = reinterpret_cast<std::byte*>(out.data());
    uint32_t count = 0;
    for (; count < fours * 4; count += 4) {
      const __m128i a = LoadSlot(slot), b = LoadSlot(slot + 16);
      const __m128i c = LoadSlot(slot + 32), d = LoadSlot(slot + 48);
      const __m128i ab_low = _mm_unpacklo_epi32(a, b), cd_low = _mm_unpacklo_epi32(c, d);
      const __m128i ab_high = _mm_unpackhi_epi32(a, b), cd_high = _mm_unpackhi_epi32(c, d);
      const __m128i info = _mm_unpacklo_epi64(ab_low, cd_low);
      const __m128i status = _mm_unpacklo_epi64(ab_high, cd_high);
      // As IsOurs.
      const __m128i bits = _mm_or_si128(_mm_and_si128(status, _mm_set1_epi32(3)),
                                        _mm_and_si128(info, _mm_set1_epi32(1 << 15)));
      if (_mm_movemask_epi8(_mm_cmpeq_epi32(bits, _mm_set1_epi32(3))) != 0xffff) break;
      // As FlagsOf and the RSS type, as offsets into tables of 16 bytes.
      const __m128i flags =
          _mm_or_si128(_mm_and_si128(_mm_slli_epi32(status, 1), _mm_set1_epi32(0xf0)),
                       _mm_and_si128(_mm_srli_epi32(status, 22), _mm_set1_epi32(0x300)));
      const __m128i types = _mm_slli_epi32(_mm_and_si128(info, _mm_set1_epi32(15)), 20);
      const __m128i both = _mm_or_si128(flags, types);
      const auto of_ab = static_cast<uint64_t>(_mm_cvtsi128_si64(both));
      const auto of_cd = static_cast<uint64_t>(_mm_extract_epi64(both, 1));
      const __m128i lengths =
          _mm_min_epu32(_mm_and_si128(_mm_unpackhi_epi64(ab_high, cd_high), low_16), room);
      const __m128i cookies = Load(cookie);
      const __m128i of_2 = _mm_unpacklo_epi32(cookies, lengths);
      const __m128i of_4 = _mm_unpackhi_epi32(cookies, lengths);
      Put(to, _mm_unpacklo_epi64(of_2, second), Meta(a, static_cast<uint32_t>(of_ab)));
      Put(to + 56, _mm_unpackhi_epi64(of_2, second), Meta(b, static_cast<uint32_t>(of_ab >> 32)));
      Put(to + 112, _mm_unpacklo_epi64(of_4, second), Meta(c, static_cast<uint32_t>(of_cd)));
      Put(to + 168, _mm_unpackhi_epi64(of_4, second), Meta(d, static_cast<uint32_t>(of_cd >> 32)));
      slot += 64;
      cookie += 4;
      to += 224;
    }
    static_assert(sizeof(RxCompletion) == 56);
    consume_ += count;
    if (consume_ == slot_count_) consume_ = 0;
    outstanding_ -= count;
    return count == most ? count : count + PollInWords(out.subspan(count));
  }

 private:
  static __m128i LoadSlot(const std::byte* slot) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(slot));
  }
  static __m128i Load(const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i_u*>(from));
  }
  static void Store(void* to, __m128i value) {
    _mm_storeu_si128(static_cast<__m128i_u*>(to), value);
  }
  // Hash and tag stand where a descriptor has them. offsets: of the flags, and behind 16 bits of
  // the type.
  static __m128i Meta(__m128i descriptor, uint32_t offsets) {
    const auto at = [](const auto& table, uint32_t offset) {
      return Load(reinterpret_cast<const std::byte*>(table.data()) + offset);
    };
    const __m128i fields = _mm_set_epi64x(kStates, kNoHash);
    return _mm_and_si128(
        _mm_or_si128(descriptor, fields),
        _mm_and_si128(at(kFlagPairs, offsets & 0xffff), at(kTypePairs, offsets >> 16)));
  }
  [[gnu::target("avx2")]] static void Put(std::byte* to, __m128i words, __m128i meta) {
    _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(to + 24), _mm256_setzero_si256());
    Store(to, words);
    Store(to + 16, meta);
  }

  struct Pair {
    uint64_t words[2];
  };
  // Bits that stay: of the metadata for flags, with any hash; of a hash for a type.
  static constexpr std::array<Pair, 64> kFlagPairs = [] {
    std::array<Pair, 64> pairs{};
    for (size_t i = 0; i < 64; ++i) {
      const uint64_t hash = ~kNoHash | static_cast<uint64_t>(RxField::kHash);
      pairs[i] = {{kFlagWords[i].present | hash, kFlagWords[i].states}};
    }
    return pairs;
  }();
  static constexpr std::array<Pair, 16> kTypePairs = [] {
    std::array<Pair, 16> pairs{};
    for (size_t i = 0; i < 16; ++i) {
      const uint64_t hash = ~kNoHash | static_cast<uint64_t>(RxField::kHash);
      pairs[i] = {{~hash | kHashWords[i], UINT64_MAX}};
    }
    return pairs;
  }();
};

}  // namespace qsplit::bench

#else

namespace qsplit::bench {

using HandIxgbeSimdRx = void;  // there is none

}  // namespace qsplit::bench

#endif  // defined(__x86_64__)

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_SIMD_RX_H_
