// Doorbells compiled from a layout: how the driver rings them, and how a device made of software
// reads them.
//
// The cells are shared: the driver's side only writes doorbells and only reads suppression flags,
// the device's side the other way round, and whatever is read may be any value.
// Never allocates after Compile, never makes a system call (Ring says when the caller must).
// As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_DOORBELL_H_
#define QSPLIT_DATAPLANE_DOORBELL_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/barriers.h"
#include "dataplane/ring_view.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// What a doorbell can say about the producer's side of a ring.
struct ProducerState {
  uint32_t index = 0;  // of the next slot that will be produced
  uint32_t count = 0;  // free-running
  uint32_t added = 0;  // slots since the last doorbell
};

// Loads and stores of cells of 1, 2, 4 or 8 bytes in either byte order.
uint64_t LoadCell(const std::byte* cell, uint32_t bytes, bool byte_swap);         // acquire
void StoreCell(std::byte* cell, uint32_t bytes, bool byte_swap, uint64_t value);  // release

class ProducerDoorbells {
 public:
  // UNIMPLEMENTED: copies of descriptors, event indices, addresses. INVALID_ARGUMENT: a cell that
  // the view lacks or that is misaligned.
  static absl::StatusOr<ProducerDoorbells> Compile(const v1::Ring& ring, const RingView& view,
                                                   QueueIndex queue_number);

  // Tells the device of new slots; all stores before it are visible to whom sees the doorbell.
  // True: the device sleeps, or has no doorbell but a system call: the caller must wake it.
  bool Ring(const ProducerState& state) const {
    bool wake = false;
    for (uint32_t i = 0; i < count_; ++i) wake = RingOne(bells_[i], state) || wake;
    if (need_wakeup_ != nullptr) {
      // Either the device sees the doorbell in its last look before sleeping, or this load sees its
      // flag: pairs with the fence in SetNeedWakeup.
      StoresBeforeLoads();
      wake = LoadRelaxed<uint32_t>(need_wakeup_) != 0 || wake;
    }
    return wake;
  }

 private:
  struct Term {
    v1::DoorbellSource source = v1::DOORBELL_SOURCE_CONSTANT;
    uint64_t mask = 0;
    uint32_t shift = 0;
  };
  struct Bell {
    std::byte* cell = nullptr;  // null: a wakeup by system call
    uint32_t bytes = 0;
    bool byte_swap = false;
    v1::Barrier barrier = v1::BARRIER_NONE;
    uint64_t constant = 0;  // the sum of all constant terms
    std::array<Term, 4> terms;
    uint32_t term_count = 0;
    // Leave it out when (flag != 0) == suppress_if.
    const std::byte* flag = nullptr;
    uint32_t flag_bytes = 0;
    bool flag_swap = false;
    uint64_t flag_mask = 0;
    bool suppress_if = false;
  };
  static bool RingOne(const Bell& bell, const ProducerState& state);

  std::array<Bell, kMaxDoorbells> bells_;
  uint32_t count_ = 0;
  const std::byte* need_wakeup_ = nullptr;
};

// The device's look at how far the producer is.
class ProducerReader {
 public:
  // UNIMPLEMENTED: no doorbell that tells an index or a count.
  static absl::StatusOr<ProducerReader> Compile(const v1::Ring& ring, const RingView& view);

  // Reads the doorbell once, with acquire. False: it says what the ring cannot hold. Else how many
  // slots are there from the one fetched next (index and free-running count given) on.
  bool Read(uint32_t next_index, uint32_t next_count, uint32_t* available) const;

  // Sets the need-wakeup flag (if there is one), full fence behind it.
  void SetNeedWakeup(bool need) const;

 private:
  const std::byte* cell_ = nullptr;
  uint32_t bytes_ = 0;
  bool byte_swap_ = false;
  bool is_count_ = false;
  uint64_t mask_ = 0;
  uint32_t shift_ = 0;
  uint32_t slot_count_ = 0;
  std::byte* need_wakeup_ = nullptr;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_DOORBELL_H_
