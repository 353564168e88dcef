#include "dataplane/doorbell.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

bool IsCellWidth(uint32_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8; }

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

bool Swapped(v1::ByteOrder order, uint32_t bytes) {
  return order == v1::BYTE_ORDER_BIG && bytes > 1;
}

}  // namespace

uint64_t LoadCell(const std::byte* cell, uint32_t bytes, bool byte_swap) {
  switch (bytes) {
    case 1:
      return LoadAcquire<uint8_t>(cell);
    case 2: {
      const auto value = LoadAcquire<uint16_t>(cell);
      return byte_swap ? __builtin_bswap16(value) : value;
    }
    case 4: {
      const auto value = LoadAcquire<uint32_t>(cell);
      return byte_swap ? __builtin_bswap32(value) : value;
    }
    default: {
      const auto value = LoadAcquire<uint64_t>(cell);
      return byte_swap ? __builtin_bswap64(value) : value;
    }
  }
}

void StoreCell(std::byte* cell, uint32_t bytes, bool byte_swap, uint64_t value) {
  switch (bytes) {
    case 1:
      StoreRelease<uint8_t>(cell, static_cast<uint8_t>(value));
      break;
    case 2: {
      const auto word = static_cast<uint16_t>(value);
      StoreRelease<uint16_t>(cell, byte_swap ? __builtin_bswap16(word) : word);
      break;
    }
    case 4: {
      const auto word = static_cast<uint32_t>(value);
      StoreRelease<uint32_t>(cell, byte_swap ? __builtin_bswap32(word) : word);
      break;
    }
    default:
      StoreRelease<uint64_t>(cell, byte_swap ? __builtin_bswap64(value) : value);
  }
}

absl::StatusOr<ProducerDoorbells> ProducerDoorbells::Compile(const v1::Ring& ring,
                                                             const RingView& view,
                                                             QueueIndex queue_number) {
  ProducerDoorbells compiled;
  if (ring.producer_doorbells_size() > kMaxDoorbells) {
    return absl::UnimplementedError(absl::StrCat("ring ", ring.name(), ": ",
                                                 ring.producer_doorbells_size(),
                                                 " doorbells; at most ", kMaxDoorbells));
  }
  for (int i = 0; i < ring.producer_doorbells_size(); ++i) {
    const v1::Doorbell& from = ring.producer_doorbells(i);
    const std::string what = absl::StrCat("ring ", ring.name(), ", producer doorbell ", i);
    Bell& bell = compiled.bells_[compiled.count_++];
    bell.barrier = from.barrier();
    bell.bytes = from.bytes();
    bell.byte_swap = Swapped(from.byte_order(), from.bytes());
    switch (from.target()) {
      case v1::DOORBELL_TARGET_REGISTER:
      case v1::DOORBELL_TARGET_MEMORY:
        bell.cell = view.producer_doorbells[static_cast<size_t>(i)];
        if (absl::Status status = CheckCell(bell.cell, bell.bytes, what); !status.ok()) {
          return status;
        }
        break;
      case v1::DOORBELL_TARGET_WAKEUP:
        break;
      default:
        return absl::UnimplementedError(
            absl::StrCat(what, ": doorbells that take a descriptor are not driven by this build"));
    }
    for (const v1::DoorbellTerm& term : from.terms()) {
      switch (term.source()) {
        case v1::DOORBELL_SOURCE_CONSTANT:
          bell.constant += (term.constant() & term.mask()) << (term.shift() & 63);
          break;
        case v1::DOORBELL_SOURCE_QUEUE_NUMBER:
          bell.constant += (uint64_t{queue_number.value} & term.mask()) << (term.shift() & 63);
          break;
        case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
        case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
        case v1::DOORBELL_SOURCE_INCREMENT:
          if (bell.term_count == bell.terms.size()) {
            return absl::UnimplementedError(absl::StrCat(what, ": too many terms"));
          }
          bell.terms[bell.term_count++] = {term.source(), term.mask(), term.shift() & 63};
          break;
        default:
          return absl::UnimplementedError(absl::StrCat(what, ": its value (",
                                                       v1::DoorbellSource_Name(term.source()),
                                                       ") is not driven by this build"));
      }
    }
    if (from.has_suppressed_by_cell()) {
      const uint32_t index = from.suppressed_by_cell();
      if (index >= static_cast<uint32_t>(ring.cells_size()) || index >= kMaxCells) {
        return absl::InvalidArgumentError(absl::StrCat(what, ": no cell ", index));
      }
      const v1::IndexCell& cell = ring.cells(static_cast<int>(index));
      if (cell.meaning() != v1::CELL_MEANING_NEED_WAKEUP &&
          cell.meaning() != v1::CELL_MEANING_NO_NOTIFICATION) {
        return absl::UnimplementedError(
            absl::StrCat(what, ": suppression by an event index is not driven by this build"));
      }
      bell.flag = view.cells[index];
      bell.flag_bytes = cell.bytes();
      bell.flag_swap = Swapped(cell.byte_order(), cell.bytes());
      bell.flag_mask = cell.mask();
      bell.suppress_if = cell.meaning() == v1::CELL_MEANING_NO_NOTIFICATION;
      if (absl::Status status = CheckCell(bell.flag, bell.flag_bytes, what); !status.ok()) {
        return status;
      }
    }
  }
  if (view.need_wakeup != nullptr) {
    if (absl::Status status = CheckCell(view.need_wakeup, 4, "need-wakeup flag"); !status.ok()) {
      return status;
    }
    compiled.need_wakeup_ = view.need_wakeup;
  }
  return compiled;
}

