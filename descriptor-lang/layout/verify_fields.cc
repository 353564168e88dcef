#include "descriptor-lang/layout/verify_fields.h"

#include <algorithm>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::layout::verifier {
namespace {

absl::Status CheckBits(const v1::Form& form, const v1::Bits& part, const std::string& path) {
  const uint32_t word = part.word_bytes();
  if (!((word >= 1 && word <= 4) || word == 8)) {
    return Refuse(path, "word of ", word, " bytes; it must have 1, 2, 3, 4 or 8");
  }
  if (part.byte_order() != v1::BYTE_ORDER_LITTLE && part.byte_order() != v1::BYTE_ORDER_BIG) {
    return Refuse(path, "byte order ", static_cast<int>(part.byte_order()),
                  " is neither little nor big");
  }
  if (word == 1 && part.byte_order() != v1::BYTE_ORDER_LITTLE) {
    return Refuse(path, "the byte order of a single byte is written as little");
  }
  if (part.bits() < 1) return Refuse(path, "no bits");
  if (uint64_t{part.lsb()} + part.bits() > 8 * word) {
    return Refuse(path, "lsb ", part.lsb(), " + ", part.bits(), " bits exceed the ", word,
                  "-byte word");
  }
  if (uint64_t{part.byte_offset()} + word > form.size_bytes()) {
    return Refuse(path, "word at byte ", part.byte_offset(), " of ", word,
                  " bytes exceeds the form's ", form.size_bytes(), " bytes");
  }
  return absl::OkStatus();
}

// Every part on its own, the sum of their widths, and that they share no bit.
absl::Status CheckParts(const v1::Form& form, const v1::Field& field, const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "parts", field.parts_size(), kMaxFieldParts));
  uint64_t bits = 0;
  for (int i = 0; i < field.parts_size(); ++i) {
    QSPLIT_RETURN_IF_ERROR(CheckBits(
        form, field.parts(i), field.parts_size() == 1 ? path : Cat(path, ".parts[", i, "]")));
    bits += field.parts(i).bits();
  }
  if (bits > 64) return Refuse(path, bits, " bits in all; a number has at most 64");
  std::vector<BitPosition> positions = BitPositions(field);
  std::sort(positions.begin(), positions.end());
  const auto twice = std::adjacent_find(positions.begin(), positions.end());
  if (twice != positions.end()) {
    return Refuse(path, "two of its parts share a bit of byte ", *twice / 8);
  }
  return absl::OkStatus();
}

absl::Status CheckByteArray(const v1::Form& form, const v1::Field& field, const std::string& path) {
  const v1::ByteArray& bytes = field.bytes();
  if (bytes.length() < 1) return Refuse(path, "byte array of no bytes");
  if (uint64_t{bytes.byte_offset()} + bytes.length() > form.size_bytes()) {
    return Refuse(path, bytes.length(), " bytes at byte ", bytes.byte_offset(),
                  " exceed the form's ", form.size_bytes(), " bytes");
  }
  if (field.has_scale() || field.has_enumeration() || field.inverted() || field.is_signed()) {
    return Refuse(path, "a byte array has no scale, enumeration or sign and is not inverted");
  }
  if (field.constant() != 0) {
    return Refuse(path, "constant ", field.constant(), "; a byte array can only be constantly 0");
  }
  return absl::OkStatus();
}

absl::Status CheckScale(const v1::Field& field, const std::string& path) {
  const v1::Scale& scale = field.scale();
  if (scale.multiplier() < 1) {
    return Refuse(path, "scale multiplier 0; write 1 for a value as it stands");
  }
  const uint32_t bits = BitWidth(field);
  const uint64_t largest = LowBits(field.is_signed() ? bits - 1 : bits);
  const uint64_t bias = scale.bias() > 0 ? static_cast<uint64_t>(scale.bias()) : 0;
  uint64_t top = 0;
  if (__builtin_mul_overflow(largest, scale.multiplier(), &top) ||
      __builtin_add_overflow(top, bias, &top) || top > LowBits(field.is_signed() ? 63 : 64)) {
    return Refuse(path, "scale x", scale.multiplier(), " + ", scale.bias(), " of ", bits,
                  " bits exceeds 64 bits");
  }
  return absl::OkStatus();
}

