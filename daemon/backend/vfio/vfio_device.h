// A PCI function as a device: its queues leased, in direct or in guarded mode.
//
//   control calls ──control_──► leases ──► RealRings, RegionMaps ──► HostedFunction (IOMMU, MSI-X)
//                                  │                        NicDriver (registers)
//   caretaker's thread ──control_──┴► link, mailbox; after a direct lease: the function anew
//
//   READY ──OpenQueues, direct──► LEASED ──CloseQueues──► RECOVERING ──nobody holds it──► READY
//
// A direct lease's client had the function's descriptor. When the lease ends, its memory is
// unmapped at once; the function itself is free again when the last holder of that descriptor is
// gone, and until then OpenQueues answers UNAVAILABLE and State().trouble says what it waits for.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VFIO_DEVICE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VFIO_DEVICE_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/common/event_mailer.h"
#include "daemon/backend/common/rss.h"
#include "daemon/backend/common/worker.h"
#include "daemon/backend/vfio/driver_choices.h"
#include "daemon/backend/vfio/guard_poller.h"
#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/backend/vfio/open_lease.h"
#include "daemon/device/device.h"
#include "dataplane/burst_cache.h"

namespace qsplit::vfio {

struct VfioConfig {
  std::string name;
  device::Protection protection = device::Protection::kGuarded;  // or kDirect
  DriverSettings driver;
  std::optional<uint32_t> queues;               // at most so many of each direction
  std::optional<uint32_t> slots;                // of a ring, when the client names none
  std::optional<uint32_t> cpu;                  // of the guard's thread
  std::vector<layout::VerifiedLayout> layouts;  // that may be offered
  device::PciFacts pci;
  int32_t numa_node = -1;
  // Before a client gets the function's descriptor; not OK: it does not get it. And when nobody has
  // it any more. Null: nobody needs to know.
  std::function<absl::Status(device::LeaseId lease, int32_t pid)> on_handed;
  std::function<void()> on_free;
};

class VfioDevice : public device::Device {
 public:
  // Brings the function up. `ownership` goes last: it gives the function back to its former driver.
  // Errors of the driver's; NOT_FOUND: no layout of the driver's is loaded.
  static absl::StatusOr<std::unique_ptr<VfioDevice>> Create(
      VfioConfig config, std::unique_ptr<HostedFunction> function,
      std::unique_ptr<NicDriver> driver, std::shared_ptr<void> ownership);
  // Ends all leases and stops the function.
  ~VfioDevice() override;

  const device::DeviceInfo& info() const override { return info_; }
  device::DeviceState State() const override;
  absl::Status Set(const device::DeviceSettings& settings) override;
  void SetEvents(device::DeviceEvents events) override;
  absl::StatusOr<device::Grant> OpenQueues(const device::QueueRequest& request) override;
  absl::Status CloseQueues(device::LeaseId lease) override;
  absl::Status AddRule(const device::FlowRule& rule) override;
  absl::Status RemoveRule(uint32_t location) override;
  std::vector<device::RuleCounters> ReadRuleCounters() const override;
  absl::StatusOr<device::RssConfig> GetRss() const override;
  absl::Status SetRss(const device::RssConfig& config) override;
  device::DeviceCounters ReadCounters() const override;
  std::vector<device::QueueCheck> ExamineQueue(uint32_t queue, bool transmit) override;
  std::optional<device::QueueProgress> ReadProgress(uint32_t queue, bool transmit) const override;
  absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection& wanted) const override;
  absl::Status Inject(const device::Injection& injection) override;

 private:
  VfioDevice(VfioConfig config, std::unique_ptr<HostedFunction> function,
             std::unique_ptr<NicDriver> driver, std::shared_ptr<void> ownership);

  // All with control_ held, but for FillInfo and Care.
  absl::Status BringUp();
  absl::Status FillInfo();
  absl::Status StartGuard();
  absl::Status MakeVectors();
  absl::Status CheckRequest(const device::QueueRequest& request,
                            const OfferedLayout** layout) const;
  absl::Status ApplySteering();
  void Recover();
  void Look();
  void Trouble(std::string text);
  void Care();

  const OpenLease* HolderOf(uint32_t queue, bool transmit) const;

  // Waits at most so long as a call may take. UNAVAILABLE.
  using Lock = std::unique_lock<std::timed_mutex>;
  absl::StatusOr<Lock> TryLock() const;

  const VfioConfig config_;
  backend::EventMailer mailer_;
  const std::shared_ptr<void> ownership_;
  device::DeviceInfo info_;
  std::vector<OfferedLayout> offered_;
  DriverFacts facts_;

  mutable std::timed_mutex control_;
  // Each outlives what stands below it. worker_: null in direct mode.
  const std::unique_ptr<HostedFunction> function_;
  const std::unique_ptr<NicDriver> driver_;
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> vector_events_;
  dataplane::BurstCache bursts_;
  // Interrupts wake the worker, who then looks at all rings.
  struct Interrupts final : backend::Wakeable {
    void Woken() override {}
  } interrupts_;
  std::unique_ptr<GuardPoller> guard_;
  std::shared_ptr<backend::Worker> worker_;
  std::map<device::LeaseId, std::unique_ptr<OpenLease>> leases_;
  std::map<uint32_t, device::FlowRule> rules_;
  backend::Rss rss_{0, 0, false};
  device::DeviceSettings settings_;  // what Set has changed so far
  bool ready_ = false;
  int32_t last_holder_pid_ = 0;  // of a direct lease
  std::condition_variable_any ready_changed_;

  mutable std::mutex state_mutex_;  // held for copies only
  device::DeviceState state_;
  mutable device::DeviceCounters counters_;  // as last read
  linux_sys::OwnedFd wake_;                  // an eventfd of the caretaker's
  std::atomic<bool> stop_{false};
  std::thread caretaker_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VFIO_DEVICE_H_
