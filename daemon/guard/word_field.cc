#include "daemon/guard/word_field.h"

#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {
namespace {

constexpr uint32_t kWordBits = 64;

uint64_t Ones(uint32_t bits) { return bits >= kWordBits ? UINT64_MAX : (uint64_t{1} << bits) - 1; }

absl::Status Refuse(const v1::Form& form, const v1::Field& field, absl::string_view why) {
  return absl::UnimplementedError(absl::StrCat("form ", form.name(), ", field ", field.name(), ": ",
                                               why, " cannot be guarded in its place"));
}

// The field's bits, and the power of two of its unit.
absl::StatusOr<WordField> CompileBits(const v1::Form& form, const v1::Field& field,
                                      uint32_t* scale) {
  if (field.parts_size() != 1) return Refuse(form, field, "a field in parts");
  const v1::Bits& part = field.parts(0);
  if (part.byte_order() == v1::BYTE_ORDER_BIG && part.word_bytes() > 1) {
    return Refuse(form, field, "a big-endian number");
  }
  if (field.inverted() || field.is_signed()) {
    return Refuse(form, field, "an inverted or signed number");
  }
  const uint64_t multiplier = field.has_scale() ? field.scale().multiplier() : 1;
  if (field.has_scale() && (!std::has_single_bit(multiplier) || field.scale().bias() != 0 ||
                            field.scale().has_zero_value())) {
    return Refuse(form, field, "a number of this scale");
  }
  *scale = static_cast<uint32_t>(std::countr_zero(multiplier));
  const uint32_t bit = 8 * part.byte_offset() + part.lsb();
  WordField compiled;
  compiled.mask = Ones(part.bits());
  compiled.word = static_cast<uint8_t>(bit / kWordBits);
  compiled.shift = static_cast<uint8_t>(bit % kWordBits);
  if (compiled.shift + part.bits() > kWordBits) {
    return Refuse(form, field, "a number over a word's border");
  }
  return compiled;
}

}  // namespace

absl::StatusOr<WordField> WordField::Compile(const v1::Form& form, const v1::Field& field) {
  uint32_t scale = 0;
  absl::StatusOr<WordField> compiled = CompileBits(form, field, &scale);
  if (compiled.ok() && scale != 0) return Refuse(form, field, "a number of this scale");
  return compiled;
}

absl::StatusOr<WordAddress> WordAddress::Compile(const v1::Form& form, const v1::Field& field) {
  uint32_t scale = 0;
  absl::StatusOr<WordField> bits = CompileBits(form, field, &scale);
  if (!bits.ok()) return bits.status();
  if (scale != bits->shift) return Refuse(form, field, "an address in shifted bits");
  WordAddress compiled;
  compiled.mask = bits->mask << bits->shift;
  compiled.word = bits->word;
  return compiled;
}

absl::Status WordAddress::CheckReach(const RegionMap& regions) const {
  return regions.CheckReach(mask, mask & (~mask + 1));
}

absl::StatusOr<WordCondition> WordCondition::Compile(const v1::Layout& layout,
                                                     const v1::Condition& when,
                                                     const std::string& where) {
  const absl::Status refused = absl::UnimplementedError(
      absl::StrCat(where, ": slots change hands otherwise than by flags in one word"));
  if (when.any_of_size() == 0) return refused;
  WordCondition compiled;
  // Each conjunction is about another form; all of them must be about the same bits.
  for (int i = 0; i < when.any_of_size(); ++i) {
    WordCondition one;
    for (const v1::Comparison& comparison : when.any_of(i).all_of()) {
      const v1::Form& form = layout.forms(static_cast<int>(comparison.field().form()));
      absl::StatusOr<WordField> flag =
          WordField::Compile(form, form.fields(static_cast<int>(comparison.field().field())));
      const bool equal = comparison.operator_() == v1::OPERATOR_EQUAL;
      const bool of_phase = comparison.right_case() == v1::Comparison::kState &&
                            comparison.state() == v1::RING_STATE_PHASE;
      const bool constant =
          comparison.right_case() == v1::Comparison::kConstant && comparison.constant() <= 1;
      if (!flag.ok() || flag->mask != 1 || !(of_phase || constant) ||
          !(equal || comparison.operator_() == v1::OPERATOR_NOT_EQUAL) ||
          (one.mask != 0 && one.word != flag->word)) {
        return refused;
      }
      one.word = flag->word;
      one.mask |= uint64_t{1} << flag->shift;
      for (const uint64_t phase : {0, 1}) {
        const uint64_t right = of_phase ? phase : comparison.constant();
        one.value[phase] |= (equal ? right : 1 - right) << flag->shift;
      }
    }
    if (i == 0) compiled = one;
    if (one.mask != compiled.mask || one.value[0] != compiled.value[0] ||
        one.value[1] != compiled.value[1] || one.word != compiled.word) {
      return refused;
    }
  }
  return compiled;
}

}  // namespace qsplit::guard
