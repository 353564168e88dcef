// A field's bits byte by byte: what emitters of accessors write down, in any language, without
// asking for the byte order of a word or of the machine.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_BYTE_SLICES_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_BYTE_SLICES_H_

#include <cstdint>
#include <vector>

#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::layout {

// value |= (bytes[byte] >> shift & mask) << place
struct ByteSlice {
  uint32_t byte = 0;
  uint32_t shift = 0;  // in the byte, to the right
  uint32_t mask = 0;   // of the bits, at bit 0
  uint32_t place = 0;  // in the value, to the left
};

// From the value's least significant bits to its most significant. Empty for byte arrays.
inline std::vector<ByteSlice> SlicesOf(const v1::Field& field) {
  std::vector<ByteSlice> slices;
  const std::vector<BitPosition> bits = BitPositions(field);
  for (uint32_t i = 0; i < bits.size(); ++i) {
    if (!slices.empty() && bits[i] == bits[i - 1] + 1 && bits[i] / 8 == slices.back().byte) {
      slices.back().mask = slices.back().mask << 1 | 1;
      continue;
    }
    slices.push_back({bits[i] / 8, bits[i] % 8, 1, i});
  }
  return slices;
}

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_BYTE_SLICES_H_
