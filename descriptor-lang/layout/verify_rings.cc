// Rings: slots, forms and the end of the array.
#include "descriptor-lang/layout/verify_rings.h"

#include <bit>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"

namespace qsplit::layout::verifier {
namespace {

absl::Status CheckSlots(const v1::Ring& ring, const std::string& path) {
  if (ring.slot_bytes() < 1 || ring.slot_bytes() > kMaxSlotBytes) {
    return Refuse(path, "slots of ", ring.slot_bytes(), " bytes are not in 1..", kMaxSlotBytes);
  }
  const v1::SlotRange& slots = ring.slots();
  if (slots.min() < 1 || slots.min() > slots.max() || slots.max() > kMaxSlots) {
    return Refuse(path, "slots ", slots.min(), "..", slots.max(), " are no range in 1..",
                  kMaxSlots);
  }
  if (slots.step() < 1) return Refuse(path, "slots step 0; the least is 1");
  if ((slots.max() - slots.min()) % slots.step() != 0) {
    return Refuse(path, "slots ", slots.min(), "..", slots.max(), " are no multiple of the step ",
                  slots.step(), " apart");
  }
  if (slots.power_of_two() &&
      !(std::has_single_bit(slots.min()) && std::has_single_bit(slots.max()))) {
    return Refuse(path, "slots ", slots.min(), "..", slots.max(), " must both be powers of two");
  }
  if (!std::has_single_bit(ring.alignment_bytes()) || ring.alignment_bytes() > kMaxAlignmentBytes) {
    return Refuse(path, "alignment of ", ring.alignment_bytes(), " bytes is no power of two up to ",
                  kMaxAlignmentBytes);
  }
  if (ring.reserved_slots() >= slots.min()) {
    return Refuse(path, ring.reserved_slots(), " reserved slots leave none of ", slots.min());
  }
  return absl::OkStatus();
}

// How many slots the form needs at least: those of its own, and of appended parts that are always
// there.
uint64_t SlotsOf(const Context& context, uint32_t index, uint32_t slot_bytes) {
  const v1::Form& form = context.form(index);
  uint64_t bytes = uint64_t{slot_bytes} * form.slots();
  for (const v1::ContainedForm& part : form.contains()) {
    const uint64_t end = part.byte_offset() +
                         uint64_t{part.stride_bytes()} * (part.max_count() - 1) +
                         context.form(part.form()).size_bytes();
    if (part.appended() && !part.has_count_field() && end > bytes) bytes = end;
  }
  return (bytes + slot_bytes - 1) / slot_bytes;
}

absl::Status CheckRingForms(Context& context, const std::string& path, const v1::Ring& ring,
                            const google::protobuf::RepeatedField<uint32_t>& forms) {
  QSPLIT_RETURN_IF_ERROR(context.CheckFormList(path, forms));
  for (const uint32_t index : forms) {
    const v1::Form& form = context.form(index);
    if (form.size_bytes() > uint64_t{ring.slot_bytes()} * form.slots()) {
      return Refuse(path, "form ", form.name(), " of ", form.size_bytes(), " bytes exceeds its ",
                    form.slots(), " slots of ", ring.slot_bytes(), " bytes");
    }
    const uint64_t slots = SlotsOf(context, index, ring.slot_bytes());
    if (slots > ring.slots().min()) {
      return Refuse(path, "form ", form.name(), " takes ", slots, " slots of ", ring.slots().min());
    }
  }
  return CheckTellApart(context, path, forms);
}

absl::Status CheckLink(const RingScope& scope, const std::string& path) {
  const Context& context = scope.context;
  const v1::Ring& ring = scope.ring;
  const uint32_t index = ring.wrap().link_form();
  if (index >= context.form_count()) {
    return Refuse(path, "link form ", index, " of ", context.form_count());
  }
  const v1::Form& link = context.form(index);
  if (link.size_bytes() > ring.slot_bytes() || link.slots() != 1) {
    return Refuse(path, "link form ", link.name(), " of ", link.size_bytes(),
                  " bytes exceeds the slot of ", ring.slot_bytes());
  }
  if (ring.reserved_slots() + 1 >= ring.slots().min()) {
    return Refuse(path, "the link and ", ring.reserved_slots(), " reserved slots leave none of ",
                  ring.slots().min());
  }
  google::protobuf::RepeatedField<uint32_t> forms = ring.post_forms();
  for (const uint32_t post : ring.post_forms()) {
    if (post == index) return Refuse(path, "link form ", link.name(), " is also posted");
  }
  forms.Add(index);
  return CheckTellApart(scope.context, path, forms);
}

absl::Status CheckWrap(const RingScope& scope) {
  const v1::WrapRule& wrap = scope.ring.wrap();
  const std::string path = Cat(scope.path, ".wrap");
  if (!scope.ring.has_wrap()) return absl::OkStatus();
  if (!scope.driver_produces() || scope.is_table()) {
    return Refuse(path, scope.is_table() ? "nobody passes over the end of a table"
                                         : "the driver posts nothing in the ring");
  }
  if (wrap.has_last_slot_field()) {
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckFlagReference(
        Cat(path, ".last_slot_field"), wrap.last_slot_field(), scope.posts, kPostForm));
  }
  return wrap.has_link_form() ? CheckLink(scope, path) : absl::OkStatus();
}

absl::Status CheckUse(const RingScope& scope) {
  const v1::Ring& ring = scope.ring;
  if (ring.kind() == v1::RING_KIND_UNSPECIFIED || !v1::RingKind_IsValid(ring.kind())) {
    return Refuse(scope.path, "kind ", static_cast<int>(ring.kind()), " is none");
  }
  switch (ring.position()) {
    case v1::PACKET_POSITION_EACH:
      return absl::OkStatus();
    case v1::PACKET_POSITION_FIRST:
    case v1::PACKET_POSITION_REST:
      if (scope.queue.direction() == v1::DIRECTION_RECEIVE && scope.driver_produces()) {
        return absl::OkStatus();
      }
      return Refuse(scope.path, "only rings of receive buffers serve a part of each packet");
    default:
      return Refuse(scope.path, "position ", static_cast<int>(ring.position()),
                    " is none that a ring can have");
  }
}

}  // namespace

