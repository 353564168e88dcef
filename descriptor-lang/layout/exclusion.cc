#include "descriptor-lang/layout/exclusion.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "descriptor-lang/layout/limits.h"

namespace qsplit::layout {
namespace {

using Fact = ConjunctionFacts::Fact;

constexpr uint64_t kAnyForm = uint64_t{1} << 40;

std::vector<uint64_t> Where(const v1::Field& field, uint64_t form) {
  std::vector<uint64_t> where;
  for (const BitPosition position : BitPositions(field)) where.push_back((form << 32) + position);
  return where;
}

// Values that an order comparison allows, inclusive; nullopt for the others.
std::optional<std::pair<uint64_t, uint64_t>> RangeOf(const Fact& fact) {
  const uint64_t c = fact.constant;
  const uint64_t top = LowBits(static_cast<uint32_t>(fact.where.size()));
  switch (fact.op) {
    case v1::OPERATOR_EQUAL:
      return {{c, c}};
    case v1::OPERATOR_LESS:
      return {{0, c == 0 ? 0 : c - 1}};
    case v1::OPERATOR_LESS_OR_EQUAL:
      return {{0, c}};
    case v1::OPERATOR_GREATER:
      return {{c == UINT64_MAX ? c : c + 1, top}};
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return {{c, top}};
    default:
      return std::nullopt;
  }
}

// True when `value` cannot satisfy the comparison.
bool Refutes(uint64_t value, const Fact& fact) {
  if (fact.op == v1::OPERATOR_NOT_EQUAL) return value == fact.constant;
  if (fact.op == v1::OPERATOR_ANY_BITS) return (value & fact.constant) == 0;
  if (fact.op == v1::OPERATOR_NO_BITS) return (value & fact.constant) != 0;
  return false;
}

bool Contradict(const Fact& a, const Fact& b) {
  if (a.where != b.where) return false;
  if (a.state != b.state) return false;
  if (a.state != v1::RING_STATE_UNSPECIFIED) {
    return (a.op == v1::OPERATOR_EQUAL && b.op == v1::OPERATOR_NOT_EQUAL) ||
           (b.op == v1::OPERATOR_EQUAL && a.op == v1::OPERATOR_NOT_EQUAL);
  }
  const auto range_a = RangeOf(a);
  const auto range_b = RangeOf(b);
  if (range_a && range_b) {
    return range_a->second < range_b->first || range_b->second < range_a->first;
  }
  if (range_a && range_a->first == range_a->second && Refutes(range_a->first, b)) return true;
  if (range_b && range_b->first == range_b->second && Refutes(range_b->first, a)) return true;
  if (a.op == v1::OPERATOR_ANY_BITS && b.op == v1::OPERATOR_NO_BITS) {
    return (a.constant & ~b.constant) == 0;
  }
  if (b.op == v1::OPERATOR_ANY_BITS && a.op == v1::OPERATOR_NO_BITS) {
    return (b.constant & ~a.constant) == 0;
  }
  return false;
}

void AddKnownBits(const Fact& fact, ConjunctionFacts& facts) {
  if (fact.state != v1::RING_STATE_UNSPECIFIED) return;
  uint64_t mask = 0;
  uint64_t value = fact.constant;
  switch (fact.op) {
    case v1::OPERATOR_EQUAL:
      mask = ~uint64_t{0};
      break;
    case v1::OPERATOR_NOT_EQUAL:
      if (fact.where.size() == 1) mask = 1;
      value = ~fact.constant;
      break;
    case v1::OPERATOR_NO_BITS:
      mask = fact.constant;
      value = 0;
      break;
    case v1::OPERATOR_ANY_BITS:
      if (std::has_single_bit(fact.constant)) mask = fact.constant;
      break;
    default:
      break;
  }
  for (size_t bit = 0; bit < fact.where.size(); ++bit) {
    if ((mask >> bit & 1) != 0) facts.known_bits.emplace_back(fact.where[bit], value >> bit & 1);
  }
}

// Left out: comparisons of two fields, and references that lead nowhere.
std::optional<Fact> FactOf(const v1::Layout& layout, const v1::Comparison& comparison) {
  const v1::FieldReference& left = comparison.field();
  if (left.form() >= static_cast<uint32_t>(layout.forms_size())) return std::nullopt;
  const v1::Form& form = layout.forms(static_cast<int>(left.form()));
  if (left.field() >= static_cast<uint32_t>(form.fields_size())) return std::nullopt;
  if (comparison.has_other() || comparison.right_case() == v1::Comparison::RIGHT_NOT_SET) {
    return std::nullopt;
  }
  Fact fact;
  fact.where = Where(form.fields(static_cast<int>(left.field())), left.form());
  if (fact.where.empty()) return std::nullopt;
  fact.op = comparison.operator_();
  fact.state = comparison.state();
  fact.constant = comparison.constant();
  return fact;
}

// After the last fact.
void Finish(ConjunctionFacts& facts) {
  for (const Fact& fact : facts.facts) AddKnownBits(fact, facts);
  std::sort(facts.known_bits.begin(), facts.known_bits.end());
}

bool BitsDiffer(const ConjunctionFacts& a, const ConjunctionFacts& b) {
  auto i = a.known_bits.begin();
  auto j = b.known_bits.begin();
  while (i != a.known_bits.end() && j != b.known_bits.end()) {
    if (i->first == j->first) {
      if (i->second != j->second) return true;
      ++i;
      ++j;
    } else if (i->first < j->first) {
      ++i;
    } else {
      ++j;
    }
  }
  return false;
}

bool Exclude(const ConjunctionFacts& a, const ConjunctionFacts& b, WorkBudget& budget) {
  if (!budget.Spend(1 + a.facts.size() * b.facts.size() + a.known_bits.size() +
                    b.known_bits.size())) {
    return false;
  }
  if (BitsDiffer(a, b)) return true;
  for (const Fact& x : a.facts) {
    for (const Fact& y : b.facts) {
      if (Contradict(x, y)) return true;
    }
  }
  return false;
}

}  // namespace

ConditionFacts FactsOf(const v1::Layout& layout, const v1::Condition& condition) {
  ConditionFacts all;
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    ConjunctionFacts& facts = all.emplace_back();
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (std::optional<Fact> fact = FactOf(layout, comparison)) {
        facts.facts.push_back(*std::move(fact));
      }
    }
    Finish(facts);
  }
  return all;
}