bool ProducerDoorbells::RingOne(const Bell& bell, const ProducerState& state) {
  if (bell.flag != nullptr) {
    // The peer's flag may only be read after the slots are visible to it.
    StoresBeforeLoads();
    const bool set = (LoadCell(bell.flag, bell.flag_bytes, bell.flag_swap) & bell.flag_mask) != 0;
    if (set == bell.suppress_if) return false;
  }
  if (bell.cell == nullptr) return true;
  uint64_t value = bell.constant;
  for (uint32_t i = 0; i < bell.term_count; ++i) {
    const Term& term = bell.terms[i];
    const uint64_t source = term.source == v1::DOORBELL_SOURCE_PRODUCER_INDEX   ? state.index
                            : term.source == v1::DOORBELL_SOURCE_PRODUCER_COUNT ? state.count
                                                                                : state.added;
    value += (source & term.mask) << term.shift;
  }
  switch (bell.barrier) {
    case v1::BARRIER_MEMORY_BEFORE_DEVICE:
      DescriptorsBeforeRegister();
      break;
    case v1::BARRIER_MEMORY_BEFORE_MEMORY:
      DescriptorsBeforeMemoryDoorbell();
      break;
    case v1::BARRIER_FULL:
      StoresBeforeLoads();
      break;
    default:
      break;
  }
  // Release: pairs with the acquire in ProducerReader::Read, where the device is a thread.
  StoreCell(bell.cell, bell.bytes, bell.byte_swap, value);
  return false;
}

absl::StatusOr<ProducerReader> ProducerReader::Compile(const v1::Ring& ring, const RingView& view) {
  ProducerReader reader;
  reader.slot_count_ = view.slot_count;
  for (int i = 0; i < std::min(ring.producer_doorbells_size(), kMaxDoorbells); ++i) {
    const v1::Doorbell& bell = ring.producer_doorbells(i);
    if (bell.target() != v1::DOORBELL_TARGET_REGISTER &&
        bell.target() != v1::DOORBELL_TARGET_MEMORY) {
      continue;
    }
    for (const v1::DoorbellTerm& term : bell.terms()) {
      const bool is_count = term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT;
      if (!is_count && term.source() != v1::DOORBELL_SOURCE_PRODUCER_INDEX) continue;
      // The mask must hold every value that differs: slot_count of them for an index, and one more
      // for a count, of low bits only.
      const uint32_t width = 8 * bell.bytes();
      if (term.shift() >= width) continue;
      const uint64_t mask = term.mask() & (~uint64_t{0} >> (64 - width) >> term.shift());
      const bool low_bits = (mask & (mask + 1)) == 0;
      if (!low_bits || mask < uint64_t{view.slot_count} - (is_count ? 0 : 1)) continue;
      reader.cell_ = view.producer_doorbells[static_cast<size_t>(i)];
      reader.bytes_ = bell.bytes();
      reader.byte_swap_ = Swapped(bell.byte_order(), bell.bytes());
      reader.is_count_ = is_count;
      reader.mask_ = mask;
      reader.shift_ = term.shift();
      if (absl::Status status = CheckCell(reader.cell_, reader.bytes_,
                                          absl::StrCat("ring ", ring.name(), ", doorbell ", i));
          !status.ok()) {
        return status;
      }
      if (view.need_wakeup != nullptr) {
        if (absl::Status status = CheckCell(view.need_wakeup, 4, "need-wakeup flag");
            !status.ok()) {
          return status;
        }
        reader.need_wakeup_ = view.need_wakeup;
      }
      return reader;
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("ring ", ring.name(), ": no doorbell tells an index or a count that fits ",
                   view.slot_count, " slots; a device of software cannot follow it"));
}

bool ProducerReader::Read(uint32_t next_index, uint32_t next_count, uint32_t* available) const {
  const uint64_t value = (LoadCell(cell_, bytes_, byte_swap_) >> shift_) & mask_;
  if (is_count_) {
    const uint64_t ahead = (value - next_count) & mask_ & UINT32_MAX;
    *available = static_cast<uint32_t>(ahead);
    return ahead <= slot_count_;
  }
  if (value >= slot_count_) {
    *available = 0;
    return false;
  }
  const auto index = static_cast<uint32_t>(value);
  *available = index >= next_index ? index - next_index : index + slot_count_ - next_index;
  return true;
}

void ProducerReader::SetNeedWakeup(bool need) const {
  if (need_wakeup_ == nullptr) return;
  StoreRelaxed<uint32_t>(need_wakeup_, need ? 1 : 0);
  // Pairs with the fence in ProducerDoorbells::Ring.
  StoresBeforeLoads();
}

}  // namespace qsplit::dataplane
