// A hash of 64-bit words that nobody foresees who does not know its secret numbers: who sends
// packets, or has rules, cannot choose them so that they meet in one slot of a table.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_SEEDED_HASH_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_SEEDED_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace qsplit::softnic {

// 64 bits out of 128, all of which depend on all of both numbers.
inline uint64_t MixedWords(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Calls f(0) to f(kCount - 1), as if it were written down so: words stay in registers.
template <size_t kCount, typename F>
[[gnu::always_inline]] inline void ForWords(F&& f) {
  [&]<size_t... kWord>(std::index_sequence<kWord...>) { (f(kWord), ...); }
  (std::make_index_sequence<kCount>{});
}

// Of kCount words, an even number, that word(i) gives. Each pair of them is multiplied with secret
// numbers added: two keys meet by chance alone.
template <size_t kCount, typename F>
[[gnu::always_inline]] inline uint64_t HashOfWords(const std::array<uint64_t, 8>& seeds, F&& word) {
  uint64_t hash = 0;
  ForWords<kCount / 2>([&](size_t i) {
    hash += MixedWords(word(2 * i) + seeds[2 * i], word(2 * i + 1) + seeds[2 * i + 1]);
  });
  return hash;
}

// Numbers of a row that the first one hides: splitmix64.
inline std::array<uint64_t, 8> SeedsOf(uint64_t seed) {
  std::array<uint64_t, 8> seeds;
  for (uint64_t& word : seeds) {
    seed += 0x9e3779b97f4a7c15u;
    word = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    word ^= word >> 31;
  }
  return seeds;
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_SEEDED_HASH_H_
