#include "descriptor-lang/emit/field_value.h"

#include <algorithm>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/compare.h"

namespace qsplit::layout {
namespace {

bool Holds(const v1::Layout& layout, const v1::Comparison& comparison, uint32_t form,
           std::span<const uint8_t> bytes) {
  const auto field_of = [&](const v1::FieldReference& reference) -> const v1::Field& {
    return layout.forms(static_cast<int>(reference.form()))
        .fields(static_cast<int>(reference.field()));
  };
  if (comparison.field().form() != form) return true;
  uint64_t right = comparison.constant();
  if (comparison.has_state()) return true;
  if (comparison.has_other()) {
    if (comparison.other().form() != form) return true;
    right = ReadRaw(field_of(comparison.other()), bytes);
  }
  return Compare(ReadRaw(field_of(comparison.field()), bytes), comparison.operator_(), right);
}

uint64_t SignExtended(uint64_t raw, uint32_t bits) {
  if (bits == 0 || bits >= 64 || (raw >> (bits - 1) & 1) == 0) return raw;
  return raw | ~LowBits(bits);
}

}  // namespace

uint64_t ReadRaw(const v1::Field& field, std::span<const uint8_t> bytes) {
  const std::vector<BitPosition> bits = BitPositions(field);
  uint64_t raw = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    const size_t byte = bits[i] / 8;
    if (byte < bytes.size()) raw |= uint64_t{bytes[byte] >> bits[i] % 8 & 1u} << i;
  }
  return raw;
}

void WriteRaw(const v1::Field& field, uint64_t raw, std::span<uint8_t> bytes) {
  const std::vector<BitPosition> bits = BitPositions(field);
  for (size_t i = 0; i < bits.size(); ++i) {
    const size_t byte = bits[i] / 8;
    if (byte >= bytes.size()) continue;
    const auto mask = static_cast<uint8_t>(1u << bits[i] % 8);
    bytes[byte] = static_cast<uint8_t>((bytes[byte] & ~mask) | ((raw >> i & 1) != 0 ? mask : 0));
  }
}

uint64_t ValueOf(const v1::Field& field, uint64_t raw) {
  if (raw == 0 && field.scale().has_zero_value()) return field.scale().zero_value();
  const uint64_t number = field.is_signed() ? SignExtended(raw, BitWidth(field)) : raw;
  return number * std::max<uint64_t>(field.scale().multiplier(), 1) +
         static_cast<uint64_t>(field.scale().bias());
}

std::optional<uint64_t> RawOf(const v1::Field& field, uint64_t value) {
  if (field.scale().has_zero_value() && value == field.scale().zero_value()) return 0;
  const uint64_t times = std::max<uint64_t>(field.scale().multiplier(), 1);
  const uint64_t scaled = value - static_cast<uint64_t>(field.scale().bias());
  const uint64_t most = LowBits(BitWidth(field));
  if (field.is_signed()) {
    const auto number = static_cast<int64_t>(scaled);
    const auto unit = static_cast<int64_t>(std::min<uint64_t>(times, INT64_MAX));
    if (number % unit != 0) return std::nullopt;
    const uint64_t raw = static_cast<uint64_t>(number / unit) & most;
    return ValueOf(field, raw) == value ? std::optional(raw) : std::nullopt;
  }
  if (scaled % times != 0 || scaled / times > most) return std::nullopt;
  const uint64_t raw = scaled / times;
  return ValueOf(field, raw) == value ? std::optional(raw) : std::nullopt;
}

bool Holds(const v1::Layout& layout, const v1::Condition& condition, uint32_t form,
           std::span<const uint8_t> bytes) {
  if (condition.any_of().empty()) return true;
  return std::any_of(condition.any_of().begin(), condition.any_of().end(),
                     [&](const v1::Conjunction& alternative) {
                       return std::all_of(alternative.all_of().begin(), alternative.all_of().end(),
                                          [&](const v1::Comparison& comparison) {
                                            return Holds(layout, comparison, form, bytes);
                                          });
                     });
}

bool CanBe(const v1::Layout& layout, uint32_t form, std::span<const uint8_t> bytes) {
  const v1::Form& message = layout.forms(static_cast<int>(form));
  if (bytes.size() < message.size_bytes()) return false;
  for (const v1::Field& field : message.fields()) {
    // Bytes do not say which features a ring has.
    if (field.constraint() != v1::CONSTRAINT_CONSTANT || !field.features().empty()) continue;
    if (!Holds(layout, field.valid_when(), form, bytes)) continue;
    if (!field.parts().empty()) {
      if (ReadRaw(field, bytes) != field.constant()) return false;
      continue;
    }
    for (uint32_t i = 0; i < field.bytes().length(); ++i) {
      const size_t at = size_t{field.bytes().byte_offset()} + i;
      if (at < bytes.size() && bytes[at] != (field.constant() & 0xff)) return false;
    }
  }
  return Holds(layout, message.selector(), form, bytes);
}

}  // namespace qsplit::layout
