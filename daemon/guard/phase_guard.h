// The guard of a queue with one ring, in whose slots the client posts descriptors under tags and
// the device writes completions that name the tags, each side's marked by a phase bit.
//
//   packet      [ first ][ … ][ last ]     in the real ring: all of it is there, and only then the
//                  ▲ its marked word, last  word that makes the first slot the device's
//
// Of a burst, each way, the first one's mark is stored last of all: whoever polls that slot does
// not take the line, and those behind it, away in between.
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/guard/chain_guard.h"
#include "daemon/guard/phase_burst.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pair.h"
#include "dataplane/cache_line.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"

namespace qsplit::guard {

class PhaseGuard final : public ChainGuard {
 public:
  // Whether the queue's ring is such a one, with the choices of the view.
  static bool Fits(const dataplane::QueueShape& queue);
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override;
  std::string How() const override;
  // What reads and checks bursts, for measurements; null: none does.
  PhaseBurst* plain() { return burst_.get(); }

 private:
  // A slot's marked word that has not been stored yet.
  struct HeldMark {
    uint32_t slot = 0;
    uint64_t marked = 0;
  };
  // A packet that is coming in.
  struct Packet {
    uint32_t descriptors = 0;
    HeldMark first;
    uint64_t bytes = 0;
  };
  enum class Step : uint8_t { kStopped, kMore, kWhole };

  using ChainGuard::ChainGuard;
  absl::Status CompileRing();
  bool HasPosted() override;
  bool HasDone() override;
  bool AmidPacket() const override { return packet_.descriptors != 0; }
  // Checks private words and turns them into what the device may see.
  [[gnu::always_inline]] Step CheckNext(uint32_t slot, WordPair* words, Packet* packet);
  [[gnu::always_inline]] Step EndPacket(uint32_t slot, uint64_t tag, const Packet& packet);
  // Forwards packets of one descriptor from the cursor on, in a burst; how many, whose bytes are
  // added up.
  uint32_t ForwardRun(const dataplane::RingCursor& at, uint32_t most, uint64_t* bytes);
  // Stores them into the real ring; the first slot's mark is held back.
  [[gnu::always_inline]] void Store(const dataplane::RingCursor& at, const WordPair& words,
                                    Packet* packet);

  PairSlots shadow_;
  PairSlots real_;
  WordCondition posted_;
  WordCondition done_;
  DoneForm done_form_;
  dataplane::Doorbells doorbells_;
  dataplane::NotificationSwitch notification_;
  dataplane::EventRequest interrupts_;

  dataplane::RingCursor at_;       // next slot to look at, in both rings
  dataplane::RingCursor done_at_;  // next completion, in both rings
  uint64_t published_count_ = 0;
  uint32_t in_use_ = 0;       // slots from the oldest that is not done to at_
  uint32_t with_device_ = 0;  // those of whole packets
  Packet packet_;
  // Slots of the packet that the device has under a tag; 0: none.
  dataplane::CacheLineVector<uint32_t> slots_of_tag_;
  std::unique_ptr<PhaseBurst> burst_;  // null: one by one
  absl::Status why_no_burst_;
  // Calls of Forward without a try, after one that found nothing plain: clients whose packets are
  // of several descriptors mostly stay such.
  static constexpr uint32_t kCallsWithout = 32;
  uint32_t calls_without_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
