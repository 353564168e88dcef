// A NIC without hardware: threads that are the device's side of the rings of any layout.
//
//   control calls (any thread) --lock--> SoftNic --closures--> Workers' threads: NicCores -->
//   packets
//
// Control calls are serialized by a lock that the packet path never takes. Whatever maps memory or
// allocates happens on the caller's thread; the workers only swap pointers between two bursts.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_SOFTNIC_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_SOFTNIC_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/common/event_mailer.h"
#include "daemon/backend/common/rss.h"
#include "daemon/backend/common/worker.h"
#include "daemon/backend/softnic/config.h"
#include "daemon/backend/softnic/nic_core.h"
#include "daemon/backend/softnic/region_maps.h"
#include "daemon/device/device.h"
#include "daemon/linux/reaper.h"
#include "dataplane/burst_cache.h"

namespace qsplit::softnic {

class SoftNic : public device::Device {
 public:
  // Makes its kernel interfaces and starts its threads. Peers need CreateAll: INVALID_ARGUMENT
  // here.
  static absl::StatusOr<std::unique_ptr<SoftNic>> Create(const SoftNicConfig& config);

  // Makes them all, or none; the result is in the order of `configs`. Peers name each other and
  // share a worker. INVALID_ARGUMENT: CheckConfig's, two of one name, a peer that is missing, that
  // names another one or that is on another worker, different CPUs or numbers of threads for one
  // worker.
  static absl::StatusOr<std::vector<std::unique_ptr<SoftNic>>> CreateAll(
      const std::vector<SoftNicConfig>& configs);

  // Closes what is still leased.
  ~SoftNic() override;

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
  struct OpenLease {
    device::QueueRequest request;  // without its regions
    std::vector<device::QueueGrant> rx, tx;
    std::unique_ptr<LeaseQueues> queues;  // the workers' until the lease is closed
  };

  using Workers = std::vector<std::shared_ptr<Worker>>;

  SoftNic(const SoftNicConfig& config, NicCore::Parts parts, Workers workers);
  static absl::StatusOr<std::unique_ptr<SoftNic>> Make(const SoftNicConfig& config, Workers workers,
                                                       const std::string& worker);

  // Runs `command` with each core on its thread. Not OK: one was busy, and `undo` ran with those in
  // front of it.
  absl::Status RunOnAll(const std::function<void(NicCore&)>& command,
                        const std::function<void(NicCore&)>& undo);
  // Of either direction. One that the device has not is the first thread's to say so.
  uint32_t ThreadOf(uint32_t queue) const {
    return queue < info_.queue_threads.size() ? info_.queue_threads[queue] : 0;
  }
  NicCore& CoreOf(uint32_t queue) const { return *cores_[ThreadOf(queue)]; }
  Worker& WorkerOf(uint32_t queue) const { return *workers_[ThreadOf(queue)]; }

  absl::Status CheckRequest(const device::QueueRequest& request) const;
  // With mutex_ held.
  const OpenLease* HolderOf(uint32_t queue, bool transmit) const;
  absl::Status CheckFree(const device::QueueRequest& request) const;
  absl::Status InstallRules(std::map<uint32_t, device::FlowRule> rules,
                            const uint32_t* fresh_location);
  static std::shared_ptr<const RssTable> TableOf(const backend::Rss& rss);

  const std::string name_;
  const device::MacAddress mac_;
  device::DeviceInfo info_;
  const Workers workers_;  // one for each core
  RegionMaps region_maps_;
  dataplane::BurstCache bursts_;

  mutable std::mutex mutex_;  // control calls, one at a time
  backend::Rss rss_;
  std::map<device::LeaseId, OpenLease> leases_;
  std::map<uint32_t, device::FlowRule> rules_;  // by location
  std::shared_ptr<const FlowTable> table_;      // of them

  mutable std::mutex settings_mutex_;  // held for copies only
  NicSettings settings_;

  backend::EventMailer mailer_;
  std::vector<std::unique_ptr<FrameLane>> lanes_;
  std::vector<std::unique_ptr<NicCore>> cores_;
  linux_sys::Reaper reaper_;  // of leases with much memory
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_SOFTNIC_H_
