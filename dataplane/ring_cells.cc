#include "dataplane/ring_cells.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

bool IsCellWidth(uint32_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8; }

uint64_t AllOnes(uint32_t bytes) { return ~uint64_t{0} >> (64 - 8 * bytes); }

}  // namespace

absl::Status CheckCell(const std::byte* cell, uint32_t bytes, const std::string& what) {
  if (!IsCellWidth(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": width ", bytes, " is not 1, 2, 4 or 8"));
  }
  if (cell == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the ring view has no pointer to it"));
  }
  if (reinterpret_cast<uintptr_t>(cell) % bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": not aligned to its width of ", bytes, " bytes"));
  }
  return absl::OkStatus();
}

void StartCells(const v1::Ring& ring, const RingView& view) {
  for (int i = 0; i < std::min(ring.cells_size(), kMaxCells); ++i) {
    const v1::IndexCell& cell = ring.cells(i);
    if (cell.index_plus() == 0 || view.slot_count == 0 || cell.mask() == 0) continue;
    const uint64_t index = IndexPlus(0, cell.index_plus(), view.slot_count);
    StoreCell(view.cells[static_cast<size_t>(i)], cell.bytes(),
              CellSwapped(cell.byte_order(), cell.bytes()),
              index << std::countr_zero(cell.mask()) & cell.mask());
  }
}

absl::StatusOr<CellAccess> CellAccess::Compile(const RingShape& shape, uint32_t cell) {
  if (!shape.HasCell(cell)) {
    return absl::InvalidArgumentError(absl::StrCat(shape.Where(), ": no cell ", cell));
  }
  const v1::IndexCell& from = shape.ring->cells(static_cast<int>(cell));
  const std::string what = absl::StrCat(shape.Where(), ", cell ", from.name());
  CellAccess access;
  access.cell_ = shape.view.cells[cell];
  access.bytes_ = from.bytes();
  access.swap_ = CellSwapped(from.byte_order(), from.bytes());
  if (absl::Status status = CheckCell(access.cell_, access.bytes_, what); !status.ok()) {
    return status;
  }
  const uint64_t mask = from.mask() & AllOnes(from.bytes());
  if (mask == 0) return absl::InvalidArgumentError(absl::StrCat(what, ": no bits"));
  access.shift_ = static_cast<uint32_t>(std::countr_zero(mask));
  access.max_ = mask >> access.shift_;
  access.keep_ = from.is_register() ? 0 : ~mask & AllOnes(from.bytes());
  return access;
}

bool ProgressReader::UseMask(uint32_t slot_count) {
  const bool low_bits = (mask_ & (mask_ + 1)) == 0;
  if (!low_bits || mask_ < uint64_t{slot_count} - 1) return false;
  full_looks_empty_ = kind_ == Kind::kIndex || kind_ == Kind::kAddress ||
                      (kind_ == Kind::kCount && mask_ < slot_count);
  // A count of too few bits for a full ring must wrap with it.
  return kind_ != Kind::kCount || mask_ >= slot_count || std::has_single_bit(slot_count);
}

