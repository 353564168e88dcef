#include "daemon/backend/vfio/live_function.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::vfio {
namespace {

// Where drivers' own memory stands, below every lease's rings.
constexpr uint64_t kOwnDmaFrom = 0x2000'0000;

}  // namespace

absl::StatusOr<std::unique_ptr<LiveFunction>> LiveFunction::Create(
    linux_sys::VfioFunction function) {
  std::unique_ptr<LiveFunction> made(new LiveFunction(std::move(function)));
  if (absl::Status status = made->Look(); !status.ok()) return status;
  return made;
}

LiveFunction::~LiveFunction() { Close(); }

absl::Status LiveFunction::Look() {
  absl::StatusOr<linux_sys::DmaSpace> space = function_.ReadDmaSpace();
  if (!space.ok()) return space.status();
  // Without a word of the kernel's: what every IOMMU of this century translates.
  uint64_t end = uint64_t{1} << 39;
  if (!space->ranges.empty()) end = space->ranges.back().last;
  iovas_ = IovaSpace(end);
  for (uint32_t i = 0; i < kBars; ++i) {
    bars_[i] = {};
    absl::StatusOr<linux_sys::VfioRegion> region = function_.Region(i);
    if (!region.ok()) return region.status();
    if (region->mappable.empty() || !region->readable || !region->writable) continue;
    bars_[i] = {region->fd_offset_bytes, region->length_bytes};
  }
  absl::StatusOr<uint32_t> vectors = function_.MsixCount();
  if (!vectors.ok()) return vectors.status();
  vectors_ = *vectors;
  linux_sys::OwnedFd copy(::fcntl(function_.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return linux_sys::ErrnoStatus(errno, "dup", "the VFIO device");
  device_fd_ = std::make_shared<linux_sys::OwnedFd>(std::move(copy));
  return absl::OkStatus();
}

RegisterWindow* LiveFunction::Bar(uint32_t index) {
  if (index >= kBars || bars_[index].bytes == 0) return nullptr;
  if (windows_[index] == nullptr) {
    absl::StatusOr<linux_sys::BarWindow> bar = function_.MapBar(index);
    if (!bar.ok()) return nullptr;
    windows_[index] = std::make_unique<Window>(*std::move(bar));
  }
  return windows_[index].get();
}

BarFacts LiveFunction::bar(uint32_t index) const {
  return index < kBars ? bars_[index] : BarFacts{};
}

std::byte* LiveFunction::bar_memory(uint32_t index) {
  return Bar(index) == nullptr ? nullptr : windows_[index]->memory();
}

uint32_t LiveFunction::ReadConfig(uint32_t offset, uint32_t bytes) const {
  if (bytes == 1) return function_.ReadConfig<uint8_t>(offset).value_or(0xff);
  if (bytes == 2) return function_.ReadConfig<uint16_t>(offset).value_or(0xffff);
  return function_.ReadConfig<uint32_t>(offset).value_or(0xffffffff);
}

void LiveFunction::WriteConfig(uint32_t offset, uint32_t bytes, uint32_t value) {
  if (bytes == 1) {
    function_.WriteConfig<uint8_t>(offset, static_cast<uint8_t>(value)).IgnoreError();
  } else if (bytes == 2) {
    function_.WriteConfig<uint16_t>(offset, static_cast<uint16_t>(value)).IgnoreError();
  } else {
    function_.WriteConfig<uint32_t>(offset, value).IgnoreError();
  }
}

absl::Status LiveFunction::Reset() { return function_.Reset(); }

void LiveFunction::SetBusMaster(bool on) { function_.SetBusMaster(on).IgnoreError(); }

absl::StatusOr<DmaMemory> LiveFunction::AllocateDma(uint64_t bytes) {
  const uint64_t whole = (bytes + IovaSpace::kPageBytes - 1) & ~(IovaSpace::kPageBytes - 1);
  absl::StatusOr<uint64_t> iova = iovas_.Take(whole, IovaSpace::kPageBytes, kOwnDmaFrom);
  if (!iova.ok()) return iova.status();
  absl::StatusOr<backend::RingMemory> memory = backend::MakeRingMemory(whole);
  absl::Status status = memory.status();
  if (status.ok()) status = MapDma(*iova, memory->memory.data(), whole, true);
  if (!status.ok()) {
    iovas_.Give(*iova);
    return status;
  }
  dma_.push_back({*iova, *std::move(memory)});
  return DmaMemory{dma_.back().memory.memory.data(), *iova, whole};
}

absl::Time LiveFunction::Now() const { return absl::Now(); }

void LiveFunction::Sleep(absl::Duration duration) { absl::SleepFor(duration); }

absl::Status LiveFunction::MapDma(uint64_t iova, std::byte* memory, uint64_t bytes,
                                  bool device_writable) {
  return function_.MapDma(iova, memory, bytes, device_writable);
}

absl::Status LiveFunction::UnmapDma(uint64_t iova, uint64_t bytes) {
  return function_.UnmapDma(iova, bytes);
}

absl::Status LiveFunction::SetVectors(std::span<const int> eventfds) {
  if (eventfds.empty()) return function_.ClearMsixEvents();
  return function_.SetMsixEvents(0, eventfds);
}

void LiveFunction::Close() {
  for (const OwnDma& own : dma_) UnmapDma(own.iova, own.memory.memory.length_bytes()).IgnoreError();
  dma_.clear();
  for (std::unique_ptr<Window>& window : windows_) window.reset();
  device_fd_.reset();
  function_.Close();
}

absl::Status LiveFunction::Reopen() {
  absl::StatusOr<bool> held = function_.HeldElsewhere();
  if (!held.ok()) return held.status();
  if (*held) {
    return absl::UnavailableError(
        "a former client still holds the function's descriptor or a mapping of it; the function is "
        "free when that program, and whoever it gave them to, has ended");
  }
  if (absl::Status status = function_.Reopen(); !status.ok()) return status;
  return Look();
}

}  // namespace qsplit::vfio
