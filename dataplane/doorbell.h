// Doorbells compiled from a layout, as the driver rings them; see ring_cells.h for how a device
// made of software reads them.
//
// The cells are shared: the driver's side only writes doorbells and only reads suppression cells,
// which may say anything.
// Never allocates after Compile, never makes a system call (Ring says when the caller must).
// As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_DOORBELL_H_
#define QSPLIT_DATAPLANE_DOORBELL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/statusor.h"
#include "dataplane/barriers.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"
#include "dataplane/ring_view.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// What a doorbell can say about a position in a ring: of the next slot that will be produced, or
// consumed.
struct DoorbellState {
  uint32_t index = 0;
  uint64_t count = 0;  // free-running
  uint32_t added = 0;  // slots since the last doorbell
  uint32_t phase = 0;
  // First bytes of the descriptor that was written last, as many as DescriptorBytes says.
  const std::byte* descriptor = nullptr;

  // last_count: RingCursor::count() at the last doorbell.
  static DoorbellState Of(const RingCursor& at, uint64_t last_count) {
    return {at.index(), at.count(), static_cast<uint32_t>(at.count() - last_count), at.phase()};
  }
};

class Doorbells {
 public:
  // Of Ring.producer_doorbells (consumer_doorbells). UNIMPLEMENTED: more than kMaxDoorbells, terms
  // about the other side. INVALID_ARGUMENT: a cell that the view lacks or that is misaligned.
  static absl::StatusOr<Doorbells> OfProducer(const RingShape& shape);
  static absl::StatusOr<Doorbells> OfConsumer(const RingShape& shape);

  bool empty() const { return count_ == 0 && need_wakeup_ == nullptr; }
  // Bytes of a descriptor that some doorbell takes a copy of; 0: none does.
  uint32_t DescriptorBytes() const { return descriptor_bytes_; }

  // Tells the device; all stores before it are visible to whom sees the doorbell. True: the device
  // sleeps, or has no doorbell but a system call: the caller must wake it.
  [[gnu::always_inline]] bool Ring(const DoorbellState& state) const {
    bool wake = false;
    for (const Bell *bell = bells_.data(), *end = bell + count_; bell != end; ++bell) {
      if (bell->suppression != Bell::Suppression::kNone && !IsDue(*bell, state)) continue;
      if (bell->kind == Bell::Kind::kPosition) {
        const uint64_t source = bell->of_count ? state.count : state.index;
        StoreValue(*bell, bell->constant + ((source & bell->mask) << bell->shift));
      } else if (bell->kind == Bell::Kind::kConstant) {
        StoreValue(*bell, bell->constant);
      } else if (bell->kind == Bell::Kind::kWord && state.descriptor != nullptr) {
        uint64_t word;
        std::memcpy(&word, state.descriptor, sizeof word);
        Order(bell->barrier);
        StoreRelease<uint64_t>(bell->cell, word);
      } else if (bell->kind == Bell::Kind::kWakeup) {
        wake = true;
      } else {
        RingOne(*bell, state);
      }
    }
    if (need_wakeup_ != nullptr) {
      // Either the device sees the doorbell in its last look before sleeping, or this load sees its
      // flag: pairs with the fence in NotificationSwitch::Set.
      StoresBeforeLoads();
      wake = LoadRelaxed<uint32_t>(need_wakeup_) != 0 || wake;
    }
    return wake;
  }

 private:
  enum class Source : uint8_t { kIndex, kCount, kAdded, kAddress, kPhase };
  struct Term {
    Source source = Source::kIndex;
    uint64_t mask = 0;
    uint32_t shift = 0;
  };
  struct Bell {
    // Most say a position, or nothing, or copy a word; or it is a system call.
    enum class Kind : uint8_t { kAny, kPosition, kConstant, kWord, kWakeup };
    Kind kind = Kind::kAny;
    // What allows leaving it out, if anything does.
    enum class Suppression : uint8_t { kNone, kUnlessSet, kIfSet, kEventIndex };
    Suppression suppression = Suppression::kNone;
    bool of_count = false;  // kPosition: not of the index
    bool byte_swap = false;
    bool copies_descriptor = false;
    uint32_t bytes = 0;
    std::byte* cell = nullptr;  // null: a wakeup by system call
    uint64_t constant = 0;      // the sum of all constant terms
    uint64_t mask = 0;          // kPosition: of the only term
    uint32_t shift = 0;
    v1::Barrier barrier = v1::BARRIER_NONE;
    CellAccess flag;
    std::array<Term, 4> terms;
    uint32_t term_count = 0;
  };
  static absl::StatusOr<Doorbells> Compile(
      const RingShape& shape, const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
      const std::array<std::byte*, kMaxDoorbells>& cells, bool producer);
  static absl::Status CompileTerms(const RingShape& shape, const v1::Doorbell& from, bool producer,
                                   const std::string& what, Bell* bell);
  static absl::Status CompileSuppression(const RingShape& shape, const v1::Doorbell& from,
                                         const std::string& what, Bell* bell);
  static Bell::Kind KindOf(const Bell& bell);
  // Of any kind but a wakeup.
  [[gnu::noinline]] void RingOne(const Bell& bell, DoorbellState state) const;
  // Whether the device wants to be told.
  static bool IsDue(const Bell& bell, const DoorbellState& state) {
    // The peer's cell may only be read after the slots are visible to it.
    StoresBeforeLoads();
    const uint64_t flag = bell.flag.Load();
    if (bell.suppression == Bell::Suppression::kEventIndex) [[unlikely]] {
      return EventIsDue(flag, state.count, state.count - state.added, bell.flag.Max());
    }
    return (flag != 0) == (bell.suppression == Bell::Suppression::kUnlessSet);
  }
  static void Order(v1::Barrier barrier) {
    if (barrier == v1::BARRIER_MEMORY_BEFORE_DEVICE) {
      DescriptorsBeforeRegister();
    } else if (barrier == v1::BARRIER_MEMORY_BEFORE_MEMORY) {
      DescriptorsBeforeMemoryDoorbell();
    } else if (barrier == v1::BARRIER_FULL) {
      StoresBeforeLoads();
    }
  }
  static void StoreValue(const Bell& bell, uint64_t value) {
    Order(bell.barrier);
    // Release: pairs with the acquire in ProgressReader::Read, where the device is a thread.
    StoreCell(bell.cell, bell.bytes, bell.byte_swap, value);
  }

  std::array<Bell, kMaxDoorbells> bells_;
  uint32_t count_ = 0;
  uint32_t descriptor_bytes_ = 0;
  uint64_t slots_iova_ = 0;
  uint32_t slot_bytes_ = 0;
  const std::byte* need_wakeup_ = nullptr;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_DOORBELL_H_
