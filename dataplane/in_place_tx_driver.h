// The driver's side of a transmit ring in which the device completes descriptors by writing over
// them. See tx_driver.h for what it promises. One thread at a time.
#ifndef QSPLIT_DATAPLANE_IN_PLACE_TX_DRIVER_H_
#define QSPLIT_DATAPLANE_IN_PLACE_TX_DRIVER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/burst/tx_ring.h"
#include "dataplane/cache_line.h"
#include "dataplane/doorbell.h"
#include "dataplane/queue_shape.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_driver.h"
#include "dataplane/tx_plans.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) InPlaceTxDriver {
 public:
  static absl::StatusOr<std::unique_ptr<InPlaceTxDriver>> Create(
      const layout::VerifiedLayout& layout, const QueueView& view, const TxOptions& options);

  TxFeatures Features() const { return program_.features; }
  bool Supports(const TxRequest& request) const;
  uint32_t Capacity() const { return shape_.capacity; }
  uint32_t Room() const { return shape_.capacity - in_use_; }
  uint32_t MaxSegments() const { return max_segments_; }
  uint32_t MinPacketBytes() const { return shape_.queue->limits().min_bytes_per_packet(); }
  uint32_t Outstanding() const { return outstanding_; }
  PushResult Push(std::span<const TxSegment> segments, const TxRequest& request, uint32_t cookie);
  // Of TxDriver::PushBurst, the first packets that are of the common case; how many.
  [[gnu::hot]] uint32_t PushRun(std::span<const TxPacket> packets, const TxRequest& request);
  bool Publish();
  uint32_t Reclaim(std::span<uint32_t> cookies);
  AccessReport Access() const;
  // How the common case of each form of data is written, without and with the packet's whole length
  // in it; null: by the engine.
  using Bursts = std::array<std::shared_ptr<const burst::TxRingBurst>, 2>;
  std::span<const Bursts> bursts() const { return bursts_; }

 private:
  struct Plan : TxPlan {
    const TxDataForm* data = nullptr;  // null: the request cannot be carried
    // For bursts; null: the engine writes each packet.
    const burst::TxRingBurst* burst = nullptr;
    burst::TxRingImage image;
  };

  InPlaceTxDriver() = default;
  Plan MakePlan(const TxRequest& request) const;
  Plan& PlanFor(const TxRequest& request) {
    return plans_.For(request, [this](const TxRequest& other) { return MakePlan(other); });
  }
  // The common case of a form; none: there is none.
  std::optional<burst::TxRingPlan> MakeBurstPlan(const TxDataForm& data, bool has_total) const;
  void OpenBursts(const layout::VerifiedLayout& layout, const QueueView& view,
                  const TxOptions& options);
  // Fills in plan->image; plan->burst stays null where a burst cannot say the request.
  void MakeImage(Plan* plan) const;
  // Whether the plan's context is there for its next packet, named by its image.
  [[gnu::noinline]] bool FindContext(Plan* plan);
  // So many one after the other, the last one with a report or not; how many.
  uint32_t WriteRun(const Plan& plan, const TxPacket* packets, uint32_t most, bool report);
  [[gnu::noinline]] void KeepUnreported(const Plan& plan, const TxPacket& packet);
  // Whether the device completed a slot.
  bool IsDone(uint32_t slot) const;
  void FindDoneBits();
  uint32_t Next(uint32_t slot) const { return slot + 1 == shape_.slot_count ? 0 : slot + 1; }
  uint32_t NextReport(uint32_t at) const { return at == shape_.slot_count ? 0 : at + 1; }
  uint32_t Before(uint32_t slot) const { return slot == 0 ? shape_.slot_count - 1 : slot - 1; }
  // What is completed together: up to a slot that the device writes back.
  struct Report {
    uint32_t slot = 0;
    uint32_t slots = 0;  // with those before, since the report before
    bool plain = false;  // as many packets
  };
  // Packets up to the one that is reported.
  uint32_t UntilReport() const {
    if (slots_since_report_ == 0)
      return std::min(report_every_, most_unreported_);  // both 1 or more
    return std::max(1u,
                    std::min(report_every_ - std::min(report_every_, since_report_),
                             most_unreported_ - std::min(most_unreported_, slots_since_report_)));
  }
  void AddReport(uint32_t slot, uint32_t slots, uint32_t packets) {
    reports_[report_end_] = {slot, slots, slots == packets};
    report_end_ = NextReport(report_end_);
    since_report_ = slots_since_report_ = 0;
  }
  void Advance(uint32_t cookie, bool ends_packet) {
    cookies_[produce_] = cookie;
    goes_on_[produce_] = !ends_packet;
    produce_ = Next(produce_);
    ++produced_;
    ++in_use_;
  }

  InPlaceShape shape_;
  TxProgram program_;
  Doorbells doorbells_;
  uint32_t report_every_ = 1;
  uint32_t max_segments_ = 1;
  uint32_t most_unreported_ = 1;

  TxPlans<Plan> plans_;
  TxContextPlaces contexts_;
  std::vector<Bursts> bursts_;  // one for each of program_.data
  burst::TxRingCall call_;      // here, since what does not change need not be said again
  std::optional<Condition::WideTest> done_bits_;  // IsDone as a comparison of a word, if it is one
  CacheLineVector<uint32_t> cookies_;             // by slot
  CacheLineVector<uint8_t> goes_on_;  // by slot: not a packet's last; 0 of slots that are free
  CacheLineVector<Report> reports_;   // a ring, of one more than there are slots
  uint32_t report_begin_ = 0;
  uint32_t report_end_ = 0;
  uint32_t produce_ = 0;             // next slot to write
  uint64_t produced_ = 0;            // free-running
  uint64_t published_ = 0;           // free-running
  uint32_t consume_ = 0;             // oldest slot in use
  uint32_t in_use_ = 0;              // slots
  uint32_t complete_ = 0;            // slots from consume_ on that are known to be sent
  bool complete_plain_ = false;      // each of them is a packet
  uint32_t outstanding_ = 0;         // packets
  uint32_t since_report_ = 0;        // packets
  uint32_t slots_since_report_ = 0;  // slots
  // The last descriptor written, for a report that is asked for at Publish.
  const TxDataForm* last_form_ = nullptr;
  uint32_t last_slot_ = 0;
  DescriptorBytes last_image_{};
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_IN_PLACE_TX_DRIVER_H_
