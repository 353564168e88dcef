// The guard of a receive ring whose device completes descriptors by writing over them.
//
//   slot of both rings     free ──► forwarded ──► completed ──► returned ──► free
//                                consume_ … forward_: with the device
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/queue_guard.h"
#include "dataplane/doorbell.h"
#include "dataplane/form_match.h"
#include "dataplane/in_place_rx.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_cells.h"

namespace qsplit::guard {

class InPlaceRxGuard final : public QueueGuard {
 public:
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override { notification_.Set(need, forward_count_); }
  bool HasWork() override;

 private:
  explicit InPlaceRxGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompilePost(const GuardOptions& options);
  absl::Status CompileCompletion();
  // Checks a private copy and turns it into what the device may see. False: stopped.
  bool Check(uint32_t slot, std::byte* copy);
  // Posted and not yet forwarded. False: the doorbell says what cannot be.
  bool ReadPosted(uint32_t* ahead) const {
    return producer_.Read({forward_, shadow_.slot_count, forward_count_}, 0, shadow_.slot_count,
                          ahead) &&
           *ahead <= shadow_.capacity - with_device_;
  }
  uint32_t Next(uint32_t slot) const { return slot + 1 == shadow_.slot_count ? 0 : slot + 1; }

  dataplane::InPlaceShape shadow_;
  dataplane::InPlaceShape real_;
  RegionMap regions_;
  uint32_t slot_bytes_ = 0;
  // Of the shadow.
  dataplane::ProgressReader producer_;
  dataplane::NotificationSwitch notification_;
  // Of the real ring.
  dataplane::Doorbells doorbells_;

  dataplane::FormMatcher matcher_;
  DescriptorMask kept_;
  dataplane::RxPostForm post_;
  uint32_t buffer_bytes_ = 0;
  uint32_t header_bytes_ = 0;

  DescriptorMask completion_kept_;
  // The buffer's address in a completion is the client's again.
  std::optional<dataplane::FieldAccess> completion_address_;
  std::vector<uint64_t> posted_iova_;  // by slot; empty where completions do not say it
  dataplane::LastMark last_;
  std::optional<dataplane::FieldAccess> length_;

  uint32_t forward_ = 0;        // next slot to forward
  uint64_t forward_count_ = 0;  // free-running
  uint32_t consume_ = 0;        // oldest slot with the device
  uint32_t with_device_ = 0;    // slots
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
