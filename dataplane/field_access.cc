#include "dataplane/field_access.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::dataplane {
namespace {

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

}  // namespace

absl::StatusOr<FieldAccess> FieldAccess::Compile(const v1::Field& field, uint32_t form_bytes) {
  if (field.parts().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("field ", field.name(), " is a byte array, not a number"));
  }
  FieldAccess access;
  uint32_t width = 0;
  for (const v1::Bits& bits : field.parts()) width += bits.bits();
  if (width == 0 || width > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("field ", field.name(), ": ", width, " bits; 1..64 are possible"));
  }
  std::vector<FieldPart> parts;
  uint32_t place = width;
  const uint32_t last_load = form_bytes > 8 ? form_bytes - 8 : 0;
  for (const v1::Bits& bits : field.parts()) {
    const uint64_t word_end = uint64_t{bits.byte_offset()} + bits.word_bytes();
    if (word_end > form_bytes || bits.word_bytes() == 0 || bits.word_bytes() > 8 ||
        bits.bits() == 0 || uint64_t{bits.lsb()} + bits.bits() > 8 * bits.word_bytes()) {
      return absl::InvalidArgumentError(
          absl::StrCat("field ", field.name(), ": bits outside a form of ", form_bytes, " bytes"));
    }
    place -= bits.bits();
    FieldPart part;
    part.mask = LowBits(bits.bits());
    part.offset = static_cast<uint16_t>(std::min(bits.byte_offset(), last_load));
    const uint32_t skip = bits.byte_offset() - part.offset;  // bytes between load and word
    part.byte_swap = bits.byte_order() == v1::BYTE_ORDER_BIG && bits.word_bytes() > 1;
    // After the swap the load's first byte is the most significant one.
    const uint32_t word_lsb = part.byte_swap ? 8 * (8 - skip - bits.word_bytes()) : 8 * skip;
    part.shift = static_cast<uint8_t>(word_lsb + bits.lsb());
    part.place = static_cast<uint8_t>(place);
    parts.push_back(part);
  }
  access.first_ = parts.front();
  access.rest_.assign(parts.begin() + 1, parts.end());
  access.bits_ = static_cast<uint8_t>(width);
  access.max_raw_ = LowBits(width);
  access.is_signed_ = field.is_signed();
  access.inverted_ = field.inverted();
  access.multiplier_ = std::max<uint64_t>(field.scale().multiplier(), 1);
  access.bias_ = field.scale().bias();
  access.has_zero_value_ = field.scale().has_zero_value();
  access.zero_value_ = field.scale().zero_value();
  access.plain_ = access.rest_.empty();
  access.identity_ = !access.is_signed_ && !access.inverted_ && access.multiplier_ == 1 &&
                     access.bias_ == 0 && !access.has_zero_value_;
  return access;
}

uint64_t FieldAccess::LoadRest(const std::byte* descriptor, uint64_t first) const {
  uint64_t raw = first << first_.place;
  for (const FieldPart& part : rest_) raw |= part.Get(descriptor) << part.place;
  return raw;
}

void FieldAccess::StoreRest(std::byte* descriptor, uint64_t raw) const {
  for (const FieldPart& part : rest_) part.Put(descriptor, raw >> part.place);
}

uint64_t FieldAccess::Decode(uint64_t raw) const {
  if (identity_) return raw;
  if (inverted_) return raw == 0 ? 1 : 0;
  if (has_zero_value_ && raw == 0) return zero_value_;
  if (is_signed_ && bits_ < 64 && (raw >> (bits_ - 1)) != 0) raw |= ~max_raw_;
  return raw * multiplier_ + static_cast<uint64_t>(bias_);
}

bool FieldAccess::Encode(uint64_t value, uint64_t* raw) const {
  if (inverted_) {
    *raw = value == 0 ? 1 : 0;
    return value <= 1;
  }
  if (has_zero_value_ && value == zero_value_) {
    *raw = 0;
    return true;
  }
  const uint64_t scaled = value - static_cast<uint64_t>(bias_);
  if (is_signed_) {
    const auto number = static_cast<int64_t>(scaled);
    if (multiplier_ > INT64_MAX) return false;
    const auto unit = static_cast<int64_t>(multiplier_);
    if (number % unit != 0) return false;
    const int64_t quotient = number / unit;
    const int64_t limit = static_cast<int64_t>(max_raw_ >> 1);
    if (quotient > limit || quotient < -limit - 1) return false;
    *raw = static_cast<uint64_t>(quotient) & max_raw_;
  } else {
    // A value below the bias wraps to a huge number, or must be refused where the field is wide.
    if (bias_ > 0 && value < static_cast<uint64_t>(bias_)) return false;
    if (scaled % multiplier_ != 0) return false;
    *raw = scaled / multiplier_;
    if (*raw > max_raw_) return false;
  }
  return !(has_zero_value_ && *raw == 0);
}

bool FieldAccess::StoreScaled(std::byte* descriptor, uint64_t value) const {
  uint64_t raw;
  if (!Encode(value, &raw)) return false;
  StoreRaw(descriptor, raw);
  return true;
}

uint64_t FieldAccess::MaxValue() const {
  if (inverted_) return 1;
  uint64_t most;
  if (__builtin_mul_overflow(max_raw_, multiplier_, &most)) most = ~uint64_t{0};
  if (bias_ < 0) {
    const uint64_t less = uint64_t{0} - static_cast<uint64_t>(bias_);
    most = most > less ? most - less : 0;
  } else if (__builtin_add_overflow(most, static_cast<uint64_t>(bias_), &most)) {
    most = ~uint64_t{0};
  }
  return has_zero_value_ ? std::max(most, zero_value_) : most;
}

std::vector<FieldPart> FieldAccess::Parts() const {
  std::vector<FieldPart> parts = {first_};
  parts.insert(parts.end(), rest_.begin(), rest_.end());
  return parts;
}

uint32_t DescriptorBytesOf(const v1::Form& form) {
  for (const v1::Field& field : form.fields()) {
    if (!field.parts().empty() || layout::FindRole(field.role()) != layout::Role::kPacketInline) {
      continue;
    }
    const v1::ByteArray& array = field.bytes();
    if (array.byte_offset() + array.length() == form.size_bytes()) return array.byte_offset();
  }
  return form.size_bytes();
}

}  // namespace qsplit::dataplane