ConjunctionFacts FactsInPlace(const v1::Form& form, const v1::Conjunction& conjunction) {
  ConjunctionFacts facts;
  for (const v1::Comparison& comparison : conjunction.all_of()) {
    const uint32_t field = comparison.field().field();
    if (!comparison.has_constant() || field >= static_cast<uint32_t>(form.fields_size())) continue;
    Fact fact{Where(form.fields(static_cast<int>(field)), kAnyForm), comparison.operator_(),
              v1::RING_STATE_UNSPECIFIED, comparison.constant()};
    if (!fact.where.empty()) facts.facts.push_back(std::move(fact));
  }
  Finish(facts);
  return facts;
}

ConjunctionFacts FactsOfValue(const v1::Field& field, uint64_t value) {
  ConjunctionFacts facts;
  Fact fact{Where(field, kAnyForm), v1::OPERATOR_EQUAL, v1::RING_STATE_UNSPECIFIED, value};
  if (!fact.where.empty()) facts.facts.push_back(std::move(fact));
  Finish(facts);
  return facts;
}

void AddFacts(const ConjunctionFacts& from, ConjunctionFacts& to) {
  to.facts.insert(to.facts.end(), from.facts.begin(), from.facts.end());
  to.known_bits.insert(to.known_bits.end(), from.known_bits.begin(), from.known_bits.end());
  std::sort(to.known_bits.begin(), to.known_bits.end());
}

uint64_t IdentityCost(const v1::Form& form) {
  uint64_t cost = 1;
  for (const v1::Field& field : form.fields()) {
    cost += 1 + BitWidth(field) + 8 * uint64_t{std::min(field.bytes().length(), kMaxFormBytes)};
  }
  for (const v1::Conjunction& conjunction : form.selector().any_of()) {
    cost += 64 * static_cast<uint64_t>(conjunction.all_of_size());
  }
  return cost;
}

