// Descriptors of a ring that its engine knows: what a descriptor means, but for its address and
// length, is found out once, in full; the next ones that have the same bits beside those mean the
// same.
//
//   engine: reads a descriptor in full ──► Remember its other bits and what they mean
//   burst:  the next slot has these bits ──► Find: the same meaning, address and length its own
//             └─ it has others ──► the burst ends, the engine reads this one in full
//
// Bits that change freely must decide nothing; whether that is so is a property of the layout,
// checked once. Works on private copies only; a hostile peer can at most make it forget. Never
// allocates. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_KNOWN_DESCRIPTORS_H_
#define QSPLIT_DATAPLANE_KNOWN_DESCRIPTORS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/field_access.h"

namespace qsplit::dataplane {

// Longer descriptors are read in full each time.
inline constexpr uint32_t kMaxKnownBytes = 32;

// The bits of one form that decide.
class DecidingBits {
 public:
  // None: nothing of this form can be known.
  DecidingBits() = default;
  // Of descriptors of `bytes` bytes; `changing`: fields that change freely, `looked_at`: bits that
  // decide. The former must not be among the latter.
  DecidingBits(const DescriptorBytes& changing, const DescriptorBytes& looked_at, uint32_t bytes) {
    if (bytes > kMaxKnownBytes || bytes % 8 != 0) return;
    for (uint32_t i = 0; i < bytes; ++i) {
      if ((changing.bytes[i] & looked_at.bytes[i]) != std::byte{0}) return;
    }
    word_count_ = bytes / 8;
    for (uint32_t i = 0; i < word_count_; ++i) {
      uint64_t free;
      std::memcpy(&free, changing.bytes + 8 * i, 8);
      words_[i] = ~free;
    }
  }

  uint32_t word_count() const { return word_count_; }
  uint64_t word(uint32_t i) const { return words_[i]; }

 private:
  std::array<uint64_t, kMaxKnownBytes / 8> words_{};
  uint32_t word_count_ = 0;  // 0: none
};

// A field of a descriptor of two words, which stands in one of them as it is.
class PairField {
 public:
  PairField() = default;
  // False: it does not.
  static bool Of(const FieldAccess& field, PairField* out) {
    const FieldPart* const part = field.OnlyPart();
    if (part == nullptr) return false;
    const uint32_t first_bit = part->offset * 8u + part->shift;
    const auto bits = static_cast<uint32_t>(std::bit_width(part->mask));
    if (first_bit % 64 + bits > 64 || first_bit / 64 > 1) return false;
    out->second_ = first_bit / 64 == 1;
    out->shift_ = first_bit % 64;
    out->mask_ = part->mask;
    return true;
  }
  uint64_t Get(uint64_t first, uint64_t second) const {
    return ((second_ ? second : first) >> shift_) & mask_;
  }

 private:
  bool second_ = false;
  uint32_t shift_ = 0;
  uint64_t mask_ = 0;
};

template <typename Meaning>
class KnownDescriptors {
 public:
  bool empty() const { return count_ == 0; }

  // Descriptors of two words: one kind of them, with what a burst compares and reads. Valid until
  // Remember or Forget.
  struct Pair {
    std::array<uint64_t, 2> bits{};
    std::array<uint64_t, 2> value{1, 0};  // of no descriptor
    const Meaning* meaning = nullptr;

    bool Is(uint64_t first, uint64_t second) const {
      return (((first & bits[0]) ^ value[0]) | ((second & bits[1]) ^ value[1])) == 0;
    }
  };
  // False: not known.
  bool FindPair(uint64_t first, uint64_t second, Pair* out) const {
    for (uint32_t k = 0; k < count_; ++k) {
      const Kind& kind = kinds_[k];
      out->bits = {kind.bits.word(0), kind.bits.word(1)};
      out->value = {kind.value[0], kind.value[1]};
      out->meaning = &kind.meaning;
      if (kind.bits.word_count() == 2 && out->Is(first, second)) return true;
    }
    return false;
  }

  // Null: not known. Valid until Remember or Forget.
  const Meaning* Find(const std::byte* descriptor) const {
    for (uint32_t k = 0; k < count_; ++k) {
      const Kind& kind = kinds_[k];
      uint64_t other = 0;
      for (uint32_t i = 0; i < kind.bits.word_count(); ++i) {
        uint64_t word;
        std::memcpy(&word, descriptor + 8 * i, 8);
        other |= (word & kind.bits.word(i)) ^ kind.value[i];
      }
      if (other == 0) return &kind.meaning;
    }
    return nullptr;
  }

  // The descriptor is not known yet. The kind that was remembered first gives way.
  void Remember(const DecidingBits& bits, const std::byte* descriptor, const Meaning& meaning) {
    if (bits.word_count() == 0) return;
    Kind& kind = kinds_[next_];
    kind.bits = bits;
    kind.meaning = meaning;
    for (uint32_t i = 0; i < bits.word_count(); ++i) {
      uint64_t word;
      std::memcpy(&word, descriptor + 8 * i, 8);
      kind.value[i] = word & bits.word(i);
    }
    next_ = (next_ + 1) % kKinds;
    count_ = count_ < kKinds ? count_ + 1 : kKinds;
  }

  void Forget() { count_ = next_ = 0; }

 private:
  // With and without a wish for a report, of two forms.
  static constexpr uint32_t kKinds = 4;
  struct Kind {
    DecidingBits bits;
    std::array<uint64_t, kMaxKnownBytes / 8> value{};
    Meaning meaning{};
  };
  std::array<Kind, kKinds> kinds_{};
  uint32_t count_ = 0;
  uint32_t next_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_KNOWN_DESCRIPTORS_H_
