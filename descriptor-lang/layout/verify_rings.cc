// Rings: slots, forms, cells, doorbells and the end of the array.
#include <bit>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {
namespace {

bool IsStoreWidth(uint32_t bytes) { return bytes >= 1 && bytes <= 8 && std::has_single_bit(bytes); }

bool IsByteOrder(v1::ByteOrder order) {
  return order == v1::BYTE_ORDER_LITTLE || order == v1::BYTE_ORDER_BIG;
}

absl::Status CheckSlots(const v1::Ring& ring, const std::string& path) {
  if (ring.slot_bytes() < 1 || ring.slot_bytes() > kMaxFormBytes) {
    return Refuse(path, "slots of ", ring.slot_bytes(), " bytes are not in 1..", kMaxFormBytes);
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

// With its appended parts.
uint64_t WholeBytes(const Context& context, uint32_t index) {
  const v1::Form& form = context.form(index);
  uint64_t bytes = form.size_bytes();
  for (const v1::ContainedForm& part : form.contains()) {
    const uint64_t end = part.byte_offset() +
                         uint64_t{part.stride_bytes()} * (part.max_count() - 1) +
                         context.form(part.form()).size_bytes();
    if (part.appended() && !part.has_count_field() && end > bytes) bytes = end;
  }
  return bytes;
}

absl::Status CheckRingForms(Context& context, const std::string& path, const v1::Ring& ring,
                            const google::protobuf::RepeatedField<uint32_t>& forms) {
  QSPLIT_RETURN_IF_ERROR(context.CheckFormList(path, forms));
  for (const uint32_t index : forms) {
    const v1::Form& form = context.form(index);
    const uint64_t room = uint64_t{ring.slot_bytes()} * form.slots();
    if (WholeBytes(context, index) > room) {
      return Refuse(path, "form ", form.name(), " of ", WholeBytes(context, index),
                    " bytes exceeds its ", form.slots(), " slots of ", ring.slot_bytes(), " bytes");
    }
    if (form.slots() > ring.slots().min()) {
      return Refuse(path, "form ", form.name(), " takes ", form.slots(), " slots of ",
                    ring.slots().min());
    }
  }
  return CheckTellApart(context, path, forms);
}

absl::Status CheckCells(const v1::Ring& ring, const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "cells", ring.cells_size(), kMaxCells));
  NameSet names;
  for (int i = 0; i < ring.cells_size(); ++i) {
    const v1::IndexCell& cell = ring.cells(i);
    QSPLIT_RETURN_IF_ERROR(names.Add(Cat(path, ".cells[", i, "]"), cell.name()));
    const std::string here = Cat(path, ".cells[", i, "] ", cell.name());
    if (!IsStoreWidth(cell.bytes())) {
      return Refuse(here, "width of ", cell.bytes(), " bytes; it must be 1, 2, 4 or 8");
    }
    if (!IsByteOrder(cell.byte_order())) {
      return Refuse(here, "byte order ", static_cast<int>(cell.byte_order()),
                    " is neither little nor big");
    }
    if (cell.bytes() == 1 && cell.byte_order() != v1::BYTE_ORDER_LITTLE) {
      return Refuse(here, "the byte order of a single byte is written as little");
    }
    if (cell.meaning() == v1::CELL_MEANING_UNSPECIFIED ||
        !v1::CellMeaning_IsValid(cell.meaning())) {
      return Refuse(here, "meaning ", static_cast<int>(cell.meaning()), " is none");
    }
    if (cell.mask() == 0 || cell.mask() > LowBits(8 * cell.bytes())) {
      return Refuse(here, "mask ", Cat("0x", absl::Hex(cell.mask())), " has no bit in ",
                    cell.bytes(), " bytes, or one outside");
    }
    const int64_t offset = cell.offset_bytes();
    if (offset < -int64_t{kMaxCellOffsetBytes} || offset > int64_t{kMaxCellOffsetBytes}) {
      return Refuse(here, "offset ", offset, " is farther than ", kMaxCellOffsetBytes,
                    " bytes from the ring");
    }
    if (cell.behind_slots() && !cell.has_offset_bytes()) {
      return Refuse(here, "stands behind the slots, but has no offset");
    }
    if (cell.behind_slots() && offset < 0) {
      return Refuse(here, "offset ", offset, " behind the last slot is negative");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTerm(const v1::DoorbellTerm& term, uint32_t bytes, const std::string& path) {
  if (term.source() == v1::DOORBELL_SOURCE_UNSPECIFIED ||
      !v1::DoorbellSource_IsValid(term.source())) {
    return Refuse(path, "source ", static_cast<int>(term.source()), " is none");
  }
  if (term.shift() >= 8 * bytes) {
    return Refuse(path, "shift ", term.shift(), " leaves the store of ", bytes, " bytes");
  }
  if (term.mask() == 0 || term.mask() > LowBits(8 * bytes - term.shift())) {
    return Refuse(path, "mask ", Cat("0x", absl::Hex(term.mask())), " shifted by ", term.shift(),
                  " has no bit in the store of ", bytes, " bytes, or one outside");
  }
  if (term.source() != v1::DOORBELL_SOURCE_CONSTANT && term.constant() != 0) {
    return Refuse(path, "constant ", term.constant(), " with another source");
  }
  return absl::OkStatus();
}

absl::Status CheckDoorbell(const v1::Ring& ring, const v1::Doorbell& doorbell,
                           const std::string& path) {
  switch (doorbell.target()) {
    case v1::DOORBELL_TARGET_REGISTER:
    case v1::DOORBELL_TARGET_MEMORY:
      if (!IsStoreWidth(doorbell.bytes())) {
        return Refuse(path, "store of ", doorbell.bytes(), " bytes; it must have 1, 2, 4 or 8");
      }
      break;
    case v1::DOORBELL_TARGET_DESCRIPTOR:
      if (doorbell.bytes() < 1 || doorbell.bytes() > kMaxFormBytes) {
        return Refuse(path, "copy of ", doorbell.bytes(), " bytes is not in 1..", kMaxFormBytes);
      }
      break;
    case v1::DOORBELL_TARGET_WAKEUP:
      if (doorbell.bytes() != 0) {
        return Refuse(path, "a wakeup stores nothing, but has ", doorbell.bytes(), " bytes");
      }
      break;
    default:
      return Refuse(path, "target ", static_cast<int>(doorbell.target()), " is none");
  }
  if (!IsByteOrder(doorbell.byte_order())) {
    return Refuse(path, "byte order ", static_cast<int>(doorbell.byte_order()),
                  " is neither little nor big");
  }
  const bool is_store = doorbell.target() == v1::DOORBELL_TARGET_REGISTER ||
                        doorbell.target() == v1::DOORBELL_TARGET_MEMORY;
  if ((!is_store || doorbell.bytes() == 1) && doorbell.byte_order() != v1::BYTE_ORDER_LITTLE) {
    return Refuse(path, "the byte order of what is no store of several bytes is written as little");
  }
  if (!is_store && !doorbell.terms().empty()) {
    return Refuse(path, "only a store to a register or to memory has terms");
  }
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "terms", doorbell.terms_size(), kMaxDoorbellTerms));
  for (int i = 0; i < doorbell.terms_size(); ++i) {
    QSPLIT_RETURN_IF_ERROR(
        CheckTerm(doorbell.terms(i), doorbell.bytes(), Cat(path, ".terms[", i, "]")));
  }
  if (doorbell.barrier() == v1::BARRIER_UNSPECIFIED || !v1::Barrier_IsValid(doorbell.barrier())) {
    return Refuse(path, "barrier ", static_cast<int>(doorbell.barrier()), " is none");
  }
  if (!doorbell.has_suppressed_by_cell()) return absl::OkStatus();
  const uint32_t cell = doorbell.suppressed_by_cell();
  if (cell >= static_cast<uint32_t>(ring.cells_size())) {
    return Refuse(path, "suppressed by cell ", cell, " of ", ring.cells_size());
  }
  const v1::CellMeaning meaning = ring.cells(static_cast<int>(cell)).meaning();
  if (meaning != v1::CELL_MEANING_NEED_WAKEUP && meaning != v1::CELL_MEANING_EVENT_INDEX &&
      meaning != v1::CELL_MEANING_NO_NOTIFICATION) {
    return Refuse(path, "cell ", ring.cells(static_cast<int>(cell)).name(),
                  " says nothing about notifications");
  }
  return absl::OkStatus();
}

absl::Status CheckDoorbells(const v1::Ring& ring,
                            const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
                            const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "doorbells", doorbells.size(), kMaxDoorbells));
  for (int i = 0; i < doorbells.size(); ++i) {
    QSPLIT_RETURN_IF_ERROR(CheckDoorbell(ring, doorbells[i], Cat(path, "[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status CheckWrap(Context& context, const std::string& path, const v1::Ring& ring) {
  const v1::WrapRule& wrap = ring.wrap();
  if (wrap.has_last_slot_field()) {
    QSPLIT_RETURN_IF_ERROR(context.CheckFlagReference(
        Cat(path, ".last_slot_field"), wrap.last_slot_field(),
        context.WithContained(ring.post_forms()), "a form that the ring's producer posts"));
  }
  if (!wrap.has_link_form()) return absl::OkStatus();
  if (wrap.link_form() >= context.form_count()) {
    return Refuse(path, "link form ", wrap.link_form(), " of ", context.form_count());
  }
  const v1::Form& link = context.form(wrap.link_form());
  if (uint64_t{link.size_bytes()} > ring.slot_bytes()) {
    return Refuse(path, "link form ", link.name(), " of ", link.size_bytes(),
                  " bytes exceeds the slot of ", ring.slot_bytes());
  }
  return absl::OkStatus();
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
  QSPLIT_RETURN_IF_ERROR(CheckCells(ring, path));
  QSPLIT_RETURN_IF_ERROR(CheckOwnership(context, path, queue, ring_index));
  QSPLIT_RETURN_IF_ERROR(CheckCompletion(context, path, queue, ring_index));
  QSPLIT_RETURN_IF_ERROR(
      CheckDoorbells(ring, ring.producer_doorbells(), Cat(path, ".producer_doorbells")));
  QSPLIT_RETURN_IF_ERROR(
      CheckDoorbells(ring, ring.consumer_doorbells(), Cat(path, ".consumer_doorbells")));
  QSPLIT_RETURN_IF_ERROR(CheckWrap(context, Cat(path, ".wrap"), ring));
  return context.CheckFeatures(path, ring.features());
}

}  // namespace qsplit::layout::verifier