FormIdentity IdentityOf(const v1::Form& form) {
  FormIdentity identity;
  for (const v1::Field& field : form.fields()) {
    if (field.constraint() != v1::CONSTRAINT_CONSTANT || field.has_valid_when() ||
        !field.features().empty()) {
      continue;
    }
    Fact fact{Where(field, kAnyForm), v1::OPERATOR_EQUAL, v1::RING_STATE_UNSPECIFIED,
              field.constant()};
    if (!fact.where.empty()) identity.constants.facts.push_back(std::move(fact));
    // Bytes can only be constantly 0.
    for (const ByteMask& byte : field.has_bytes() ? ByteMasks(field) : std::vector<ByteMask>()) {
      for (uint64_t bit = 0; bit < 8; ++bit) {
        identity.constants.known_bits.emplace_back((kAnyForm << 32) + 8 * byte.byte + bit, false);
      }
    }
  }
  Finish(identity.constants);
  for (const v1::Conjunction& conjunction : form.selector().any_of()) {
    identity.selector.push_back(FactsInPlace(form, conjunction));
  }
  return identity;
}

bool HoldsForSure(const ConjunctionFacts& known, const v1::Form& form,
                  const v1::Conjunction& conjunction) {
  ConjunctionFacts asked = FactsInPlace(form, conjunction);
  // Each comparison must be one of equality, so that its bits say everything.
  size_t bits = 0;
  for (const Fact& fact : asked.facts) bits += fact.where.size();
  if (asked.facts.size() != static_cast<size_t>(conjunction.all_of_size()) ||
      asked.known_bits.size() != bits) {
    return false;
  }
  asked.known_bits.erase(std::unique(asked.known_bits.begin(), asked.known_bits.end()),
                         asked.known_bits.end());
  return std::includes(known.known_bits.begin(), known.known_bits.end(), asked.known_bits.begin(),
                       asked.known_bits.end());
}

bool Exclude(const FormIdentity& a, const FormIdentity& b, WorkBudget& budget) {
  if (Exclude(a.constants, b.constants, budget)) return true;
  // A form without a selector has one alternative, which says nothing more.
  const ConditionFacts none(1);
  const ConditionFacts& as = a.selector.empty() ? none : a.selector;
  const ConditionFacts& bs = b.selector.empty() ? none : b.selector;
  for (const ConjunctionFacts& x : as) {
    for (const ConjunctionFacts& y : bs) {
      if (!Exclude(x, y, budget) && !Exclude(x, b.constants, budget) &&
          !Exclude(a.constants, y, budget)) {
        return false;
      }
    }
  }
  return true;
}

bool Exclude(const ConditionFacts& a, const ConditionFacts& b, WorkBudget& budget) {
  if (a.empty() || b.empty()) return false;
  for (const ConjunctionFacts& x : a) {
    for (const ConjunctionFacts& y : b) {
      if (!Exclude(x, y, budget)) return false;
    }
  }
  return true;
}

bool Exclude(const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& a,
             const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& b, WorkBudget& budget) {
  if (!budget.Spend(static_cast<uint64_t>(a.size()) * static_cast<uint64_t>(b.size()))) {
    return false;
  }
  for (const v1::FeatureChoice& x : a) {
    for (const v1::FeatureChoice& y : b) {
      if (x.feature() == y.feature() && x.choice() != y.choice()) return true;
    }
  }
  return false;
}

bool NeverHolds(const ConjunctionFacts& facts, WorkBudget& budget) {
  for (size_t i = 1; i < facts.known_bits.size(); ++i) {
    if (facts.known_bits[i - 1].first == facts.known_bits[i].first &&
        facts.known_bits[i - 1].second != facts.known_bits[i].second) {
      return true;
    }
  }
  if (!budget.Spend(facts.facts.size() * facts.facts.size())) return false;
  for (size_t i = 0; i < facts.facts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (Contradict(facts.facts[i], facts.facts[j])) return true;
    }
  }
  return false;
}

}  // namespace qsplit::layout
