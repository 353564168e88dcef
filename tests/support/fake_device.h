// A device without hardware for tests of the daemon's logic: keeps the books that a device keeps,
// records every call that changes something, fails where a test says so, and writes down whatever a
// caller does that device.h forbids.
//
// Thread-safe. It never touches memory or descriptors of a client.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_DEVICE_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_DEVICE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/device/device.h"

namespace qsplit::device::testing {

class FakeDevice : public Device {
 public:
  explicit FakeDevice(DeviceInfo info);

  const DeviceInfo& info() const override { return info_; }
  DeviceState State() const override;
  absl::Status Set(const DeviceSettings& settings) override;
  void SetEvents(DeviceEvents events) override;
  absl::StatusOr<std::shared_ptr<PinnedMemory>> PinMemory(const QueueRequest& request) override;
  absl::StatusOr<Grant> OpenQueues(const QueueRequest& request) override;
  absl::Status CloseQueues(LeaseId lease) override;
  bool Kept(uint32_t queue) const override;
  absl::Status AddRule(const FlowRule& rule) override;
  absl::Status RemoveRule(uint32_t location) override;
  std::vector<RuleCounters> ReadRuleCounters() const override;
  absl::StatusOr<RssConfig> GetRss() const override;
  absl::Status SetRss(const RssConfig& config) override;
  DeviceCounters ReadCounters() const override;
  std::vector<QueueCheck> ExamineQueue(uint32_t queue, bool transmit) override;
  std::optional<QueueProgress> ReadProgress(uint32_t queue, bool transmit) const override;
  absl::StatusOr<RingImage> ReadRing(const RingSelection& wanted) const override;
  absl::Status Inject(const Injection& injection) override;

  // The next `times` calls of this method fail with `status`.
  void Fail(const std::string& method, absl::Status status, int times = 1);
  // The n-th call from now that changes something fails with UNAVAILABLE, 0 the next; -1: none.
  void FailAfter(int calls);
  // OpenQueues and CloseQueues take as long as the test likes: the next of them waits where it
  // would begin, until LetGo. WaitHeld returns when one waits.
  void Hold();
  void WaitHeld();
  void LetGo();
  // The next PinMemory takes until LetPin. WaitPinning returns when it has begun.
  void HoldPin();
  void WaitPinning();
  void LetPin();
  // The grant of OpenQueues has so many descriptors.
  void SetGrantDescriptors(size_t count);
  // As from the device's own thread.
  void RaiseFault(const Fault& fault);
  void ChangeState(const DeviceState& state);
  // Whose lease is over, keeps the queue.
  void Keep(uint32_t queue, bool kept);
  // What ExamineQueue answers for every queue.
  void SetChecks(std::vector<QueueCheck> checks);
  // What ReadProgress answers for every queue.
  void SetProgress(std::optional<QueueProgress> progress);

  // Called by ReadCounters, as if it took that long. Before any of its calls.
  void OnCount(std::function<void()> meanwhile) { on_count_ = std::move(meanwhile); }
  // So many packets more on every queue.
  void AddTraffic(uint64_t packets) { traffic_ += packets; }

  // "OpenQueues 1", "AddRule 15", … of those that succeeded.
  std::vector<std::string> calls() const;
  void ClearCalls();
  // What a caller did that device.h forbids; empty is right.
  std::vector<std::string> violations() const;
  void ForgetViolations();
  size_t open_leases() const;
  size_t rules() const;
  // The request of an open lease; it must be open.
  QueueRequest request(LeaseId lease) const;

 private:
  // For calls that may take long, of which there may be one at a time.
  class SlowCall;

  absl::Status Enter(const std::string& method);
  void Forbid(std::string what) { violations_.push_back(std::move(what)); }

  const DeviceInfo info_;
  std::atomic<uint64_t> traffic_{100};
  std::function<void()> on_count_;
  mutable std::mutex mutex_;
  DeviceState state_;
  DeviceEvents events_;
  std::map<LeaseId, QueueRequest> leases_;
  std::map<uint32_t, FlowRule> rules_;
  std::set<uint32_t> kept_;
  RssConfig rss_;
  struct Failure {
    absl::Status status;
    int times = 0;
  };
  std::map<std::string, Failure> failures_;
  int fail_after_ = -1;
  size_t grant_descriptors_ = 3;
  std::vector<QueueCheck> checks_;
  std::optional<QueueProgress> progress_;
  bool hold_ = false;
  int slow_calls_ = 0;
  std::condition_variable held_;
  bool hold_pin_ = false;
  bool pinning_ = false;  // the one that is held
  std::vector<std::string> calls_;
  std::vector<std::string> violations_;
};

}  // namespace qsplit::device::testing

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_DEVICE_H_
