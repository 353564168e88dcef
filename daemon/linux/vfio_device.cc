// VfioFunction: what goes through the device fd.
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/vfio_answer.h"
#include "daemon/linux/vfio_function.h"

namespace qsplit::linux_sys {
namespace {

static_assert(VfioFunction::kConfigRegion == VFIO_PCI_CONFIG_REGION_INDEX);

constexpr uint32_t kBars = 6;

}  // namespace

absl::Status VfioFunction::CheckOpen() const {
  if (is_open()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("PCI function ", address_.ToString(), " is not open"));
}

absl::StatusOr<VfioRegion> VfioFunction::Region(uint32_t index) const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const vfio_region_info question{.index = index};
  const auto answer = VfioAnswer(
      device_.get(), VFIO_DEVICE_GET_REGION_INFO, std::as_bytes(std::span(&question, 1)),
      "VFIO_DEVICE_GET_REGION_INFO of", absl::StrCat(address_.ToString(), ", region ", index));
  if (!answer.ok()) return answer.status();
  return ParseVfioRegion(*answer);
}

absl::StatusOr<BarWindow> VfioFunction::MapBar(uint32_t index) const {
  const std::string what = absl::StrCat("BAR ", index, " of PCI function ", address_.ToString());
  if (index >= kBars) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": there are BARs 0 to 5"));
  }
  const auto region = Region(index);
  if (!region.ok()) return region.status();
  if (region->length_bytes == 0) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": the device has none"));
  }
  const bool whole = region->mappable.size() == 1 && region->mappable[0].offset_bytes == 0 &&
                     region->mappable[0].length_bytes == region->length_bytes;
  if (!whole || !region->readable || !region->writable) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " (", region->length_bytes,
        " bytes) cannot be mapped as a whole: it is in I/O space, or shares a page, or ",
        "the kernel keeps a part of it to itself"));
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  auto mapping =
      Mapping::Map(device_.get(), region->fd_offset_bytes,
                   (region->length_bytes + page - 1) / page * page, Mapping::Access::kReadWrite);
  if (!mapping.ok()) {
    return absl::Status(mapping.status().code(),
                        absl::StrCat(what, ": ", std::string(mapping.status().message())));
  }
  return BarWindow(*std::move(mapping), region->length_bytes);
}

absl::Status VfioFunction::ReadConfigBytes(uint32_t offset_bytes, void* value, size_t bytes) const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const std::string what = absl::StrCat(bytes, " bytes of configuration space at ", offset_bytes);
  if (offset_bytes % bytes != 0 || uint64_t{offset_bytes} + bytes > config_.length_bytes) {
    return absl::OutOfRangeError(absl::StrCat(what, " of ", config_.length_bytes));
  }
  const auto at = static_cast<off_t>(config_.fd_offset_bytes + offset_bytes);
  const ssize_t got = ::pread(device_.get(), value, bytes, at);
  if (got == static_cast<ssize_t>(bytes)) return absl::OkStatus();
  return ErrnoStatus(got < 0 ? errno : EIO, "read of", what);
}

absl::Status VfioFunction::WriteConfigBytes(uint32_t offset_bytes, const void* value,
                                            size_t bytes) const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const std::string what = absl::StrCat(bytes, " bytes of configuration space at ", offset_bytes);
  if (offset_bytes % bytes != 0 || uint64_t{offset_bytes} + bytes > config_.length_bytes) {
    return absl::OutOfRangeError(absl::StrCat(what, " of ", config_.length_bytes));
  }
  const auto at = static_cast<off_t>(config_.fd_offset_bytes + offset_bytes);
  const ssize_t put = ::pwrite(device_.get(), value, bytes, at);
  if (put == static_cast<ssize_t>(bytes)) return absl::OkStatus();
  return ErrnoStatus(put < 0 ? errno : EIO, "write of", what);
}

absl::Status VfioFunction::SetBusMaster(bool on) const {
  const auto command = ReadConfig<uint16_t>(PCI_COMMAND);
  if (!command.ok()) return command.status();
  const int wanted = on ? *command | PCI_COMMAND_MASTER : *command & ~PCI_COMMAND_MASTER;
  if (wanted == *command) return absl::OkStatus();
  return WriteConfig<uint16_t>(PCI_COMMAND, static_cast<uint16_t>(wanted));
}

absl::Status VfioFunction::Reset() const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (::ioctl(device_.get(), VFIO_DEVICE_RESET) == 0) return absl::OkStatus();
  // vfio_pci_ioctl_reset: EINVAL where the device has no way to reset it alone.
  if (errno == EINVAL || errno == ENOTTY) {
    return absl::UnimplementedError(
        absl::StrCat("PCI function ", address_.ToString(), " cannot be reset by itself"));
  }
  return ErrnoStatus(errno, "VFIO_DEVICE_RESET of", address_.ToString());
}

