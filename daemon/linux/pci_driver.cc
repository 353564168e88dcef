#include "daemon/linux/pci_driver.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace qsplit::linux_sys {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(5);
constexpr char kFormer[] = "its former driver";

// One function, and the time until which all has to be done.
class Change {
 public:
  Change(const PciAddress& address, const PciSysfs& sysfs)
      : address_(address),
        root_(sysfs.root),
        folder_(PciFolder(address, sysfs.root)),
        writers_(sysfs.writers),
        patience_(sysfs.patience),
        deadline_(absl::Now() + sysfs.patience) {}

  std::string name() const { return address_.ToString(); }
  std::string driver() const { return DriverOf(address_, root_); }

  absl::Status Write(const std::string& file, std::string_view text) const {
    return writers_->Write(name(), file, text, std::max(deadline_ - absl::Now(), kLook));
  }
  absl::Status WriteOwn(const std::string& attribute, std::string_view text) const {
    return Write(absl::StrCat(folder_, "/", attribute), text);
  }
  absl::Status WriteBus(const std::string& attribute) const {
    return Write(absl::StrCat(root_, "/bus/pci/", attribute), name());
  }
  // "\n": none.
  absl::Status Override(const std::string& driver) const {
    const absl::Status written = WriteOwn("driver_override", driver.empty() ? "\n" : driver);
    // The kernel waits for the function's lock, which an unbind that is stuck has.
    return absl::IsDeadlineExceeded(written) ? Stuck(kFormer) : written;
  }

  bool Await(const std::function<bool()>& reached,
             absl::Duration limit = absl::InfiniteDuration()) const {
    const absl::Time deadline = std::min(deadline_, absl::Now() + limit);
    while (!reached()) {
      if (absl::Now() >= deadline) return false;
      absl::SleepFor(kLook);
    }
    return true;
  }

  // Takes it away from the driver that has it. The kernel takes the driver's name out of sysfs
  // before it asks the driver to let go: only the write's return says that it has.
  absl::Status Unbind() const {
    const std::string held_by = driver();
    if (held_by.empty()) return absl::OkStatus();
    const absl::Status written = WriteOwn("driver/unbind", name());
    if (absl::IsDeadlineExceeded(written)) return Stuck("driver " + held_by);
    // It may have gone by itself between the look and the write.
    if (Await([&] { return driver() != held_by; })) return absl::OkStatus();
    return written.ok() ? Stuck("driver " + held_by) : written;
  }

  absl::Status Stuck(std::string_view holder) const {
    return absl::DeadlineExceededError(absl::StrCat(
        std::string(holder), " does not let go of PCI function ", name(), " within ",
        absl::FormatDuration(patience_), "; end what uses the function (processes that have it ",
        "open, mounts or links on top of it) and try again; the kernel's log says what it waits ",
        "for"));
  }

 private:
  PciAddress address_;
  std::string root_;
  std::string folder_;
  std::shared_ptr<PatientWriters> writers_;
  absl::Duration patience_;
  absl::Time deadline_;
};

absl::Status NotLoaded(const std::string& driver) {
  return absl::FailedPreconditionError(
      absl::StrCat("the kernel has no PCI driver ", driver, "; load it: modprobe ", driver));
}

absl::Status NotTaken(const Change& change, const std::string& driver, const absl::Status& why) {
  if (absl::IsDeadlineExceeded(why)) return change.Stuck(kFormer);
  const std::string now = change.driver();
  return absl::FailedPreconditionError(
      absl::StrCat("driver ", driver, " did not take PCI function ", change.name(), ", which has ",
                   now.empty() ? "no driver" : absl::StrCat("driver ", now), " now",
                   why.ok() ? "" : absl::StrCat(" (", std::string(why.message()), ")"),
                   "; the kernel's log says why"));
}

}  // namespace

bool DriverLoaded(const std::string& driver, const PciSysfs& sysfs) {
  struct stat facts {};
  return ::stat(absl::StrCat(sysfs.root, "/bus/pci/drivers/", driver).c_str(), &facts) == 0;
}

