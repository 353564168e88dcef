// What the words of a descriptor must hold to be of a form: its constants, and its selector.
//
// Works on private words only. Compiled once at open; immutable, any thread.
#ifndef QSPLIT_DAEMON_GUARD_WORD_PATTERN_H_
#define QSPLIT_DAEMON_GUARD_WORD_PATTERN_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/word_field.h"
#include "dataplane/condition.h"

namespace qsplit::guard {

template <size_t kWords>
class WordPattern {
 public:
  WordPattern() = default;
  explicit WordPattern(const DescriptorPattern& pattern)
      : selects_(!pattern.selector.AlwaysTrue()), selector_(pattern.selector) {
    std::copy_n(pattern.mask.words.begin(), kWords, mask_.begin());
    std::copy_n(pattern.value.words.begin(), kWords, value_.begin());
  }

  const std::array<uint64_t, kWords>& mask() const { return mask_; }
  const std::array<uint64_t, kWords>& value() const { return value_; }
  // Whether there is more to it than bits of words.
  bool selects() const { return selects_; }

  bool Matches(const uint64_t* words) const {
    uint64_t differ = 0;
    for (size_t i = 0; i < kWords; ++i) differ |= (words[i] & mask_[i]) ^ value_[i];
    return differ == 0 && (!selects_ || selector_.Holds(AsBytes(words)));
  }
  // The same for words in registers, which only a selector needs in memory.
  bool Matches(uint64_t low, uint64_t high) const requires(kWords == 2) {
    if ((((low & mask_[0]) ^ value_[0]) | ((high & mask_[1]) ^ value_[1])) != 0) return false;
    if (!selects_) [[likely]] {
      return true;
    }
    const uint64_t words[] = {low, high};
    return selector_.Holds(AsBytes(words));
  }
  // Whether a descriptor of the form of which `kept` is left may look completed.
  bool MayLook(const WordCondition& done, const DescriptorMask& kept) const {
    // Of the bits that say so, those that the client chooses.
    const uint64_t free = done.mask & kept.words[done.word] & ~mask_[done.word];
    return free != 0 || done.Holds(value_[done.word] & kept.words[done.word]);
  }

 private:
  std::array<uint64_t, kWords> mask_{};
  std::array<uint64_t, kWords> value_{};
  bool selects_ = false;
  dataplane::Condition selector_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_WORD_PATTERN_H_
