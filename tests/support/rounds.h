// How often a test of random steps goes round. A build with a sanitizer is ten times slower and
// looks for other mistakes, which the first rounds show: it goes a quarter as often, and an eighth
// where a test does so with each of the shipped layouts, more than a hundred.
#ifndef QSPLIT_TESTS_SUPPORT_ROUNDS_H_
#define QSPLIT_TESTS_SUPPORT_ROUNDS_H_

#include <cstdint>

namespace qsplit::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint32_t Rounds(uint32_t rounds) { return (rounds + 3) / 4; }
constexpr uint32_t RoundsOfEach(uint32_t rounds) { return (rounds + 7) / 8; }
#else
constexpr uint32_t Rounds(uint32_t rounds) { return rounds; }
constexpr uint32_t RoundsOfEach(uint32_t rounds) { return rounds; }
#endif

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_ROUNDS_H_
