#include "daemon/backend/vfio/virtio_net/transport.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {

absl::StatusOr<Transport> Transport::Find(FunctionAccess& function) {
  std::array<std::byte, kConfigSpaceBytes> config{};
  for (uint32_t at = 0; at < kConfigSpaceBytes; at += 4) {
    const uint32_t word = function.ReadConfig(at, 4);
    for (uint32_t i = 0; i < 4; ++i) config[at + i] = static_cast<std::byte>(word >> (8 * i));
  }
  std::array<uint64_t, kBars> bar_bytes{};
  for (uint32_t bar = 0; bar < kBars; ++bar) {
    const RegisterWindow* const window = function.Bar(bar);
    if (window != nullptr) bar_bytes[bar] = window->size_bytes();
  }
  absl::StatusOr<Capabilities> places = FindCapabilities(config, bar_bytes);
  if (!places.ok()) return places.status();
  return Transport(function, *places, function.Bar(places->common.bar),
                   function.Bar(places->device.bar));
}

void Transport::SetCommon64(uint64_t offset, uint64_t value) {
  SetCommon32(offset, static_cast<uint32_t>(value));
  SetCommon32(offset + 4, static_cast<uint32_t>(value >> 32));
}

uint8_t Transport::Status() const { return common_->Read8(places_.common.offset + kDeviceStatus); }

void Transport::AddStatus(uint8_t bits) {
  const uint8_t now = Status();
  if (now == kGone) return;  // ones are no status to write back
  common_->Write8(places_.common.offset + kDeviceStatus, static_cast<uint8_t>(now | bits));
}

absl::Status Transport::Reset(absl::Duration limit) {
  common_->Write8(places_.common.offset + kDeviceStatus, 0);
  const absl::Time deadline = function_->Now() + limit;
  while (Status() != 0) {
    if (function_->Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat(
          "the device's status reads 0x", absl::Hex(Status()),
          " instead of 0 after its reset was asked for ", absl::FormatDuration(limit), " ago"));
    }
    function_->Sleep(absl::Microseconds(100));
  }
  return absl::OkStatus();
}

uint64_t Transport::DeviceFeatures() {
  uint64_t features = 0;
  for (const uint32_t half : {0u, 1u}) {
    SetCommon32(kDeviceFeatureSelect, half);
    features |= uint64_t{common_->Read32(places_.common.offset + kDeviceFeature)} << (32 * half);
  }
  return features;
}

void Transport::WriteDriverFeatures(uint64_t features) {
  for (const uint32_t half : {0u, 1u}) {
    SetCommon32(kDriverFeatureSelect, half);
    SetCommon32(kDriverFeature, static_cast<uint32_t>(features >> (32 * half)));
  }
}

uint32_t Transport::QueueCount() const { return Common16(kNumQueues); }

// 4.1.5.1.2.1: a vector that the device could not take reads back as none.
absl::Status Transport::SetConfigVector(uint16_t vector) {
  SetCommon16(kConfigVector, vector);
  if (Common16(kConfigVector) == vector) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the device took no MSI-X vector ", vector, " for changes of configuration"));
}

uint32_t Transport::MaxSlots(uint32_t virtqueue) {
  SetCommon16(kQueueSelect, static_cast<uint16_t>(virtqueue));
  return Common16(kQueueSize);
}

absl::StatusOr<RegisterPlace> Transport::EnableQueue(uint32_t virtqueue, uint16_t slots,
                                                     uint16_t vector,
                                                     const QueueAddresses& addresses) {
  SetCommon16(kQueueSelect, static_cast<uint16_t>(virtqueue));
  // 4.1.4.4.1: the last byte of the notification lies inside of the structure.
  const uint64_t notify_at = uint64_t{Common16(kQueueNotifyOffset)} * places_.notify_multiplier;
  if (notify_at + 2 > places_.notify.bytes) {
    return absl::UnavailableError(absl::StrCat("virtqueue ", virtqueue, " is notified at ",
                                               notify_at, ", outside of the ", places_.notify.bytes,
                                               " bytes for notifications"));
  }
  SetCommon16(kQueueSize, slots);
  SetCommon16(kQueueVector, vector);
  if (Common16(kQueueVector) != vector) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the device took no MSI-X vector ", vector, " for virtqueue ", virtqueue));
  }
  SetCommon64(kQueueDescriptors, addresses.descriptors);
  SetCommon64(kQueueDriver, addresses.driver);
  SetCommon64(kQueueDevice, addresses.device);
  SetCommon16(kQueueEnable, 1);
  return RegisterPlace{.bar = places_.notify.bar, .offset = places_.notify.offset + notify_at};
}

absl::Status Transport::ResetQueue(uint32_t virtqueue, absl::Duration limit) {
  SetCommon16(kQueueSelect, static_cast<uint16_t>(virtqueue));
  SetCommon16(kQueueReset, 1);
  const absl::Time deadline = function_->Now() + limit;
  while (Common16(kQueueReset) != 0 || Common16(kQueueEnable) != 0) {
    if (function_->Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat("virtqueue ", virtqueue,
                                                 " did not end its reset (queue_reset) within ",
                                                 absl::FormatDuration(limit)));
    }
    function_->Sleep(absl::Microseconds(100));
  }
  return absl::OkStatus();
}

void Transport::Notify(const RegisterPlace& place, uint32_t virtqueue) {
  function_->Bar(place.bar)->Write16(place.offset, static_cast<uint16_t>(virtqueue));
}

uint32_t Transport::ReadConfig(uint64_t offset, uint32_t bytes) const {
  if (offset + bytes > places_.device.bytes) return 0;
  const uint64_t at = places_.device.offset + offset;
  return bytes == 1 ? device_->Read8(at) : bytes == 2 ? device_->Read16(at) : device_->Read32(at);
}

}  // namespace qsplit::vfio::virtio_net
