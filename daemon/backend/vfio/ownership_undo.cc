#include "daemon/backend/vfio/ownership_undo.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/linux/process_identity.h"

namespace qsplit::vfio {
namespace {

using linux_sys::PciAddress;

bool Lives(const ClientHold& hold, const HostAccess& host) {
  return linux_sys::ProcessStart(hold.pid, host.proc) == hold.start_ticks;
}

// Strikes the clients that have ended, or no longer hold what they held.
void ForgetClients(journal::Journal& journal, const HostAccess& host) {
  for (const journal::Record& record : journal.Records(ClientHold::kKind)) {
    const auto hold = ClientHoldOf(record);
    if (!hold.ok()) continue;
    const auto facts = linux_sys::ReadPciFacts(hold->function, host.sysfs.root);
    const bool held = facts.ok() && facts->iommu_group &&
                      host.group_held(facts->iommu_group->number).value_or(false);
    if (!held || !Lives(*hold, host)) (void)journal.Done(record.id);
  }
}

}  // namespace

absl::Status CheckNotHeld(const PciAddress& function, uint32_t group,
                          const journal::Journal& journal, const HostAccess& host) {
  const auto held = host.group_held(group);
  if (absl::IsNotFound(held.status())) return absl::OkStatus();  // VFIO does not have it
  if (!held.ok()) return held.status();
  if (!*held) return absl::OkStatus();
  const std::string what = absl::StrCat("PCI function ", function.ToString());
  for (const journal::Record& record : journal.Records(ClientHold::kKind)) {
    const auto hold = ClientHoldOf(record);
    if (!hold.ok() || hold->function != function || !Lives(*hold, host)) continue;
    return absl::UnavailableError(absl::StrCat(what, " is still held by process ", hold->pid, " (",
                                               linux_sys::ProgramOf(hold->pid, host.proc),
                                               "), a client of a former qsplitd, lease ",
                                               hold->lease, "; qsplitd waits for it to end"));
  }
  return absl::UnavailableError(
      absl::StrCat(what, " is still held by a process that has /dev/vfio/", group,
                   " or a device of it open (fuser, lsof); qsplitd waits for it to end"));
}

absl::Status CheckVfsNotHeld(const linux_sys::PciFacts& pf, const journal::Journal& journal,
                             const HostAccess& host) {
  for (const PciAddress& vf : pf.vfs) {
    const auto facts = linux_sys::ReadPciFacts(vf, host.sysfs.root);
    if (!facts.ok() || !facts->iommu_group) continue;
    absl::Status free = CheckNotHeld(vf, facts->iommu_group->number, journal, host);
    if (!free.ok()) return free;
  }
  return absl::OkStatus();
}

absl::Status Undo(const FormerState& former, const journal::Journal& journal,
                  const HostAccess& host) {
  const auto facts = linux_sys::ReadPciFacts(former.function, host.sysfs.root);
  if (absl::IsNotFound(facts.status())) return absl::OkStatus();
  if (!facts.ok()) return facts.status();
  linux_sys::FormerDriver wanted = former.driver;
  const bool another =
      !facts->driver.empty() && facts->driver != kVfioPci && facts->driver != wanted.driver;
  if (another) {
    // Whoever gave it to that driver has his reasons; of ours only the override may be left.
    if (facts->driver_override != kVfioPci) return absl::OkStatus();
    wanted.driver = facts->driver;
    return RestoreDriver(former.function, wanted, host.sysfs);
  }
  const bool leaves_vfio = facts->driver == kVfioPci && wanted.driver != kVfioPci;
  if (leaves_vfio && facts->iommu_group) {
    // An unbind would wait for the holder, without end.
    absl::Status free = CheckNotHeld(former.function, facts->iommu_group->number, journal, host);
    if (!free.ok()) return free;
  }
  if (leaves_vfio && !facts->vfs.empty()) {
    absl::Status free = CheckVfsNotHeld(*facts, journal, host);
    if (!free.ok()) return free;
    absl::Status off = SetVfCount(former.function, 0, host.sysfs, former.vfs_probed);
    if (!off.ok()) return off;
  }
  if (absl::Status status = RestoreDriver(former.function, wanted, host.sysfs); !status.ok()) {
    return status;
  }
  return SetVfCount(former.function, former.vfs, host.sysfs, former.vfs_probed);
}

std::vector<absl::Status> UndoLeftovers(journal::Journal& journal, const std::set<PciAddress>& kept,
                                        const HostAccess& host) {
  std::vector<absl::Status> left;
  std::vector<journal::Record> records = journal.Records(FormerState::kKind);
  // What was taken last goes first: VFs before the PF that shows them.
  std::reverse(records.begin(), records.end());
  for (const journal::Record& record : records) {
    const auto former = FormerStateOf(record);
    if (!former.ok()) {
      left.push_back(former.status());
      continue;
    }
    if (kept.contains(former->function)) continue;
    absl::Status undone = Undo(*former, journal, host);
    if (undone.ok()) undone = journal.Done(record.id);
    if (!undone.ok()) left.push_back(std::move(undone));
  }
  ForgetClients(journal, host);
  return left;
}

}  // namespace qsplit::vfio
