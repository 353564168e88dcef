// The guard of a queue with three rings: a table of descriptors, a ring in which the client names
// the first descriptor of each chain, and one in which the device names those that are done.
//
//   client: table, names ──► names, table (real) ──► device ──► done (real) ──► done (shadow)
//
// A slot of the table is read when a chain comes to it, once, and belongs to the device until the
// chain's name comes back; what the slot's descriptor said of the next one stands in private books.
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_TABLE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_TABLE_GUARD_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/guard/chain_guard.h"
#include "daemon/guard/entry_slots.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pair.h"
#include "dataplane/cache_line.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"

namespace qsplit::guard {

class TableGuard final : public ChainGuard {
 public:
  // Whether the queue's rings are such ones, with the choices of the view.
  static bool Fits(const dataplane::QueueShape& queue);
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override;
  std::string How() const override { return "one by one: descriptors stand in a table"; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // Chains whose names are read at once, so that their first descriptors are on their way.
  static constexpr uint32_t kTogether = 8;
  // The rings by what they are for.
  struct Rings {
    const dataplane::RingShape* table = nullptr;
    const dataplane::RingShape* names = nullptr;
    const dataplane::RingShape* done = nullptr;

    static Rings Of(const dataplane::QueueShape& queue);
  };
  // Who has a slot of the table: the client, or the device as the first one of a chain, or as one
  // behind it.
  enum class Holder : uint32_t { kClient, kHead, kBehind };
  struct Slot {
    uint32_t next = kNone;  // behind it in its chain
    Holder holder = Holder::kClient;
  };

  using ChainGuard::ChainGuard;
  absl::Status CompileTable(const Rings& shadow, const Rings& real, const GuardOptions& options);
  absl::Status CompileNames(const Rings& shadow, const Rings& real);
  absl::Status CompileDoneRing(const Rings& shadow, const Rings& real);
  bool HasPosted() override;
  bool HasDone() override;
  // Reads names from there on, as many as there are and are looked at together. Those whose turn
  // does not come any more are read anew the next time; nothing is kept of the first one.
  [[gnu::always_inline]] void LoadHeads(dataplane::RingCursor at, uint64_t count,
                                        uint64_t* heads) const;
  // Checks the chain and stores it into the real table; its descriptors, 0: stopped.
  [[gnu::always_inline]] uint32_t CheckChain(uint64_t head, uint64_t* bytes);
  // Gives the chain's slots back. False: no chain of the device's begins there.
  [[gnu::always_inline]] bool FreeChain(uint64_t head);

  // Names: both rings go on together.
  dataplane::ProgressReader posted_;
  EntrySlots shadow_names_;
  EntrySlots real_names_;
  WordField name_;
  dataplane::RingCursor names_at_;
  dataplane::ProgressWriter real_posted_;
  dataplane::Doorbells doorbells_;
  dataplane::NotificationSwitch notification_;
  dataplane::EventRequest interrupts_;
  uint64_t published_count_ = 0;

  PairSlots shadow_table_;
  PairSlots real_table_;
  dataplane::CacheLineVector<Slot> slots_;

  dataplane::ProgressReader completed_;
  EntrySlots real_done_;
  EntrySlots shadow_done_;
  DoneForm done_form_;
  dataplane::RingCursor done_at_;  // in the real ring
  dataplane::RingCursor told_at_;  // in the shadow
  dataplane::ProgressWriter shadow_completed_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_TABLE_GUARD_H_
