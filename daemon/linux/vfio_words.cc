#include "daemon/linux/vfio_words.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {
namespace {

using absl::StrCat;

// Those that keep the group from being viable: a driver that does DMA of the kernel's has them.
std::string Strangers(const VfioOpenFacts& facts) {
  std::vector<std::string> strangers;
  for (const PciGroupMember& member : facts.members) {
    if (member.is_bridge || member.driver.empty() || member.driver == "vfio-pci" ||
        member.driver == "pci-stub") {
      continue;
    }
    strangers.push_back(StrCat(member.address.ToString(), " (driver ", member.driver, ")"));
  }
  return strangers.empty() ? "one that sysfs does not show" : absl::StrJoin(strangers, ", ");
}

absl::Status GroupRefusal(int error, const std::string& what, const std::string& node,
                          const VfioOpenFacts& facts) {
  switch (error) {
    case ENOENT:
      if (facts.noiommu_node) {
        return absl::FailedPreconditionError(
            StrCat(what, "/dev/vfio/noiommu-", facts.group,
                   ": VFIO has it without an IOMMU, so nothing would keep the device from any ",
                   "memory; boot with the IOMMU on and vfio.enable_unsafe_noiommu_mode off"));
      }
      return absl::FailedPreconditionError(
          StrCat(what, node, " is not there: no function of the group is bound to vfio-pci (",
                 "modprobe vfio-pci, then bind it), or this /dev is not the system's"));
    case EBUSY:
      return absl::UnavailableError(
          StrCat(what, node, " is open elsewhere: another process has the group, or still holds a ",
                 "device of it; end that process (fuser ", node, ")"));
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          StrCat(what, "this process may not open ", node, "; run as root, or give it the node"));
    default:
      return ErrnoStatus(error, StrCat(what, "open of"), node);
  }
}

absl::Status DeviceRefusal(int error, const std::string& what, const VfioOpenFacts& facts) {
  switch (error) {
    // EACCES: vfio_pci_validate_vf_token, where the token lacks or differs; EINVAL: a token where
    // none is wanted.
    case EACCES:
      return absl::PermissionDeniedError(
          facts.is_vf
              ? StrCat(what, "a VF whose PF has vfio-pci opens only with the PF's VF token, and ",
                       facts.token_given ? "this is not it" : "none is given",
                       "; give the one that whoever has the PF has set")
              : StrCat(what, "its VFs are in use, and ",
                       facts.token_given ? "this is not the VF token" : "no VF token is given",
                       "; give the one that they were opened with, or end who has them"));
    case EINVAL:
      if (facts.token_given) {
        return absl::FailedPreconditionError(
            StrCat(what, "a VF token is given, and there is no use for one here: ",
                   facts.is_vf ? "the PF has a driver of the kernel" : "it has no VFs",
                   "; leave the token out"));
      }
      return absl::FailedPreconditionError(
          StrCat(what, "the device does not open (EINVAL)",
                 facts.is_vf ? "; a VF whose PF has vfio-pci wants the PF's VF token" : "",
                 "; the kernel's log says why"));
    case ENODEV:
      return absl::FailedPreconditionError(
          StrCat(what, "the function is not bound to vfio-pci; bind it"));
    case EBUSY:
      return absl::UnavailableError(
          StrCat(what, "somebody else has the device open; end that process"));
    default:
      return ErrnoStatus(error, StrCat(what, "VFIO_GROUP_GET_DEVICE_FD"));
  }
}

}  // namespace

