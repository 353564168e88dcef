#include "dataplane/doorbell.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/field_access.h"

namespace qsplit::dataplane {

absl::Status Doorbells::CompileTerms(const RingShape& shape, const v1::Doorbell& from,
                                     bool producer, const std::string& what, Bell* bell) {
  for (const v1::DoorbellTerm& term : from.terms()) {
    Source source;
    switch (term.source()) {
      case v1::DOORBELL_SOURCE_CONSTANT:
        bell->constant += (term.constant() & term.mask()) << (term.shift() & 63);
        continue;
      case v1::DOORBELL_SOURCE_QUEUE_NUMBER:
        bell->constant += (uint64_t{shape.queue_number.value} & term.mask()) << (term.shift() & 63);
        continue;
      case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
      case v1::DOORBELL_SOURCE_CONSUMER_INDEX:
        source = Source::kIndex;
        break;
      case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
      case v1::DOORBELL_SOURCE_CONSUMER_COUNT:
        source = Source::kCount;
        break;
      case v1::DOORBELL_SOURCE_INCREMENT:
        source = Source::kAdded;
        break;
      case v1::DOORBELL_SOURCE_ADDRESS:
        source = Source::kAddress;
        break;
      case v1::DOORBELL_SOURCE_PHASE:
        source = Source::kPhase;
        break;
      default:
        return absl::UnimplementedError(absl::StrCat(what, ": its value (",
                                                     v1::DoorbellSource_Name(term.source()),
                                                     ") is not driven by this build"));
    }
    const bool of_producer = term.source() == v1::DOORBELL_SOURCE_PRODUCER_INDEX ||
                             term.source() == v1::DOORBELL_SOURCE_PRODUCER_COUNT;
    const bool of_consumer = term.source() == v1::DOORBELL_SOURCE_CONSUMER_INDEX ||
                             term.source() == v1::DOORBELL_SOURCE_CONSUMER_COUNT;
    if (producer ? of_consumer : of_producer) {
      return absl::UnimplementedError(
          absl::StrCat(what, ": says how far the other side of the ring is"));
    }
    if (bell->term_count == bell->terms.size()) {
      return absl::UnimplementedError(absl::StrCat(what, ": too many terms"));
    }
    bell->terms[bell->term_count++] = {source, term.mask(), term.shift() & 63};
    if (source == Source::kAdded && shape.view.counts_for_increments) {
      bell->terms[0] = {Source::kCount, UINT32_MAX, 0};
      bell->term_count = 1;
      bell->constant = 0;
      bell->bytes = 4;
      bell->byte_swap = false;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status Doorbells::CompileSuppression(const RingShape& shape, const v1::Doorbell& from,
                                           const std::string& what, Bell* bell) {
  if (!from.has_suppressed_by_cell()) return absl::OkStatus();
  const uint32_t index = from.suppressed_by_cell();
  if (index >= static_cast<uint32_t>(shape.ring->cells_size()) || index >= kMaxCells) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": no cell ", index));
  }
  if (!shape.HasCell(index)) return absl::OkStatus();  // of a feature that was not chosen
  switch (shape.ring->cells(static_cast<int>(index)).meaning()) {
    case v1::CELL_MEANING_NEED_WAKEUP:
      bell->suppression = Bell::Suppression::kUnlessSet;
      break;
    case v1::CELL_MEANING_NO_NOTIFICATION:
      bell->suppression = Bell::Suppression::kIfSet;
      break;
    case v1::CELL_MEANING_EVENT_INDEX:
      bell->suppression = Bell::Suppression::kEventIndex;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": its cell does not say whether to ring"));
  }
  absl::StatusOr<CellAccess> flag = CellAccess::Compile(shape, index);
  if (!flag.ok()) return flag.status();
  bell->flag = *flag;
  return absl::OkStatus();
}

