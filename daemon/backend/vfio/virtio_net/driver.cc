#include "daemon/backend/vfio/virtio_net/driver.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/registers.h"
#include "daemon/backend/vfio/virtio_net/virtio_net.h"

namespace qsplit::vfio {

std::unique_ptr<NicDriver> MakeVirtioNet(uint16_t device_id, FunctionAccess& function) {
  // 4.1.2: 0x1040 and the kind of device, which is 1 for network devices.
  if (device_id != 0x1041) return nullptr;
  return std::make_unique<virtio_net::Driver>(function);
}

namespace virtio_net {

absl::Duration Driver::Left() const {
  return std::max(deadline_ - function_.Now(), absl::ZeroDuration());
}

void Driver::Stop() {
  if (transport_.has_value()) transport_->Reset(absl::Milliseconds(10)).IgnoreError();
  function_.SetBusMaster(false);
  up_ = false;
  for (Virtqueue& queue : virtqueues_) queue.running = false;
}

LinkState Driver::Link() {
  if (transport_->Status() == kGone) return {};
  // 5.1.4: without the feature, the link is always up.
  const uint32_t status = transport_->ReadConfig(kNetConfigStatus, 2);
  if (Has(kNetStatus) && (status & kNetStatusLinkUp) == 0) return {};
  // 5.1.4: all values up to 2^31 - 1; others: unknown.
  const uint32_t speed = Has(kNetSpeed) ? transport_->ReadConfig(kNetConfigSpeed, 4) : 0;
  return {.up = true, .mbps = speed <= 0x7fffffff ? speed : 0};
}

uint16_t Driver::VectorOf(uint32_t virtqueue) const {
  if (facts_.vectors == 0) return kNoVector;
  if (own_vectors_) return static_cast<uint16_t>(1 + virtqueue);
  return static_cast<uint16_t>(facts_.vectors - 1);
}

std::optional<uint32_t> Driver::VectorOf(bool transmit, uint32_t queue) const {
  if (facts_.vectors == 0 || queue >= facts_.rx_queues) return std::nullopt;
  return VectorOf(2 * queue + (transmit ? 1 : 0));
}

std::optional<uint32_t> Driver::OtherVector() const {
  if (facts_.vectors == 0) return std::nullopt;
  return 0;
}

absl::Status Driver::AddRule(const device::FlowRule& /*rule*/) {
  return absl::UnimplementedError(
      "a virtio network device has no filters that choose a queue for a flow");
}

absl::Status Driver::RemoveRule(uint32_t location) {
  return absl::NotFoundError(absl::StrCat("no rule at location ", location,
                                          ": a virtio network device has no filters for flows"));
}

}  // namespace virtio_net
}  // namespace qsplit::vfio