absl::Status VfioOpenRefusal(VfioStep step, int error, const VfioOpenFacts& facts) {
  const std::string what =
      StrCat("PCI function ", facts.address.ToString(), ", IOMMU group ", facts.group, ": ");
  const std::string node = StrCat("/dev/vfio/", facts.group);
  switch (step) {
    case VfioStep::kOpenContainer:
      if (error == ENOENT || error == ENODEV) {
        return absl::FailedPreconditionError(
            StrCat(what, "/dev/vfio/vfio is not there; modprobe vfio-pci"));
      }
      return ErrnoStatus(error, StrCat(what, "open of"), "/dev/vfio/vfio");
    case VfioStep::kApiVersion:
      return absl::FailedPreconditionError(
          StrCat(what, "the kernel's VFIO has no TYPE1v2 IOMMU; modprobe vfio_iommu_type1"));
    case VfioStep::kOpenGroup:
      return GroupRefusal(error, what, node, facts);
    case VfioStep::kViable:
      return absl::FailedPreconditionError(
          StrCat(what, "the group is not viable, for drivers of the kernel have functions of it: ",
                 Strangers(facts), "; bind those to vfio-pci as well, or put the device where ",
                 "PCIe ACS gives it a group of its own"));
    case VfioStep::kSetContainer:
      if (error == EBUSY) {
        return absl::UnavailableError(StrCat(what, node, " is in another container: another ",
                                             "process has the group; end it (fuser ", node, ")"));
      }
      return ErrnoStatus(error, StrCat(what, "VFIO_GROUP_SET_CONTAINER"), node);
    case VfioStep::kSetIommu:
      // vfio_iommu_type1_attach_group refuses a group whose interrupts are not remapped.
      if (error == EPERM) {
        return absl::FailedPreconditionError(
            StrCat(what, "there is no interrupt remapping, without which a device could raise any ",
                   "interrupt of the host; turn it on in the firmware and do not boot with ",
                   "intremap=off or nointremap. qsplit does not run with ",
                   "vfio_iommu_type1.allow_unsafe_interrupts"));
      }
      if (error == ENODEV || error == ENOTTY) {
        return absl::FailedPreconditionError(
            StrCat(what, "no IOMMU driver of VFIO takes the group; modprobe vfio_iommu_type1"));
      }
      return ErrnoStatus(error, StrCat(what, "VFIO_SET_IOMMU"));
    case VfioStep::kDeviceFd:
      return DeviceRefusal(error, what, facts);
  }
  return ErrnoStatus(error, what);
}

absl::Status DmaRefusal(int error, const DmaFacts& facts) {
  const std::string what = absl::StrFormat(
      "mapping of %u bytes at iova 0x%x for a device: ", facts.length_bytes, facts.iova);
  switch (error) {
    case ENOSPC:  // vfio_dma_do_map: dma_avail is 0
      return absl::ResourceExhaustedError(StrCat(
          what, "the container has all mappings that module vfio_iommu_type1 allows it",
          facts.mappings_limit ? StrCat(" (dma_entry_limit ", *facts.mappings_limit, ")") : "",
          "; raise dma_entry_limit, or register fewer and larger regions"));
    case ENOMEM:
    case EDQUOT:
      if (facts.mappings_left == 0u) return DmaRefusal(ENOSPC, facts);
      if (!facts.may_lock && facts.memlock_bytes) {
        return absl::ResourceExhaustedError(
            StrCat(what, "more memory than RLIMIT_MEMLOCK lets the daemon lock (",
                   *facts.memlock_bytes, " bytes for all of its mappings); raise it ",
                   "(systemd: LimitMEMLOCK=infinity), or give the daemon CAP_IPC_LOCK"));
      }
      return absl::ResourceExhaustedError(
          StrCat(what, "the kernel has no memory to lock its pages or for the IOMMU's tables; ",
                 "register less, or free memory (of huge pages: those of nr_hugepages)"));
    case EEXIST:
      return absl::AlreadyExistsError(StrCat(what, "something is mapped there already"));
    case EFAULT:
      return absl::InvalidArgumentError(
          StrCat(what, "not all of the memory is there, or it may not be written"));
    case EINVAL:
      return absl::InvalidArgumentError(StrCat(
          what, "address, memory and length must be multiples of the IOMMU's page size, and ",
          "the address in a range that the IOMMU can map"));
    default:
      return ErrnoStatus(error, StrCat(what, "VFIO_IOMMU_MAP_DMA"));
  }
}

}  // namespace qsplit::linux_sys
