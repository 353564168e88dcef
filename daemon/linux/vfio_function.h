// One PCI function through VFIO: its IOMMU group, a container of its own, and its device.
//
//   container ◄─SET_CONTAINER─ group ─GET_DEVICE_FD─► device fd
//       │                                               ├─ regions: BARs, configuration space
//       └─ MapDma, UnmapDma: all that the function      ├─ MSI-X by event fds, reset
//          can reach                                    └─ may be handed to a client: fd()
//
// Who has the device fd has every register of the function, and nothing else: memory is mapped by
// the container's fd, which never leaves this process, as the group's never does. A group that VFIO
// has without an IOMMU, or without interrupt remapping, is refused.
//
// Is a function that was handed to a client free again? A closed session says nothing: the client
// may have given the fd, or a mapping of it, to others. The kernel knows. It lets a group leave its
// container only when no device of the group is open (VFIO_GROUP_UNSET_CONTAINER gives EBUSY as
// long as `container_users` counts one, and a mapping holds its file). So:
//
//   open ──Close──► closed ──HeldElsewhere: true──► closed     ask again later
//    ▲                 └────HeldElsewhere: false──► detached   nobody has it; all DMA mappings are
//    └───────────────────Reopen─────────────────────────┘      gone with the address space
//
// While closed, MapDma and UnmapDma work on: what the holder's device reaches can be taken away.
//
// Move-only. One thread at a time; MapDma and UnmapDma may run beside the others.
#ifndef QSPLIT_DAEMON_LINUX_VFIO_FUNCTION_H_
#define QSPLIT_DAEMON_LINUX_VFIO_FUNCTION_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/bar_window.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/pci_address.h"
#include "daemon/linux/pci_function.h"
#include "daemon/linux/vfio_facts.h"

namespace qsplit::linux_sys {

enum class VfioStep : uint8_t;  // vfio_words.h

struct VfioOptions {
  // Of a VF: that which its PF's holder has set. Of a PF with vfio-pci: sets it.
  std::optional<VfToken> vf_token;
  std::string sysfs = kSysfs;
};

class VfioFunction {
 public:
  // The function must be bound to vfio-pci and the only user of its group's DMA. Errors as
  // VfioOpenRefusal (vfio_words.h), and FAILED_PRECONDITION where the kernel was told to go without
  // interrupt remapping (allow_unsafe_interrupts).
  static absl::StatusOr<VfioFunction> Open(const PciAddress& address, uint32_t group,
                                           VfioOptions options = {});

  const PciAddress& address() const { return address_; }
  uint32_t group() const { return group_number_; }

  // --- The device. FAILED_PRECONDITION from each of these unless the state is open.

  // The device fd: -1 unless open. Whoever gets a duplicate has the whole function.
  int fd() const { return device_.get(); }

  // `index` 0 to 5: the BARs; kConfigRegion: the configuration space.
  absl::StatusOr<VfioRegion> Region(uint32_t index) const;
  static constexpr uint32_t kConfigRegion = 7;  // VFIO_PCI_CONFIG_REGION_INDEX

  // Maps all of BAR `index`, readable and writable. FAILED_PRECONDITION: the device has none, or
  // the kernel does not let all of it be mapped.
  absl::StatusOr<BarWindow> MapBar(uint32_t index) const;

  // Configuration space, in host byte order; T is uint8_t, uint16_t or uint32_t, `offset_bytes` a
  // multiple of its size. The kernel filters what is written. OUT_OF_RANGE: not in it.
  template <std::unsigned_integral T>
  absl::StatusOr<T> ReadConfig(uint32_t offset_bytes) const;
  template <std::unsigned_integral T>
  absl::Status WriteConfig(uint32_t offset_bytes, T value) const;

  // Lets the device make requests of its own (DMA and MSI-X), or stops that: bit 2 of the command
  // register. A reset clears it.
  absl::Status SetBusMaster(bool on) const;

  // Function-level reset, or what else the device has. UNIMPLEMENTED: it has none.
  absl::Status Reset() const;

  // Interrupt vectors of MSI-X; 0: none.
  absl::StatusOr<uint32_t> MsixCount() const;
  // Vectors first, first+1, ... signal these eventfds; -1: nothing. OUT_OF_RANGE: it has not so
  // many. RESOURCE_EXHAUSTED: the host has not.
  absl::Status SetMsixEvents(uint32_t first, std::span<const int> fds);
  // All vectors off.
  absl::Status ClearMsixEvents();

  // Of a PF: VFs open from now on only with this token. UNIMPLEMENTED: no PF.
  absl::Status SetVfToken(const VfToken& token) const;

  // --- Memory, unless detached.

  // One mapping for all of it, so that the IOMMU gets entries as large as the pages underneath
  // allow. All are multiples of the page size. The pages are locked until UnmapDma. Errors as
  // DmaRefusal (vfio_words.h).
  absl::Status MapDma(uint64_t iova, void* memory, uint64_t length_bytes, bool writable) const;
  // A whole mapping: from its return on, the device cannot reach it. NOT_FOUND: none is there.
  absl::Status UnmapDma(uint64_t iova, uint64_t length_bytes) const;
  absl::StatusOr<DmaSpace> ReadDmaSpace() const;

  // --- Handing over; see above.

  bool is_open() const { return device_.valid(); }
  // Windows that were mapped are unmapped by their owners before it.
  void Close();
  // Whether somebody still has the device, once this process has closed it. False: the state is
  // detached, and nobody can have it before Reopen. FAILED_PRECONDITION: it is open.
  absl::StatusOr<bool> HeldElsewhere();
  // A new address space, empty, and the device. Errors as Open.
  absl::Status Reopen();

 private:
  VfioFunction() = default;

  absl::Status AttachAndOpen();
  absl::Status CheckOpen() const;
  absl::Status Refusal(VfioStep step, int error) const;
  absl::Status SetMsix(uint32_t first, std::span<const int> fds, uint32_t* available) const;
  absl::Status ReadConfigBytes(uint32_t offset_bytes, void* value, size_t bytes) const;
  absl::Status WriteConfigBytes(uint32_t offset_bytes, const void* value, size_t bytes) const;

  PciAddress address_;
  uint32_t group_number_ = 0;
  VfioOptions options_;
  OwnedFd container_;
  OwnedFd group_;
  OwnedFd device_;
  bool attached_ = false;      // the group is in the container
  uint32_t msix_vectors_ = 0;  // enabled
  VfioRegion config_;
};

template <std::unsigned_integral T>
absl::StatusOr<T> VfioFunction::ReadConfig(uint32_t offset_bytes) const {
  T value = 0;
  const absl::Status status = ReadConfigBytes(offset_bytes, &value, sizeof value);
  if (!status.ok()) return status;
  return value;
}

template <std::unsigned_integral T>
absl::Status VfioFunction::WriteConfig(uint32_t offset_bytes, T value) const {
  return WriteConfigBytes(offset_bytes, &value, sizeof value);
}

// Whether any process has the group, or a device of it, open. NOT_FOUND: VFIO has no such group.
absl::StatusOr<bool> VfioGroupHeld(uint32_t group);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_VFIO_FUNCTION_H_
