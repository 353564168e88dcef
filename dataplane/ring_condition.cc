#include "dataplane/ring_condition.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/condition.h"
#include "descriptor-lang/layout/compare.h"

namespace qsplit::dataplane {
namespace {

const v1::Field& FieldOf(const v1::Layout& layout, const v1::FieldReference& reference) {
  return layout.forms(static_cast<int>(reference.form()))
      .fields(static_cast<int>(reference.field()));
}

bool AllOver(const v1::Conjunction& conjunction, uint32_t form) {
  return std::all_of(conjunction.all_of().begin(), conjunction.all_of().end(),
                     [&](const v1::Comparison& c) { return c.field().form() == form; });
}

}  // namespace

bool RingCondition::HoldsTest(const Test& test, const std::byte* descriptor,
                              const RingCursor& at) const {
  const bool by_state = test.against == Against::kPhase || test.against == Against::kSequence;
  const uint32_t phase = !by_state || test.slot == 0 ? at.phase() : at.Ahead(test.slot).phase();
  if (test.masked) {
    uint64_t word;
    std::memcpy(&word, descriptor + test.offset, sizeof word);
    return ((word & test.mask) == test.value[phase & 1]) != test.negated;
  }
  uint64_t right = test.constant;
  if (test.against == Against::kField) right = test.right.LoadRaw(descriptor);
  if (test.against == Against::kPhase) right = phase;
  if (test.against == Against::kSequence) right = at.sequence();
  return layout::Compare(test.left.LoadRaw(descriptor), test.op, right);
}

bool RingCondition::Evaluate(const std::byte* descriptor, const RingCursor& at) const {
  bool all = true;
  for (const Test& test : tests_) {
    all = all && HoldsTest(test, descriptor, at);
    if (!test.ends_conjunction) continue;
    if (all) return true;
    all = true;
  }
  return false;
}

bool RingCondition::AddConjunction(size_t begin, uint32_t phase, std::byte* mask,
                                   std::byte* value) const {
  // First what must be, then what must not.
  for (const bool negated : {false, true}) {
    for (size_t i = begin;; ++i) {
      const Test& test = tests_[i];
      if (!test.masked || test.slot != 0) return false;
      if (test.negated == negated) {
        uint64_t known, wanted;
        std::memcpy(&known, mask + test.offset, sizeof known);
        std::memcpy(&wanted, value + test.offset, sizeof wanted);
        uint64_t bits = test.value[phase & 1];
        const uint64_t differs = (wanted ^ bits) & known & test.mask;
        if (negated) {
          if (differs != 0) {
            if (test.ends_conjunction) break;
            continue;
          }
          if (std::popcount(test.mask) != 1) return false;
          if ((known & test.mask) != 0) return false;
          bits ^= test.mask;
        } else if (differs != 0) {
          return false;
        }
        known |= test.mask;
        wanted |= bits & test.mask;
        std::memcpy(mask + test.offset, &known, sizeof known);
        std::memcpy(value + test.offset, &wanted, sizeof wanted);
      }
      if (test.ends_conjunction) break;
    }
  }
  return true;
}

bool RingCondition::IsBits(uint32_t phase, std::byte* mask, std::byte* value) const {
  if (always_) return true;
  std::optional<std::pair<DescriptorBytes, DescriptorBytes>> first;
  for (size_t begin = 0; begin < tests_.size(); ++begin) {
    DescriptorBytes with_mask, with_value;
    std::memcpy(with_mask.bytes, mask, kMaxDescriptorBytes);
    std::memcpy(with_value.bytes, value, kMaxDescriptorBytes);
    if (AddConjunction(begin, phase, with_mask.bytes, with_value.bytes)) {
      if (std::memcmp(with_mask.bytes, mask, kMaxDescriptorBytes) == 0) return true;
      if (!first.has_value()) first.emplace(with_mask, with_value);
    }
    while (!tests_[begin].ends_conjunction) ++begin;
  }
  if (!first.has_value()) return false;
  std::memcpy(mask, first->first.bytes, kMaxDescriptorBytes);
  std::memcpy(value, first->second.bytes, kMaxDescriptorBytes);
  return true;
}

// A comparison of one part's bits with a constant or the phase, turned into one in memory order.
void RingCondition::UseMask(Test* test) {
  const std::vector<FieldPart> parts = test->left.Parts();
  if (parts.size() != 1 ||
      (test->against != Against::kConstant && test->against != Against::kPhase)) {
    return;
  }
  const FieldPart& part = parts.front();
  const bool by_phase = test->against == Against::kPhase;
  uint64_t mask = part.mask;
  uint64_t value[2] = {by_phase ? 0 : test->constant, by_phase ? 1 : test->constant};
  switch (test->op) {
    case v1::OPERATOR_EQUAL:
    case v1::OPERATOR_NOT_EQUAL:
      if (value[1] > mask) return;  // never (always) true; left to the slow way
      test->negated = test->op == v1::OPERATOR_NOT_EQUAL;
      if (test->negated && mask == 1) {
        test->negated = false;
        value[0] ^= 1;
        value[1] ^= 1;
      }
      break;
    case v1::OPERATOR_ANY_BITS:
    case v1::OPERATOR_NO_BITS:
      if (by_phase) return;
      mask &= test->constant;
      value[0] = value[1] = 0;
      test->negated = test->op == v1::OPERATOR_ANY_BITS;
      break;
    default:
      return;
  }
  mask <<= part.shift;
  test->mask = part.byte_swap ? __builtin_bswap64(mask) : mask;
  for (int phase = 0; phase < 2; ++phase) {
    value[phase] <<= part.shift;
    test->value[phase] = part.byte_swap ? __builtin_bswap64(value[phase]) : value[phase];
  }
  test->offset = part.offset;
  test->masked = true;
}

void RingCondition::FindStore(Test* test) {
  const uint64_t most = test->left.MaxRaw();
  switch (test->against) {
    case Against::kField:
      return;
    case Against::kPhase:
      test->store_inverted = test->op == v1::OPERATOR_NOT_EQUAL;
      test->can_store = test->op == v1::OPERATOR_EQUAL || test->store_inverted;
      return;
    case Against::kSequence:
      test->can_store = test->op == v1::OPERATOR_EQUAL;
      return;
    case Against::kConstant:
      break;
  }
  switch (test->op) {
    case v1::OPERATOR_NOT_EQUAL:
      test->store = test->constant == 0 ? 1 : 0;
      break;
    case v1::OPERATOR_LESS:
    case v1::OPERATOR_NO_BITS:
      test->store = 0;
      break;
    case v1::OPERATOR_GREATER:
      test->store = test->constant == UINT64_MAX ? 0 : test->constant + 1;
      break;
    case v1::OPERATOR_ANY_BITS:
      test->store = test->constant & most;
      break;
    default:  // ==, <=, >=
      test->store = test->constant;
  }
  test->can_store = test->store <= most && layout::Compare(test->store, test->op, test->constant);
}

void RingCondition::Store(std::byte* descriptor, const RingCursor& at) const {
  for (size_t i = store_begin_; i < store_end_; ++i) {
    const Test& test = tests_[i];
    switch (test.against) {
      case Against::kPhase: {
        const uint32_t phase = test.slot == 0 ? at.phase() : at.Ahead(test.slot).phase();
        test.left.StoreRaw(descriptor, phase ^ static_cast<uint32_t>(test.store_inverted));
        break;
      }
      case Against::kSequence:
        test.left.StoreRaw(descriptor, at.sequence());
        break;
      default:
        if (!HoldsTest(test, descriptor, at)) test.left.StoreRaw(descriptor, test.store);
    }
  }
}

// The first conjunction that its own stores make true at either phase.
void RingCondition::FindStores() {
  can_make_true_ = always_;
  if (always_) return;
  for (size_t begin = 0, end = 0; begin < tests_.size(); begin = end) {
    bool possible = true;
    do {
      possible = possible && tests_[end].can_store;
    } while (!tests_[end++].ends_conjunction);
    store_begin_ = begin;
    store_end_ = end;
    for (uint32_t phase = 0; phase < 2 && possible; ++phase) {
      v1::Ring ring;
      ring.mutable_phase()->set_initial(phase);
      ring.mutable_sequence()->set_initial(1);
      const RingCursor at(ring, 1u << 20, false);
      DescriptorBytes trial{};
      Store(trial.bytes, at);
      for (size_t i = begin; i < end; ++i)
        possible = possible && HoldsTest(tests_[i], trial.bytes, at);
    }
    if (!possible) continue;
    can_make_true_ = true;
    MergeStores();
    return;
  }
  store_begin_ = store_end_ = 0;
}

// Stores of one load's bits that depend on nothing but the phase become one store: equalities, for
// others change only what need be changed.
void RingCondition::MergeStores() {
  uint64_t mask = 0;
  uint64_t value[2] = {0, 0};
  for (size_t i = store_begin_; i < store_end_; ++i) {
    const Test& test = tests_[i];
    if (!test.masked || test.negated || test.slot != 0 ||
        test.offset != tests_[store_begin_].offset || test.op == v1::OPERATOR_NO_BITS) {
      return;
    }
    mask |= test.mask;
    value[0] |= test.value[0];
    value[1] |= test.value[1];
  }
  store_offset_ = tests_[store_begin_].offset;
  store_mask_ = mask;
  store_value_[0] = value[0];
  store_value_[1] = value[1];
}

// One conjunction of comparisons within one load becomes one comparison, or two where one of
// several says what must not be.
void RingCondition::MergeSingle() {
  if (tests_.empty()) return;
  const Test& first = tests_.front();
  const Test* but = nullptr;
  uint64_t mask = 0;
  uint64_t value[2] = {0, 0};
  for (size_t i = 0; i < tests_.size(); ++i) {
    const Test& test = tests_[i];
    if (!test.masked || test.slot != 0 || test.offset != first.offset ||
        (test.ends_conjunction && i + 1 != tests_.size())) {
      return;
    }
    if (test.negated && tests_.size() > 1) {
      if (but != nullptr) return;
      but = &test;
      continue;
    }
    for (int phase = 0; phase < 2; ++phase) {
      const uint64_t both = mask & test.mask;
      if ((value[phase] & both) != (test.value[phase] & both)) return;
    }
    mask |= test.mask;
    value[0] |= test.value[0];
    value[1] |= test.value[1];
  }
  single_ = true;
  negated_ = but == nullptr && first.negated;
  offset_ = first.offset;
  mask_ = mask;
  value_[0] = value[0];
  value_[1] = value[1];
  if (but == nullptr) return;
  but_mask_ = but->mask;
  but_value_[0] = but->value[0];
  but_value_[1] = but->value[1];
}

void RingCondition::MarkBits(std::byte* mask) const {
  for (const Test& test : tests_) {
    test.left.StoreRaw(mask, test.left.MaxRaw());
    if (test.against == Against::kField) test.right.StoreRaw(mask, test.right.MaxRaw());
  }
}

bool RingCondition::LooksAtSequence() const {
  return std::any_of(tests_.begin(), tests_.end(),
                     [](const Test& test) { return test.against == Against::kSequence; });
}

absl::StatusOr<RingCondition> RingCondition::Compile(const v1::Layout& layout,
                                                     const v1::Condition& condition, uint32_t form,
                                                     uint32_t slot_bytes, bool may_borrow) {
  RingCondition compiled;
  compiled.always_ = condition.any_of().empty();
  const bool own = std::any_of(condition.any_of().begin(), condition.any_of().end(),
                               [&](const v1::Conjunction& c) { return AllOver(c, form); });
  const uint32_t form_bytes = layout.forms(static_cast<int>(form)).size_bytes();
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    if (own || !may_borrow ? !AllOver(conjunction, form) : false) continue;
    std::vector<Test> tests;
    std::vector<Bytes> reads;
    bool within = true;
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      Test test;
      test.op = comparison.operator_();
      absl::StatusOr<FieldAccess> left = AccessReference(layout, comparison.field());
      if (!left.ok()) return left.status();
      test.left = *std::move(left);
      Bytes bytes{UINT32_MAX, 0, false};
      AddFieldBytes(FieldOf(layout, comparison.field()), &bytes.first, &bytes.last);
      switch (comparison.right_case()) {
        case v1::Comparison::kConstant:
          test.constant = comparison.constant();
          break;
        case v1::Comparison::kOther: {
          absl::StatusOr<FieldAccess> right = AccessReference(layout, comparison.other());
          if (!right.ok()) return right.status();
          test.right = *std::move(right);
          test.against = Against::kField;
          Bytes other{UINT32_MAX, 0, false};
          AddFieldBytes(FieldOf(layout, comparison.other()), &other.first, &other.last);
          within = within && other.last < form_bytes;
          reads.push_back(other);
          break;
        }
        default:
          test.against =
              comparison.state() == v1::RING_STATE_PHASE ? Against::kPhase : Against::kSequence;
          bytes.ring_state = true;
      }
      test.slot = slot_bytes == 0 ? 0 : bytes.first / slot_bytes;
      within = within && bytes.last < form_bytes;
      reads.push_back(bytes);
      UseMask(&test);
      FindStore(&test);
      tests.push_back(std::move(test));
    }
    if (!own && !within) continue;
    if (tests.empty()) {
      compiled.always_ = true;
      continue;
    }
    tests.back().ends_conjunction = true;
    for (Test& test : tests) compiled.tests_.push_back(std::move(test));
    compiled.reads_.insert(compiled.reads_.end(), reads.begin(), reads.end());
  }
  if (compiled.always_) {
    compiled.tests_.clear();
    compiled.reads_.clear();
  }
  compiled.FindStores();
  compiled.MergeSingle();
  return compiled;
}

}  // namespace qsplit::dataplane
