// The guard of a queue with one ring, in whose slots the client posts descriptors under tags and
// the device writes completions that name the tags, each side's marked by a phase bit.
//
// The real ring's first word of a packet is written last, when all of the packet was checked.
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_

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
  explicit PhaseGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompileRing(const GuardOptions& options);
  enum class Step : uint8_t { kStopped, kMore, kWhole };
  // Checks a private copy and turns it into what the device may see.
  Step Check(const dataplane::FetchedDescriptor& fetched, std::byte* copy);
  Step EndPacket(uint32_t slot, uint64_t tag);

  // Kept for their layouts.
  dataplane::QueueShape shadow_;
  dataplane::QueueShape real_;
  RegionMap regions_;
  bool device_writes_ = false;
  uint64_t prefix_bytes_ = 0;
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint32_t max_descriptors_ = 0;

  std::optional<dataplane::PostReader> reader_;             // shadow
  std::optional<dataplane::CompletionWriter> done_writer_;  // shadow
  std::optional<dataplane::PostWriter> writer_;             // real
  std::optional<dataplane::CompletionReader> done_;         // real
  std::optional<dataplane::CompletionRules> rules_;
  dataplane::EventRequest interrupts_;
  std::vector<BufferForm> forms_;
  std::vector<DescriptorMask> done_kept_;
  std::vector<std::optional<dataplane::FieldAccess>> done_length_;

  // The packet that is coming in.
  uint32_t descriptors_ = 0;
  uint64_t bytes_ = 0;
  // Slots of the packet that the device has under a tag; 0: none.
  std::vector<uint32_t> slots_of_tag_;
  uint32_t with_device_ = 0;  // slots
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_PHASE_GUARD_H_