absl::StatusOr<ProgressReader> ProgressReader::OfCell(const RingShape& shape, uint32_t cell) {
  absl::StatusOr<CellAccess> access = CellAccess::Compile(shape, cell);
  if (!access.ok()) return access.status();
  const v1::IndexCell& from = shape.ring->cells(static_cast<int>(cell));
  const std::string what = absl::StrCat(shape.Where(), ", cell ", from.name());
  ProgressReader reader;
  reader.cell_ = shape.view.cells[cell];
  reader.bytes_ = from.bytes();
  reader.swap_ = CellSwapped(from.byte_order(), from.bytes());
  const uint64_t mask = from.mask() & AllOnes(from.bytes());
  reader.shift_ = static_cast<uint32_t>(std::countr_zero(mask));
  reader.mask_ = mask >> reader.shift_;
  switch (from.meaning()) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
    case v1::CELL_MEANING_CONSUMER_INDEX:
      reader.kind_ = Kind::kIndex;
      reader.index_plus_ = from.index_plus();
      break;
    case v1::CELL_MEANING_PRODUCER_COUNT:
    case v1::CELL_MEANING_CONSUMER_COUNT:
      reader.kind_ = Kind::kCount;
      break;
    case v1::CELL_MEANING_PENDING_COUNT:
      reader.kind_ = Kind::kPending;
      if (shape.view.counts_for_increments) {
        reader.kind_ = Kind::kCount;
        reader.bytes_ = 4;
        reader.swap_ = false;
        reader.shift_ = 0;
        reader.mask_ = UINT32_MAX;
        if (absl::Status status = CheckCell(reader.cell_, 4, what); !status.ok()) return status;
      }
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(what, ": tells no position"));
  }
  if (!reader.UseMask(shape.slot_count)) {
    return absl::UnimplementedError(
        absl::StrCat(what, ": too few bits for ", shape.slot_count, " slots"));
  }
  return reader;
}

absl::StatusOr<ProgressReader> ProgressReader::OfDoorbells(
    const RingShape& shape, const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
    const std::array<std::byte*, kMaxDoorbells>& cells, bool producer) {
  for (int i = 0; i < std::min(doorbells.size(), kMaxDoorbells); ++i) {
    const v1::Doorbell& bell = doorbells.Get(i);
    if (!layout::Applies(bell.features(), shape.choices)) continue;
    if ((bell.target() != v1::DOORBELL_TARGET_REGISTER &&
         bell.target() != v1::DOORBELL_TARGET_MEMORY) ||
        !IsCellWidth(bell.bytes())) {
      continue;
    }
    for (const v1::DoorbellTerm& term : bell.terms()) {
      const uint32_t width = 8 * bell.bytes();
      if (term.shift() >= width) continue;
      ProgressReader reader;
      reader.bytes_ = bell.bytes();
      reader.swap_ = CellSwapped(bell.byte_order(), bell.bytes());
      reader.shift_ = term.shift();
      reader.mask_ = term.mask() & (AllOnes(bell.bytes()) >> term.shift());
      reader.slot_bytes_ = shape.ring->slot_bytes();
      switch (term.source()) {
        case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
        case v1::DOORBELL_SOURCE_CONSUMER_INDEX:
          reader.kind_ = Kind::kIndex;
          break;
        case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
        case v1::DOORBELL_SOURCE_CONSUMER_COUNT:
          reader.kind_ = Kind::kCount;
          break;
        case v1::DOORBELL_SOURCE_ADDRESS: {
          // Low bits that are 0 in all slots' addresses may be left out.
          const uint64_t left_out = ~reader.mask_ & AllOnes(bell.bytes());
          const uint64_t base = shape.view.slots_iova.value;
          if (term.shift() != 0 || (left_out & (left_out + 1)) != 0 || (base & left_out) != 0 ||
              (shape.ring->slot_bytes() & left_out) != 0) {
            continue;
          }
          reader.kind_ = Kind::kAddress;
          reader.base_ = base & reader.mask_;
          break;
        }
        case v1::DOORBELL_SOURCE_INCREMENT:
          if (!shape.view.counts_for_increments) continue;
          reader.kind_ = Kind::kCount;
          reader.bytes_ = 4;
          reader.swap_ = false;
          reader.shift_ = 0;
          reader.mask_ = UINT32_MAX;
          break;
        default:
          continue;
      }
      if (reader.kind_ != Kind::kAddress && !reader.UseMask(shape.slot_count)) continue;
      if (reader.kind_ == Kind::kAddress) reader.full_looks_empty_ = true;
      reader.cell_ = cells[static_cast<size_t>(i)];
      if (absl::Status status = CheckCell(
              reader.cell_, reader.bytes_,
              absl::StrCat(shape.Where(), producer ? ", producer" : ", consumer", " doorbell ", i));
          !status.ok()) {
        return status;
      }
      return reader;
    }
  }
  return absl::UnimplementedError(
      absl::StrCat(shape.Where(), ": no ", producer ? "producer" : "consumer",
                   " doorbell tells an index, a count or an address that fits ", shape.slot_count,
                   " slots; a device of software cannot follow it"));
}

