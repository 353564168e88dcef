#include "dataplane/tx_driver.h"

#include "dataplane/in_place_tx_driver.h"

namespace qsplit::dataplane {

absl::StatusOr<TxDriver> TxDriver::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const TxOptions& options) {
  auto in_place = InPlaceTxDriver::Create(layout, view, options);
  if (!in_place.ok()) return in_place.status();
  return TxDriver(*std::move(in_place));
}

TxDriver::TxDriver(std::unique_ptr<InPlaceTxDriver> in_place) : in_place_(std::move(in_place)) {}
TxDriver::TxDriver(TxDriver&&) noexcept = default;
TxDriver& TxDriver::operator=(TxDriver&&) noexcept = default;
TxDriver::~TxDriver() = default;

TxFeatures TxDriver::Features() const { return in_place_->Features(); }
bool TxDriver::Supports(const TxRequest& request) const { return in_place_->Supports(request); }
uint32_t TxDriver::Capacity() const { return in_place_->Capacity(); }
uint32_t TxDriver::Room() const { return in_place_->Room(); }
uint32_t TxDriver::MaxSegments() const { return in_place_->MaxSegments(); }
uint32_t TxDriver::MinPacketBytes() const { return in_place_->MinPacketBytes(); }
uint32_t TxDriver::Outstanding() const { return in_place_->Outstanding(); }
PushResult TxDriver::Push(std::span<const TxSegment> segments, const TxRequest& request,
                          uint32_t cookie) {
  return in_place_->Push(segments, request, cookie);
}
bool TxDriver::Publish() { return in_place_->Publish(); }
uint32_t TxDriver::Reclaim(std::span<uint32_t> cookies) { return in_place_->Reclaim(cookies); }

}  // namespace qsplit::dataplane
