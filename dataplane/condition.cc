#include "dataplane/condition.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/compare.h"

namespace qsplit::dataplane {

void AddFieldBytes(const v1::Field& field, uint32_t* first, uint32_t* last) {
  for (const v1::Bits& bits : field.parts()) {
    // Only the bytes that the bits stand in, not the whole word.
    uint32_t low = bits.lsb() / 8;
    uint32_t high = (bits.lsb() + bits.bits() - 1) / 8;
    if (bits.byte_order() == v1::BYTE_ORDER_BIG) {
      const uint32_t top = bits.word_bytes() - 1;
      const uint32_t swapped = top - high;
      high = top - low;
      low = swapped;
    }
    *first = std::min(*first, bits.byte_offset() + low);
    *last = std::max(*last, bits.byte_offset() + high);
  }
}

absl::StatusOr<FieldAccess> AccessReference(const v1::Layout& layout,
                                            const v1::FieldReference& reference) {
  if (reference.form() >= static_cast<uint32_t>(layout.forms_size())) {
    return absl::InvalidArgumentError(absl::StrCat("no form ", reference.form()));
  }
  const v1::Form& form = layout.forms(static_cast<int>(reference.form()));
  if (reference.field() >= static_cast<uint32_t>(form.fields_size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("no field ", reference.field(), " in ", form.name()));
  }
  if (DescriptorBytesOf(form) > kMaxDescriptorBytes) {
    return absl::UnimplementedError(absl::StrCat("form ", form.name(), ": ", form.size_bytes(),
                                                 " bytes; at most ", kMaxDescriptorBytes));
  }
  return FieldAccess::Compile(form.fields(static_cast<int>(reference.field())), form.size_bytes());
}

namespace {

const v1::Field& FieldOf(const v1::Layout& layout, const v1::FieldReference& reference) {
  return layout.forms(static_cast<int>(reference.form()))
      .fields(static_cast<int>(reference.field()));
}

}  // namespace

bool Condition::Test::HoldsSlowly(const std::byte* descriptor) const {
  return layout::Compare(left.LoadRaw(descriptor), op,
                         against_field ? right.LoadRaw(descriptor) : constant);
}

bool Condition::Evaluate(const std::byte* descriptor) const {
  bool all = true;
  for (const Test& test : tests_) {
    all = all && test.Holds(descriptor);
    if (test.ends_conjunction) {
      if (all) return true;
      all = true;
    }
  }
  return false;
}

// A comparison of one part's bits with a constant, turned into one in memory order.
void Condition::UseMask(Test* test) {
  const std::vector<FieldPart> parts = test->left.Parts();
  if (test->against_field || parts.size() != 1) return;
  const FieldPart& part = parts.front();
  uint64_t mask = part.mask;
  uint64_t value = 0;
  switch (test->op) {
    case v1::OPERATOR_EQUAL:
    case v1::OPERATOR_NOT_EQUAL:
      if (test->constant > mask) return;  // never (always) true; left to the slow way
      value = test->constant;
      test->negated = test->op == v1::OPERATOR_NOT_EQUAL;
      break;
    case v1::OPERATOR_ANY_BITS:
    case v1::OPERATOR_NO_BITS:
      mask &= test->constant;
      test->negated = test->op == v1::OPERATOR_ANY_BITS;
      break;
    default:
      return;
  }
  mask <<= part.shift;
  value <<= part.shift;
  test->mask = part.byte_swap ? __builtin_bswap64(mask) : mask;
  test->value = part.byte_swap ? __builtin_bswap64(value) : value;
  test->offset = part.offset;
  test->masked = true;
}

absl::StatusOr<Condition> Condition::Compile(const v1::Layout& layout,
                                             const v1::Condition& condition,
                                             const uint32_t* only_form) {
  Condition compiled;
  compiled.always_ = condition.any_of().empty();
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    if (only_form != nullptr &&
        std::any_of(conjunction.all_of().begin(), conjunction.all_of().end(),
                    [&](const v1::Comparison& c) { return c.field().form() != *only_form; })) {
      continue;
    }
    if (conjunction.all_of().empty()) {
      compiled.always_ = true;
      continue;
    }
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      Test test;
      test.op = comparison.operator_();
      absl::StatusOr<FieldAccess> left = AccessReference(layout, comparison.field());
      if (!left.ok()) return left.status();
      test.left = *std::move(left);
      test.first_byte = UINT32_MAX;
      AddFieldBytes(FieldOf(layout, comparison.field()), &test.first_byte, &test.last_byte);
      switch (comparison.right_case()) {
        case v1::Comparison::kConstant:
          test.constant = comparison.constant();
          break;
        case v1::Comparison::kOther: {
          absl::StatusOr<FieldAccess> right = AccessReference(layout, comparison.other());
          if (!right.ok()) return right.status();
          test.right = *std::move(right);
          test.against_field = true;
          AddFieldBytes(FieldOf(layout, comparison.other()), &test.first_byte, &test.last_byte);
          break;
        }
        default:
          return absl::UnimplementedError(absl::StrCat(
              "condition on field ", FieldOf(layout, comparison.field()).name(),
              ": comparisons with a ring's state (phase, count) are not driven by this build"));
      }
      UseMask(&test);
      compiled.tests_.push_back(std::move(test));
    }
    compiled.tests_.back().ends_conjunction = true;
  }
  if (compiled.always_) compiled.tests_.clear();
  if (compiled.tests_.size() == 1 && compiled.tests_[0].masked) {
    const Test& test = compiled.tests_[0];
    compiled.single_ = true;
    compiled.negated_ = test.negated;
    compiled.offset_ = test.offset;
    compiled.mask_ = test.mask;
    compiled.value_ = test.value;
  }
  return compiled;
}

