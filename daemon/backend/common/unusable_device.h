// Stands for a device that cannot be used now: it is listed, says why, and has no queue.
//
// Immutable; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_UNUSABLE_DEVICE_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_UNUSABLE_DEVICE_H_

#include <string>
#include <utility>
#include <vector>

#include "daemon/device/device.h"

namespace qsplit::backend {

class UnusableDevice : public device::Device {
 public:
  // `info` has no queues; `why` is a sentence that says what to do.
  UnusableDevice(device::DeviceInfo info, std::string why) : info_(std::move(info)) {
    state_.trouble = std::move(why);
  }

  const device::DeviceInfo& info() const override { return info_; }
  device::DeviceState State() const override { return state_; }
  absl::Status Set(const device::DeviceSettings&) override { return Why(); }
  void SetEvents(device::DeviceEvents) override {}
  absl::StatusOr<device::Grant> OpenQueues(const device::QueueRequest&) override { return Why(); }
  absl::Status CloseQueues(device::LeaseId) override { return absl::OkStatus(); }
  absl::Status AddRule(const device::FlowRule&) override { return Why(); }
  absl::Status RemoveRule(uint32_t) override { return Why(); }
  std::vector<device::RuleCounters> ReadRuleCounters() const override { return {}; }
  absl::StatusOr<device::RssConfig> GetRss() const override { return Why(); }
  absl::Status SetRss(const device::RssConfig&) override { return Why(); }
  device::DeviceCounters ReadCounters() const override { return {}; }
  std::vector<device::QueueCheck> ExamineQueue(uint32_t, bool) override { return {}; }
  absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection&) const override {
    return Why();
  }
  absl::Status Inject(const device::Injection&) override { return Why(); }

 private:
  absl::Status Why() const { return absl::UnavailableError(state_.trouble); }

  const device::DeviceInfo info_;
  device::DeviceState state_;
};

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_UNUSABLE_DEVICE_H_
