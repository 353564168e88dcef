// Index cells and flags beside a ring, and how far the other side says that it is: in a cell or in
// a doorbell, as an index, a free-running count, a count of what is not yet acknowledged, or an
// address.
//
// Each cell has one writer (IndexCell.device_writes), who alone changes its bits; whatever is read
// may be any value and is checked against what the ring can hold. Loads acquire, stores release.
// Never allocates after Compile. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_RING_CELLS_H_
#define QSPLIT_DATAPLANE_RING_CELLS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/barriers.h"
#include "dataplane/prefetch.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// Loads and stores of cells of 1, 2, 4 or 8 bytes in either byte order.
inline uint64_t LoadCell(const std::byte* cell, uint32_t bytes, bool byte_swap) {  // acquire
  if (bytes == 4) [[likely]] {
    const auto value = LoadAcquire<uint32_t>(cell);
    return byte_swap ? __builtin_bswap32(value) : value;
  }
  if (bytes == 2) {
    const auto value = LoadAcquire<uint16_t>(cell);
    return byte_swap ? __builtin_bswap16(value) : value;
  }
  if (bytes == 1) return LoadAcquire<uint8_t>(cell);
  const auto value = LoadAcquire<uint64_t>(cell);
  return byte_swap ? __builtin_bswap64(value) : value;
}
inline void StoreCell(std::byte* cell, uint32_t bytes, bool byte_swap, uint64_t value) {  // release
  if (bytes == 4) [[likely]] {
    const auto word = static_cast<uint32_t>(value);
    StoreRelease<uint32_t>(cell, byte_swap ? __builtin_bswap32(word) : word);
  } else if (bytes == 2) {
    const auto word = static_cast<uint16_t>(value);
    StoreRelease<uint16_t>(cell, byte_swap ? __builtin_bswap16(word) : word);
  } else if (bytes == 1) {
    StoreRelease<uint8_t>(cell, static_cast<uint8_t>(value));
  } else {
    StoreRelease<uint64_t>(cell, byte_swap ? __builtin_bswap64(value) : value);
  }
}
constexpr bool CellSwapped(v1::ByteOrder order, uint32_t bytes) {
  return order == v1::BYTE_ORDER_BIG && bytes > 1;
}
// INVALID_ARGUMENT: a width that no cell has, null, or not aligned to its width.
absl::Status CheckCell(const std::byte* cell, uint32_t bytes, const std::string& what);

// One cell as the layout has it: value = (cell & mask), shifted down to bit 0.
class CellAccess {
 public:
  // cell: number in Ring.cells.
  static absl::StatusOr<CellAccess> Compile(const RingShape& shape, uint32_t cell);
  // A little-endian u32 at this place.
  static CellAccess Count32(std::byte* cell) {
    CellAccess access;
    access.cell_ = cell;
    access.max_ = UINT32_MAX;
    return access;
  }

  bool valid() const { return cell_ != nullptr; }
  // The largest value.
  uint64_t Max() const { return max_; }
  uint64_t Load() const { return (LoadCell(cell_, bytes_, swap_) >> shift_) & max_; }
  // Bits of the cell's word outside the mask stay as they are; in a register they become 0.
  void Store(uint64_t value) const {
    uint64_t word = (value & max_) << shift_;
    if (keep_ != 0) word |= LoadCell(cell_, bytes_, swap_) & keep_;
    StoreCell(cell_, bytes_, swap_, word);
  }

 private:
  std::byte* cell_ = nullptr;
  uint32_t bytes_ = 4;
  bool swap_ = false;
  uint32_t shift_ = 0;
  uint64_t max_ = 0;
  uint64_t keep_ = 0;
};

// An index plus IndexCell.index_plus (-1, 0 or 1), modulo the number of slots.
constexpr uint32_t IndexPlus(uint32_t index, int32_t plus, uint32_t slot_count) {
  const int64_t sum = int64_t{index} + plus;
  if (sum < 0) return slot_count - 1;
  return sum >= slot_count ? 0 : static_cast<uint32_t>(sum);
}

// Writes what cells with an index_plus hold before anything has happened. For whoever makes the
// queue's memory, before either side is open; all other cells begin as 0.
void StartCells(const v1::Ring& ring, const RingView& view);

// How far the other side says that it is.
class ProgressReader {
 public:
  // By a cell (number in Ring.cells) with a producer's or consumer's index or count, or a pending
  // count; by the first of the ring's producer or consumer doorbells that tells enough.
  // UNIMPLEMENTED: nothing there tells it (an increment, unless RingView::counts_for_increments).
  static absl::StatusOr<ProgressReader> OfCell(const RingShape& shape, uint32_t cell);
  static absl::StatusOr<ProgressReader> OfProducerDoorbells(const RingShape& shape);
  static absl::StatusOr<ProgressReader> OfConsumerDoorbells(const RingShape& shape);

  bool valid() const { return cell_ != nullptr; }
  // Begins to bring the cell near.
  void Prefetch() const { PrefetchToRead(cell_); }
  // True where a full ring looks as an empty one: one slot must stay empty.
  bool FullLooksEmpty() const { return full_looks_empty_; }

