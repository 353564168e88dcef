// Conditions of a ring, compiled for one form: comparisons with constants, with other fields, and
// with the phase and sequence number of a position in the ring; and the stores that make one true.
//
// They work on private bytes, as field access does, of a descriptor that begins at the cursor's
// slot: the phase that a field in its k-th slot is compared with is that slot's (the ring's end, or
// a link, may lie between).
// Compiling may allocate, evaluating and storing never do. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_RING_CONDITION_H_
#define QSPLIT_DATAPLANE_RING_CONDITION_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "dataplane/ring_cursor.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

class RingCondition {
 public:
  // Always true.
  RingCondition() = default;
  // Conjunctions over other forms are left out. If the form has none of its own and may borrow,
  // those of others whose bytes lie within it count (bits that stand at the same place in all
  // forms). Never true if none remains of several. INVALID_ARGUMENT, UNIMPLEMENTED: not of a
  // verified layout, too long.
  static absl::StatusOr<RingCondition> Compile(const v1::Layout& layout,
                                               const v1::Condition& condition, uint32_t form,
                                               uint32_t slot_bytes, bool may_borrow);

  bool AlwaysTrue() const { return always_; }
  bool Holds(const std::byte* descriptor, const RingCursor& at) const {
    if (single_) [[likely]] {
      uint64_t word;
      std::memcpy(&word, descriptor + offset_, sizeof word);
      const uint32_t phase = at.phase() & 1;
      return ((word & mask_) == value_[phase]) != negated_ &&
             (word & but_mask_) != but_value_[phase];
    }
    return always_ || Evaluate(descriptor, at);
  }

  // Whether stores are known that make it true; then MakeTrue does so, changing nothing that need
  // not change, for any position.
  bool CanMakeTrue() const { return can_make_true_; }
  void MakeTrue(std::byte* descriptor, const RingCursor& at) const {
    if (store_mask_ != 0) [[likely]] {  // all within one load
      uint64_t word;
      std::memcpy(&word, descriptor + store_offset_, sizeof word);
      word = (word & ~store_mask_) | store_value_[at.phase() & 1];
      std::memcpy(descriptor + store_offset_, &word, sizeof word);
      return;
    }
    if (!always_) Store(descriptor, at);
  }

  // Whether, where the phase is as given, it is that some bits have certain values and nothing
  // else; these are added then. Of several ways in which it can hold, the first that adds none,
  // else the first. False: it is about more than bits, or cannot hold beside those that are there.
  bool IsBits(uint32_t phase, std::byte* mask, std::byte* value) const;
  // Whether no bytes for which it holds at one phase are such that it holds at the other.
  bool TellsPhases() const {
    return single_ && !negated_ && ((value_[0] ^ value_[1]) & mask_) != 0;
  }
  // Whether what MakeTrue stores depends on nothing but the phase and the bytes.
  bool StoresByPhase() const { return always_ || store_mask_ != 0; }
  // Sets all bits of a descriptor that Holds looks at.
  void MarkBits(std::byte* mask) const;
  // Whether the ring's sequence number has a say.
  bool LooksAtSequence() const;

  // The byte ranges that it reads, one for each comparison side, [first, last].
  struct Bytes {
    uint32_t first = 0;
    uint32_t last = 0;
    bool ring_state = false;  // compared with the phase or the sequence number
  };
  const std::vector<Bytes>& Reads() const { return reads_; }
  // Comparisons within one load, in the first slot; equal ones give the same answer for all bytes.
  bool IsSingle() const { return single_; }
  bool SameSingle(const RingCondition& other) const {
    return single_ && other.single_ && offset_ == other.offset_ && mask_ == other.mask_ &&
           value_[0] == other.value_[0] && value_[1] == other.value_[1] &&
           negated_ == other.negated_ && but_mask_ == other.but_mask_ &&
           but_value_[0] == other.but_value_[0] && but_value_[1] == other.but_value_[1];
  }

 private:
  enum class Against : uint8_t { kConstant, kField, kPhase, kSequence };
  struct Test {
    // (load & mask) == value[phase] (or != when negated), in memory order: for most tests.
    bool masked = false;
    bool negated = false;
    bool ends_conjunction = false;
    Against against = Against::kConstant;
    uint16_t offset = 0;
    uint32_t slot = 0;  // of the descriptor, in which the field stands
    uint64_t mask = 0;
    uint64_t value[2] = {0, 0};
    v1::Operator op = v1::OPERATOR_EQUAL;
    uint64_t constant = 0;
    FieldAccess left;
    FieldAccess right;
    // What to store so that it holds: a constant, or the phase, the other phase, the sequence.
    bool can_store = false;
    bool store_inverted = false;
    uint64_t store = 0;
  };
  static void UseMask(Test* test);
  static void FindStore(Test* test);
  // IsBits for the conjunction that begins with this test.
  bool AddConjunction(size_t begin, uint32_t phase, std::byte* mask, std::byte* value) const;
  bool HoldsTest(const Test& test, const std::byte* descriptor, const RingCursor& at) const;
  bool Evaluate(const std::byte* descriptor, const RingCursor& at) const;
  void Store(std::byte* descriptor, const RingCursor& at) const;
  void FindStores();
  void MergeStores();
  void MergeSingle();

  bool always_ = true;
  bool single_ = false;
  bool negated_ = false;
  uint16_t offset_ = 0;
  uint64_t mask_ = 0;
  uint64_t value_[2] = {0, 0};
  // And the bits under but_mask_ are another value than this; no bits and 1: always.
  uint64_t but_mask_ = 0;
  uint64_t but_value_[2] = {1, 1};

  bool can_make_true_ = true;
  // What MakeTrue stores, where one load has it all.
  uint16_t store_offset_ = 0;
  uint64_t store_mask_ = 0;
  uint64_t store_value_[2] = {0, 0};
  size_t store_begin_ = 0;  // the conjunction that MakeTrue makes true
  size_t store_end_ = 0;

  std::vector<Test> tests_;
  std::vector<Bytes> reads_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_CONDITION_H_
