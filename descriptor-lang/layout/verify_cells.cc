// Index cells and doorbells: what stands beside a ring.
#include <bit>

#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_rings.h"

namespace qsplit::layout::verifier {
namespace {

bool IsStoreWidth(uint32_t bytes) { return bytes >= 1 && bytes <= 8 && std::has_single_bit(bytes); }

bool IsByteOrder(v1::ByteOrder order) {
  return order == v1::BYTE_ORDER_LITTLE || order == v1::BYTE_ORDER_BIG;
}

absl::Status CheckShape(const v1::IndexCell& cell, const std::string& path) {
  if (!IsStoreWidth(cell.bytes())) {
    return Refuse(path, "width of ", cell.bytes(), " bytes; it must be 1, 2, 4 or 8");
  }
  if (!IsByteOrder(cell.byte_order())) {
    return Refuse(path, "byte order ", static_cast<int>(cell.byte_order()),
                  " is neither little nor big");
  }
  if (cell.bytes() == 1 && cell.byte_order() != v1::BYTE_ORDER_LITTLE) {
    return Refuse(path, "the byte order of a single byte is written as little");
  }
  if (cell.meaning() == v1::CELL_MEANING_UNSPECIFIED || !v1::CellMeaning_IsValid(cell.meaning())) {
    return Refuse(path, "meaning ", static_cast<int>(cell.meaning()), " is none");
  }
  if (cell.mask() == 0 || cell.mask() > LowBits(8 * cell.bytes())) {
    return Refuse(path, "mask ", Cat("0x", absl::Hex(cell.mask())), " has no bit in ", cell.bytes(),
                  " bytes, or one outside");
  }
  const uint64_t value = cell.mask() >> std::countr_zero(cell.mask());
  if ((value & (value + 1)) != 0) {
    return Refuse(path, "mask ", Cat("0x", absl::Hex(cell.mask())), " has a gap");
  }
  return absl::OkStatus();
}

absl::Status CheckPlace(const RingScope& scope, const v1::IndexCell& cell,
                        const std::string& path) {
  const int64_t offset = cell.offset_bytes();
  if (cell.is_register() && (cell.has_offset_bytes() || cell.behind_slots())) {
    return Refuse(path, "a register has no place beside the ring");
  }
  if (cell.behind_slots() && !cell.has_offset_bytes()) {
    return Refuse(path, "stands behind the slots, but has no offset");
  }
  if (!cell.has_offset_bytes()) return absl::OkStatus();
  if (offset < -int64_t{kMaxCellOffsetBytes} || offset > int64_t{kMaxCellOffsetBytes}) {
    return Refuse(path, "offset ", offset, " is farther than ", kMaxCellOffsetBytes,
                  " bytes from the ring");
  }
  if (cell.behind_slots() && offset < 0) {
    return Refuse(path, "offset ", offset, " behind the last slot is negative");
  }
  if (!cell.behind_slots() && offset + cell.bytes() > 0) {
    return Refuse(path, "offset ", offset, " is inside the slots");
  }
  // One load or store, whatever the number of slots.
  const bool aligned = offset % cell.bytes() == 0 &&
                       scope.ring.alignment_bytes() % cell.bytes() == 0 &&
                       (!cell.behind_slots() || scope.ring.slot_bytes() % cell.bytes() == 0);
  if (!aligned) {
    return Refuse(path, cell.bytes(), " bytes at offset ", offset,
                  " are not aligned; the ring itself is to ", scope.ring.alignment_bytes());
  }
  return absl::OkStatus();
}

// Who writes it follows from what it means, except for what each side may say to the other.
absl::Status CheckWriter(const RingScope& scope, const v1::IndexCell& cell,
                         const std::string& path) {
  bool device = cell.device_writes();
  switch (cell.meaning()) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
    case v1::CELL_MEANING_PRODUCER_COUNT:
      device = !scope.driver_produces();
      break;
    case v1::CELL_MEANING_CONSUMER_INDEX:
    case v1::CELL_MEANING_CONSUMER_COUNT:
      device = scope.driver_produces();
      break;
    case v1::CELL_MEANING_PENDING_COUNT:
    case v1::CELL_MEANING_NEED_WAKEUP:
      device = true;
      break;
    default:
      break;
  }
  if (device == cell.device_writes()) return absl::OkStatus();
  return Refuse(path, "what it holds is written by the ", device ? "device" : "driver");
}

absl::Status CheckValues(const RingScope& scope, const v1::IndexCell& cell,
                         const std::string& path) {
  const uint64_t value = cell.mask() >> std::countr_zero(cell.mask());
  const bool is_index = cell.meaning() == v1::CELL_MEANING_PRODUCER_INDEX ||
                        cell.meaning() == v1::CELL_MEANING_CONSUMER_INDEX;
  if (cell.index_plus() != 0 && !is_index) {
    return Refuse(path, "adds ", cell.index_plus(), " to what is no index");
  }
  if (cell.index_plus() < -static_cast<int32_t>(kMaxIndexPlus) ||
      cell.index_plus() > static_cast<int32_t>(kMaxIndexPlus)) {
    return Refuse(path, "adds ", cell.index_plus(), ", which is not in -1..1");
  }
  if (cell.index_plus() != 0 && cell.is_register()) {
    return Refuse(path, "a register has no value before the device runs");
  }
  switch (cell.meaning()) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
    case v1::CELL_MEANING_CONSUMER_INDEX:
      return CheckReach(scope, path, value, false);
    case v1::CELL_MEANING_PRODUCER_COUNT:
    case v1::CELL_MEANING_CONSUMER_COUNT:
    case v1::CELL_MEANING_PENDING_COUNT:
    case v1::CELL_MEANING_EVENT_INDEX:
      return CheckReach(scope, path, value, true);
    default:
      return absl::OkStatus();
  }
}

