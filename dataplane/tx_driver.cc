#include "dataplane/tx_driver.h"

#include <algorithm>

#include "absl/status/status.h"
#include "dataplane/in_place_tx_driver.h"
#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {

uint32_t TxDriver::ScratchBytes(const layout::VerifiedLayout& layout, const QueueView& view) {
  const v1::Queue* queue = layout.FindQueue(v1::DIRECTION_TRANSMIT);
  if (view.layout_queue < static_cast<uint32_t>(layout.message().queues_size())) {
    queue = &layout.message().queues(static_cast<int>(view.layout_queue));
  }
  if (queue == nullptr || queue->direction() != v1::DIRECTION_TRANSMIT) return 0;
  uint64_t slots = 0;
  for (int i = 0; i < std::min(queue->rings_size(), kMaxRings); ++i) {
    if (queue->rings(i).post_forms().empty()) continue;
    slots = std::max<uint64_t>(slots, view.rings[static_cast<size_t>(i)].slot_count);
  }
  // Each packet takes a descriptor for its prefix, and one more at least.
  const uint64_t packets = std::max<uint64_t>(slots / 2, 1);
  const uint64_t bytes = packets * PrefixStride(queue->packet().prefix_bytes());
  return static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX));
}

absl::StatusOr<TxDriver> TxDriver::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const TxOptions& options) {
  auto in_place = InPlaceTxDriver::Create(layout, view, options);
  if (in_place.ok()) return TxDriver(*std::move(in_place));
  if (!absl::IsUnimplemented(in_place.status())) return in_place.status();
  auto ring = RingTxDriver::Create(layout, view, options);
  if (!ring.ok()) return ring.status();
  return TxDriver(*std::move(ring));
}

TxDriver::TxDriver(std::unique_ptr<InPlaceTxDriver> in_place) : in_place_(std::move(in_place)) {}
TxDriver::TxDriver(std::unique_ptr<RingTxDriver> ring) : ring_(std::move(ring)) {}
TxDriver::TxDriver(TxDriver&&) noexcept = default;
TxDriver& TxDriver::operator=(TxDriver&&) noexcept = default;
TxDriver::~TxDriver() = default;

TxFeatures TxDriver::Features() const {
  return in_place_ ? in_place_->Features() : ring_->Features();
}
uint32_t TxDriver::Capacity() const {
  return in_place_ ? in_place_->Capacity() : ring_->Capacity();
}
uint32_t TxDriver::Room() const { return in_place_ ? in_place_->Room() : ring_->Room(); }
uint32_t TxDriver::MaxSegments() const {
  return in_place_ ? in_place_->MaxSegments() : ring_->MaxSegments();
}
uint32_t TxDriver::MinPacketBytes() const {
  return in_place_ ? in_place_->MinPacketBytes() : ring_->MinPacketBytes();
}
uint32_t TxDriver::Outstanding() const {
  return in_place_ ? in_place_->Outstanding() : ring_->Outstanding();
}
bool TxDriver::Supports(const TxRequest& request) const {
  return in_place_ ? in_place_->Supports(request) : ring_->Supports(request);
}
uint32_t TxDriver::AddressAlignment() const { return in_place_ ? 1 : ring_->AddressAlignment(); }
bool TxDriver::NeedsMemory() const { return ring_ != nullptr && ring_->NeedsMemory(); }
uint32_t TxDriver::BytesBefore() const { return ring_ == nullptr ? 0 : ring_->BytesBefore(); }
PushResult TxDriver::Push(std::span<const TxSegment> segments, const TxRequest& request,
                          uint32_t cookie) {
  return in_place_ ? in_place_->Push(segments, request, cookie)
                   : ring_->Push(segments, request, cookie);
}
[[gnu::always_inline]] inline uint32_t TxDriver::PushRun(std::span<const TxPacket> packets,
                                                         const TxRequest& request) {
  return in_place_ ? in_place_->PushRun(packets, request) : ring_->PushRun(packets, request);
}
uint32_t TxDriver::PushBurst(std::span<const TxPacket> packets, const TxRequest& request,
                             PushResult* why) {
  *why = PushResult::kPushed;
  const uint32_t done = PushRun(packets, request);
  return done == packets.size() ? done : PushRest(packets, done, request, why);
}
uint32_t TxDriver::PushRest(std::span<const TxPacket> packets, uint32_t done,
                            const TxRequest& request, PushResult* why) {
  while (done < packets.size()) {
    // One that is not of the common case.
    const TxSegment one{packets[done].address, packets[done].bytes};
    *why = Push(std::span(&one, 1), request, packets[done].cookie);
    if (*why != PushResult::kPushed) break;
    ++done;
    done += PushRun(packets.subspan(done), request);
  }
  return done;
}
AccessReport TxDriver::Access() const {
  return in_place_ != nullptr ? in_place_->Access() : ring_->Access();
}
bool TxDriver::ReturnsTimes() const { return ring_ != nullptr && ring_->ReturnsTimes(); }
uint32_t TxDriver::TakeTimes(std::span<TxTime> out) {
  return ring_ == nullptr ? 0 : ring_->TakeTimes(out);
}
bool TxDriver::Publish() { return in_place_ ? in_place_->Publish() : ring_->Publish(); }
uint32_t TxDriver::Reclaim(std::span<uint32_t> cookies) {
  return in_place_ ? in_place_->Reclaim(cookies) : ring_->Reclaim(cookies);
}

}  // namespace qsplit::dataplane
