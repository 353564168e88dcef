#include "daemon/guard/word_test.h"

#include <bit>

#include "absl/status/statusor.h"
#include "daemon/guard/word_field.h"

namespace qsplit::guard {
namespace {

std::optional<WordTest> TestOf(const v1::Layout& layout, const v1::Comparison& comparison) {
  if (comparison.right_case() != v1::Comparison::kConstant) return std::nullopt;
  const v1::Form& form = layout.forms(static_cast<int>(comparison.field().form()));
  const absl::StatusOr<WordField> bits =
      WordField::Compile(form, form.fields(static_cast<int>(comparison.field().field())));
  WordTest test;
  if (!bits.ok() || bits->word >= test.mask.words.size()) return std::nullopt;
  const uint64_t constant = comparison.constant();
  uint64_t mask = bits->mask;
  uint64_t value = constant;
  switch (comparison.operator_()) {
    case v1::OPERATOR_EQUAL:
      if (constant > mask) return std::nullopt;
      break;
    case v1::OPERATOR_NOT_EQUAL:
      if (mask != 1 || constant > 1) return std::nullopt;
      value = 1 - constant;
      break;
    case v1::OPERATOR_NO_BITS:
      mask &= constant;
      value = 0;
      break;
    case v1::OPERATOR_ANY_BITS:
      mask &= constant;
      if (!std::has_single_bit(mask)) return std::nullopt;
      value = mask;
      break;
    default:
      return std::nullopt;
  }
  test.mask.words[bits->word] = mask << bits->shift;
  test.value.words[bits->word] = value << bits->shift;
  return test;
}

}  // namespace

std::optional<WordTest> WordTest::Of(const v1::Layout& layout, const v1::Condition& when) {
  WordTest all;
  if (when.any_of_size() > 1) return std::nullopt;
  for (const v1::Conjunction& conjunction : when.any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      const std::optional<WordTest> test = TestOf(layout, comparison);
      if (!test.has_value() || !all.Join(*test)) return std::nullopt;
    }
  }
  return all;
}

bool WordTest::Join(const WordTest& other) {
  for (size_t i = 0; i < mask.words.size(); ++i) {
    const uint64_t both = mask.words[i] & other.mask.words[i];
    if (((value.words[i] ^ other.value.words[i]) & both) != 0) return false;
  }
  mask |= other.mask;
  value |= other.value;
  return true;
}

}  // namespace qsplit::guard
