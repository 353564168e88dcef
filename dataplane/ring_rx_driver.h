// The driver's side of a receive queue over any arrangement of rings that the ring layer drives:
// one ring completed in its own slots, or rings of buffers and a ring of completions that names
// them.
//
// Promises as rx_driver.h: what a device writes is read once, checked, and never leads outside of
// what was posted. Never: allocates after Create, locks, makes a system call or a virtual call.
// One thread at a time.
#ifndef QSPLIT_DATAPLANE_RING_RX_DRIVER_H_
#define QSPLIT_DATAPLANE_RING_RX_DRIVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_reader.h"
#include "dataplane/completion_rules.h"
#include "dataplane/compressed_completions.h"
#include "dataplane/ring_shape.h"
#include "dataplane/rx_buffer_ring.h"
#include "dataplane/rx_delivery.h"
#include "dataplane/rx_driver.h"
#include "dataplane/rx_rings.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) RingRxDriver {
 public:
  static absl::StatusOr<std::unique_ptr<RingRxDriver>> Create(const layout::VerifiedLayout& layout,
                                                              const QueueView& view,
                                                              const RxOptions& options);

  RxFields Available() const { return available_; }
  bool NeedsMemory() const { return needs_memory_; }
  uint32_t Capacity() const;
  uint32_t Room();
  uint32_t Outstanding() const;
  uint32_t Post(std::span<const RxBuffer> buffers);
  bool Publish();
  uint32_t Poll(std::span<RxCompletion> out);
  AccessReport Access() const;

 private:
  RingRxDriver() = default;
  absl::Status MakeLanes(const RxRings& rings, const RxOptions& options);
  // What the common case is here; null: it has none that a burst can do.
  std::unique_ptr<burst::RxRingBurst> MakeBurst(AccessMode most) const;
  bool PlanCompletion(uint32_t form, burst::RxRingPlan* plan) const;
  bool PlanPrefix(uint32_t form, burst::RxRingPlan* plan) const;
  // Takes completions as a burst. True: as many as it was let, go on with another.
  [[gnu::always_inline]] bool PollBurst(uint64_t end);
  // Of the rings with room, the one with the smallest share of its buffers posted. Null: none.
  RxBufferRing* LaneToFill();
  // False: nothing there.
  bool TakeOne();
  void TakeBlock(const std::byte* title);
  // Delivers what a completion completes; how many slots of the ring its descriptor has.
  uint32_t Deliver(uint32_t form, const std::byte* copy);
  // A packet that is in one buffer.
  void DeliverWhole(const RxCompletionForm& form, const std::byte* copy,
                    const RxDelivery::Prefix& prefix, const RxBuffer& buffer, uint64_t offset);
  void DeliverByLength(RxBufferRing* lane, const RxCompletionForm& form, const std::byte* copy);
  // What a packet's prefix and completion say about it.
  void Describe(const RxCompletionForm& form, const std::byte* copy,
                const RxDelivery::Prefix& prefix, bool first, bool last, RxMetadata* meta) const;
  uint64_t LengthSaid(const RxCompletionForm& form, const std::byte* copy,
                      const RxDelivery::Prefix& prefix) const;
  bool IsLast(const RxCompletionForm& form, const std::byte* copy, const RxDelivery::Prefix& prefix,
              bool first);

  QueueShape shape_;
  CacheLineVector<RxBufferRing> lanes_;
  std::vector<uint32_t> lane_of_ring_;  // by number in Queue.rings; kNone
  std::optional<CompletionReader> reader_;
  CompletionRules rules_;
  std::vector<RxCompletionForm> forms_;
  std::optional<CompressedCompletions> compressed_;
  std::optional<RxDelivery> delivery_;
  std::shared_ptr<const burst::RxRingBurst> burst_;  // null: every packet is the engine's
  bool posts_in_bursts_ = false;                     // and buffers are posted by it
  bool own_slots_ = false;                           // completions stand in slots of the one lane
  bool in_place_ = false;                            // each in its descriptor's
  bool needs_memory_ = false;
  RxFields available_;
  uint64_t completions_left_ = 0;  // of the packet that is coming in, where they are counted
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_RX_DRIVER_H_
