#include "dataplane/queue_shape.h"

#include <algorithm>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

bool NamesRingState(const v1::Condition& condition) {
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.right_case() == v1::Comparison::kState) return true;
    }
  }
  return false;
}

// What keeps a ring from being driven in place; empty if nothing does.
std::string_view WhyNotInPlace(const v1::Ring& ring, uint32_t index,
                               std::span<const uint32_t> choices) {
  if (ring.kind() != v1::RING_KIND_ORDERED) return "slots in any order";
  if (ring.post_forms().empty() || ring.complete_forms().empty()) {
    return "completions elsewhere than in the descriptors' own slots";
  }
  if (!ring.posted().doorbell()) return "descriptors posted by other means than a doorbell";
  if (!ring.completed().has_when()) return "completions by other means than the slot's bytes";
  if (NamesRingState(ring.completed().when())) return "completions by a phase or a sequence";
  for (const v1::CompletionRule& rule : ring.completes()) {
    if (!layout::Applies(rule.features(), choices)) continue;
    if (rule.key() != v1::COMPLETION_KEY_IN_PLACE || rule.ring() != index || rule.cumulative() ||
        rule.when().any_of_size() > 0) {
      return "completions that name other slots than their own";
    }
  }
  if (ring.fills_size() > 0) return "fill values";
  if (ring.wrap().has_link_form() || ring.wrap().has_last_slot_field()) return "a marked last slot";
  if (ring.has_compressed()) return "compressed completions";
  if (ring.has_packets()) return "packets in slots";
  if (ring.position() > v1::PACKET_POSITION_EACH) return "a ring for some buffers of a packet";
  if (ring.consumer_doorbells_size() > 0) return "consumer doorbells";
  return "";
}

absl::Status CheckView(const v1::Ring& ring, const RingView& view) {
  const v1::SlotRange& range = ring.slots();
  const uint32_t count = view.slot_count;
  const bool step_fits = range.step() <= 1 || (count - range.min()) % range.step() == 0;
  if (count < range.min() || count > range.max() || count == 0 || !step_fits ||
      (range.power_of_two() && (count & (count - 1)) != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ring ", ring.name(), ": ", count, " slots; possible are ", range.min(), "..",
                     range.max(), " in steps of ", std::max(range.step(), 1u),
                     range.power_of_two() ? ", powers of two" : ""));
  }
  if (view.slots == nullptr || reinterpret_cast<uintptr_t>(view.slots) % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("ring ", ring.name(), ": slots are null or not aligned to 8 bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckForm(const v1::Form& form, const v1::Ring& ring) {
  if (form.slots() > 1 || form.size_bytes() > ring.slot_bytes()) {
    return absl::UnimplementedError(absl::StrCat(
        "form ", form.name(), ": descriptors of several slots are not driven by this build"));
  }
  if (form.position() > v1::PACKET_POSITION_EACH) {
    return absl::UnimplementedError(absl::StrCat(
        "form ", form.name(), ": forms for some descriptors of a packet are not driven in place"));
  }
  if (form.contains_size() > 0) {
    return absl::UnimplementedError(
        absl::StrCat("form ", form.name(), ": nested forms are not driven by this build"));
  }
  return absl::OkStatus();
}

absl::Status CheckSpan(const v1::Queue& queue) {
  const v1::PacketRule& packet = queue.packet();
  if (packet.span() != v1::SPAN_SINGLE && packet.span() != v1::SPAN_ADJACENT_UNTIL_LAST) {
    return absl::UnimplementedError(absl::StrCat("queue ", queue.name(), ": packets by ",
                                                 v1::Span_Name(packet.span()),
                                                 " are not driven by this build"));
  }
  if (packet.has_prefix_form() || packet.length_includes_prefix()) {
    return absl::UnimplementedError(
        absl::StrCat("queue ", queue.name(), ": prefixes with a meaning are not driven in place"));
  }
  if (packet.buffers_per_descriptor() > 1) {
    return absl::UnimplementedError(
        absl::StrCat("queue ", queue.name(),
                     ": several buffers in one descriptor are not driven by this build"));
  }
  return absl::OkStatus();
}

}  // namespace

