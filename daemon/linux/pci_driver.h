// Which driver a PCI function has, and how many virtual functions it shows: what is written in
// sysfs.
//
// Each call reads what is there first, writes only what is to change, and waits until the kernel
// shows it: for `patience` at most, even where the write never returns (patient_write.h). A call
// begins nothing before that write has returned, as long as it is made with the same writers. Needs
// root. One thread at a time for each function.
#ifndef QSPLIT_DAEMON_LINUX_PCI_DRIVER_H_
#define QSPLIT_DAEMON_LINUX_PCI_DRIVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/linux/patient_write.h"
#include "daemon/linux/pci_address.h"
#include "daemon/linux/pci_function.h"

namespace qsplit::linux_sys {

inline constexpr absl::Duration kDriverPatience = absl::Seconds(5);

struct PciSysfs {
  std::string root = kSysfs;
  absl::Duration patience = kDriverPatience;
  std::shared_ptr<PatientWriters> writers = std::make_shared<PatientWriters>();  // copies share it
};

// What to restore.
struct FormerDriver {
  std::string driver;           // empty: none
  std::string driver_override;  // empty: none
};

// Gives the function to `driver` by unbind, driver_override and drivers_probe.
//   NOT_FOUND            no such function
//   FAILED_PRECONDITION  no such driver is loaded; or it did not take the function
//   DEADLINE_EXCEEDED    the driver that has it does not let go, or did not when it was asked to
//                        earlier; it still may, later. The driver_override is what it was
absl::Status BindDriver(const PciAddress& address, const std::string& driver,
                        const PciSysfs& sysfs = {});

// Gives the function back to its former driver. Errors as BindDriver; FAILED_PRECONDITION too
// where the former driver is not loaded any more: the function is without a driver then.
absl::Status RestoreDriver(const PciAddress& address, const FormerDriver& former,
                           const PciSysfs& sysfs = {});

// Whether the kernel has this PCI driver, so that functions can be bound to it.
bool DriverLoaded(const std::string& driver, const PciSysfs& sysfs = {});

// Has `count` virtual functions on: where another number was on, after all of those went off. New
// ones are left alone by the kernel's drivers unless `probed`.
//   OUT_OF_RANGE         more than the device has
//   FAILED_PRECONDITION  it has none, or its driver does not turn them on
//   DEADLINE_EXCEEDED    somebody holds one of those that are to go off
absl::Status SetVfCount(const PciAddress& address, uint32_t count, const PciSysfs& sysfs = {},
                        bool probed = false);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PCI_DRIVER_H_
