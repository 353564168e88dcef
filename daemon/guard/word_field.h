// Descriptors as words of 8 bytes, and fields that lie in one of them: what guards work with where
// the time for a descriptor counts.
//
// Works on private words only. Compiled once at open; immutable, any thread.
#ifndef QSPLIT_DAEMON_GUARD_WORD_FIELD_H_
#define QSPLIT_DAEMON_GUARD_WORD_FIELD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/guard/region_map.h"
#include "dataplane/barriers.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::guard {

// A number in one word.
struct WordField {
  uint64_t mask = 0;  // at bit 0; 0: the field is not there
  uint8_t word = 0;
  uint8_t shift = 0;

  // UNIMPLEMENTED: in parts, over a word's border, big-endian, signed, inverted, scaled.
  static absl::StatusOr<WordField> Compile(const v1::Form& form, const v1::Field& field);

  bool there() const { return mask != 0; }
  uint64_t In(uint64_t in_word) const { return (in_word >> shift) & mask; }
  uint64_t Get(const uint64_t* words) const { return In(words[word]); }
};

// An address in one word, whose bits stand where they stand in the address.
struct WordAddress {
  uint64_t mask = 0;  // 0: the field is not there
  uint8_t word = 0;

  // UNIMPLEMENTED: as WordField, and bits that stand elsewhere.
  static absl::StatusOr<WordAddress> Compile(const v1::Form& form, const v1::Field& field);

  bool there() const { return mask != 0; }
  uint64_t Get(const uint64_t* words) const { return words[word] & mask; }
  // address: one that the field can say; see CheckReach.
  void Set(uint64_t* words, uint64_t address) const {
    words[word] = (words[word] & ~mask) | address;
  }
  // Whether it can say the device's address for each of the client's. INVALID_ARGUMENT: not so.
  absl::Status CheckReach(const RegionMap& regions) const;
};

// When a slot has changed hands: by flags of one word, each of a constant or of the ring's phase.
struct WordCondition {
  uint64_t mask = 0;
  uint64_t value[2] = {0, 0};  // by phase
  uint32_t word = 0;

  // UNIMPLEMENTED: not by flags of one word, the same in all forms. where: of the ring, for
  // messages.
  static absl::StatusOr<WordCondition> Compile(const v1::Layout& layout, const v1::Condition& when,
                                               const std::string& where);

  bool Holds(uint64_t in_word, uint32_t phase = 0) const {
    return (in_word & mask) == value[phase];
  }
  uint64_t Sign(uint64_t in_word, uint32_t phase) const { return (in_word & ~mask) | value[phase]; }
};

// The slots of a ring, each of kWords words. Shared with the other side: words are read and written
// one by one.
template <size_t kWords>
class WordSlots {
 public:
  WordSlots() = default;
  explicit WordSlots(std::byte* first) : first_(first) {}

  uint64_t Load(uint32_t slot, size_t word) const {
    return dataplane::LoadRelaxed<uint64_t>(At(slot, word));
  }
  std::byte* Slot(uint32_t slot) const { return At(slot, 0); }
  uint64_t LoadAcquire(uint32_t slot, size_t word) const {
    return dataplane::LoadAcquire<uint64_t>(At(slot, word));
  }
  void Store(uint32_t slot, const uint64_t* words) const {
    for (size_t i = 0; i < kWords; ++i) dataplane::StoreRelaxed<uint64_t>(At(slot, i), words[i]);
  }
  void StoreAllBut(uint32_t slot, const uint64_t* words, size_t but) const {
    for (size_t i = 0; i < kWords; ++i) {
      if (i != but) dataplane::StoreRelaxed<uint64_t>(At(slot, i), words[i]);
    }
  }
  void StoreRelease(uint32_t slot, size_t word, uint64_t value) const {
    dataplane::HandOver<uint64_t>(At(slot, word), value);
  }
  // Word `last` after all others, with release.
  void StoreWithLast(uint32_t slot, const uint64_t* words, size_t last) const {
    StoreAllBut(slot, words, last);
    StoreRelease(slot, last, words[last]);
  }

 private:
  std::byte* At(uint32_t slot, size_t word) const {
    return first_ + (size_t{slot} * kWords + word) * sizeof(uint64_t);
  }
  std::byte* first_ = nullptr;
};

// A descriptor in words, as the functions that work on bytes take it.
inline const std::byte* AsBytes(const uint64_t* words) {
  return reinterpret_cast<const std::byte*>(words);
}

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_WORD_FIELD_H_
