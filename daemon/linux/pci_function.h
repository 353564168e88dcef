// What the kernel says about a PCI function in sysfs.
//
// Facts are read at the call and may be old at once: whoever acts on them reads them after he has
// got hold of the function again. Nothing is written here. Any thread.
//
// `sysfs` is where sysfs is mounted; tests give a tree of their own.
#ifndef QSPLIT_DAEMON_LINUX_PCI_FUNCTION_H_
#define QSPLIT_DAEMON_LINUX_PCI_FUNCTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/linux/pci_address.h"

namespace qsplit::linux_sys {

inline constexpr char kSysfs[] = "/sys";

// Another function whose DMA the IOMMU cannot tell from this one's.
struct PciGroupMember {
  PciAddress address;
  std::string driver;      // empty: none
  bool is_bridge = false;  // by its class: it makes no requests of its own
};

struct PciIommuGroup {
  uint32_t number = 0;
  // VFIO's mode without an IOMMU made it (vfio.enable_unsafe_noiommu_mode): it protects nothing.
  bool is_noiommu = false;
  std::vector<PciGroupMember> members;  // in order of address, the function itself included
};

struct PciFacts {
  PciAddress address;
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint32_t class_code = 0;                   // 24 bits: base class, subclass, interface
  std::string driver;                        // empty: none
  std::string driver_override;               // empty: none
  std::optional<PciIommuGroup> iommu_group;  // none: no IOMMU translates what it does
  std::optional<uint32_t> numa_node;
  std::vector<std::string> netdevs;  // those that this process's network namespace sees
  // Where it is a virtual function: its physical one.
  std::optional<PciAddress> physical_function;
  // Of a physical function; 0 without SR-IOV.
  uint32_t total_vfs = 0;
  std::vector<PciAddress> vfs;  // those that are on, in the order of their numbers
  bool vfs_probed = true;       // drivers of the kernel take new ones (sriov_drivers_autoprobe)
};

// NOT_FOUND: there is no such function.
absl::StatusOr<PciFacts> ReadPciFacts(const PciAddress& address, const std::string& sysfs = kSysfs);

// The driver that has it now; empty: none, or no such function.
std::string DriverOf(const PciAddress& address, const std::string& sysfs = kSysfs);

// NOT_FOUND: no netdev of this name, or one that is no PCI function's.
absl::StatusOr<PciAddress> PciAddressOfNetdev(const std::string& netdev,
                                              const std::string& sysfs = kSysfs);

// "<sysfs>/bus/pci/devices/0000:01:00.0"
std::string PciFolder(const PciAddress& address, const std::string& sysfs = kSysfs);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PCI_FUNCTION_H_