absl::Status CheckEnumeration(const Context& context, const v1::Field& field,
                              const std::string& path) {
  if (!field.has_enumeration()) return absl::OkStatus();
  if (field.enumeration() >= static_cast<uint32_t>(context.layout.enumerations_size())) {
    return Refuse(path, "enumeration ", field.enumeration(), " of ",
                  context.layout.enumerations_size());
  }
  const v1::Enumeration& enumeration =
      context.layout.enumerations(static_cast<int>(field.enumeration()));
  if (enumeration.bits() != BitWidth(field)) {
    return Refuse(path, BitWidth(field), " bits, but its enumeration ", enumeration.name(),
                  " is for ", enumeration.bits());
  }
  return absl::OkStatus();
}

absl::Status CheckRole(const Context& context, const v1::Field& field, const std::string& path) {
  if (field.role().empty()) return absl::OkStatus();
  const std::optional<Role> role = FindRole(field.role());
  if (!role) return Refuse(path, "role ", Quoted(field.role()), " is not in the vocabulary");
  const RoleInfo& info = GetRoleInfo(*role);
  const bool is_array = field.parts().empty();
  if (is_array != (info.kind == RoleKind::kBytes)) {
    return Refuse(path, "role ", info.name, " is for ", is_array ? "a number" : "a byte array");
  }
  if (info.kind == RoleKind::kFlag && BitWidth(field) != 1) {
    return Refuse(path, "role ", info.name, " is a flag, but the field has ", BitWidth(field),
                  " bits");
  }
  if (info.kind != RoleKind::kCoded) return absl::OkStatus();
  if (!field.has_enumeration()) {
    return Refuse(path, "role ", info.name, " needs an enumeration that names its values");
  }
  const v1::Enumeration& enumeration =
      context.layout.enumerations(static_cast<int>(field.enumeration()));
  for (const v1::EnumerationValue& value : enumeration.values()) {
    if (FindCode(*role, value.name())) return absl::OkStatus();
  }
  return Refuse(path, "enumeration ", enumeration.name(), " has no name out of the vocabulary of ",
                info.name);
}

}  // namespace

absl::Status CheckField(Context& context, uint32_t form_index, int field_index) {
  const v1::Form& form = context.form(form_index);
  const v1::Field& field = form.fields(field_index);
  const std::string path = context.FieldPath(form_index, field_index);
  if (field.has_bytes() == !field.parts().empty()) {
    return Refuse(path, "either bits or a byte array, not ",
                  field.has_bytes() ? "both" : "neither");
  }
  if (field.has_bytes()) {
    QSPLIT_RETURN_IF_ERROR(CheckByteArray(form, field, path));
  } else {
    QSPLIT_RETURN_IF_ERROR(CheckParts(form, field, path));
    if (field.inverted() && BitWidth(field) != 1) {
      return Refuse(path, "inverted, but ", BitWidth(field), " bits wide; only one bit can be");
    }
    QSPLIT_RETURN_IF_ERROR(CheckScale(field, path));
    QSPLIT_RETURN_IF_ERROR(CheckEnumeration(context, field, path));
    if (field.constant() > LowBits(BitWidth(field))) {
      return Refuse(path, "constant ", field.constant(), " does not fit ", BitWidth(field),
                    " bits");
    }
  }
  QSPLIT_RETURN_IF_ERROR(CheckRole(context, field, path));
  if (field.constraint() == v1::CONSTRAINT_UNSPECIFIED ||
      !v1::Constraint_IsValid(field.constraint())) {
    return Refuse(path, "constraint ", static_cast<int>(field.constraint()), " is none");
  }
  if (field.constraint() != v1::CONSTRAINT_CONSTANT && field.constant() != 0) {
    return Refuse(path, "constant ", field.constant(), " without the constraint that it is one");
  }
  if (field.position() == v1::PACKET_POSITION_UNSPECIFIED ||
      !v1::PacketPosition_IsValid(field.position())) {
    return Refuse(path, "position ", static_cast<int>(field.position()), " is none");
  }
  return context.CheckFeatures(path, field.features());
}

}  // namespace qsplit::layout::verifier