absl::StatusOr<uint32_t> VfioFunction::MsixCount() const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  vfio_irq_info info{.argsz = sizeof info, .index = VFIO_PCI_MSIX_IRQ_INDEX};
  if (::ioctl(device_.get(), VFIO_DEVICE_GET_IRQ_INFO, &info) != 0) {
    return ErrnoStatus(errno, "VFIO_DEVICE_GET_IRQ_INFO of", address_.ToString());
  }
  return info.count;
}

// `available`: where the host has fewer vectors than asked for, how many.
absl::Status VfioFunction::SetMsix(uint32_t first, std::span<const int> fds,
                                   uint32_t* available) const {
  std::vector<std::byte> ask(sizeof(vfio_irq_set) + fds.size_bytes());
  const uint32_t data = fds.empty() ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD;
  const vfio_irq_set set{.argsz = static_cast<uint32_t>(ask.size()),
                         .flags = VFIO_IRQ_SET_ACTION_TRIGGER | data,
                         .index = VFIO_PCI_MSIX_IRQ_INDEX,
                         .start = first,
                         .count = static_cast<uint32_t>(fds.size())};
  std::memcpy(ask.data(), &set, sizeof set);
  if (!fds.empty()) std::memcpy(ask.data() + sizeof set, fds.data(), fds.size_bytes());
  const int result = ::ioctl(device_.get(), VFIO_DEVICE_SET_IRQS, ask.data());
  if (result == 0) return absl::OkStatus();
  if (result < 0) {
    return ErrnoStatus(errno, "VFIO_DEVICE_SET_IRQS of",
                       absl::StrCat(address_.ToString(), ", MSI-X vectors ", first, " to ",
                                    first + fds.size(), " exclusive"));
  }
  *available = static_cast<uint32_t>(result);
  return absl::ResourceExhaustedError(
      absl::StrCat("PCI function ", address_.ToString(), ": the host has ", result,
                   " interrupt vectors left for it, fewer than the ", first + fds.size(),
                   " wanted; use fewer queues with events, or free vectors"));
}

absl::Status VfioFunction::SetMsixEvents(uint32_t first, std::span<const int> fds) {
  if (fds.empty()) return CheckOpen();
  const auto count = MsixCount();
  if (!count.ok()) return count.status();
  if (first > *count || fds.size() > *count - first) {
    return absl::OutOfRangeError(absl::StrCat("PCI function ", address_.ToString(), " has ", *count,
                                              " MSI-X vectors, and ", first, " to ",
                                              first + fds.size(), " exclusive are wanted"));
  }
  uint32_t available = 0;
  if (msix_vectors_ == 0) {
    // Older kernels enable vectors once and for all (VFIO_IRQ_INFO_NORESIZE): all of them, silent.
    uint32_t vectors = *count;
    absl::Status status = SetMsix(0, std::vector<int>(vectors, -1), &available);
    if (absl::IsResourceExhausted(status) && available != 0 && available < vectors) {
      vectors = available;
      status = SetMsix(0, std::vector<int>(vectors, -1), &available);
    }
    if (!status.ok()) return status;
    msix_vectors_ = vectors;
  }
  if (first + fds.size() > msix_vectors_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("PCI function ", address_.ToString(), ": the host gave it ", msix_vectors_,
                     " interrupt vectors, and vector ", first + fds.size() - 1,
                     " is wanted; use fewer queues ", "with events"));
  }
  return SetMsix(first, fds, &available);
}

absl::Status VfioFunction::ClearMsixEvents() {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (msix_vectors_ == 0) return absl::OkStatus();
  uint32_t available = 0;
  absl::Status status = SetMsix(0, {}, &available);
  if (status.ok()) msix_vectors_ = 0;
  return status;
}

absl::Status VfioFunction::SetVfToken(const VfToken& token) const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  std::array<std::byte, sizeof(vfio_device_feature) + sizeof token> ask;
  const vfio_device_feature feature{
      .argsz = static_cast<uint32_t>(ask.size()),
      .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN};
  std::memcpy(ask.data(), &feature, sizeof feature);
  std::memcpy(ask.data() + sizeof feature, token.data(), sizeof token);
  if (::ioctl(device_.get(), VFIO_DEVICE_FEATURE, ask.data()) == 0) return absl::OkStatus();
  if (errno == ENOTTY || errno == EINVAL) {
    return absl::UnimplementedError(absl::StrCat("PCI function ", address_.ToString(),
                                                 " takes no VF token: it is no PF with SR-IOV"));
  }
  return ErrnoStatus(errno, "VFIO_DEVICE_FEATURE (VF token) of", address_.ToString());
}

}  // namespace qsplit::linux_sys
