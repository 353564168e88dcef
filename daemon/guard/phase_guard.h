// The guard of a queue with one ring, in whose slots the client posts descriptors under tags and
// the device writes completions that name the tags, each side's marked by a phase bit.
//
//   packet      [ first ][ … ][ last ]     in the real ring: all of it is there, and only then the
//                  ▲ its marked word, last  word that makes the first slot the device's
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/buffer_form.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"

namespace qsplit::guard {

class PhaseGuard final : public QueueGuard {
 public:
  // Whether the queue's ring is such a one, with the choices of the view.
  static bool Fits(const dataplane::QueueShape& queue);
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override;
  bool HasWork() override;

 private:
  enum class Step : uint8_t { kStopped, kMore, kWhole };

  explicit PhaseGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompileRing();
  absl::Status CompileForms(const GuardOptions& options);
  // Checks private words and turns them into what the device may see.
  Step Check(uint64_t* words);
  Step EndPacket(uint64_t tag);
  // Stores them into the real ring; the first slot's marked word waits for the packet's end.
  void Store(const uint64_t* words, bool whole);
  bool IsPosted(uint64_t* marked) const {
    if (in_use_ == at_.slot_count()) return false;
    *marked = shadow_.LoadAcquire(at_.index(), posted_.word);
    return posted_.Holds(*marked, at_.phase());
  }
  bool IsDone(uint64_t* marked) const {
    // An unused slot may read as completed: only as long as the device has something.
    if (with_device_ == 0) return false;
    *marked = real_.LoadAcquire(done_at_.index(), done_.word);
    return done_.Holds(*marked, done_at_.phase());
  }

  // Kept for their layouts.
  dataplane::QueueShape shadow_shape_;
  dataplane::QueueShape real_shape_;
  RegionMap regions_;
  bool device_writes_ = false;
  uint64_t prefix_bytes_ = 0;
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint32_t max_descriptors_ = 0;

  WordSlots<kChainWords> shadow_;
  WordSlots<kChainWords> real_;
  WordCondition posted_;
  WordCondition done_;
  std::vector<BufferForm> forms_;
  dataplane::Doorbells doorbells_;
  dataplane::NotificationSwitch notification_;
  dataplane::EventRequest interrupts_;
  std::array<uint64_t, kChainWords> done_kept_{};
  WordField done_tag_;
  WordField done_length_;

  dataplane::RingCursor at_;       // next slot to look at, in both rings
  dataplane::RingCursor done_at_;  // next completion, in both rings
  uint64_t published_count_ = 0;
  uint32_t in_use_ = 0;       // slots from the oldest that is not done to at_
  uint32_t with_device_ = 0;  // those of whole packets
  // The packet that is coming in.
  uint32_t descriptors_ = 0;
  uint64_t bytes_ = 0;
  uint32_t first_slot_ = 0;
  uint64_t first_marked_ = 0;
  // Slots of the packet that the device has under a tag; 0: none.
  std::vector<uint32_t> slots_of_tag_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
