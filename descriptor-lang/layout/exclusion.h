// When two things cannot be true of the same bytes: the rule by which fields may share bits, roles
// may appear twice, and forms can be told apart. Syntactic: it compares comparisons with constants
// (and with ring state), bit by bit where both sides say equal; it never searches for assignments.
//
// Safe on unverified messages. Work is counted: see WorkBudget. No shared state.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_EXCLUSION_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_EXCLUSION_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "descriptor-lang/layout/bit_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// Steps that one verification may spend on comparing pairs. A spec of a real NIC needs less than a
// hundredth; what needs more was made to keep the verifier busy.
class WorkBudget {
 public:
  static constexpr uint64_t kSteps = 20'000'000;

  // False once more than kSteps were spent.
  bool Spend(uint64_t steps) {
    left_ = steps >= left_ ? 0 : left_ - steps;
    return left_ > 0;
  }
  bool Exhausted() const { return left_ == 0; }

 private:
  uint64_t left_ = kSteps;
};

// What one conjunction says: comparisons, and the bits whose values follow from equalities.
struct ConjunctionFacts {
  struct Fact {
    // (form, position of each bit), so that equal fields of different names and forms compare.
    std::vector<uint64_t> where;
    v1::Operator op = v1::OPERATOR_UNSPECIFIED;
    v1::RingState state = v1::RING_STATE_UNSPECIFIED;  // compared with a constant if unspecified
    uint64_t constant = 0;
  };
  std::vector<Fact> facts;
  std::vector<std::pair<uint64_t, bool>> known_bits;  // (form, position) -> value, ascending
};

// A condition as facts, one for each conjunction; none at all for a condition that always holds.
using ConditionFacts = std::vector<ConjunctionFacts>;

// Facts of a condition over fields of any form of the layout: bits of different forms are
// different.
ConditionFacts FactsOf(const v1::Layout& layout, const v1::Condition& condition);

// By what bytes are recognized as a form.
struct FormIdentity {
  ConjunctionFacts constants;  // of its fields, those that hold always
  ConditionFacts selector;     // empty: none
};

// Bits of different forms at one offset are the same here. Costs IdentityCost(form) steps.
FormIdentity IdentityOf(const v1::Form& form);
uint64_t IdentityCost(const v1::Form& form);

// What a conjunction over fields of `form` says of bytes of that form, wherever they stand;
// comparisons with ring state and with other fields are left out. Bits compare with those of a
// FormIdentity.
ConjunctionFacts FactsInPlace(const v1::Form& form, const v1::Conjunction& conjunction);
// That the field has this raw value.
ConjunctionFacts FactsOfValue(const v1::Field& field, uint64_t value);
// Both at once.
void AddFacts(const ConjunctionFacts& from, ConjunctionFacts& to);

// True when bytes of which `known` holds surely satisfy the conjunction, which is over fields of
// `form`: a condition that says "finished" must not say so of what was just posted.
bool HoldsForSure(const ConjunctionFacts& known, const v1::Form& form,
                  const v1::Conjunction& conjunction);

// True when no bytes can be of both forms.
bool Exclude(const FormIdentity& a, const FormIdentity& b, WorkBudget& budget);

// True when no bytes can satisfy both conditions: every conjunction of the one against every one of
// the other. False when in doubt, or when the budget is gone.
bool Exclude(const ConditionFacts& a, const ConditionFacts& b, WorkBudget& budget);

// True when both cannot apply to one queue: the same feature, another choice.
bool Exclude(const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& a,
             const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& b, WorkBudget& budget);

// True when a conjunction contradicts itself.
bool NeverHolds(const ConjunctionFacts& facts, WorkBudget& budget);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_EXCLUSION_H_