absl::StatusOr<Doorbells> Doorbells::Compile(
    const RingShape& shape, const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
    const std::array<std::byte*, kMaxDoorbells>& cells, bool producer) {
  Doorbells compiled;
  compiled.slots_iova_ = shape.view.slots_iova.value;
  compiled.slot_bytes_ = shape.ring->slot_bytes();
  if (doorbells.size() > kMaxDoorbells) {
    return absl::UnimplementedError(
        absl::StrCat(shape.Where(), ": ", doorbells.size(), " doorbells; at most ", kMaxDoorbells));
  }
  for (int i = 0; i < doorbells.size(); ++i) {
    const v1::Doorbell& from = doorbells.Get(i);
    const std::string what =
        absl::StrCat(shape.Where(), producer ? ", producer" : ", consumer", " doorbell ", i);
    if (!layout::Applies(from.features(), shape.choices)) continue;
    Bell& bell = compiled.bells_[compiled.count_++];
    bell.barrier = from.barrier();
    bell.bytes = from.bytes();
    bell.byte_swap = CellSwapped(from.byte_order(), from.bytes());
    if (absl::Status status = CompileTerms(shape, from, producer, what, &bell); !status.ok()) {
      return status;
    }
    if (absl::Status status = CompileSuppression(shape, from, what, &bell); !status.ok()) {
      return status;
    }
    std::byte* cell = cells[static_cast<size_t>(i)];
    switch (from.target()) {
      case v1::DOORBELL_TARGET_REGISTER:
      case v1::DOORBELL_TARGET_MEMORY:
        if (absl::Status status = CheckCell(cell, bell.bytes, what); !status.ok()) return status;
        bell.cell = cell;
        break;
      case v1::DOORBELL_TARGET_WAKEUP:
        break;
      case v1::DOORBELL_TARGET_DESCRIPTOR:
        if (!producer || bell.bytes == 0 || bell.bytes > kMaxDescriptorBytes ||
            (bell.bytes % 8 != 0 && bell.bytes != 4)) {
          return absl::UnimplementedError(
              absl::StrCat(what, ": a copy of ", bell.bytes, " bytes is not driven by this build"));
        }
        if (absl::Status status = CheckCell(cell, std::min(bell.bytes, 8u), what); !status.ok()) {
          return status;
        }
        bell.cell = cell;
        bell.copies_descriptor = true;
        compiled.descriptor_bytes_ = std::max(compiled.descriptor_bytes_, bell.bytes);
        break;
      default:
        return absl::InvalidArgumentError(absl::StrCat(what, ": no target"));
    }
    bell.kind = KindOf(bell);
    bell.of_count = bell.terms[0].source == Source::kCount;
    bell.mask = bell.terms[0].mask;
    bell.shift = bell.terms[0].shift;
  }
  if (shape.view.need_wakeup != nullptr) {
    if (absl::Status status = CheckCell(shape.view.need_wakeup, 4, "need-wakeup flag");
        !status.ok()) {
      return status;
    }
    compiled.need_wakeup_ = shape.view.need_wakeup;
  }
  return compiled;
}

absl::StatusOr<Doorbells> Doorbells::OfProducer(const RingShape& shape) {
  return Compile(shape, shape.ring->producer_doorbells(), shape.view.producer_doorbells, true);
}

absl::StatusOr<Doorbells> Doorbells::OfConsumer(const RingShape& shape) {
  return Compile(shape, shape.ring->consumer_doorbells(), shape.view.consumer_doorbells, false);
}

Doorbells::Bell::Kind Doorbells::KindOf(const Bell& bell) {
  if (bell.cell == nullptr) return Bell::Kind::kWakeup;
  if (bell.copies_descriptor) return bell.bytes == 8 ? Bell::Kind::kWord : Bell::Kind::kAny;
  if (bell.term_count == 0) return Bell::Kind::kConstant;
  const Source source = bell.terms[0].source;
  return bell.term_count == 1 && (source == Source::kIndex || source == Source::kCount)
             ? Bell::Kind::kPosition
             : Bell::Kind::kAny;
}

void Doorbells::RingOne(const Bell& bell, DoorbellState state) const {
  Order(bell.barrier);
  if (bell.copies_descriptor) [[unlikely]] {
    if (bell.bytes == 4) {
      uint32_t word;
      std::memcpy(&word, state.descriptor, sizeof word);
      StoreRelease<uint32_t>(bell.cell, word);
    }
    for (uint32_t at = 0; at + 8 <= bell.bytes; at += 8) {
      uint64_t word;
      std::memcpy(&word, state.descriptor + at, sizeof word);
      StoreRelease<uint64_t>(bell.cell + at, word);
    }
    return;
  }
  uint64_t value = bell.constant;
  for (uint32_t i = 0; i < bell.term_count; ++i) {
    const Term& term = bell.terms[i];
    uint64_t source = state.index;
    switch (term.source) {
      case Source::kIndex:
        break;
      case Source::kCount:
        source = state.count;
        break;
      case Source::kAdded:
        source = state.added;
        break;
      case Source::kAddress:
        source = slots_iova_ + uint64_t{state.index} * slot_bytes_;
        break;
      case Source::kPhase:
        source = state.phase;
        break;
    }
    value += (source & term.mask) << term.shift;
  }
  StoreCell(bell.cell, bell.bytes, bell.byte_swap, value);
}

}  // namespace qsplit::dataplane
