#include "dataplane/rx_device.h"

#include "dataplane/in_place_rx.h"

namespace qsplit::dataplane {

absl::StatusOr<RxDevice> RxDevice::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const RxDeviceOptions& options) {
  auto in_place = InPlaceRxDevice::Create(layout, view, options);
  if (!in_place.ok()) return in_place.status();
  return RxDevice(*std::move(in_place));
}

RxDevice::RxDevice(std::unique_ptr<InPlaceRxDevice> in_place) : in_place_(std::move(in_place)) {}
RxDevice::RxDevice(RxDevice&&) noexcept = default;
RxDevice& RxDevice::operator=(RxDevice&&) noexcept = default;
RxDevice::~RxDevice() = default;

RxFields RxDevice::Supported() const { return in_place_->Supported(); }
uint32_t RxDevice::PrefixBytes() const { return in_place_->PrefixBytes(); }
uint32_t RxDevice::CrcBytes() const { return in_place_->CrcBytes(); }
uint32_t RxDevice::PeekAvailable() { return in_place_->PeekAvailable(); }
RingFault RxDevice::Fetch(PostedBuffer* out) { return in_place_->Fetch(out); }
bool RxDevice::Complete(const RxResult& result) { return in_place_->Complete(result); }
void RxDevice::Skip() { in_place_->Skip(); }
uint32_t RxDevice::Fetched() const { return in_place_->Fetched(); }
void RxDevice::Unfetch() { in_place_->Unfetch(); }
void RxDevice::SetNeedWakeup(bool need) { in_place_->SetNeedWakeup(need); }

}  // namespace qsplit::dataplane
