// What completions in a ring complete: Ring.completes, compiled for both sides.
//
// Works on private copies only; a key is whatever the other side wrote, and the caller checks what
// it names. Never allocates after Compile. Immutable; any thread.
#ifndef QSPLIT_DATAPLANE_COMPLETION_RULES_H_
#define QSPLIT_DATAPLANE_COMPLETION_RULES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/ring_condition.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

// Which slots a completion is about.
struct CompletionTarget {
  uint32_t ring = 0;  // number in Queue.rings
  v1::CompletionKey key = v1::COMPLETION_KEY_UNSPECIFIED;
  bool cumulative = false;
  // An index taken modulo the target's slot count, a tag, or an address; 0 in place and in order.
  uint64_t value = 0;
};

class CompletionRules {
 public:
  // forms: those of the ring's CompletionReader or CompletionWriter. queue: to know the targets'
  // slot counts; targets that do not exist are left out.
  static absl::StatusOr<CompletionRules> Compile(const QueueShape& queue, const RingShape& shape,
                                                 const RingForms& forms);

  // What the completion in a private copy of this form completes. False: nothing.
  bool Find(uint32_t form, const std::byte* copy, const RingCursor& at,
            CompletionTarget* target) const {
    for (const Rule& rule : rules_[form]) {
      if (!rule.when.Holds(copy, at)) continue;
      *target = rule.target;
      if (rule.has_field) {
        const uint64_t value = rule.field.Load(copy);
        target->value = rule.slot_count == 0 ? value : rule.Modulo(value);
      }
      return true;
    }
    return false;
  }

  // The key by which this completion names something in `ring`; null: Find says another ring, or
  // takes no key. Sets all bits that Find looks at beside the key.
  const FieldAccess* KeyOf(uint32_t form, const std::byte* copy, const RingCursor& at,
                           uint32_t ring, std::byte* mask) const;

  // What all completions of this form complete that have some bits with certain values; these are
  // added then. Null: there is no such rule that comes first. *key: where target.value stands;
  // null: nowhere.
  const CompletionTarget* TargetByBits(uint32_t form, std::byte* mask, std::byte* value,
                                       const FieldAccess** key) const;

  // The device's side: whether this form can complete something in that ring, and how; then
  // writes the key and what makes the rule hold. False: the field cannot say the value.
  bool CanComplete(uint32_t form, uint32_t ring) const { return RuleFor(form, ring) != nullptr; }
  v1::CompletionKey KeyFor(uint32_t form, uint32_t ring) const;
  bool Write(uint32_t form, uint32_t ring, uint64_t value, std::byte* image,
             const RingCursor& at) const;

 private:
  struct Rule {
    CompletionTarget target;
    bool has_field = false;
    FieldAccess field;
    RingCondition when;
    uint32_t slot_count = 0;  // of the target, for indices
    uint64_t Modulo(uint64_t value) const {
      return (slot_count & (slot_count - 1)) == 0 ? value & (slot_count - 1) : value % slot_count;
    }
  };
  const Rule* RuleFor(uint32_t form, uint32_t ring) const;

  std::vector<std::vector<Rule>> rules_;  // by form
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_COMPLETION_RULES_H_