absl::StatusOr<ProgressReader> ProgressReader::OfProducerDoorbells(const RingShape& shape) {
  return OfDoorbells(shape, shape.ring->producer_doorbells(), shape.view.producer_doorbells, true);
}

absl::StatusOr<ProgressReader> ProgressReader::OfConsumerDoorbells(const RingShape& shape) {
  return OfDoorbells(shape, shape.ring->consumer_doorbells(), shape.view.consumer_doorbells, false);
}

bool ProgressReader::ReadOther(uint64_t value, const Position& from, uint64_t acknowledged,
                               uint32_t limit, uint32_t* ahead) const {
  uint64_t slots = 0;
  if (kind_ == Kind::kPending) {
    const uint64_t seen = from.count - acknowledged;
    if (value < seen) return false;
    slots = value - seen;
  } else {
    if (value == 0 && base_ != 0 && from.count == 0) {  // never written
      *ahead = 0;
      return true;
    }
    const uint64_t bytes = (value - base_) & mask_;
    const uint64_t index = bytes / slot_bytes_;
    if (bytes % slot_bytes_ != 0 || index >= from.slot_count) return false;
    slots = index >= from.index ? index - from.index : index + from.slot_count - from.index;
  }
  if (slots > limit) return false;
  *ahead = static_cast<uint32_t>(slots);
  return true;
}

absl::StatusOr<ProgressWriter> ProgressWriter::OfCell(const RingShape& shape, uint32_t cell) {
  absl::StatusOr<CellAccess> access = CellAccess::Compile(shape, cell);
  if (!access.ok()) return access.status();
  const v1::IndexCell& from = shape.ring->cells(static_cast<int>(cell));
  const std::string what = absl::StrCat(shape.Where(), ", cell ", from.name());
  ProgressWriter writer;
  writer.cell_ = *access;
  switch (from.meaning()) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
    case v1::CELL_MEANING_CONSUMER_INDEX:
      writer.is_index_ = true;
      writer.index_plus_ = from.index_plus();
      break;
    case v1::CELL_MEANING_PRODUCER_COUNT:
    case v1::CELL_MEANING_CONSUMER_COUNT:
      break;
    case v1::CELL_MEANING_PENDING_COUNT:
      if (!shape.view.counts_for_increments) {
        return absl::UnimplementedError(
            absl::StrCat(what, ": only a device of hardware can count what is pending"));
      }
      if (absl::Status status = CheckCell(shape.view.cells[cell], 4, what); !status.ok()) {
        return status;
      }
      writer.cell_ = CellAccess::Count32(shape.view.cells[cell]);
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(what, ": tells no position"));
  }
  const uint64_t most = writer.cell_.Max();
  if (most < uint64_t{shape.slot_count} - 1 ||
      (!writer.is_index_ && most < shape.slot_count && !std::has_single_bit(shape.slot_count))) {
    return absl::UnimplementedError(
        absl::StrCat(what, ": too few bits for ", shape.slot_count, " slots"));
  }
  writer.full_looks_empty_ = writer.is_index_ || most < shape.slot_count;
  writer.valid_ = true;
  return writer;
}