absl::Status CheckPair(const RingScope& scope, const v1::IndexCell& a, const v1::IndexCell& b,
                       const std::string& path) {
  if (Exclude(a.features(), b.features(), scope.context.budget)) return absl::OkStatus();
  if (a.meaning() == b.meaning() && a.device_writes() == b.device_writes()) {
    return Refuse(path, "cell ", a.name(), " says the same");
  }
  if (a.has_offset_bytes() && b.has_offset_bytes() && a.behind_slots() == b.behind_slots() &&
      a.offset_bytes() < b.offset_bytes() + b.bytes() &&
      b.offset_bytes() < a.offset_bytes() + a.bytes()) {
    return Refuse(path, "shares bytes with the cell ", a.name());
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

// A term that says how far the driver is can be read back out of the store.
absl::Status CheckTelling(const RingScope& scope, const v1::Doorbell& doorbell, int index,
                          const std::string& path) {
  const v1::DoorbellTerm& term = doorbell.terms(index);
  const bool by_index = term.source() == v1::DOORBELL_SOURCE_PRODUCER_INDEX ||
                        term.source() == v1::DOORBELL_SOURCE_CONSUMER_INDEX;
  const bool by_count = term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT ||
                        term.source() == v1::DOORBELL_SOURCE_CONSUMER_COUNT;
  if (!by_index && !by_count && term.source() != v1::DOORBELL_SOURCE_INCREMENT) {
    return absl::OkStatus();
  }
  if ((term.mask() & (term.mask() + 1)) != 0) {
    return Refuse(path, "mask ", Cat("0x", absl::Hex(term.mask())),
                  " does not begin at the lowest bit, or has a gap");
  }
  if (by_index || by_count) {
    QSPLIT_RETURN_IF_ERROR(CheckReach(scope, path, term.mask(), by_count));
  }
  for (int i = 0; i < doorbell.terms_size(); ++i) {
    const v1::DoorbellTerm& other = doorbell.terms(i);
    const uint64_t bits = other.source() == v1::DOORBELL_SOURCE_CONSTANT
                              ? other.constant() & other.mask()
                              : other.mask();
    if (i != index && (bits << other.shift() & term.mask() << term.shift()) != 0) {
      return Refuse(path, "shares bits with terms[", i, "]; give both a mask");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSource(const RingScope& scope, const v1::DoorbellTerm& term,
                         const std::string& path) {
  if (term.source() == v1::DOORBELL_SOURCE_PHASE && !scope.ring.has_phase()) {
    return Refuse(path, "the phase, but the ring has none");
  }
  const bool produced = term.source() == v1::DOORBELL_SOURCE_PRODUCER_INDEX ||
                        term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT;
  if (produced && !scope.driver_produces()) {
    return Refuse(path, "how far the driver has posted, but it posts nothing in the ring");
  }
  return absl::OkStatus();
}

absl::Status CheckSuppression(const RingScope& scope, const v1::Doorbell& doorbell,
                              const std::string& path) {
  if (!doorbell.has_suppressed_by_cell()) return absl::OkStatus();
  const uint32_t index = doorbell.suppressed_by_cell();
  if (index >= static_cast<uint32_t>(scope.ring.cells_size())) {
    return Refuse(path, "suppressed by cell ", index, " of ", scope.ring.cells_size());
  }
  const v1::IndexCell& cell = scope.ring.cells(static_cast<int>(index));
  if (cell.meaning() != v1::CELL_MEANING_NEED_WAKEUP &&
      cell.meaning() != v1::CELL_MEANING_EVENT_INDEX &&
      cell.meaning() != v1::CELL_MEANING_NO_NOTIFICATION) {
    return Refuse(path, "cell ", cell.name(), " says nothing about notifications");
  }
  if (!cell.device_writes()) {
    return Refuse(path, "cell ", cell.name(), " is written by the driver; the device must say it");
  }
  return absl::OkStatus();
}

absl::Status CheckDoorbell(const RingScope& scope, const v1::Doorbell& doorbell,
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
      if (!scope.driver_produces()) return Refuse(path, "a copy, but the driver posts nothing");
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
    const std::string here = Cat(path, ".terms[", i, "]");
    QSPLIT_RETURN_IF_ERROR(CheckTerm(doorbell.terms(i), doorbell.bytes(), here));
    QSPLIT_RETURN_IF_ERROR(CheckSource(scope, doorbell.terms(i), here));
  }
  if (doorbell.barrier() == v1::BARRIER_UNSPECIFIED || !v1::Barrier_IsValid(doorbell.barrier())) {
    return Refuse(path, "barrier ", static_cast<int>(doorbell.barrier()), " is none");
  }
  for (int i = 0; i < doorbell.terms_size(); ++i) {
    QSPLIT_RETURN_IF_ERROR(CheckTelling(scope, doorbell, i, Cat(path, ".terms[", i, "]")));
  }
  return CheckSuppression(scope, doorbell, path);
}

absl::Status CheckDoorbellList(const RingScope& scope,
                               const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
                               const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "doorbells", doorbells.size(), kMaxDoorbells));
  for (int i = 0; i < doorbells.size(); ++i) {
    const std::string here = Cat(path, "[", i, "]");
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckFeatures(here, doorbells[i].features()));
    QSPLIT_RETURN_IF_ERROR(CheckDoorbell(scope, doorbells[i], here));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckReach(const RingScope& scope, std::string_view path, uint64_t mask, bool count) {
  const uint32_t most = scope.ring.slots().max() - (count ? scope.ring.reserved_slots() : 1);
  if (most <= mask) return absl::OkStatus();
  return Refuse(path, "values up to ", mask, " do not reach over ", scope.ring.slots().max(),
                " slots");
}

absl::Status CheckCells(const RingScope& scope) {
  const v1::Ring& ring = scope.ring;
  QSPLIT_RETURN_IF_ERROR(CheckCount(scope.path, "cells", ring.cells_size(), kMaxCells));
  if (scope.is_table() && !ring.cells().empty()) {
    return Refuse(Cat(scope.path, ".cells[0]"), "a table has no order that cells could tell");
  }
  NameSet names;
  for (int i = 0; i < ring.cells_size(); ++i) {
    const v1::IndexCell& cell = ring.cells(i);
    QSPLIT_RETURN_IF_ERROR(names.Add(Cat(scope.path, ".cells[", i, "]"), cell.name()));
    const std::string here = Cat(scope.path, ".cells[", i, "] ", cell.name());
    QSPLIT_RETURN_IF_ERROR(scope.context.CheckFeatures(here, cell.features()));
    QSPLIT_RETURN_IF_ERROR(CheckShape(cell, here));
    QSPLIT_RETURN_IF_ERROR(CheckPlace(scope, cell, here));
    QSPLIT_RETURN_IF_ERROR(CheckWriter(scope, cell, here));
    QSPLIT_RETURN_IF_ERROR(CheckValues(scope, cell, here));
    for (int k = 0; k < i; ++k) {
      QSPLIT_RETURN_IF_ERROR(CheckPair(scope, ring.cells(k), cell, here));
    }
  }
  return scope.context.CheckBudget(scope.path);
}

absl::Status CheckDoorbells(const RingScope& scope) {
  const v1::Ring& ring = scope.ring;
  if (!ring.producer_doorbells().empty() && (!scope.driver_produces() || scope.is_table())) {
    return Refuse(Cat(scope.path, ".producer_doorbells"),
                  scope.is_table() ? "a table has no order that a doorbell could tell"
                                   : "the driver posts nothing in the ring");
  }
  QSPLIT_RETURN_IF_ERROR(
      CheckDoorbellList(scope, ring.producer_doorbells(), Cat(scope.path, ".producer_doorbells")));
  return CheckDoorbellList(scope, ring.consumer_doorbells(),
                           Cat(scope.path, ".consumer_doorbells"));
}

}  // namespace qsplit::layout::verifier
