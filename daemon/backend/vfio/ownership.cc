#include "daemon/backend/vfio/ownership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "daemon/backend/vfio/ownership_undo.h"
#include "daemon/linux/process_identity.h"
#include "daemon/linux/random.h"

namespace qsplit::vfio {
namespace {

using absl::StrCat;
using linux_sys::PciAddress;
using linux_sys::PciFacts;

constexpr uint32_t kNetworkBaseClass = 0x02;  // PCI_BASE_CLASS_NETWORK, linux/pci_ids.h

absl::Status Refuse(const PciFacts& facts, const std::string& why) {
  return absl::FailedPreconditionError(
      StrCat("PCI function ", facts.address.ToString(), ": ", why));
}

absl::Status CheckGroup(const PciFacts& facts) {
  if (!facts.iommu_group) {
    return Refuse(facts,
                  "no IOMMU translates its DMA, so nothing would keep it from any memory; turn the "
                  "IOMMU on in the firmware (VT-d, AMD-Vi) and boot with intel_iommu=on or "
                  "amd_iommu=on");
  }
  if (facts.iommu_group->is_noiommu) {
    return Refuse(facts,
                  "VFIO has it without an IOMMU, so nothing would keep it from any memory; boot "
                  "with intel_iommu=on or amd_iommu=on, and vfio.enable_unsafe_noiommu_mode off");
  }
  std::vector<std::string> others;
  for (const linux_sys::PciGroupMember& member : facts.iommu_group->members) {
    if (member.address == facts.address || member.is_bridge || member.driver == kVfioPci) continue;
    others.push_back(StrCat(member.address.ToString(), " (",
                            member.driver.empty() ? "no driver" : StrCat("driver ", member.driver),
                            ")"));
  }
  if (others.empty()) return absl::OkStatus();
  return Refuse(facts,
                StrCat("the IOMMU cannot tell its DMA from that of others in group ",
                       facts.iommu_group->number, ": ", absl::StrJoin(others, ", "),
                       "; bind those to vfio-pci as well, or put the device into a slot whose "
                       "bridges have PCIe ACS, so that it gets a group of its own"));
}

absl::Status CheckUnused(const PciFacts& facts, const HostAccess& host) {
  for (const std::string& netdev : facts.netdevs) {
    const auto uses = host.netdev_uses(netdev);
    if (absl::IsNotFound(uses.status())) continue;
    if (!uses.ok()) return uses.status();
    if (uses->empty()) continue;
    return Refuse(
        facts, StrCat("the host uses its netdev ", netdev, ", which ", absl::StrJoin(*uses, ", "),
                      "; move that to another netdev, or set allow_active = true to take "
                      "it all the same"));
  }
  if (facts.vfs.empty()) return absl::OkStatus();
  return Refuse(facts, StrCat(facts.vfs.size(), " of its VFs are on (", facts.vfs[0].ToString(),
                              facts.vfs.size() > 1 ? ", …" : "",
                              ") and would go away; end who uses them and write 0 to its "
                              "sriov_numvfs, or set allow_active = true to take it all the same"));
}

absl::Status Check(const PciFacts& facts, const TakeOptions& options,
                   const journal::Journal& journal, const HostAccess& host) {
  if (facts.class_code >> 16 != kNetworkBaseClass) {
    return Refuse(facts,
                  absl::StrFormat("it is no network device (class 0x%06x)", facts.class_code));
  }
  if (absl::Status status = CheckGroup(facts); !status.ok()) return status;
  if (!linux_sys::DriverLoaded(kVfioPci, host.sysfs)) {
    return Refuse(facts, "the kernel has no driver vfio-pci loaded; modprobe vfio-pci");
  }
  if (options.vfs > facts.total_vfs) {
    return Refuse(facts, StrCat(options.vfs, " VFs are wanted, and it has ", facts.total_vfs,
                                facts.total_vfs == 0 ? " (no SR-IOV)" : "", "; ask for fewer"));
  }
  if (facts.driver == kVfioPci) {
    absl::Status free = CheckNotHeld(facts.address, facts.iommu_group->number, journal, host);
    // VFs of another number go off first.
    if (free.ok() && options.vfs != 0 && options.vfs != facts.vfs.size()) {
      free = CheckVfsNotHeld(facts, journal, host);
    }
    return free;
  }
  return options.allow_active ? absl::OkStatus() : CheckUnused(facts, host);
}

FormerState StateOf(const PciFacts& facts) {
  return {.function = facts.address,
          .driver = {facts.driver, facts.driver_override},
          .vfs = static_cast<uint32_t>(facts.vfs.size()),
          .vfs_probed = facts.vfs_probed,
          .netdevs = facts.netdevs};
}

struct Noted {
  journal::RecordId id = 0;
  FormerState former;
};

// What a former daemon wrote down about the function, where that still holds; otherwise a new
// record of how it is now. `vfs`: whether it is to show any.
absl::StatusOr<Noted> Note(const PciFacts& facts, bool vfs, journal::Journal& journal) {
  FormerState state = StateOf(facts);
  if (vfs) linux_sys::FillRandom(state.vf_token.emplace());
  for (const journal::Record& record : journal.Records(FormerState::kKind)) {
    const auto former = FormerStateOf(record);
    if (!former.ok() || former->function != facts.address) continue;
    // Without a driver: the one that had it has let go since it was asked to.
    if (facts.driver == kVfioPci || facts.driver.empty()) {
      if (former->vf_token.has_value() || !vfs) return Noted{record.id, *former};
      const auto token = state.vf_token;
      state = *former;
      state.vf_token = token;
    }
    // It did not come to binding, or somebody has rebound it since.
    if (absl::Status status = journal.Done(record.id); !status.ok()) return status;
  }
  const auto id = journal.Add(FormerState::kKind, state.ToFields());
  if (!id.ok()) return id.status();
  return Noted{*id, state};
}

}  // namespace

struct TakenFunction::Holding {
  Noted noted;
  uint32_t group = 0;
  journal::Journal* journal = nullptr;
  HostAccess host;
};

TakenFunction::TakenFunction(std::unique_ptr<Holding> holding) : holding_(std::move(holding)) {}
TakenFunction::TakenFunction(TakenFunction&&) noexcept = default;
TakenFunction& TakenFunction::operator=(TakenFunction&& other) noexcept {
  std::swap(holding_, other.holding_);
  return *this;
}
TakenFunction::~TakenFunction() { (void)Release(); }

const PciAddress& TakenFunction::address() const { return holding_->noted.former.function; }
uint32_t TakenFunction::group() const { return holding_->group; }
const FormerState& TakenFunction::former() const { return holding_->noted.former; }

absl::StatusOr<linux_sys::VfioFunction> TakenFunction::Open(
    std::optional<linux_sys::VfToken> token) const {
  return linux_sys::VfioFunction::Open(address(), group(),
                                       {.vf_token = token, .sysfs = holding_->host.sysfs.root});
}

absl::Status TakenFunction::Release() {
  if (holding_ == nullptr) return absl::OkStatus();
  absl::Status status = Undo(holding_->noted.former, *holding_->journal, holding_->host);
  if (status.ok()) status = holding_->journal->Done(holding_->noted.id);
  if (status.ok()) holding_.reset();
  return status;
}

absl::StatusOr<PciAddress> FunctionOfName(const std::string& name, const journal::Journal& journal,
                                          const HostAccess& host) {
  // No netdev has a colon in its name.
  if (name.find(':') != std::string::npos) return PciAddress::Parse(name);
  auto address = linux_sys::PciAddressOfNetdev(name, host.sysfs.root);
  if (address.ok()) return address;
  for (const journal::Record& record : journal.Records(FormerState::kKind)) {
    const auto former = FormerStateOf(record);
    if (former.ok() && std::count(former->netdevs.begin(), former->netdevs.end(), name) != 0) {
      return former->function;
    }
  }
  return address;
}

absl::Status CanTake(const PciAddress& address, const TakeOptions& options,
                     const journal::Journal& journal, const HostAccess& host) {
  const auto facts = linux_sys::ReadPciFacts(address, host.sysfs.root);
  return facts.ok() ? Check(*facts, options, journal, host) : facts.status();
}

absl::StatusOr<TakenFunction> TakeFunction(const std::string& name, const TakeOptions& options,
                                           journal::Journal& journal, const HostAccess& host) {
  const auto address = FunctionOfName(name, journal, host);
  if (!address.ok()) return address.status();
  const auto facts = linux_sys::ReadPciFacts(*address, host.sysfs.root);
  if (!facts.ok()) return facts.status();
  if (absl::Status status = Check(*facts, options, journal, host); !status.ok()) return status;
  auto noted = Note(*facts, options.vfs != 0, journal);
  if (!noted.ok()) return noted.status();
  absl::Status status = facts->driver == kVfioPci
                            ? absl::OkStatus()
                            : linux_sys::BindDriver(*address, kVfioPci, host.sysfs);
  if (status.ok() && options.vfs != 0) {
    status = linux_sys::SetVfCount(*address, options.vfs, host.sysfs);
  }
  auto holding = std::make_unique<TakenFunction::Holding>(
      TakenFunction::Holding{*std::move(noted), facts->iommu_group->number, &journal, host});
  if (status.ok()) return TakenFunction(std::move(holding));
  // Where the driver may still let go, the record stays, for the next start to give it back.
  if (!absl::IsDeadlineExceeded(status)) (void)TakenFunction(std::move(holding)).Release();
  return status;
}

absl::StatusOr<journal::RecordId> NoteClient(const PciAddress& function, uint64_t lease,
                                             uint32_t pid, journal::Journal& journal,
                                             const HostAccess& host) {
  const auto start = linux_sys::ProcessStart(pid, host.proc);
  if (!start) {
    return absl::NotFoundError(StrCat("process ", pid, ", which is to get PCI function ",
                                      function.ToString(), ", has ended"));
  }
  return journal.Add(ClientHold::kKind, ClientHold{function, lease, pid, *start}.ToFields());
}

}  // namespace qsplit::vfio
