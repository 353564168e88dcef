#include "descriptor-lang/layout/bit_layout.h"

#include <algorithm>
#include <bit>

namespace qsplit::layout {
namespace {

constexpr uint32_t kMaxBits = 64;
constexpr uint32_t kMaxArrayBytes = 4096;

bool IsWordSize(uint32_t bytes) { return (bytes >= 1 && bytes <= 4) || bytes == 8; }

}  // namespace

std::vector<BitPosition> BitPositions(const v1::Field& field) {
  std::vector<BitPosition> positions;
  // The last part is the least significant.
  for (int i = field.parts_size() - 1; i >= 0; --i) {
    const v1::Bits& part = field.parts(i);
    if (!IsWordSize(part.word_bytes()) || part.byte_offset() >= (1u << 20)) continue;
    const uint32_t word_bits = 8 * part.word_bytes();
    const uint64_t end = uint64_t{part.lsb()} + part.bits();
    for (uint64_t bit = part.lsb(); bit < end && bit < word_bits; ++bit) {
      if (positions.size() == kMaxBits) return positions;
      const uint32_t from_least = static_cast<uint32_t>(bit) / 8;
      const uint32_t byte =
          part.byte_order() == v1::BYTE_ORDER_BIG ? part.word_bytes() - 1 - from_least : from_least;
      positions.push_back(8 * (part.byte_offset() + byte) + static_cast<uint32_t>(bit) % 8);
    }
  }
  return positions;
}

std::vector<ByteMask> ByteMasks(const v1::Field& field) {
  std::vector<ByteMask> masks;
  if (field.has_bytes() && field.parts().empty()) {
    if (field.bytes().byte_offset() >= (1u << 20)) return masks;
    const uint32_t length = std::min(field.bytes().length(), kMaxArrayBytes);
    masks.reserve(length);
    for (uint32_t i = 0; i < length; ++i) masks.push_back({field.bytes().byte_offset() + i, 0xff});
    return masks;
  }
  std::vector<BitPosition> positions = BitPositions(field);
  std::sort(positions.begin(), positions.end());
  for (const BitPosition position : positions) {
    if (masks.empty() || masks.back().byte != position / 8) masks.push_back({position / 8, 0});
    masks.back().mask = static_cast<uint8_t>(masks.back().mask | (1u << (position % 8)));
  }
  return masks;
}

uint32_t BitWidth(const v1::Field& field) {
  uint64_t bits = 0;
  for (const v1::Bits& part : field.parts()) bits += part.bits();
  return static_cast<uint32_t>(std::min<uint64_t>(bits, kMaxBits));
}

FieldPosition PositionOf(const v1::Field& field) {
  if (field.parts().empty()) return {field.bytes().byte_offset(), 0};
  const std::vector<ByteMask> masks = ByteMasks(field);
  if (masks.empty()) return {};
  const auto [byte, mask] = masks.front();
  const bool big = field.parts(0).byte_order() == v1::BYTE_ORDER_BIG;
  const int bit = big ? std::countl_zero(mask) : std::countr_zero(mask);
  return {byte, static_cast<uint32_t>(bit)};
}

}  // namespace qsplit::layout
