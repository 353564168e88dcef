// What it costs a device to write completions of 16 bytes back, four of which fill a cache line: a
// descriptor by two stores of 8 bytes, its word that says "done" last, as the data plane does it;
// by one store of 16 bytes; two descriptors by one of 32; a line of four by one of 64. Each way
// makes the same descriptors out of a length and a hash.
//
//   bench_write_back [--quick]
//
// alone: a ring of 512 slots in the cache of one core. read: a thread on another core takes bursts
// of 32, each when its last descriptor is done, and gives the slots back. ns for each descriptor,
// medians of 9 runs that take turns (--quick: 3). torn: descriptors of such a burst that were not
// done, or had another one's length or hash.
//
// To other processors an aligned store of 16 bytes is one access where there is AVX (Intel SDM 3A,
// 9.1.1 "Guaranteed Atomic Operations"); of 32 and 64 bytes that is said nowhere.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>

#include "dataplane/barriers.h"
#include "dataplane/cache_line.h"
#include "dataplane/prefetch.h"
#include "tests/bench/command_line.h"
#include "tests/bench/processor.h"
#include "tests/bench/runs.h"

namespace {

using namespace qsplit;  // NOLINT
using Clock = std::chrono::steady_clock;

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kSlotBytes = 16;
constexpr uint64_t kDone = 1;  // of a descriptor's second word

struct Plain {
  uint32_t length = 0;
  uint32_t hash = 0;
};

// Of a descriptor: hash in the upper half of the first word, length in 32..47 of the second.
constexpr std::array<uint64_t, 2> kImage = {0x25, kDone | 0x21};

struct Ring {
  alignas(64) std::array<std::byte, kSlots * kSlotBytes> slots{};
  alignas(dataplane::kCacheLineBytes) std::atomic<uint64_t> returned{0};  // slots, since ever
};

using Write = void (*)(std::byte* at, const Plain* plain);

void ByWords(std::byte* at, const Plain* plain) {
  for (uint32_t i = 0; i < kBurst; ++i, at += kSlotBytes) {
    dataplane::StoreRelaxed<uint64_t>(at, kImage[0] | uint64_t{plain[i].hash} << 32);
    dataplane::HandOver<uint64_t>(at + 8, kImage[1] | uint64_t{plain[i].length} << 32);
  }
}

// Hash and length of the first 8 bytes to where a descriptor has them.
[[gnu::target("avx2")]] inline __m128i Descriptor(const Plain* plain) {
  constexpr char kNone = -1;
  const __m128i moves = _mm_setr_epi8(kNone, kNone, kNone, kNone, 4, 5, 6, 7, kNone, kNone, kNone,
                                      kNone, 0, 1, kNone, kNone);
  const __m128i image = _mm_set_epi64x(static_cast<long long>(kImage[1]),   // NOLINT
                                       static_cast<long long>(kImage[0]));  // NOLINT
  // Each number by itself: who wrote them did so, and one load of two stores waits for both.
  __m128i numbers = _mm_cvtsi32_si128(static_cast<int>(plain->length));
  numbers = _mm_insert_epi32(numbers, static_cast<int>(plain->hash), 1);
  return _mm_or_si128(_mm_shuffle_epi8(numbers, moves), image);
}

[[gnu::target("avx2")]] void ByDescriptors(std::byte* at, const Plain* plain) {
  for (uint32_t i = 0; i < kBurst; ++i, at += kSlotBytes) {
    _mm_store_si128(reinterpret_cast<__m128i*>(at), Descriptor(&plain[i]));
    asm volatile("" ::: "memory");
  }
}

[[gnu::target("avx2")]] void ByTwo(std::byte* at, const Plain* plain) {
  for (uint32_t i = 0; i < kBurst; i += 2, at += 2 * kSlotBytes) {
    const __m256i two = _mm256_set_m128i(Descriptor(&plain[i + 1]), Descriptor(&plain[i]));
    _mm256_store_si256(reinterpret_cast<__m256i*>(at), two);
    asm volatile("" ::: "memory");
  }
}

using Pair = long long __attribute__((vector_size(32)));                     // NOLINT
using Line [[gnu::may_alias]] = long long __attribute__((vector_size(64)));  // NOLINT

[[gnu::target("avx2,avx512f")]] void ByLine(std::byte* at, const Plain* plain) {
  for (uint32_t i = 0; i < kBurst; i += 4, at += 4 * kSlotBytes) {
    const __m256i front = _mm256_set_m128i(Descriptor(&plain[i + 1]), Descriptor(&plain[i]));
    const __m256i back = _mm256_set_m128i(Descriptor(&plain[i + 3]), Descriptor(&plain[i + 2]));
    // Not by intrinsics: g++ 12 takes what is undefined in theirs for an error.
    *reinterpret_cast<Line*>(at) = __builtin_shufflevector(
        reinterpret_cast<Pair>(front), reinterpret_cast<Pair>(back), 0, 1, 2, 3, 4, 5, 6, 7);
    asm volatile("" ::: "memory");
  }
}

struct Way {
  const char* name;
  Write write;
  bool there;
};

uint32_t HashOf(uint64_t count) { return static_cast<uint32_t>(count * 0x9e3779b97f4a7c15 >> 32); }
uint32_t LengthOf(uint64_t count) { return 1 + static_cast<uint32_t>(count % 60000); }

double Alone(Write write, Clock::duration time) {
  Ring ring;
  std::array<Plain, kBurst> plain;
  for (uint32_t i = 0; i < kBurst; ++i) plain[i] = {LengthOf(i), HashOf(i)};
  uint64_t count = 0;
  const Clock::time_point begin = Clock::now();
  while (Clock::now() < begin + time) {
    for (int round = 0; round < 256; ++round, count += kBurst) {
      asm volatile("" : : "r"(plain.data()) : "memory");
      write(&ring.slots[count % kSlots * kSlotBytes], plain.data());
    }
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
         static_cast<double>(count);
}

// What the other core does: takes `all` descriptors, a burst when its last one is done; how many
// were torn.
uint64_t TakeAll(Ring* ring, uint64_t all) {
  uint64_t torn = 0;
  for (uint64_t count = 0; count < all; count += kBurst) {
    std::byte* at = &ring->slots[count % kSlots * kSlotBytes];
    // Acquire: pairs with the store of that word.
    const std::byte* const last = at + (kBurst - 1) * kSlotBytes + 8;
    while ((dataplane::LoadAcquire<uint64_t>(last) & kDone) == 0) _mm_pause();
    for (uint32_t line = 0; line < kBurst * kSlotBytes; line += 64) __builtin_prefetch(at + line);
    for (uint32_t i = 0; i < kBurst; ++i, at += kSlotBytes) {
      const uint64_t done = dataplane::LoadAcquire<uint64_t>(at + 8);
      const uint64_t hash = dataplane::LoadRelaxed<uint64_t>(at) >> 32;
      const bool whole = (done & kDone) != 0 && done >> 32 == LengthOf(count + i);
      torn += whole && hash == HashOf(count + i) ? 0 : 1;
      dataplane::StoreRelaxed<uint64_t>(at, 0);
      dataplane::StoreRelaxed<uint64_t>(at + 8, 0);
    }
    // Release: pairs with the writer's acquire.
    ring->returned.store(count + kBurst, std::memory_order_release);
  }
  return torn;
}

double Read(Write write, uint64_t all, uint64_t* torn) {
  Ring ring;
  std::thread reader([&] {
    bench::RunOn(1);
    *torn += TakeAll(&ring, all);
  });
  std::array<Plain, kBurst> plain;
  uint64_t returned = 0;
  const Clock::time_point begin = Clock::now();
  for (uint64_t count = 0; count < all; count += kBurst) {
    std::byte* const at = &ring.slots[count % kSlots * kSlotBytes];
    for (uint32_t line = 0; line < kBurst * kSlotBytes; line += 64) {
      dataplane::PrefetchToWrite(at + line);
    }
    for (uint32_t i = 0; i < kBurst; ++i) plain[i] = {LengthOf(count + i), HashOf(count + i)};
    while (count + kBurst - returned > kSlots) {
      returned = ring.returned.load(std::memory_order_acquire);
    }
    write(at, plain.data());
  }
  reader.join();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
         static_cast<double>(all);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::CommandLine line(argc, argv);
  bench::RunOn(0);
  const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  const Way ways[] = {{"two stores of 8", ByWords, true},
                      {"one of 16", ByDescriptors, avx2},
                      {"two slots, 32", ByTwo, avx2},
                      {"four slots, 64", ByLine, __builtin_cpu_supports("avx512f") != 0}};
  std::array<bench::Runs, std::size(ways)> alone, read;
  std::array<uint64_t, std::size(ways)> torn{};
  for (int run = 0; run < line.Runs(); ++run) {
    for (size_t w = 0; w < std::size(ways); ++w) {
      if (!ways[w].there) continue;
      alone[w].values.push_back(Alone(ways[w].write, std::chrono::milliseconds(20)));
      read[w].values.push_back(Read(ways[w].write, line.quick ? 1 << 20 : 1 << 22, &torn[w]));
    }
  }
  std::printf("%-18s %18s %8s %18s %8s %8s\n", "ns for a descriptor", "alone", "", "read", "",
              "torn");
  for (size_t w = 0; w < std::size(ways); ++w) {
    if (!ways[w].there) {
      std::printf("%-18s this processor has none\n", ways[w].name);
      continue;
    }
    std::printf("%-18s %11.2f +-%3.1f%% %7.2fx %11.2f +-%3.1f%% %7.2fx %8llu\n", ways[w].name,
                alone[w].Median(), alone[w].SpreadPercent(), alone[w].Over(alone[0]).Median(),
                read[w].Median(), read[w].SpreadPercent(), read[w].Over(read[0]).Median(),
                static_cast<unsigned long long>(torn[w]));  // NOLINT(google-runtime-int): printf
  }
  return 0;
}