RingCells RingCells::Of(const RingShape& shape) {
  RingCells cells;
  for (int i = 0; i < shape.ring->cells_size(); ++i) {
    if (!shape.HasCell(static_cast<uint32_t>(i))) continue;
    const v1::IndexCell& cell = shape.ring->cells(i);
    int* slot = nullptr;
    switch (cell.meaning()) {
      case v1::CELL_MEANING_PRODUCER_INDEX:
      case v1::CELL_MEANING_PRODUCER_COUNT:
        slot = &cells.producer;
        break;
      case v1::CELL_MEANING_CONSUMER_INDEX:
      case v1::CELL_MEANING_CONSUMER_COUNT:
        slot = &cells.consumer;
        break;
      case v1::CELL_MEANING_PENDING_COUNT:
        slot = &cells.pending;
        break;
      case v1::CELL_MEANING_NEED_WAKEUP:
        slot = &cells.need_wakeup;
        break;
      case v1::CELL_MEANING_NO_NOTIFICATION:
        slot = &cells.no_notification[cell.device_writes() ? 1 : 0];
        break;
      case v1::CELL_MEANING_EVENT_INDEX:
        slot = &cells.event_index[cell.device_writes() ? 1 : 0];
        break;
      default:
        continue;
    }
    if (*slot == kNone) *slot = i;
  }
  return cells;
}

namespace {

absl::Status CompileCell(const RingShape& shape, int cell, CellAccess* to) {
  if (cell == RingCells::kNone) return absl::OkStatus();
  absl::StatusOr<CellAccess> access = CellAccess::Compile(shape, static_cast<uint32_t>(cell));
  if (access.ok()) *to = *access;
  return access.status();
}

}  // namespace

absl::StatusOr<NotificationSwitch> NotificationSwitch::Compile(const RingShape& shape) {
  NotificationSwitch compiled;
  const RingCells cells = RingCells::Of(shape);
  for (absl::Status status :
       {CompileCell(shape, cells.need_wakeup, &compiled.need_wakeup_),
        CompileCell(shape, cells.no_notification[1], &compiled.no_notification_),
        CompileCell(shape, cells.event_index[1], &compiled.event_index_)}) {
    if (!status.ok()) return status;
  }
  if (shape.view.need_wakeup != nullptr) {
    if (absl::Status status = CheckCell(shape.view.need_wakeup, 4, "need-wakeup flag");
        !status.ok()) {
      return status;
    }
    compiled.own_flag_ = shape.view.need_wakeup;
  }
  return compiled;
}

void NotificationSwitch::Set(bool need, uint64_t count) const {
  if (own_flag_ != nullptr) StoreRelaxed<uint32_t>(own_flag_, need ? 1 : 0);
  if (need_wakeup_.valid()) need_wakeup_.Store(need ? need_wakeup_.Max() : 0);
  if (no_notification_.valid()) no_notification_.Store(need ? 0 : no_notification_.Max());
  // The next slot of all; or the one just fetched, which is a whole turn of the counter away.
  if (event_index_.valid()) event_index_.Store(need ? count : count - 1);
  // Pairs with the fence in Doorbells::Ring.
  StoresBeforeLoads();
}

absl::StatusOr<EventRequest> EventRequest::Compile(const RingShape& shape) {
  EventRequest compiled;
  const RingCells cells = RingCells::Of(shape);
  for (absl::Status status :
       {CompileCell(shape, cells.no_notification[0], &compiled.no_notification_),
        CompileCell(shape, cells.event_index[0], &compiled.event_index_)}) {
    if (!status.ok()) return status;
  }
  return compiled;
}

void EventRequest::Want(bool event, uint64_t count) const {
  if (no_notification_.valid()) no_notification_.Store(event ? 0 : no_notification_.Max());
  if (event_index_.valid()) event_index_.Store(event ? count : count - 1);
  // The device must see it before the last look at the ring.
  StoresBeforeLoads();
}

bool EventRequest::IsDue(uint64_t before, uint64_t now) const {
  if (now == before) return false;
  if (!no_notification_.valid() && !event_index_.valid()) return true;
  StoresBeforeLoads();
  // An event index, where it was chosen, stands in the flag's place.
  if (event_index_.valid()) {
    return dataplane::EventIsDue(event_index_.Load(), now, before, event_index_.Max());
  }
  return no_notification_.Load() == 0;
}

}  // namespace qsplit::dataplane
