// A condition of a layout as bits of a descriptor's words, where it is no more than that: nearly
// every one is.
//
// Works on no memory but its own. Compiled once at open; immutable, any thread.
#ifndef QSPLIT_DAEMON_GUARD_WORD_TEST_H_
#define QSPLIT_DAEMON_GUARD_WORD_TEST_H_

#include <optional>

#include "daemon/guard/descriptor_mask.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::guard {

// Holds where (word & mask) == value in each word.
struct WordTest {
  DescriptorMask mask;
  DescriptorMask value;

  // Of one conjunction of comparisons with constants; nullopt: of anything else, or of bits that
  // contradict each other.
  static std::optional<WordTest> Of(const v1::Layout& layout, const v1::Condition& when);

  // Both tests in one. False, and unchanged: they contradict each other.
  bool Join(const WordTest& other);
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_WORD_TEST_H_
