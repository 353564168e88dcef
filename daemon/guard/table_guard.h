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
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/buffer_form.h"
#include "daemon/guard/queue_guard.h"
#include "dataplane/completion_reader.h"
#include "dataplane/completion_rules.h"
#include "dataplane/completion_writer.h"
#include "dataplane/post_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_shape.h"
#include "dataplane/table_slots.h"

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
  // The rings by what they are for.
  struct Rings {
    const dataplane::RingShape* table = nullptr;
    const dataplane::RingShape* names = nullptr;
    const dataplane::RingShape* done = nullptr;

    static Rings Of(const dataplane::QueueShape& queue);
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit TableGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompileRings(const Rings& shadow, const Rings& real, const GuardOptions& options);
  // Checks the chain and stores it into the real table. False: stopped.
  bool CheckChain(uint64_t head, uint32_t* descriptors, uint64_t* bytes);
  // Gives the chain's slots back; how many. 0: no chain of the device's begins there.
  uint32_t FreeChain(uint64_t head);

  // Kept for their layouts.
  dataplane::QueueShape shadow_;
  dataplane::QueueShape real_;
  RegionMap regions_;
  bool device_writes_ = false;
  uint64_t prefix_bytes_ = 0;
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint32_t max_descriptors_ = 0;
  uint32_t table_slots_ = 0;
  uint32_t descriptor_bytes_ = 0;

  // Shadow.
  std::optional<dataplane::PostReader> names_;
  std::optional<dataplane::TableReader> table_;
  std::optional<dataplane::CompletionWriter> done_writer_;
  dataplane::FieldAccess name_;
  // Real.
  dataplane::SlotMemory real_table_;
  std::optional<dataplane::PostWriter> names_writer_;
  std::optional<dataplane::CompletionReader> done_;
  std::optional<dataplane::CompletionRules> rules_;
  dataplane::EventRequest interrupts_;

  std::vector<BufferForm> forms_;  // of the table
  std::vector<DescriptorMask> done_kept_;
  std::vector<std::optional<dataplane::FieldAccess>> done_length_;

  // By slot of the table: whose it is, and what comes behind it. kNone: nothing.
  struct Slot {
    bool with_device = false;
    bool head = false;
    uint32_t next = kNone;
  };
  std::vector<Slot> slots_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_TABLE_GUARD_H_
