// Descriptors of two words that stay in registers while they are checked: a field is masked out of
// both words, so that nothing is indexed and no copy goes through memory.
//
// Pairs are private; slots are shared with the other side and are read and written word by word.
// Compiled once at open; immutable, any thread.
#ifndef QSPLIT_DAEMON_GUARD_WORD_PAIR_H_
#define QSPLIT_DAEMON_GUARD_WORD_PAIR_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/guard/word_field.h"
#include "dataplane/barriers.h"

namespace qsplit::guard {

struct WordPair {
  uint64_t low = 0;   // bytes 0 to 7
  uint64_t high = 0;  // bytes 8 to 15

  // All zeros but for one word.
  static constexpr WordPair Of(uint64_t value, uint32_t word) {
    return word == 0 ? WordPair{value, 0} : WordPair{0, value};
  }
  uint64_t At(uint32_t word) const { return word == 0 ? low : high; }
  uint64_t Union() const { return low | high; }
  std::array<uint64_t, 2> Words() const { return {low, high}; }

  friend WordPair operator&(const WordPair& a, const WordPair& b) {
    return {a.low & b.low, a.high & b.high};
  }
};

// A number in one word of a pair.
class PairField {
 public:
  PairField() = default;
  explicit PairField(const WordField& field)
      : mask_(WordPair::Of(field.mask << field.shift, field.word)), shift_(field.shift) {}

  bool there() const { return mask_.Union() != 0; }
  uint64_t Get(const WordPair& words) const { return (words & mask_).Union() >> shift_; }

 private:
  WordPair mask_;  // where it stands; 0: it is not there
  uint32_t shift_ = 0;
};

// An address in one word of a pair, whose bits stand where they stand in the address.
class PairAddress {
 public:
  PairAddress() = default;
  explicit PairAddress(const WordAddress& address)
      : mask_(WordPair::Of(address.mask, address.word)) {}

  uint64_t Get(const WordPair& words) const { return (words & mask_).Union(); }
  // address: one that the field can say; see WordAddress::CheckReach.
  void Set(WordPair* words, uint64_t address) const {
    words->low = (words->low & ~mask_.low) | (address & mask_.low);
    words->high = (words->high & ~mask_.high) | (address & mask_.high);
  }

 private:
  WordPair mask_;
};

// The slots of a ring or a table, one pair each.
class PairSlots {
 public:
  PairSlots() = default;
  explicit PairSlots(std::byte* first) : first_(first) {}

  WordPair Load(uint32_t slot) const {
    return {dataplane::LoadRelaxed<uint64_t>(At(slot, 0)),
            dataplane::LoadRelaxed<uint64_t>(At(slot, 1))};
  }
  void Store(uint32_t slot, const WordPair& words) const {
    dataplane::StoreRelaxed<uint64_t>(At(slot, 0), words.low);
    dataplane::StoreRelaxed<uint64_t>(At(slot, 1), words.high);
  }
  // Where one word, `mark`, says whose the slot is: that one, and then the other one behind it.
  uint64_t LoadMark(uint32_t slot, uint32_t mark) const {
    return dataplane::LoadAcquire<uint64_t>(At(slot, mark));
  }
  WordPair LoadBehind(uint64_t marked, uint32_t slot, uint32_t mark) const {
    const auto other = dataplane::LoadRelaxed<uint64_t>(At(slot, mark ^ 1));
    return mark == 0 ? WordPair{marked, other} : WordPair{other, marked};
  }
  // The other way round: the other one, and then the mark, with release.
  void StoreUnmarked(uint32_t slot, uint32_t mark, const WordPair& words) const {
    dataplane::StoreRelaxed<uint64_t>(At(slot, mark ^ 1), words.At(mark ^ 1));
  }
  void StoreMark(uint32_t slot, uint32_t mark, uint64_t marked) const {
    dataplane::StoreRelease<uint64_t>(At(slot, mark), marked);
  }

 private:
  std::byte* At(uint32_t slot, uint32_t word) const {
    return first_ + (size_t{slot} * 2 + word) * sizeof(uint64_t);
  }
  std::byte* first_ = nullptr;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_WORD_PAIR_H_