  // Reads it once, with acquire: slots of the array (links among them) from the cursor up to where
  // the other side is. acknowledged: for pending counts, the count of slots up to which consumer
  // doorbells have gone out. False: more than `limit`, or a slot that the ring does not have.
  bool Read(const RingCursor& from, uint64_t acknowledged, uint32_t limit, uint32_t* ahead) const {
    return Read({from.index(), from.slot_count(), from.count()}, acknowledged, limit, ahead);
  }
  struct Position {
    uint32_t index = 0;
    uint32_t slot_count = 0;
    uint64_t count = 0;  // free-running
  };
  bool Read(const Position& from, uint64_t acknowledged, uint32_t limit, uint32_t* ahead) const {
    const uint64_t value = (LoadCell(cell_, bytes_, swap_) >> shift_) & mask_;
    uint64_t slots;
    if (kind_ == Kind::kCount) [[likely]] {
      slots = (value - from.count) & mask_;
    } else if (kind_ == Kind::kIndex) {
      if (value >= from.slot_count) return false;
      const uint32_t at = IndexPlus(from.index, index_plus_, from.slot_count);
      slots = value >= at ? value - at : value + from.slot_count - at;
    } else {
      return ReadOther(value, from, acknowledged, limit, ahead);
    }
    if (slots > limit) return false;
    *ahead = static_cast<uint32_t>(slots);
    return true;
  }

 private:
  enum class Kind : uint8_t { kCount, kIndex, kPending, kAddress };
  static absl::StatusOr<ProgressReader> OfDoorbells(
      const RingShape& shape, const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
      const std::array<std::byte*, kMaxDoorbells>& cells, bool producer);
  bool UseMask(uint32_t slot_count);
  bool ReadOther(uint64_t value, const Position& from, uint64_t acknowledged, uint32_t limit,
                 uint32_t* ahead) const;

  const std::byte* cell_ = nullptr;
  uint32_t bytes_ = 4;
  bool swap_ = false;
  Kind kind_ = Kind::kCount;
  bool full_looks_empty_ = false;
  int32_t index_plus_ = 0;
  uint32_t shift_ = 0;
  uint64_t mask_ = 0;
  uint64_t base_ = 0;  // of addresses
  uint32_t slot_bytes_ = 1;
};

// Says how far one's own side is, in a cell.
class ProgressWriter {
 public:
  // UNIMPLEMENTED: a pending count without RingView::counts_for_increments (only a device of
  // hardware can keep one).
  static absl::StatusOr<ProgressWriter> OfCell(const RingShape& shape, uint32_t cell);

  bool valid() const { return valid_; }
  bool FullLooksEmpty() const { return full_looks_empty_; }
  // The next slot to be filled (finished); all that was written before is visible to whom sees it.
  void Store(const RingCursor& at) const {
    cell_.Store(is_index_ ? IndexPlus(at.index(), index_plus_, at.slot_count()) : at.count());
  }

 private:
  bool valid_ = false;
  bool is_index_ = false;
  bool full_looks_empty_ = false;
  int32_t index_plus_ = 0;
  CellAccess cell_;
};

// The ring's cells, sorted by what they are for, as one side sees them: those that it writes and
// those that it reads. Cells of features that were not chosen are not among them.
class RingCells {
 public:
  static constexpr int kNone = -1;

  static RingCells Of(const RingShape& shape);

  // Numbers in Ring.cells, kNone. How far the ring's producer (consumer) is.
  int producer = kNone;
  int consumer = kNone;
  int pending = kNone;
  int need_wakeup = kNone;
  // Of each direction: written by the driver, by the device.
  int no_notification[2] = {kNone, kNone};
  int event_index[2] = {kNone, kNone};
};

// What the device asks the driver for: whether to be told of new slots. The device's side.
class NotificationSwitch {
 public:
  static absl::StatusOr<NotificationSwitch> Compile(const RingShape& shape);

  // Before the device sleeps (need), and when it looks again by itself. count: free-running, of
  // the slots that it has taken. A full fence behind it: look once more before sleeping.
  void Set(bool need, uint64_t count) const;

 private:
  std::byte* own_flag_ = nullptr;  // RingView::need_wakeup
  CellAccess need_wakeup_;
  CellAccess no_notification_;
  CellAccess event_index_;
};

// Whether a side that counts `width_mask` wants an event for slots [before, now) by its event
// index: true when the slot with that count is among them.
constexpr bool EventIsDue(uint64_t event, uint64_t now, uint64_t before, uint64_t width_mask) {
  return ((now - event - 1) & width_mask) < ((now - before) & width_mask);
}

// What the driver asks the device for: whether it wants an interrupt for new completions. Both
// sides: the driver sets, the device asks. Of the ring that has the cells.
class EventRequest {
 public:
  static absl::StatusOr<EventRequest> Compile(const RingShape& shape);

  // Driver: ask for an event at the next completion (count of completions taken), or for none.
  void Want(bool event, uint64_t count) const;
  // Device: whether completions [before, now) deserve one. True where nothing says it.
  bool IsDue(uint64_t before, uint64_t now) const;

 private:
  CellAccess no_notification_;
  CellAccess event_index_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_CELLS_H_
