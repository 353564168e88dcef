#include "daemon/backend/vfio/functions.h"

#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/unusable_device.h"
#include "daemon/backend/vfio/live_function.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio {
namespace {

using device::Protection;

constexpr auto kRetryEvery = std::chrono::seconds(1);

// What a device keeps of its function; destroyed when the device has let go of it. A VF goes before
// its PF.
struct Ownership {
  Ownership(TakenFunction function, std::string device, Functions::OnTrouble trouble)
      : taken(std::move(function)), name(std::move(device)), on_trouble(std::move(trouble)) {}
  ~Ownership() {
    if (absl::Status status = taken.Release(); !status.ok()) on_trouble(name, status);
  }

  std::shared_ptr<device::Device> pf;
  TakenFunction taken;
  const std::string name;
  const Functions::OnTrouble on_trouble;
};

device::PciFacts Facts(const linux_sys::PciFacts& pci, const std::string& former_driver,
                       Protection protection) {
  device::PciFacts facts;
  facts.address = pci.address.ToString();
  facts.kernel_driver = former_driver;
  facts.mode = protection == Protection::kDirect ? "direct" : "guarded";
  facts.virtual_functions = static_cast<uint32_t>(pci.vfs.size());
  if (pci.physical_function) facts.physical_function = pci.physical_function->ToString();
  if (pci.iommu_group) {
    facts.iommu_group = pci.iommu_group->number;
    for (const linux_sys::PciGroupMember& member : pci.iommu_group->members) {
      if (member.address == pci.address) continue;
      facts.group_members.push_back(absl::StrCat(member.address.ToString(), " ", member.driver));
    }
  }
  return facts;
}

Protection ModeOf(const FunctionPlan& plan, const linux_sys::PciFacts& pci) {
  return plan.protection.value_or(pci.physical_function ? Protection::kDirect
                                                        : Protection::kGuarded);
}

}  // namespace

Functions::~Functions() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::shared_ptr<VfioDevice>> Functions::Try(const FunctionPlan& plan, bool* again) {
  bool in_vain = false;
  absl::StatusOr<std::shared_ptr<VfioDevice>> made = Make(plan, &in_vain);
  *again = !made.ok() && (!in_vain || absl::IsUnavailable(made.status()) ||
                          absl::IsDeadlineExceeded(made.status()));
  return made;
}

absl::StatusOr<std::shared_ptr<VfioDevice>> Functions::Make(const FunctionPlan& plan,
                                                            bool* in_vain) {
  std::shared_ptr<VfioDevice> pf;
  std::optional<linux_sys::VfToken> token = plan.token;
  std::string function = plan.function;
  if (!plan.vf_of.empty()) {
    const auto found = pfs_.find(plan.vf_of);
    pf = found == pfs_.end() ? nullptr : found->second.device.lock();
    if (pf == nullptr) {
      return absl::UnavailableError(absl::StrCat("its PF, device '", plan.vf_of,
                                                 "', cannot be used; see that device's trouble"));
    }
    absl::StatusOr<linux_sys::PciFacts> of_pf = linux_sys::ReadPciFacts(found->second.address);
    if (!of_pf.ok()) return of_pf.status();
    if (plan.vf >= of_pf->vfs.size()) {
      return absl::NotFoundError(absl::StrCat("device '", plan.vf_of, "' has ", of_pf->vfs.size(),
                                              " VFs; there is no VF ", plan.vf));
    }
    function = of_pf->vfs[plan.vf].ToString();
    token = found->second.token;
  }
  absl::StatusOr<linux_sys::PciAddress> address = FunctionOfName(function, journal_, host_);
  if (!address.ok()) return address.status();
  absl::StatusOr<linux_sys::PciFacts> pci = linux_sys::ReadPciFacts(*address);
  if (!pci.ok()) return pci.status();
  const bool is_vf = pci->physical_function.has_value();
  if (!KnowsFunction(pci->vendor_id, pci->device_id, is_vf)) {
    return absl::UnimplementedError(absl::StrCat("function ", address->ToString(),
                                                 ": there is no driver for it; README.md names the "
                                                 "devices that have one"));
  }
  const TakeOptions options{.allow_active = plan.allow_active,
                            .vfs = static_cast<uint32_t>(plan.vfs.size())};
  *in_vain = CanTake(*address, options, journal_, host_).ok();
  absl::StatusOr<TakenFunction> taken = Take(plan.name, *address, options);
  if (!taken.ok()) return taken.status();
  const std::string former_driver = taken->former().driver.driver;
  if (!plan.vfs.empty()) {
    token = taken->former().vf_token;
  }
  absl::StatusOr<linux_sys::VfioFunction> opened = taken->Open(token);
  if (!opened.ok()) {
    // Whoever has its PF may yet set the token that we were given.
    if (absl::IsPermissionDenied(opened.status())) {
      kept_.emplace(plan.name, *std::move(taken));
      *in_vain = false;
    }
    return opened.status();
  }
  // Again, with its VFs and the drivers of its group.
  pci = linux_sys::ReadPciFacts(*address);
  if (!pci.ok()) return pci.status();
  absl::StatusOr<std::unique_ptr<LiveFunction>> live = LiveFunction::Create(*std::move(opened));
  if (!live.ok()) return live.status();
  std::unique_ptr<NicDriver> driver = MakeDriver(pci->vendor_id, pci->device_id, is_vf, **live);

  VfioConfig config = plan.device;
  config.name = plan.name;
  config.protection = ModeOf(plan, *pci);
  config.driver.vfs = plan.vfs;
  config.pci = Facts(*pci, former_driver, config.protection);
  // The record of who holds the function, while somebody does.
  const auto held = std::make_shared<std::optional<journal::RecordId>>();
  config.on_handed = [journal = &journal_, held, at = *address](device::LeaseId lease,
                                                                int32_t pid) {
    absl::StatusOr<journal::RecordId> record =
        NoteClient(at, lease, static_cast<uint32_t>(pid), *journal);
    if (record.ok()) *held = *record;
    return record.status();
  };
  config.on_free = [journal = &journal_, held] {
    if (*held) journal->Done(**held).IgnoreError();
    held->reset();
  };
  if (pci->numa_node) config.numa_node = static_cast<int32_t>(*pci->numa_node);
  auto ownership = std::make_shared<Ownership>(*std::move(taken), plan.name, on_trouble_);
  ownership->pf = pf;
  absl::StatusOr<std::unique_ptr<VfioDevice>> made = VfioDevice::Create(
      std::move(config), *std::move(live), std::move(driver), std::move(ownership));
  if (!made.ok()) return made.status();
  std::shared_ptr<VfioDevice> device = *std::move(made);
  if (!plan.vfs.empty()) pfs_[plan.name] = {device, *address, *token};
  return device;
}

