// Completions of single packets, written through stencils: packets of one kind (protocols,
// verdicts, what is said of them at all) differ in their completions by nothing but a length, a
// hash and a time, so the rest is encoded once, in full, and copied from then on.
//
// That nothing else differs is checked against the form's fields and conditions when a stencil is
// made; where it does, there is none. Bit for bit what RxProgram::Encode writes. Works on private
// bytes only, never allocates. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_RX_STENCILS_H_
#define QSPLIT_DATAPLANE_RX_STENCILS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

class RxStencils {
 public:
  // Longer completions are encoded in full each time.
  static constexpr uint32_t kMaxBytes = 64;
  using Words = std::array<uint64_t, kMaxBytes / 8>;

  class Stencil {
   public:
    // A whole completion. False: it cannot say the length; *out is undefined then.
    bool Fill(uint64_t length, uint32_t hash, Words* out) const {
      Words& words = *out;
      if (word_count_ == 2) [[likely]] {
        words[0] = words_[0];
        words[1] = words_[1];
      } else {
        words = words_;
      }
      if (!length_.Fill(length, words.data())) return false;
      for (const FieldAccess& wire : wire_lengths_) {
        wire.Store(reinterpret_cast<std::byte*>(words.data()), length);
      }
      hash_.Fill(hash, words.data());
      return true;
    }

    // Two words, in which length and hash stand as they are: `first` and `second` of the
    // completion. Meaningful if IsPair().
    bool IsPair() const { return is_pair_; }
    // Whose it is; a whole completion but for length and hash, and the fields where these stand;
    // null: it has no hash.
    const RxProgram* program() const { return program_; }
    const Words& words() const { return words_; }
    const FieldAccess* length_field() const { return length_.field; }
    const FieldAccess* hash_field() const { return hash_.field; }
    uint64_t most_bytes() const { return length_.max; }
    void FillPair(uint64_t length, uint32_t hash, uint64_t* first, uint64_t* second) const {
      const uint64_t l = length << length_.shift;
      const uint64_t h = (hash & hash_.max) << hash_.shift;
      *first = words_[0] | (length_.word == 0 ? l : 0) | (hash_.word == 0 ? h : 0);
      *second = words_[1] | (length_.word != 0 ? l : 0) | (hash_.word != 0 ? h : 0);
    }

   private:
    friend class RxStencils;
    // A field that is filled: within a word, which is zero there, or in some other way.
    struct Hole {
      const FieldAccess* field = nullptr;  // null: there is none
      bool in_word = false;
      uint32_t word = 0;
      uint32_t shift = 0;
      uint64_t max = 0;

      explicit Hole(const FieldAccess* f = nullptr);
      bool Fill(uint64_t value, uint64_t* words) const {
        if (in_word) [[likely]] {
          words[word] |= (value & max) << shift;
          return value <= max;
        }
        if (field == nullptr) return true;
        auto* const bytes = reinterpret_cast<std::byte*>(words);
        if (field->Store(bytes, value)) return true;
        field->StoreRaw(bytes, value & field->MaxRaw());
        return false;
      }
    };

    const RxProgram* program_ = nullptr;
    uint64_t what_ = 0;
    uint64_t numbers_ = 0;
    uint64_t timestamp_ = 0;
    Hole length_;
    Hole hash_;
    std::span<const FieldAccess> wire_lengths_;
    uint32_t word_count_ = 0;  // 0: no stencil
    bool is_pair_ = false;
    Words words_{};
    const FieldAccess* timestamp_field_ = nullptr;
  };

  // The stencil for packets of this kind, with the time in it; null: there is none. Valid until the
  // next call.
  const Stencil* Find(const RxMetadata& meta) {
    Stencil& stencil = stencils_[PlaceOf(meta)];
    if (stencil.word_count_ == 0 || stencil.what_ != WhatOf(meta) ||
        stencil.numbers_ != NumbersOf(meta)) {
      return nullptr;
    }
    if (stencil.timestamp_field_ != nullptr && stencil.timestamp_ != meta.timestamp) {
      SetTime(meta.timestamp, &stencil);
    }
    return &stencil;
  }

  // Find had none: the second such packet in a row gets one, made of `program`, which must outlive
  // this.
  void Learn(const RxProgram& program, const RxMetadata& meta);

 private:
  static constexpr uint32_t kStencils = 16;

  // All of the metadata but hash and time.
  static uint64_t WhatOf(const RxMetadata& m) {
    return uint64_t{m.present.bits} | uint64_t{static_cast<uint8_t>(m.hash_type)} << 16 |
           uint64_t{static_cast<uint8_t>(m.l3)} << 24 | uint64_t{static_cast<uint8_t>(m.l4)} << 32 |
           uint64_t{static_cast<uint8_t>(m.l3_checksum)} << 40 |
           uint64_t{static_cast<uint8_t>(m.l4_checksum)} << 48 | uint64_t{m.error} << 56;
  }
  static uint64_t NumbersOf(const RxMetadata& m) {
    return uint64_t{m.vlan_tci} | uint64_t{m.queue} << 16 | uint64_t{m.mark} << 32;
  }
  static uint32_t PlaceOf(const RxMetadata& m) {
    return static_cast<uint32_t>(((WhatOf(m) ^ NumbersOf(m)) * 0x9e3779b97f4a7c15u) >> 60);
  }
  static void SetTime(uint64_t timestamp, Stencil* stencil);

  std::array<Stencil, kStencils> stencils_{};
  uint64_t missed_what_ = 0;  // the last one that there was none for
  uint64_t missed_numbers_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_STENCILS_H_
