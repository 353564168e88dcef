// Taking PCI functions from the kernel's drivers, and giving them back.
//
//   TakeFunction ──► checks ──► journal ──► bound to vfio-pci ──► TakenFunction
//   TakenFunction::Release, or its end ──► former driver, former VFs ──► journal: done
//   a daemon that crashed ──► the next one: UndoLeftovers, before it takes anything
//
// A function is refused, in words that say what to do, where taking it would hurt the host or where
// the IOMMU would not hold it. Nothing is changed before all checks are passed, and a failure half
// way is undone.
//
// One thread at a time. Every call takes up to some seconds: the kernel's drivers let go in their
// own time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/ownership_journal.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/netdev_use.h"
#include "daemon/linux/pci_driver.h"
#include "daemon/linux/pci_function.h"
#include "daemon/linux/vfio_function.h"

namespace qsplit::vfio {

// The kernel's driver that functions are taken with.
inline constexpr char kVfioPci[] = "vfio-pci";

// Where the machine's facts come from; tests give their own.
struct HostAccess {
  linux_sys::PciSysfs sysfs;
  std::string proc = "/proc";
  std::function<absl::StatusOr<std::vector<std::string>>(const std::string&)> netdev_uses =
      linux_sys::NetdevUses;
  std::function<absl::StatusOr<bool>(uint32_t)> group_held = linux_sys::VfioGroupHeld;
};

struct TakeOptions {
  // Also one whose netdev the host uses, or whose VFs are on.
  bool allow_active = false;
  // VFs to have on afterwards; without a driver, each to be taken by itself.
  uint32_t vfs = 0;
};

// A function that is bound to vfio-pci for this process. Move-only. Its end is Release, whose error
// is lost then; the journal's record stays with it.
class TakenFunction {
 public:
  TakenFunction(TakenFunction&&) noexcept;
  TakenFunction& operator=(TakenFunction&&) noexcept;
  ~TakenFunction();

  const linux_sys::PciAddress& address() const;
  uint32_t group() const;
  // How it was before.
  const FormerState& former() const;

  // Errors as VfioFunction::Open. What it gives must be gone before Release.
  absl::StatusOr<linux_sys::VfioFunction> Open(
      std::optional<linux_sys::VfToken> token = std::nullopt) const;

  // Gives it back; all calls but this one end here. UNAVAILABLE: somebody holds it, and the message
  // names who. DEADLINE_EXCEEDED and others as RestoreDriver. After an error it can be called
  // again.
  absl::Status Release();

 private:
  friend absl::StatusOr<TakenFunction> TakeFunction(const std::string&, const TakeOptions&,
                                                    journal::Journal&, const HostAccess&);
  struct Holding;
  explicit TakenFunction(std::unique_ptr<Holding> holding);

  std::unique_ptr<Holding> holding_;
};

// The function of this name: a PCI address or a netdev; also a netdev that is gone since a former
// daemon took its function. INVALID_ARGUMENT, NOT_FOUND.
absl::StatusOr<linux_sys::PciAddress> FunctionOfName(const std::string& name,
                                                     const journal::Journal& journal,
                                                     const HostAccess& host = {});

// `name` as FunctionOfName. The journal outlives what is given.
//   NOT_FOUND            no such function or netdev
//   FAILED_PRECONDITION  no IOMMU, the group is not ours alone, the host uses it, no network
//                        device, vfio-pci is not loaded
//   UNAVAILABLE          a client of a former daemon still holds it; the message names it
//   DEADLINE_EXCEEDED    its driver does not let go
absl::StatusOr<TakenFunction> TakeFunction(const std::string& name, const TakeOptions& options,
                                           journal::Journal& journal, const HostAccess& host = {});

// Why TakeFunction would refuse it now, without changing anything; OK: it would not.
absl::Status CanTake(const linux_sys::PciAddress& address, const TakeOptions& options,
                     const journal::Journal& journal, const HostAccess& host = {});

// Writes down that a process has the function's device fd. The caller ends the record when the
// function is free again (VfioFunction::HeldElsewhere).
absl::StatusOr<journal::RecordId> NoteClient(const linux_sys::PciAddress& function, uint64_t lease,
                                             uint32_t pid, journal::Journal& journal,
                                             const HostAccess& host = {});

// OK: nobody has the group open. UNAVAILABLE: somebody has, and the message names the function, and
// the process and its program where the journal knows them.
absl::Status CheckNotHeld(const linux_sys::PciAddress& function, uint32_t group,
                          const journal::Journal& journal, const HostAccess& host = {});

// Gives back what a daemon that crashed had taken, but not those `kept`, which are to be taken
// again. One error for each function that stays as it is, and in the journal.
std::vector<absl::Status> UndoLeftovers(journal::Journal& journal,
                                        const std::set<linux_sys::PciAddress>& kept = {},
                                        const HostAccess& host = {});

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_H_
