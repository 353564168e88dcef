// How often a test of random steps goes round. A build with a sanitizer is ten times slower and
// looks for other mistakes, which the first rounds show: it goes a quarter as often.
#ifndef QSPLIT_TESTS_SUPPORT_ROUNDS_H_
#define QSPLIT_TESTS_SUPPORT_ROUNDS_H_

#include <cstdint>

namespace qsplit::testing {

constexpr uint32_t Rounds(uint32_t rounds) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return (rounds + 3) / 4;
#else
  return rounds;
#endif
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_ROUNDS_H_
