#include "dataplane/rx_driver.h"

#include "dataplane/in_place_rx.h"

namespace qsplit::dataplane {

absl::StatusOr<RxDriver> RxDriver::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const RxOptions& options) {
  auto in_place = InPlaceRxDriver::Create(layout, view, options);
  if (!in_place.ok()) return in_place.status();
  return RxDriver(*std::move(in_place));
}

RxDriver::RxDriver(std::unique_ptr<InPlaceRxDriver> in_place) : in_place_(std::move(in_place)) {}
RxDriver::RxDriver(RxDriver&&) noexcept = default;
RxDriver& RxDriver::operator=(RxDriver&&) noexcept = default;
RxDriver::~RxDriver() = default;

RxFields RxDriver::Available() const { return in_place_->Available(); }
uint32_t RxDriver::Capacity() const { return in_place_->Capacity(); }
uint32_t RxDriver::Room() const { return in_place_->Room(); }
uint32_t RxDriver::Outstanding() const { return in_place_->Outstanding(); }
uint32_t RxDriver::Post(std::span<const RxBuffer> buffers) { return in_place_->Post(buffers); }
bool RxDriver::Publish() { return in_place_->Publish(); }
uint32_t RxDriver::Poll(std::span<RxCompletion> out) { return in_place_->Poll(out); }

}  // namespace qsplit::dataplane