absl::Status BindDriver(const PciAddress& address, const std::string& driver,
                        const PciSysfs& sysfs) {
  const auto facts = ReadPciFacts(address, sysfs.root);
  if (!facts.ok()) return facts.status();
  const Change change(address, sysfs);
  if (!DriverLoaded(driver, sysfs)) return NotLoaded(driver);
  // The override comes last: should the driver let go later, the function is to find its way back.
  if (facts->driver != driver) {
    if (absl::Status status = change.Unbind(); !status.ok()) return status;
  }
  if (absl::Status status = change.Override(driver); !status.ok()) return status;
  if (facts->driver == driver) return absl::OkStatus();
  const auto bound = [&] { return change.driver() == driver; };
  absl::Status written = change.WriteBus("drivers_probe");
  if (written.ok() && change.Await(bound, sysfs.patience / 2)) return absl::OkStatus();
  // The probe passes a function over that its former driver is still asked to let go of, though
  // sysfs shows no driver any more. This write waits for it.
  if (written.ok() && change.driver().empty()) {
    written = change.WriteBus(absl::StrCat("drivers/", driver, "/bind"));
    if (written.ok() && change.Await(bound)) return absl::OkStatus();
  }
  return NotTaken(change, driver, written);
}

absl::Status RestoreDriver(const PciAddress& address, const FormerDriver& former,
                           const PciSysfs& sysfs) {
  const auto facts = ReadPciFacts(address, sysfs.root);
  if (!facts.ok()) return facts.status();
  const Change change(address, sysfs);
  if (facts->driver_override != former.driver_override) {
    if (absl::Status status = change.Override(former.driver_override); !status.ok()) return status;
  }
  if (facts->driver == former.driver) return absl::OkStatus();
  if (absl::Status status = change.Unbind(); !status.ok()) return status;
  if (former.driver.empty()) return absl::OkStatus();
  if (!DriverLoaded(former.driver, sysfs)) return NotLoaded(former.driver);
  // Not drivers_probe: it takes the first driver that fits, which need not be the one that had it.
  const absl::Status bound = change.WriteBus(absl::StrCat("drivers/", former.driver, "/bind"));
  if (bound.ok() && change.Await([&] { return change.driver() == former.driver; })) {
    return absl::OkStatus();
  }
  return NotTaken(change, former.driver, bound);
}

absl::Status SetVfCount(const PciAddress& address, uint32_t count, const PciSysfs& sysfs,
                        bool probed) {
  const auto facts = ReadPciFacts(address, sysfs.root);
  if (!facts.ok()) return facts.status();
  const std::string what = absl::StrCat("PCI function ", address.ToString());
  if (facts->total_vfs == 0) {
    if (count == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(what, " has no virtual functions (no SR-IOV), and ", count, " are wanted"));
  }
  if (count > facts->total_vfs) {
    return absl::OutOfRangeError(absl::StrCat(what, ": ", count,
                                              " virtual functions are wanted, and it has ",
                                              facts->total_vfs, "; ask for fewer"));
  }
  const Change change(address, sysfs);
  const auto stuck = [&] {
    return absl::DeadlineExceededError(absl::StrCat(
        what, ": turning virtual functions on or off has not ended within ",
        absl::FormatDuration(sysfs.patience), "; end what holds one of them and try again"));
  };
  if (facts->vfs_probed != probed) {
    absl::Status status = change.WriteOwn("sriov_drivers_autoprobe", probed ? "1" : "0");
    if (!status.ok()) return absl::IsDeadlineExceeded(status) ? stuck() : status;
  }
  const auto set = [&](uint32_t wanted) {
    absl::Status written = change.WriteOwn("sriov_numvfs", absl::StrCat(wanted));
    if (written.ok()) return written;
    if (absl::IsDeadlineExceeded(written)) return stuck();
    // vfio-pci answers ENOENT unless its parameter enable_sriov is set: vfio_pci_sriov_configure.
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": its driver ", facts->driver, " does not set ", wanted,
        " virtual functions: ", std::string(written.message()),
        facts->driver == "vfio-pci" ? "; load it with: modprobe vfio-pci enable_sriov=1" : ""));
  };
  if (facts->vfs.size() == count) return absl::OkStatus();
  // The kernel changes no number but from and to 0.
  if (!facts->vfs.empty()) {
    if (absl::Status status = set(0); !status.ok()) return status;
  }
  return count == 0 ? absl::OkStatus() : set(count);
}

}  // namespace qsplit::linux_sys
