// Which bits of which bytes in memory a field occupies, whatever the byte order of its words.
//
// Pure functions of one message; they read no descriptor. Safe on unverified fields: bits that lie
// outside their word, and words of impossible sizes, are left out. Any thread may call them.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_BIT_LAYOUT_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_BIT_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// Some bits of one byte of a descriptor.
struct ByteMask {
  uint32_t byte = 0;  // offset from the form's start
  uint8_t mask = 0;   // never 0; bit 0 is the byte's least significant bit

  friend bool operator==(const ByteMask&, const ByteMask&) = default;
};

// The bytes that the field touches, ascending, each once. At most 4096 bytes of a byte array count.
std::vector<ByteMask> ByteMasks(const v1::Field& field);

// A bit of a descriptor in memory: 8 * byte + bit within the byte, 0 for the least significant.
using BitPosition = uint32_t;

// Where each bit of a number stands, from the value's least significant bit to its most
// significant; at most 64. Two fields with equal positions read the same number from the same
// bytes, however their words are written. Empty for byte arrays.
std::vector<BitPosition> BitPositions(const v1::Field& field);

// Width of a number in bits: the sum over its parts, at most 64; 0 for byte arrays.
uint32_t BitWidth(const v1::Field& field);

// The largest raw value of `bits` bits; bits 0 gives 0, 64 and more all ones.
constexpr uint64_t LowBits(uint32_t bits) {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

// Order of fields in a form: by the first byte that they touch, then by the first bit in it,
// counted as the first part's byte order counts (little from the least, big from the most
// significant bit).
struct FieldPosition {
  uint32_t byte = 0;
  uint32_t bit = 0;

  friend auto operator<=>(const FieldPosition&, const FieldPosition&) = default;
};
FieldPosition PositionOf(const v1::Field& field);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_BIT_LAYOUT_H_