absl::Status CheckRing(Context& context, const std::string& path, const v1::Queue& queue,
                       uint32_t ring_index) {
  const v1::Ring& ring = queue.rings(static_cast<int>(ring_index));
  QSPLIT_RETURN_IF_ERROR(CheckSlots(ring, path));
  if (ring.post_forms().empty() && ring.complete_forms().empty()) {
    return Refuse(path, "neither post nor complete forms");
  }
  QSPLIT_RETURN_IF_ERROR(
      CheckRingForms(context, Cat(path, ".post_forms"), ring, ring.post_forms()));
  QSPLIT_RETURN_IF_ERROR(
      CheckRingForms(context, Cat(path, ".complete_forms"), ring, ring.complete_forms()));
  QSPLIT_RETURN_IF_ERROR(context.CheckFeatures(path, ring.features()));
  const RingScope scope = {context,
                           path,
                           queue,
                           ring,
                           ring_index,
                           context.Placed(ring.post_forms()),
                           context.Placed(ring.complete_forms())};
  QSPLIT_RETURN_IF_ERROR(CheckUse(scope));
  QSPLIT_RETURN_IF_ERROR(CheckWrap(scope));
  QSPLIT_RETURN_IF_ERROR(CheckCells(scope));
  QSPLIT_RETURN_IF_ERROR(CheckDoorbells(scope));
  QSPLIT_RETURN_IF_ERROR(CheckHandovers(scope));
  return CheckCompletions(scope);
}

}  // namespace qsplit::layout::verifier