QueueScope ScopeOf(const QueueShape& queue) {
  QueueScope scope;
  scope.verified = queue.verified;
  scope.layout = queue.layout;
  scope.queue = queue.queue;
  scope.choices = queue.choices;
  return scope;
}

absl::StatusOr<InPlaceShape> ShapeInPlaceQueue(const layout::VerifiedLayout& layout,
                                               const QueueView& view, v1::Direction direction) {
  InPlaceShape shape;
  shape.verified = layout;
  shape.layout = &shape.verified->message();
  const std::string where = absl::StrCat("layout ", layout.name());
  if (view.layout_queue == QueueView::kFirstOfDirection) {
    shape.queue = shape.verified->FindQueue(direction);
  } else if (view.layout_queue < static_cast<uint32_t>(shape.layout->queues_size())) {
    shape.queue = &shape.layout->queues(static_cast<int>(view.layout_queue));
    if (shape.queue->direction() != direction) shape.queue = nullptr;
  }
  if (shape.queue == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(where, ": no queue of ", v1::Direction_Name(direction)));
  }
  for (int i = 0; i < shape.layout->features_size(); ++i) {
    shape.choices.push_back(i < static_cast<int>(view.features.choice.size())
                                ? view.features.choice[static_cast<size_t>(i)]
                                : 0);
  }
  // The one ring.
  uint32_t ring_index = 0;
  for (int i = 0; i < shape.queue->rings_size(); ++i) {
    const v1::Ring& ring = shape.queue->rings(i);
    if (!layout::Applies(ring.features(), shape.choices)) continue;
    const std::string_view why = WhyNotInPlace(ring, static_cast<uint32_t>(i), shape.choices);
    if (!why.empty()) {
      return absl::UnimplementedError(
          absl::StrCat(where, ", queue ", shape.queue->name(), ", ring ", ring.name(),
                       ": not driven in place: ", absl::string_view(why.data(), why.size())));
    }
    if (shape.ring != nullptr) {
      return absl::UnimplementedError(absl::StrCat(where, ", queue ", shape.queue->name(),
                                                   ": several rings in place in one queue"));
    }
    shape.ring = &ring;
    ring_index = static_cast<uint32_t>(i);
  }
  if (shape.ring == nullptr || ring_index >= view.ring_count || ring_index >= kMaxRings) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ", queue ", shape.queue->name(), ": the view has ", view.ring_count,
                     " rings, the ring in use is number ", ring_index));
  }
  const v1::Ring& ring = *shape.ring;
  shape.view = view.rings[ring_index];
  shape.queue_number = view.queue_number;
  if (absl::Status status = CheckView(ring, shape.view); !status.ok()) return status;
  if (absl::Status status = CheckSpan(*shape.queue); !status.ok()) return status;
  if (ring.slot_bytes() == 0 || ring.slot_bytes() > kMaxDescriptorBytes) {
    return absl::UnimplementedError(absl::StrCat(where, ": slots of ", ring.slot_bytes(),
                                                 " bytes; at most ", kMaxDescriptorBytes));
  }
  absl::StatusOr<RingShape> ring_shape = ShapeRing(*shape.layout, *shape.queue, ring_index, view);
  if (!ring_shape.ok()) return ring_shape.status();
  shape.ring_shape = *std::move(ring_shape);
  shape.slots = shape.ring_shape.slots;
  shape.slot_count = shape.view.slot_count;
  // An index alone cannot tell full from empty: one slot stays empty at least.
  bool tells_count = false;
  for (const v1::Doorbell& bell : ring.producer_doorbells()) {
    if (!layout::Applies(bell.features(), shape.choices)) continue;
    for (const v1::DoorbellTerm& term : bell.terms()) {
      tells_count = tells_count || term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT;
    }
  }
  const uint32_t reserved = std::max(ring.reserved_slots(), tells_count ? 0u : 1u);
  if (reserved >= shape.slot_count) {
    return absl::InvalidArgumentError(absl::StrCat(where, ", ring ", ring.name(), ": ", reserved,
                                                   " of ", shape.slot_count, " slots reserved"));
  }
  shape.capacity = shape.slot_count - reserved;

  for (const v1::ContextRule& rule : shape.queue->contexts()) {
    const v1::Form& form = shape.Form(rule.form());
    if (!layout::Applies(form.features(), shape.choices)) continue;
    if (rule.before_bytes()) {
      return absl::UnimplementedError(absl::StrCat(
          "form ", form.name(), ": contexts in front of packets' bytes are not driven in place"));
    }
    if (absl::Status status = CheckForm(form, ring); !status.ok()) return status;
    shape.context_forms.push_back(rule.form());
    shape.context_rules.push_back(&rule);
  }
  for (const uint32_t index : ring.post_forms()) {
    const v1::Form& form = shape.Form(index);
    if (!layout::Applies(form.features(), shape.choices)) continue;
    if (std::count(shape.context_forms.begin(), shape.context_forms.end(), index) != 0) continue;
    if (absl::Status status = CheckForm(form, ring); !status.ok()) return status;
    shape.post_forms.push_back(index);
  }
  for (const uint32_t index : ring.complete_forms()) {
    const v1::Form& form = shape.Form(index);
    if (!layout::Applies(form.features(), shape.choices)) continue;
    if (absl::Status status = CheckForm(form, ring); !status.ok()) return status;
    shape.complete_forms.push_back(index);
  }
  if (shape.post_forms.empty() || shape.complete_forms.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ", ring ", ring.name(), ": no form to post or none to complete"));
  }

  absl::StatusOr<Condition> done = Condition::Compile(*shape.layout, ring.completed().when());
  if (!done.ok()) return done.status();
  shape.done = *std::move(done);
  shape.only_where_reported = ring.completed().only_where_reported();
  uint32_t first = 0;
  uint32_t last = 0;
  if (!shape.done.ByteRange(&first, &last)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ", ring ", ring.name(), ": completion in place without a condition"));
  }
  shape.done_word = shape.slots.WordOf(first);
  if (shape.slots.WordOf(last) != shape.done_word) {
    return absl::UnimplementedError(
        absl::StrCat(where, ", ring ", ring.name(), ": the done condition spans bytes ", first,
                     "..", last, ", more than one word of ", shape.slots.word_bytes(), " bytes"));
  }
  return shape;
}

