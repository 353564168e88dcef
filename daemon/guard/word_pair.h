// Descriptors of two words that stay in registers while they are checked, and rings of them.
//
// Pairs are private; slots are shared with the other side and are read and written word by word.
// Any thread.
#ifndef QSPLIT_DAEMON_GUARD_WORD_PAIR_H_
#define QSPLIT_DAEMON_GUARD_WORD_PAIR_H_

#include <cstddef>
#include <cstdint>

#include "daemon/guard/prefetch.h"
#include "dataplane/barriers.h"

namespace qsplit::guard {

struct WordPair {
  uint64_t low = 0;   // bytes 0 to 7
  uint64_t high = 0;  // bytes 8 to 15

  uint64_t At(uint32_t word) const { return word == 0 ? low : high; }

  friend WordPair operator&(const WordPair& a, const WordPair& b) {
    return {a.low & b.low, a.high & b.high};
  }
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
    dataplane::HandOver<uint64_t>(At(slot, mark), marked);
  }

  std::byte* first() const { return first_; }

  // Their lines are asked for: of the slots behind this one, for who walks on; of this one.
  void WalkToRead(uint32_t slot) const { PrefetchAheadToRead(At(slot, 0), sizeof(WordPair)); }
  void WalkToWrite(uint32_t slot) const { PrefetchAheadToWrite(At(slot, 0), sizeof(WordPair)); }
  void WillRead(uint32_t slot) const { PrefetchToRead(At(slot, 0)); }
  void WillWrite(uint32_t slot) const { PrefetchToWrite(At(slot, 0)); }

 private:
  std::byte* At(uint32_t slot, uint32_t word) const {
    return first_ + (size_t{slot} * 2 + word) * sizeof(uint64_t);
  }
  std::byte* first_ = nullptr;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_WORD_PAIR_H_
