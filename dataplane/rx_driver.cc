#include "dataplane/rx_driver.h"

#include "dataplane/block_rx_driver.h"
#include "dataplane/in_place_rx.h"
#include "dataplane/ring_rx_driver.h"

namespace qsplit::dataplane {

absl::StatusOr<RxDriver> RxDriver::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const RxOptions& options) {
  RxDriver driver;
  auto in_place = InPlaceRxDriver::Create(layout, view, options);
  if (in_place.ok()) {
    driver.in_place_ = *std::move(in_place);
    return driver;
  }
  if (!absl::IsUnimplemented(in_place.status())) return in_place.status();
  auto blocks = BlockRxDriver::Create(layout, view, options);
  if (blocks.ok()) {
    driver.blocks_ = *std::move(blocks);
    return driver;
  }
  if (!absl::IsUnimplemented(blocks.status())) return blocks.status();
  auto rings = RingRxDriver::Create(layout, view, options);
  if (!rings.ok()) return rings.status();
  driver.rings_ = *std::move(rings);
  return driver;
}

// One branch for each burst.
template <typename F>
auto RxDriver::With(F&& f) const {
  if (in_place_ != nullptr) [[likely]] {
    return f(*in_place_);
  }
  return rings_ != nullptr ? f(*rings_) : f(*blocks_);
}

RxDriver::RxDriver() = default;
RxDriver::RxDriver(RxDriver&&) noexcept = default;
RxDriver& RxDriver::operator=(RxDriver&&) noexcept = default;
RxDriver::~RxDriver() = default;

RxFields RxDriver::Available() const {
  return With([](auto& e) { return e.Available(); });
}
bool RxDriver::NeedsMemory() const {
  return With([](auto& e) { return e.NeedsMemory(); });
}
uint32_t RxDriver::Capacity() const {
  return With([](auto& e) { return e.Capacity(); });
}
uint32_t RxDriver::Room() const {
  return With([](auto& e) { return e.Room(); });
}
uint32_t RxDriver::Outstanding() const {
  return With([](auto& e) { return e.Outstanding(); });
}
uint32_t RxDriver::Post(std::span<const RxBuffer> buffers) {
  return With([&](auto& e) { return e.Post(buffers); });
}
bool RxDriver::Publish() {
  return With([](auto& e) { return e.Publish(); });
}
uint32_t RxDriver::Poll(std::span<RxCompletion> out) {
  return With([&](auto& e) { return e.Poll(out); });
}
AccessReport RxDriver::Access() const {
  if (in_place_ != nullptr) return in_place_->Access();
  return rings_ != nullptr ? rings_->Access() : AccessReport::Engine();
}

}  // namespace qsplit::dataplane