std::vector<RoleField> RoleFields(const QueueScope& scope, uint32_t form) {
  std::vector<RoleField> fields;
  for (const v1::Field& field : scope.Form(form).fields()) {
    if (field.parts().empty() || !layout::Applies(field.features(), scope.choices)) continue;
    if (const auto role = layout::FindRole(field.role()); role.has_value()) {
      fields.push_back({&field, *role});
    }
  }
  return fields;
}

CodeMap::CodeMap(const v1::Layout& layout, const v1::Field& field, layout::Role role) {
  if (!field.has_enumeration()) return;
  for (const v1::EnumerationValue& value :
       layout.enumerations(static_cast<int>(field.enumeration())).values()) {
    const auto code = layout::FindCode(role, value.name());
    if (code.has_value()) by_code_.push_back({value.value(), static_cast<uint8_t>(*code)});
  }
  for (const Entry& entry : by_code_) {
    if (entry.raw >= 256) continue;
    if (by_raw_.size() <= entry.raw) by_raw_.resize(entry.raw + 1, kUnknown);
    by_raw_[entry.raw] = entry.code;
  }
}

uint8_t CodeMap::CodeSlowly(uint64_t raw) const {
  for (const Entry& entry : by_code_) {
    if (entry.raw == raw) return entry.code;
  }
  return kUnknown;
}

bool CodeMap::Raw(uint8_t code, uint64_t* raw) const {
  for (const Entry& entry : by_code_) {
    if (entry.code != code) continue;
    *raw = entry.raw;
    return true;
  }
  return false;
}

