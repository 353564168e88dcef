// All PCI functions of a daemon: takes them from the kernel, makes devices of them, and goes on
// trying with those that cannot be had yet.
//
//   Start ──► each is a VfioDevice, or stands there and says why it cannot be used
//   Watch ──► once a second those that could not be taken, or not be opened yet, are tried again
//
// Start, Watch and the destructor: one thread. A device that is made belongs to whoever has it; its
// end gives the function back to its former driver.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_FUNCTIONS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_FUNCTIONS_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/backend/vfio/ownership.h"
#include "daemon/backend/vfio/vfio_device.h"
#include "daemon/device/device.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/vfio_facts.h"

namespace qsplit::vfio {

// What is wanted of a function.
struct FunctionPlan {
  std::string name;      // the device's
  std::string function;  // a PCI address or a netdev; empty: the VF of another plan's function
  std::string vf_of;     // that plan's name; it stands before this one
  uint32_t vf = 0;
  bool allow_active = false;
  std::vector<VfSetting> vfs;  // of a PF: to have on
  std::optional<linux_sys::VfToken> token;
  std::optional<device::Protection> protection;  // absent: direct for a VF, guarded else
  // The device's: `name`, `protection`, `driver.vfs`, `pci` and `numa_node` are filled in here.
  VfioConfig device;
};

class Functions {
 public:
  // Told of what goes wrong where nobody waits for an answer: the device's name, and what.
  using OnTrouble = std::function<void(const std::string&, const absl::Status&)>;

  // The journal outlives this and every device.
  Functions(std::vector<FunctionPlan> plans, journal::Journal& journal, OnTrouble on_trouble)
      : plans_(std::move(plans)), journal_(journal), on_trouble_(std::move(on_trouble)) {}
  ~Functions();
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  // Gives back what a daemon that crashed has left, then takes all. One for each plan.
  std::vector<std::shared_ptr<device::Device>> Start();

  // From a thread of this class: a device that can be used now, in the place of one that could not;
  // an error: it does not take it, and is asked again.
  using OnFound = std::function<absl::Status(std::shared_ptr<device::Device>)>;
  void Watch(OnFound on_found);

 private:
  struct Pf {
    std::weak_ptr<VfioDevice> device;
    linux_sys::PciAddress address;
    linux_sys::VfToken token{};
  };

  // `again`: whether it is to be tried again.
  absl::StatusOr<std::shared_ptr<VfioDevice>> Try(const FunctionPlan& plan, bool* again);
  // `in_vain`: another try would take the function from its driver and give it back once more.
  absl::StatusOr<std::shared_ptr<VfioDevice>> Make(const FunctionPlan& plan, bool* in_vain);
  absl::StatusOr<TakenFunction> Take(const std::string& device,
                                     const linux_sys::PciAddress& address,
                                     const TakeOptions& options);
  std::shared_ptr<device::Device> StandIn(const FunctionPlan& plan, const absl::Status& why) const;
  void Run(const OnFound& on_found);

  const std::vector<FunctionPlan> plans_;
  journal::Journal& journal_;
  const HostAccess host_;  // one, for all tries to know of each other's writers
  const OnTrouble on_trouble_;
  std::map<std::string, Pf> pfs_;               // by name, those with VFs
  std::map<std::string, std::string> waiting_;  // names of devices, and what was wrong last
  // By device: taken, and tried again as it is, for VFIO wants another token.
  std::map<std::string, TakenFunction> kept_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_FUNCTIONS_H_
