// What all engines need to know of a queue before they can run it: its ring, the forms that may
// stand there, when a slot is complete. Made once at open; the first place that says what this
// build does not drive.
//
// Holds the layout, and pointers to the rings, which must outlive it. Immutable; any thread.
#ifndef QSPLIT_DATAPLANE_QUEUE_SHAPE_H_
#define QSPLIT_DATAPLANE_QUEUE_SHAPE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/condition.h"
#include "dataplane/ring_shape.h"
#include "dataplane/ring_view.h"
#include "dataplane/slot_memory.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// Which queue of which layout, set up with which choices: what forms have to be read with.
struct QueueScope {
  // Keeps what the pointers below point to.
  std::optional<layout::VerifiedLayout> verified;
  const v1::Layout* layout = nullptr;
  const v1::Queue* queue = nullptr;
  // One for each of Layout.features.
  std::vector<uint32_t> choices;

  const v1::Form& Form(uint32_t index) const { return layout->forms(static_cast<int>(index)); }
};
QueueScope ScopeOf(const QueueShape& queue);

// A ring in which the device completes descriptors by writing over them.
struct InPlaceShape : QueueScope {
  const v1::Ring* ring = nullptr;
  RingShape ring_shape;
  RingView view;
  QueueIndex queue_number;

  SlotMemory slots;
  uint32_t slot_count = 0;
  // Slots that may be in use at once.
  uint32_t capacity = 0;

  // Indices into Layout.forms, those that apply to this queue, in the ring's order.
  std::vector<uint32_t> post_forms;     // that carry buffers
  std::vector<uint32_t> context_forms;  // that carry none; parallel to context_rules
  std::vector<const v1::ContextRule*> context_rules;
  std::vector<uint32_t> complete_forms;

  // True of a slot that the device completed.
  Condition done;
  uint32_t done_word = 0;
  bool only_where_reported = false;
};

// UNIMPLEMENTED: not this protocol (another one, several rings, multi-slot or nested forms, …; the
// message says which): the general engines may drive it. INVALID_ARGUMENT: the view does not fit.
// NOT_FOUND: the layout has no queue of that direction.
absl::StatusOr<InPlaceShape> ShapeInPlaceQueue(const layout::VerifiedLayout& layout,
                                               const QueueView& view, v1::Direction direction);

// A field of a form with a role, as far as it applies to the queue.
struct RoleField {
  const v1::Field* field = nullptr;
  layout::Role role{};
};
// All of a form's numbers with a role, by position.
std::vector<RoleField> RoleFields(const QueueScope& scope, uint32_t form);

// Maps raw values of a coded field to positions in its role's vocabulary and back.
class CodeMap {
 public:
  static constexpr uint8_t kUnknown = 0xff;

  CodeMap() = default;
  CodeMap(const v1::Layout& layout, const v1::Field& field, layout::Role role);

  bool Empty() const { return by_code_.empty(); }
  uint8_t Code(uint64_t raw) const {
    if (raw < by_raw_.size()) return by_raw_[raw];
    return CodeSlowly(raw);
  }
  // False if no value stands for it.
  bool Raw(uint8_t code, uint64_t* raw) const;

 private:
  struct Entry {
    uint64_t raw;
    uint8_t code;
  };
  uint8_t CodeSlowly(uint64_t raw) const;

  std::vector<uint8_t> by_raw_;  // small values
  std::vector<Entry> by_code_;   // all
};

// Which descriptor of a packet a field with this position speaks in.
constexpr bool SpeaksIn(v1::PacketPosition position, bool first, bool last) {
  return (position != v1::PACKET_POSITION_FIRST || first) &&
         (position != v1::PACKET_POSITION_LAST || last) &&
         (position != v1::PACKET_POSITION_REST || !first);
}

// How a descriptor of one form says that it is its packet's last one.
class LastMark {
 public:
  // By the form's own position, the role packet.last, the queue's last_when; else (one descriptor,
  // one packet) always.
  static absl::StatusOr<LastMark> Compile(const QueueScope& scope, uint32_t form);

  bool IsLast(const std::byte* descriptor) const {
    if (always_) return true;
    if (never_) return false;
    return by_field_ ? field_.Load(descriptor) != 0 : when_.Holds(descriptor);
  }
  // Sets all bits of a descriptor that IsLast looks at.
  void MarkBits(std::byte* mask) const;
  // UNIMPLEMENTED where it is not known how to say it.
  absl::Status Set(std::byte* descriptor, bool last) const;
  // Whether IsLast is that some bits have certain values and nothing else; these are added then.
  bool IsBits(std::byte* mask, std::byte* value) const;

 private:
  bool always_ = false;
  bool never_ = false;
  bool by_field_ = false;
  FieldAccess field_;
  Condition when_;
};

// A form's bytes with every constant in place, fields of negative logic saying false, everything
// else zero. choices: one for each of Layout.features.
absl::StatusOr<DescriptorBytes> ConstantImage(const v1::Form& form,
                                              const std::vector<uint32_t>& choices);
inline absl::StatusOr<DescriptorBytes> ConstantImage(const QueueScope& scope, uint32_t form) {
  return ConstantImage(scope.Form(form), scope.choices);
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_QUEUE_SHAPE_H_
