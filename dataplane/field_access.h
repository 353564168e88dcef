// Reading and writing fields of descriptors: a layout's fields compiled into an 8-byte load, a
// shift and a mask for each of their parts.
//
// They work on a descriptor's bytes in private memory (a copy or an image), never on a ring: see
// slot_memory.h for what moves descriptors between the two. `descriptor` must have room for
// max(8, size of the form) bytes. Compiling may allocate, access never does. Immutable after
// compiling; any thread.
#ifndef QSPLIT_DATAPLANE_FIELD_ACCESS_H_
#define QSPLIT_DATAPLANE_FIELD_ACCESS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/statusor.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

static_assert(std::endian::native == std::endian::little,
              "field access assumes a little-endian machine");

// One part of a field: some bits of one word.
struct FieldPart {
  uint64_t mask = 0;       // of the part's width, at bit 0
  uint16_t offset = 0;     // of the 8-byte load, clamped so that it stays inside the form
  uint8_t shift = 0;       // of the loaded (and swapped) value to the right
  uint8_t place = 0;       // of the part in the field's value, to the left
  bool byte_swap = false;  // big-endian word

  uint64_t Word(const std::byte* descriptor) const {
    uint64_t word;
    std::memcpy(&word, descriptor + offset, sizeof word);
    return byte_swap ? __builtin_bswap64(word) : word;
  }
  uint64_t Get(const std::byte* descriptor) const { return (Word(descriptor) >> shift) & mask; }
  void Put(std::byte* descriptor, uint64_t value) const {
    uint64_t word = (Word(descriptor) & ~(mask << shift)) | ((value & mask) << shift);
    if (byte_swap) word = __builtin_bswap64(word);
    std::memcpy(descriptor + offset, &word, sizeof word);
  }
  // The bits of the 8 bytes that carry a value, and Put where they are zero so far.
  uint64_t Bits(uint64_t value) const {
    const uint64_t bits = (value & mask) << shift;
    return byte_swap ? __builtin_bswap64(bits) : bits;
  }
  void Or(std::byte* descriptor, uint64_t value) const {
    uint64_t word;
    std::memcpy(&word, descriptor + offset, sizeof word);
    word |= Bits(value);
    std::memcpy(descriptor + offset, &word, sizeof word);
  }
};

// A field that is a number: its raw bits, and the value that its role speaks of.
class FieldAccess {
 public:
  // For a field of a form of form_bytes. INVALID_ARGUMENT for byte arrays and for bits outside the
  // form (a verified layout has none).
  static absl::StatusOr<FieldAccess> Compile(const v1::Field& field, uint32_t form_bytes);

  uint64_t LoadRaw(const std::byte* descriptor) const {
    uint64_t raw = first_.Get(descriptor);
    if (plain_) [[likely]] {
      return raw;
    }
    return LoadRest(descriptor, raw);
  }
  void StoreRaw(std::byte* descriptor, uint64_t raw) const {
    first_.Put(descriptor, raw >> first_.place);
    if (!plain_) [[unlikely]] {
      StoreRest(descriptor, raw);
    }
  }

  // The value after scale, bias, zero value, sign and inversion; wraps modulo 2^64.
  uint64_t Load(const std::byte* descriptor) const {
    const uint64_t raw = LoadRaw(descriptor);
    return identity_ ? raw : Decode(raw);
  }
  // False, and nothing stored, if the field cannot say the value.
  bool Store(std::byte* descriptor, uint64_t value) const {
    if (identity_) [[likely]] {
      if (value > max_raw_) return false;
      StoreRaw(descriptor, value);
      return true;
    }
    return StoreScaled(descriptor, value);
  }
  bool CanStore(uint64_t value) const {
    if (identity_) [[likely]] {
      return value <= max_raw_;
    }
    uint64_t raw;
    return Encode(value, &raw);
  }

  // Of a field that is its value's bits in one little-endian word; else null.
  const FieldPart* OnlyPart() const {
    return plain_ && identity_ && !first_.byte_swap ? &first_ : nullptr;
  }

  uint64_t Decode(uint64_t raw) const;
  bool Encode(uint64_t value, uint64_t* raw) const;
  // The largest raw value.
  uint64_t MaxRaw() const { return max_raw_; }
  // The largest value that Store takes, for unsigned fields.
  uint64_t MaxValue() const;

  // Whether values are raw bits as they are: no scale, sign or inversion.
  bool IsIdentity() const { return identity_; }
  bool IsInverted() const { return inverted_; }
  // Parts, most significant first.
  std::vector<FieldPart> Parts() const;

 private:
  uint64_t LoadRest(const std::byte* descriptor, uint64_t first) const;
  void StoreRest(std::byte* descriptor, uint64_t raw) const;
  bool StoreScaled(std::byte* descriptor, uint64_t value) const;

  FieldPart first_;
  bool plain_ = true;     // one part, unsigned
  bool identity_ = true;  // value == raw
  bool inverted_ = false;
  bool is_signed_ = false;
  bool has_zero_value_ = false;
  uint8_t bits_ = 0;
  uint64_t max_raw_ = 0;
  uint64_t multiplier_ = 1;
  int64_t bias_ = 0;
  uint64_t zero_value_ = 0;
  std::vector<FieldPart> rest_;
};

// Forms longer than this are not driven.
inline constexpr uint32_t kMaxDescriptorBytes = 512;

// Bytes of a form that are driven as a descriptor: all but bytes of the packet (packet.inline) that
// stand at its end.
uint32_t DescriptorBytesOf(const v1::Form& form);

// A descriptor in private memory.
struct alignas(64) DescriptorBytes {
  std::byte bytes[kMaxDescriptorBytes];
};

// Whether some bit is set in both, among so many bytes.
inline bool Overlap(const DescriptorBytes& a, const DescriptorBytes& b,
                    uint32_t bytes = kMaxDescriptorBytes) {
  for (uint32_t i = 0; i < bytes; ++i) {
    if ((a.bytes[i] & b.bytes[i]) != std::byte{0}) return true;
  }
  return false;
}

// Copies a descriptor within private memory. bytes: a multiple of 8, at least 8.
inline void CopyDescriptor(std::byte* to, const std::byte* from, uint32_t bytes) {
  if (bytes == 16) [[likely]] {
    std::memcpy(to, from, 16);
    return;
  }
  for (uint32_t i = 0; i < bytes; i += 8) std::memcpy(to + i, from + i, 8);
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_FIELD_ACCESS_H_
