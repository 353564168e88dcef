// A completion of this turn of the ring by one comparison: see ring_emitter.h.
#include <algorithm>
#include <vector>

#include "descriptor-lang/emit/ring_emitter.h"
#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::layout {

bool RingEmitter::AddToTest(const v1::Conjunction& conjunction, uint32_t word,
                            TurnTest* test) const {
  constexpr uint32_t kWordBits = 64;
  std::vector<const v1::Comparison*> unequal;
  for (const v1::Comparison& comparison : conjunction.all_of()) {
    if (comparison.has_other() || comparison.field().form() != form_->number()) return false;
    if (comparison.operator_() == v1::OPERATOR_NOT_EQUAL && !comparison.has_state()) {
      unequal.push_back(&comparison);
      continue;
    }
    if (comparison.operator_() != v1::OPERATOR_EQUAL) return false;
    const std::vector<BitPosition> bits = BitPositions(FieldOf(comparison.field()));
    if (bits.empty()) return false;
    if (comparison.has_state() &&
        (comparison.state() != v1::RING_STATE_PHASE || bits.size() != 1)) {
      return false;
    }
    if (!comparison.has_state() && bits.size() < kWordBits &&
        comparison.constant() >> bits.size() != 0) {
      return false;
    }
    for (size_t i = 0; i < bits.size(); ++i) {
      if (bits[i] / kWordBits != word) return false;
      const uint64_t bit = uint64_t{1} << bits[i] % kWordBits;
      const bool by_phase = comparison.has_state();
      const bool is_one = !by_phase && (comparison.constant() >> i & 1) != 0;
      if ((test->mask & bit) != 0 &&
          (((test->phase & bit) != 0) != by_phase || ((test->value & bit) != 0) != is_one)) {
        return false;
      }
      test->mask |= bit;
      if (by_phase) test->phase |= bit;
      if (is_one) test->value |= bit;
    }
  }
  // What is another value already is not this one.
  return std::all_of(unequal.begin(), unequal.end(), [&](const v1::Comparison* comparison) {
    const std::vector<BitPosition> bits = BitPositions(FieldOf(comparison->field()));
    for (size_t i = 0; i < bits.size(); ++i) {
      if (bits[i] / kWordBits != word) continue;
      const uint64_t bit = uint64_t{1} << bits[i] % kWordBits;
      if ((test->mask & ~test->phase & bit) != 0 &&
          ((test->value & bit) != 0) != ((comparison->constant() >> i & 1) != 0)) {
        return true;
      }
    }
    return false;
  });
}

std::optional<RingEmitter::TurnTest> RingEmitter::TurnTestOf() const {
  const std::optional<uint32_t> word = DecidingWord();
  if (!word.has_value() || word_bytes_ != 8 || !FlipsEachPass() || ring_.has_sequence()) {
    return std::nullopt;
  }
  TurnTest test;
  // The form first: what it must be may answer what it must not be.
  const v1::Form& form = form_->form();
  test.tells_form = std::none_of(
      form.fields().begin(), form.fields().end(),
      [](const v1::Field& field) { return field.constraint() == v1::CONSTRAINT_CONSTANT; });
  if (form.selector().any_of_size() == 1) {
    TurnTest with = test;
    if (AddToTest(form.selector().any_of(0), *word, &with)) {
      test = with;
    } else {
      test.tells_form = false;
    }
  } else if (form.selector().any_of_size() > 1) {
    test.tells_form = false;
  }
  const v1::Conjunction* own = nullptr;
  for (const v1::Conjunction& conjunction : ring_.completed().when().any_of()) {
    const auto& all = conjunction.all_of();
    if (std::none_of(all.begin(), all.end(), [&](const v1::Comparison& comparison) {
          return comparison.field().form() == form_->number();
        })) {
      continue;  // of other forms
    }
    if (own != nullptr) return std::nullopt;
    own = &conjunction;
  }
  if (own == nullptr || !AddToTest(*own, *word, &test) || test.phase == 0) return std::nullopt;
  return test;
}

}  // namespace qsplit::layout