absl::StatusOr<TakenFunction> Functions::Take(const std::string& device,
                                              const linux_sys::PciAddress& address,
                                              const TakeOptions& options) {
  if (const auto kept = kept_.find(device); kept != kept_.end()) {
    TakenFunction taken = std::move(kept->second);
    kept_.erase(kept);
    if (taken.address() == address && linux_sys::DriverOf(address) == kVfioPci) return taken;
    // It has gone, or an administrator has taken it.
  }
  return TakeFunction(address.ToString(), options, journal_, host_);
}

std::shared_ptr<device::Device> Functions::StandIn(const FunctionPlan& plan,
                                                   const absl::Status& why) const {
  device::DeviceInfo info;
  info.name = plan.name;
  info.backend = "vfio";
  info.wire =
      plan.function.empty() ? absl::StrCat("VF ", plan.vf, " of ", plan.vf_of) : plan.function;
  const absl::StatusOr<linux_sys::PciAddress> address =
      FunctionOfName(plan.function, journal_, host_);
  if (address.ok()) {
    const absl::StatusOr<linux_sys::PciFacts> pci = linux_sys::ReadPciFacts(*address);
    if (pci.ok()) info.pci = Facts(*pci, pci->driver, ModeOf(plan, *pci));
  }
  return std::make_shared<backend::UnusableDevice>(std::move(info), std::string(why.message()));
}

std::vector<std::shared_ptr<device::Device>> Functions::Start() {
  std::set<linux_sys::PciAddress> kept;
  for (const FunctionPlan& plan : plans_) {
    if (plan.function.empty()) continue;
    const absl::StatusOr<linux_sys::PciAddress> address =
        FunctionOfName(plan.function, journal_, host_);
    if (!address.ok()) continue;
    kept.insert(*address);
    if (plan.vfs.empty()) continue;
    const absl::StatusOr<linux_sys::PciFacts> pci = linux_sys::ReadPciFacts(*address);
    if (pci.ok()) kept.insert(pci->vfs.begin(), pci->vfs.end());
  }
  for (const absl::Status& status : UndoLeftovers(journal_, kept, host_)) {
    on_trouble_("leftovers", status);
  }
  std::vector<std::shared_ptr<device::Device>> devices;
  for (const FunctionPlan& plan : plans_) {
    bool again = false;
    absl::StatusOr<std::shared_ptr<VfioDevice>> made = Try(plan, &again);
    if (made.ok()) {
      devices.push_back(*std::move(made));
      continue;
    }
    on_trouble_(plan.name, made.status());
    if (again) waiting_[plan.name] = std::string(made.status().message());
    devices.push_back(StandIn(plan, made.status()));
  }
  return devices;
}

void Functions::Watch(OnFound on_found) {
  if (waiting_.empty()) return;
  thread_ = std::thread([this, found = std::move(on_found)] { Run(found); });
}

void Functions::Run(const OnFound& on_found) {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty()) {
    if (changed_.wait_for(lock, kRetryEvery, [this] { return stop_; })) return;
    for (const FunctionPlan& plan : plans_) {
      const auto waiting = waiting_.find(plan.name);
      if (stop_ || waiting == waiting_.end()) continue;
      lock.unlock();
      bool again = false;
      absl::StatusOr<std::shared_ptr<VfioDevice>> made = Try(plan, &again);
      absl::Status status = made.status();
      if (status.ok()) {
        status = on_found(*std::move(made));
        again = !status.ok();
      } else if (status.message() != waiting->second) {
        // Waits for something else now.
        waiting->second = std::string(status.message());
        on_trouble_(plan.name, status);
        (void)on_found(StandIn(plan, status));
      }
      lock.lock();
      if (!again) waiting_.erase(plan.name);
    }
  }
}

}  // namespace qsplit::vfio
