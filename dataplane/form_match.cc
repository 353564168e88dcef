#include "dataplane/form_match.h"

#include <algorithm>

#include "dataplane/field_access.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane {

absl::StatusOr<FormMatcher> FormMatcher::Compile(const v1::Layout& layout,
                                                 std::span<const uint32_t> forms,
                                                 std::span<const uint32_t> choices,
                                                 uint32_t bytes_to_match) {
  FormMatcher matcher;
  for (const uint32_t index : forms) {
    const v1::Form& form = layout.forms(static_cast<int>(index));
    Shape shape;
    absl::StatusOr<Condition> selector = Condition::Compile(layout, form.selector());
    if (!selector.ok()) return selector.status();
    shape.selector = *std::move(selector);
    // All constants together: which bits they take and what must stand there.
    DescriptorBytes mask{};
    DescriptorBytes value{};
    const uint32_t bytes = std::min({DescriptorBytesOf(form), bytes_to_match, kMaxDescriptorBytes});
    for (const v1::Field& field : form.fields()) {
      if (field.constraint() != v1::CONSTRAINT_CONSTANT ||
          !layout::Applies(field.features(), choices)) {
        continue;
      }
      if (field.parts().empty()) {  // bytes, each of the constant's value
        const v1::ByteArray& array = field.bytes();
        const uint32_t end = std::min(array.byte_offset() + array.length(), bytes);
        for (uint32_t i = array.byte_offset(); i < end; ++i) {
          mask.bytes[i] = std::byte{0xff};
          value.bytes[i] = static_cast<std::byte>(field.constant());
        }
        continue;
      }
      absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, form.size_bytes());
      if (!access.ok()) return access.status();
      access->StoreRaw(mask.bytes, access->MaxRaw());
      access->StoreRaw(value.bytes, field.constant());
    }
    std::memset(mask.bytes + bytes, 0, kMaxDescriptorBytes - bytes);
    std::memset(value.bytes + bytes, 0, kMaxDescriptorBytes - bytes);
    for (uint16_t offset = 0; offset < bytes; offset += 8) {
      MaskedWord word{offset, 0, 0};
      std::memcpy(&word.mask, mask.bytes + offset, 8);
      std::memcpy(&word.value, value.bytes + offset, 8);
      if (word.mask != 0) shape.constants.push_back(word);
    }
    matcher.forms_.push_back(std::move(shape));
  }
  return matcher;
}

namespace {

// Whether no bytes can have both sets of bits.
bool Contradict(const DescriptorBytes& mask, const DescriptorBytes& value,
                const std::byte* other_mask, const std::byte* other_value) {
  for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) {
    const std::byte both = mask.bytes[i] & other_mask[i];
    if ((both & (value.bytes[i] ^ other_value[i])) != std::byte{0}) return true;
  }
  return false;
}

}  // namespace

bool FormMatcher::IsBits(size_t form, std::byte* mask, std::byte* value) const {
  const auto add = [](const Shape& shape, std::byte* to_mask, std::byte* to_value) {
    for (const MaskedWord& word : shape.constants) {
      uint64_t bits, wanted;
      std::memcpy(&bits, to_mask + word.offset, 8);
      std::memcpy(&wanted, to_value + word.offset, 8);
      if (((wanted ^ word.value) & bits & word.mask) != 0) return false;
      bits |= word.mask;
      wanted |= word.value;
      std::memcpy(to_mask + word.offset, &bits, 8);
      std::memcpy(to_value + word.offset, &wanted, 8);
    }
    return shape.selector.IsBits(to_mask, to_value);
  };
  if (!add(forms_[form], mask, value)) return false;
  for (size_t before = 0; before < form; ++before) {
    DescriptorBytes other_mask{};
    DescriptorBytes other_value{};
    if (!add(forms_[before], other_mask.bytes, other_value.bytes)) return false;
    if (!Contradict(other_mask, other_value, mask, value)) return false;
  }
  return true;
}

void FormMatcher::MarkBits(size_t form, std::byte* mask) const {
  for (size_t i = 0; i <= form; ++i) {
    const Shape& shape = forms_[i];
    for (const MaskedWord& word : shape.constants) {
      uint64_t bits;
      std::memcpy(&bits, mask + word.offset, sizeof bits);
      bits |= word.mask;
      std::memcpy(mask + word.offset, &bits, sizeof bits);
    }
    shape.selector.MarkBits(mask);
  }
}

}  // namespace qsplit::dataplane
