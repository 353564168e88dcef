#include "dataplane/rx_device.h"

#include "dataplane/block_rx_device.h"
#include "dataplane/in_place_rx.h"
#include "dataplane/ring_rx_device.h"

namespace qsplit::dataplane {

absl::StatusOr<RxDevice> RxDevice::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const RxDeviceOptions& options) {
  RxDevice device;
  auto in_place = InPlaceRxDevice::Create(layout, view, options);
  if (in_place.ok()) {
    device.in_place_ = *std::move(in_place);
    return device;
  }
  if (!absl::IsUnimplemented(in_place.status())) return in_place.status();
  auto blocks = BlockRxDevice::Create(layout, view, options);
  if (blocks.ok()) {
    device.blocks_ = *std::move(blocks);
    return device;
  }
  if (!absl::IsUnimplemented(blocks.status())) return blocks.status();
  auto rings = RingRxDevice::Create(layout, view, options);
  if (!rings.ok()) return rings.status();
  device.rings_ = *std::move(rings);
  return device;
}

// One branch for each burst.
template <typename F>
auto RxDevice::With(F&& f) const {
  if (in_place_ != nullptr) [[likely]] {
    return f(*in_place_);
  }
  return rings_ != nullptr ? f(*rings_) : f(*blocks_);
}

RxDevice::RxDevice() = default;
RxDevice::RxDevice(RxDevice&&) noexcept = default;
RxDevice& RxDevice::operator=(RxDevice&&) noexcept = default;
RxDevice::~RxDevice() = default;

AccessReport RxDevice::Access() const {
  if (in_place_ != nullptr) return in_place_->Access();
  return rings_ != nullptr ? rings_->Access() : AccessReport::Engine();
}
RxFields RxDevice::Supported() const {
  return With([](auto& e) { return e.Supported(); });
}
uint32_t RxDevice::PrefixBytes() const {
  return With([](auto& e) { return e.PrefixBytes(); });
}
uint32_t RxDevice::CrcBytes() const {
  return With([](auto& e) { return e.CrcBytes(); });
}
uint32_t RxDevice::PeekAvailable() {
  return With([](auto& e) { return e.PeekAvailable(); });
}
RingFault RxDevice::Fetch(PostedBuffer* out, bool first, uint32_t packet_bytes) {
  return With([&](auto& e) { return e.Fetch(out, first, packet_bytes); });
}
uint32_t RxDevice::FetchPlain(std::span<PlainBuffer> out) {
  if (in_place_ != nullptr) [[likely]] {
    return in_place_->FetchPlain(out);
  }
  return rings_ != nullptr ? rings_->FetchPlain(out) : 0;
}
void RxDevice::CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets) {
  if (in_place_ != nullptr) [[likely]] {
    in_place_->CompletePlain(meta, packets);
  } else if (rings_ != nullptr) {
    rings_->CompletePlain(meta, packets);
  }
}
bool RxDevice::PacketMayGoOn() const {
  return With([](auto& e) { return e.PacketMayGoOn(); });
}
bool RxDevice::Complete(const RxResult& result) {
  return With([&](auto& e) { return e.Complete(result); });
}
void RxDevice::Publish() {
  return With([](auto& e) { return e.Publish(); });
}
void RxDevice::Skip() {
  return With([](auto& e) { return e.Skip(); });
}
uint32_t RxDevice::Fetched() const {
  return With([](auto& e) { return e.Fetched(); });
}
void RxDevice::Unfetch() {
  return With([](auto& e) { return e.Unfetch(); });
}
void RxDevice::SetNeedWakeup(bool need) {
  return With([&](auto& e) { return e.SetNeedWakeup(need); });
}

}  // namespace qsplit::dataplane