absl::StatusOr<std::vector<FieldStore>> Condition::StoresThatMakeItTrue() const {
  if (always_) return std::vector<FieldStore>();
  std::vector<FieldStore> stores;
  bool possible = true;
  size_t begin = 0;  // of the conjunction
  for (size_t at = 0; at < tests_.size(); ++at) {
    const Test& test = tests_[at];
    uint64_t raw = 0;
    const uint64_t most = test.left.MaxRaw();
    if (test.against_field) {
      possible = false;
    } else {
      switch (test.op) {
        case v1::OPERATOR_NOT_EQUAL:
          raw = test.constant == 0 ? 1 : 0;
          break;
        case v1::OPERATOR_LESS:
        case v1::OPERATOR_NO_BITS:
          raw = 0;
          break;
        case v1::OPERATOR_GREATER:
          raw = test.constant == UINT64_MAX ? 0 : test.constant + 1;
          break;
        case v1::OPERATOR_ANY_BITS:
          raw = test.constant & most;
          break;
        default:  // ==, <=, >=
          raw = test.constant;
      }
      possible = possible && raw <= most && layout::Compare(raw, test.op, test.constant);
    }
    stores.push_back({test.left, raw});
    if (!test.ends_conjunction) continue;
    if (possible) {
      // Two comparisons may want different values of the same bits: what counts is the result, once
      // all are stored.
      DescriptorBytes trial{};
      for (const FieldStore& store : stores) store.field.StoreRaw(trial.bytes, store.raw);
      for (size_t i = begin; i <= at; ++i) possible = possible && tests_[i].Holds(trial.bytes);
      if (possible) return stores;
    }
    begin = at + 1;
    stores.clear();
    possible = true;
  }
  return absl::UnimplementedError("no stores are known that make this condition true");
}

absl::StatusOr<std::vector<FieldStore>> Condition::StoresThatMakeItFalse(
    const std::byte* descriptor) const {
  DescriptorBytes trial;
  std::memcpy(trial.bytes, descriptor, sizeof trial.bytes);
  std::vector<FieldStore> stores;
  // Break one comparison of each conjunction that holds.
  for (size_t begin = 0; begin < tests_.size();) {
    size_t end = begin;
    while (!tests_[end].ends_conjunction) ++end;
    const auto holds = [&] {
      for (size_t i = begin; i <= end; ++i) {
        if (!tests_[i].Holds(trial.bytes)) return false;
      }
      return true;
    };
    for (size_t i = begin; i <= end && holds(); ++i) {
      const Test& test = tests_[i];
      const uint64_t before = test.left.LoadRaw(trial.bytes);
      for (const uint64_t raw : {uint64_t{0}, uint64_t{1}, test.left.MaxRaw()}) {
        test.left.StoreRaw(trial.bytes, raw);
        if (!test.Holds(trial.bytes)) {
          stores.push_back({test.left, raw});
          break;
        }
        test.left.StoreRaw(trial.bytes, before);
      }
    }
    begin = end + 1;
  }
  if (always_ || Evaluate(trial.bytes)) {
    return absl::UnimplementedError("no stores are known that make this condition false");
  }
  return stores;
}

void Condition::MarkBits(std::byte* mask) const { MarkBits(64, mask, nullptr); }

bool Condition::LooksAt(const DescriptorBytes& bits) const {
  DescriptorBytes looked_at{};
  MarkBits(looked_at.bytes);
  return Overlap(looked_at, bits);
}

void Condition::MarkBits(int most, std::byte* mask, std::vector<WideTest>* wide) const {
  for (const Test& test : tests_) {
    if (wide != nullptr && test.masked && std::popcount(test.mask) > most) {
      wide->push_back({test.offset, test.mask, test.value});
      continue;
    }
    test.left.StoreRaw(mask, test.left.MaxRaw());
    if (test.against_field) test.right.StoreRaw(mask, test.right.MaxRaw());
  }
}

bool Condition::IsBits(std::byte* mask, std::byte* value) const {
  if (always_) return true;
  return Conjunctions() == 1 && ConjunctionIsBits(0, mask, value);
}

size_t Condition::Conjunctions() const {
  return static_cast<size_t>(std::count_if(tests_.begin(), tests_.end(),
                                           [](const Test& test) { return test.ends_conjunction; }));
}

bool Condition::ConjunctionIsBits(size_t number, std::byte* mask, std::byte* value) const {
  for (const Test& test : tests_) {
    if (number > 0) {
      number -= test.ends_conjunction ? 1 : 0;
      continue;
    }
    if (!test.masked || (test.negated && !std::has_single_bit(test.mask))) return false;
    uint64_t bits, wanted;
    std::memcpy(&bits, mask + test.offset, 8);
    std::memcpy(&wanted, value + test.offset, 8);
    const uint64_t needed = test.negated ? test.value ^ test.mask : test.value;
    if (((wanted ^ needed) & bits & test.mask) != 0) return false;  // never true
    bits |= test.mask;
    wanted |= needed;
    std::memcpy(mask + test.offset, &bits, 8);
    std::memcpy(value + test.offset, &wanted, 8);
    if (test.ends_conjunction) return true;
  }
  return false;
}

bool Condition::ByteRange(uint32_t* first, uint32_t* last) const {
  if (tests_.empty()) return false;
  *first = UINT32_MAX;
  *last = 0;
  for (const Test& test : tests_) {
    *first = std::min(*first, test.first_byte);
    *last = std::max(*last, test.last_byte);
  }
  return true;
}

}  // namespace qsplit::dataplane