absl::StatusOr<LastMark> LastMark::Compile(const QueueScope& scope, uint32_t form) {
  LastMark mark;
  if (scope.Form(form).position() == v1::PACKET_POSITION_LAST) {
    mark.always_ = true;
    return mark;
  }
  for (const RoleField& candidate : RoleFields(scope, form)) {
    if (candidate.role != layout::Role::kPacketLast) continue;
    absl::StatusOr<FieldAccess> field =
        FieldAccess::Compile(*candidate.field, scope.Form(form).size_bytes());
    if (!field.ok()) return field.status();
    mark.field_ = *std::move(field);
    mark.by_field_ = true;
    return mark;
  }
  const v1::PacketRule& packet = scope.queue->packet();
  if (packet.span() == v1::SPAN_SINGLE) {
    mark.always_ = true;
    return mark;
  }
  absl::StatusOr<Condition> when = Condition::Compile(*scope.layout, packet.last_when(), &form);
  if (!when.ok()) return when.status();
  mark.when_ = *std::move(when);
  uint32_t first, last;
  if (!mark.when_.ByteRange(&first, &last)) {
    // Another form is every packet's last.
    for (const v1::Form& other : scope.layout->forms()) {
      mark.never_ = mark.never_ || other.position() == v1::PACKET_POSITION_LAST;
    }
    if (mark.never_ || !packet.last_when().any_of().empty()) {
      mark.never_ = true;
      return mark;
    }
    return absl::UnimplementedError(absl::StrCat("form ", scope.Form(form).name(),
                                                 ": nothing says which descriptor is a packet's "
                                                 "last"));
  }
  return mark;
}

void LastMark::MarkBits(std::byte* mask) const {
  if (by_field_) field_.StoreRaw(mask, field_.MaxRaw());
  when_.MarkBits(mask);
}

absl::Status LastMark::Set(std::byte* descriptor, bool last) const {
  if (never_) {
    return last ? absl::UnimplementedError("no descriptor of this form is a packet's last")
                : absl::OkStatus();
  }
  if (always_) {
    return last ? absl::OkStatus()
                : absl::UnimplementedError("every descriptor is a packet of its own");
  }
  if (by_field_) {
    if (!field_.Store(descriptor, last ? 1 : 0)) {
      return absl::UnimplementedError("packet.last cannot say both");
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<FieldStore>> stores = last ? when_.StoresThatMakeItTrue()
                                                   : when_.Holds(descriptor)
                                                       ? when_.StoresThatMakeItFalse(descriptor)
                                                       : std::vector<FieldStore>();
  if (!stores.ok()) return stores.status();
  for (const FieldStore& store : *stores) store.field.StoreRaw(descriptor, store.raw);
  return absl::OkStatus();
}

bool LastMark::IsBits(std::byte* mask, std::byte* value) const {
  if (always_) return true;
  if (never_) return false;
  if (!by_field_) return when_.IsBits(mask, value);
  if (field_.MaxRaw() != 1 || !(field_.IsIdentity() || field_.IsInverted())) return false;
  field_.StoreRaw(mask, 1);
  field_.StoreRaw(value, field_.IsInverted() ? 0 : 1);
  return true;
}

absl::StatusOr<DescriptorBytes> ConstantImage(const v1::Form& form,
                                              const std::vector<uint32_t>& choices) {
  DescriptorBytes image{};
  for (const v1::Field& field : form.fields()) {
    if (!layout::Applies(field.features(), choices)) continue;
    if (field.parts().empty()) {
      if (field.constraint() != v1::CONSTRAINT_CONSTANT) continue;
      for (uint32_t i = 0; i < field.bytes().length(); ++i) {
        const uint32_t at = field.bytes().byte_offset() + i;
        if (at < kMaxDescriptorBytes) image.bytes[at] = static_cast<std::byte>(field.constant());
      }
      continue;
    }
    absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, form.size_bytes());
    if (!access.ok()) return access.status();
    if (field.constraint() == v1::CONSTRAINT_CONSTANT) {
      access->StoreRaw(image.bytes, field.constant());
    } else if (field.inverted()) {
      access->StoreRaw(image.bytes, 1);  // says false
    }
  }
  return image;
}

}  // namespace qsplit::dataplane
