#include "dataplane/tx_device.h"

#include "absl/status/status.h"
#include "dataplane/in_place_tx_device.h"
#include "dataplane/ring_tx_device.h"

namespace qsplit::dataplane {

absl::StatusOr<TxDevice> TxDevice::Create(const layout::VerifiedLayout& layout,
                                          const QueueView& view, const TxDeviceOptions& options) {
  auto in_place = InPlaceTxDevice::Create(layout, view, options);
  if (in_place.ok()) return TxDevice(*std::move(in_place));
  if (!absl::IsUnimplemented(in_place.status())) return in_place.status();
  auto ring = RingTxDevice::Create(layout, view, options);
  if (!ring.ok()) return ring.status();
  return TxDevice(*std::move(ring));
}

TxDevice::TxDevice(std::unique_ptr<InPlaceTxDevice> in_place) : in_place_(std::move(in_place)) {}
TxDevice::TxDevice(std::unique_ptr<RingTxDevice> ring) : ring_(std::move(ring)) {}
TxDevice::TxDevice(TxDevice&&) noexcept = default;
TxDevice& TxDevice::operator=(TxDevice&&) noexcept = default;
TxDevice::~TxDevice() = default;

AccessReport TxDevice::Access() const { return in_place_ ? in_place_->Access() : ring_->Access(); }
TxFeatures TxDevice::Features() const {
  return in_place_ ? in_place_->Features() : ring_->Features();
}
uint32_t TxDevice::PeekAvailable() {
  return in_place_ ? in_place_->PeekAvailable() : ring_->PeekAvailable();
}
RingFault TxDevice::Fetch(TxWork* out) {
  return in_place_ ? in_place_->Fetch(out) : ring_->Fetch(out);
}
void TxDevice::Complete(const TxHandle& handle, uint64_t time_ns) {
  in_place_ ? in_place_->Complete(handle) : ring_->Complete(handle, time_ns);
}
uint32_t TxDevice::FetchPlain(std::span<PlainTx> out, bool* nothing) {
  bool none = false;
  const uint32_t count =
      in_place_ ? in_place_->FetchPlain(out, &none) : ring_->FetchPlain(out, &none);
  if (nothing != nullptr) *nothing = none;
  return count;
}
void TxDevice::CompletePlain(std::span<const PlainTx> packets) {
  if (packets.empty()) return;
  if (in_place_) {
    in_place_->Complete(
        {.first_slot = packets.front().slot, .slots = static_cast<uint32_t>(packets.size())});
  } else {
    ring_->CompletePlain(packets);
  }
}
TxHandle TxDevice::HandleOf(const PlainTx& packet) const {
  return in_place_ ? TxHandle{.first_slot = packet.slot, .slots = 1} : ring_->HandleOf(packet);
}
void TxDevice::SetNeedWakeup(bool need) {
  in_place_ ? in_place_->SetNeedWakeup(need) : ring_->SetNeedWakeup(need);
}

}  // namespace qsplit::dataplane
