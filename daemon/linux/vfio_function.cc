#include "daemon/linux/vfio_function.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/vfio_words.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kContainerNode[] = "/dev/vfio/vfio";

std::string GroupNode(uint32_t group) { return absl::StrCat("/dev/vfio/", group); }

bool NoIommuNode(uint32_t group) {
  return ::access(absl::StrCat("/dev/vfio/noiommu-", group).c_str(), F_OK) == 0;
}

// With this the kernel would take a group whose interrupts are not remapped, and say nothing.
absl::Status CheckInterruptsSafe(const std::string& sysfs) {
  const std::string file =
      absl::StrCat(sysfs, "/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
  std::ifstream in(file);
  if (in.get() != 'Y') return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(file, " is Y: the kernel would let a device raise any interrupt of the host; ",
                   "write N to it (and take allow_unsafe_interrupts out of the module's options)"));
}

}  // namespace

absl::StatusOr<VfioFunction> VfioFunction::Open(const PciAddress& address, uint32_t group,
                                                VfioOptions options) {
  if (absl::Status safe = CheckInterruptsSafe(options.sysfs); !safe.ok()) return safe;
  VfioFunction function;
  function.address_ = address;
  function.group_number_ = group;
  function.options_ = std::move(options);
  function.container_ = OwnedFd(::open(kContainerNode, O_RDWR | O_CLOEXEC));
  if (!function.container_.valid()) return function.Refusal(VfioStep::kOpenContainer, errno);
  const int container = function.container_.get();
  if (::ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
      ::ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
    return function.Refusal(VfioStep::kApiVersion, 0);
  }
  function.group_ = OwnedFd(::open(GroupNode(group).c_str(), O_RDWR | O_CLOEXEC));
  if (!function.group_.valid()) return function.Refusal(VfioStep::kOpenGroup, errno);
  if (absl::Status status = function.AttachAndOpen(); !status.ok()) return status;
  return function;
}

absl::Status VfioFunction::Refusal(VfioStep step, int error) const {
  VfioOpenFacts facts{.address = address_,
                      .group = group_number_,
                      .noiommu_node = NoIommuNode(group_number_),
                      .token_given = options_.vf_token.has_value()};
  if (const auto pci = ReadPciFacts(address_, options_.sysfs); pci.ok()) {
    facts.is_vf = pci->physical_function.has_value();
    if (pci->iommu_group) facts.members = pci->iommu_group->members;
  }
  return VfioOpenRefusal(step, error, facts);
}

absl::Status VfioFunction::AttachAndOpen() {
  vfio_group_status status{.argsz = sizeof status, .flags = 0};
  if (::ioctl(group_.get(), VFIO_GROUP_GET_STATUS, &status) != 0) {
    return Refusal(VfioStep::kOpenGroup, errno);
  }
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) return Refusal(VfioStep::kViable, 0);
  if (!attached_) {
    const int container = container_.get();
    if (::ioctl(group_.get(), VFIO_GROUP_SET_CONTAINER, &container) != 0) {
      return Refusal(VfioStep::kSetContainer, errno);
    }
    if (::ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0) {
      const int error = errno;
      (void)::ioctl(group_.get(), VFIO_GROUP_UNSET_CONTAINER);
      return Refusal(VfioStep::kSetIommu, error);
    }
    attached_ = true;
  }
  // vfio_pci_core_match: the address, a blank, options.
  std::string name = address_.ToString();
  if (options_.vf_token) absl::StrAppend(&name, " vf_token=", VfTokenText(*options_.vf_token));
  // Close on exec by itself.
  device_ = OwnedFd(::ioctl(group_.get(), VFIO_GROUP_GET_DEVICE_FD, name.c_str()));
  if (!device_.valid()) return Refusal(VfioStep::kDeviceFd, errno);
  auto config = Region(kConfigRegion);
  if (!config.ok()) return config.status();
  config_ = *std::move(config);
  msix_vectors_ = 0;
  return absl::OkStatus();
}

void VfioFunction::Close() {
  device_.Reset();
  msix_vectors_ = 0;
}

absl::StatusOr<bool> VfioFunction::HeldElsewhere() {
  if (is_open()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "PCI function ", address_.ToString(), " is open here; close it, then ask who has it"));
  }
  if (!attached_) return false;
  if (::ioctl(group_.get(), VFIO_GROUP_UNSET_CONTAINER) == 0) {
    attached_ = false;
    return false;
  }
  if (errno == EBUSY) return true;
  return ErrnoStatus(errno, "VFIO_GROUP_UNSET_CONTAINER of", GroupNode(group_number_));
}

absl::Status VfioFunction::Reopen() {
  if (is_open()) return absl::OkStatus();
  return AttachAndOpen();
}

absl::StatusOr<bool> VfioGroupHeld(uint32_t group) {
  // Device fds keep the group's file open, and that opens only once: vfio_group_fops_open.
  const OwnedFd fd(::open(GroupNode(group).c_str(), O_RDWR | O_CLOEXEC));
  if (fd.valid()) return false;
  if (errno == EBUSY) return true;
  return ErrnoStatus(errno, "open of", GroupNode(group));
}

}  // namespace qsplit::linux_sys
