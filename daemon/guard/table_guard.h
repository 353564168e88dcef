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
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/buffer_form.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_memory.h"

namespace qsplit::guard {

class TableGuard final : public QueueGuard {
 public:
  // Whether the queue's rings are such ones, with the choices of the view.
  static bool Fits(const dataplane::QueueShape& queue);
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override;
  bool HasWork() override;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // The rings by what they are for.
  struct Rings {
    const dataplane::RingShape* table = nullptr;
    const dataplane::RingShape* names = nullptr;
    const dataplane::RingShape* done = nullptr;

    static Rings Of(const dataplane::QueueShape& queue);
  };
  // Entries of a ring of names, each of at most one word.
  struct Entries {
    dataplane::SlotMemory slots;
    uint32_t bytes = 0;

    // The copies have room for what no entry has, so that the compiler sees that it fits.
    uint64_t Load(uint32_t slot) const {
      uint64_t entry[2] = {};
      slots.Read(slot, reinterpret_cast<std::byte*>(entry), bytes);
      return entry[0];
    }
    void Store(uint32_t slot, uint64_t value) const {
      const uint64_t entry[2] = {value, 0};
      slots.Write(slot, AsBytes(entry), bytes);
    }
  };
  // By slot of the table.
  struct Slot {
    bool with_device = false;
    bool head = false;
    uint32_t next = kNone;  // behind it in its chain
  };

  explicit TableGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompileNames(const Rings& shadow, const Rings& real);
  absl::Status CompileTable(const Rings& shadow, const Rings& real, const GuardOptions& options);
  absl::Status CompileDone(const Rings& shadow, const Rings& real);
  // Checks the chain and stores it into the real table; its descriptors, 0: stopped.
  uint32_t CheckChain(uint64_t head, uint64_t* bytes);
  // Gives the chain's slots back. False: no chain of the device's begins there.
  bool FreeChain(uint64_t head);

  // Kept for their layouts.
  dataplane::QueueShape shadow_;
  dataplane::QueueShape real_;
  RegionMap regions_;
  bool device_writes_ = false;
  uint64_t prefix_bytes_ = 0;
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint32_t max_descriptors_ = 0;

  // Names: both rings go on together.
  dataplane::ProgressReader posted_;
  Entries shadow_names_;
  Entries real_names_;
  WordField name_;
  dataplane::RingCursor names_at_;
  dataplane::ProgressWriter real_posted_;
  dataplane::Doorbells doorbells_;
  dataplane::NotificationSwitch notification_;
  dataplane::EventRequest interrupts_;
  uint64_t published_count_ = 0;

  WordSlots<kChainWords> shadow_table_;
  WordSlots<kChainWords> real_table_;
  std::vector<BufferForm> forms_;
  std::vector<Slot> slots_;

  dataplane::ProgressReader completed_;
  Entries real_done_;
  Entries shadow_done_;
  uint64_t done_kept_ = 0;
  WordField done_name_;
  WordField done_length_;
  dataplane::RingCursor done_at_;  // in the real ring
  dataplane::RingCursor told_at_;  // in the shadow
  dataplane::ProgressWriter shadow_completed_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_TABLE_GUARD_H_
