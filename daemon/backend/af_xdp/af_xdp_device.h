// A netdev that stays with its kernel driver, as a device: its queues leased through AF_XDP
// sockets.
//
//   control calls ──control_──► SocketLease: sockets, UMEM ──queue's socket──► SteeringProgram
//                        │                                                      XDP, rules
//   rtnetlink ──watch_──►│ State                NicSteering: RSS table, rules ──► the queue
//
// Where the NIC steers, each rule to a queue stands in the NIC, which brings the packet to the
// queue, and in the program, which brings it from the queue to the socket; else in the program
// alone, and the queue stays in RSS, for nothing would arrive at it otherwise. Rules that drop,
// pass or reflect stand in the program alone. A packet that no rule of a lease takes goes to the
// kernel.
//
// CloseQueues takes the sockets out of the program's map first: from then on nothing is received.
// Then the sockets are closed here. A client that keeps its copy keeps the queue busy: OpenQueues
// says that somebody does, and ExamineQueue, which administrators read, which process it was.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_AF_XDP_DEVICE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_AF_XDP_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/af_xdp/kept_sockets.h"
#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/af_xdp/netdev_watcher.h"
#include "daemon/backend/af_xdp/nic_steering.h"
#include "daemon/backend/af_xdp/socket_closer.h"
#include "daemon/backend/af_xdp/socket_lease.h"
#include "daemon/backend/af_xdp/steering_program.h"
#include "daemon/backend/common/event_mailer.h"
#include "daemon/device/device.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_settings.h"

namespace qsplit::af_xdp {

enum class WhoSteers : uint8_t { kAuto, kNtuple, kXdp };
enum class XdpWish : uint8_t { kAuto, kNative, kGeneric };
enum class ZeroCopyWish : uint8_t { kAuto, kNever, kAlways };

struct AfXdpConfig {
  std::string name;
  std::string netdev;
  std::string netns;                 // as RunInNetns
  std::optional<uint32_t> queues;    // so many of the first may be leased
  std::optional<uint32_t> channels;  // that the netdev is to have meanwhile
  std::optional<uint32_t> slots;     // of a ring, when the client names none
  WhoSteers steering = WhoSteers::kAuto;
  XdpWish xdp_mode = XdpWish::kAuto;
  ZeroCopyWish zero_copy = ZeroCopyWish::kAuto;
  uint32_t busy_poll_us = 0;
  std::vector<layout::VerifiedLayout> layouts;  // that may be offered
};

// Told of what goes wrong where nobody waits for an answer: the device's name, and what.
using OnTrouble = std::function<void(const std::string&, const absl::Status&)>;

class AfXdpDevice : public device::Device {
 public:
  // NOT_FOUND: none of its layouts is AF_XDP's.
  static absl::Status CheckLayouts(const AfXdpConfig& config);
  // NOT_FOUND: as CheckLayouts, or no such netdev or namespace. FAILED_PRECONDITION: another XDP
  // program is on the netdev. It changes nothing, and may be asked often.
  static absl::Status CheckUsable(const AfXdpConfig& config);

  // The journal outlives it. As CheckUsable, before anything is changed. UNIMPLEMENTED: kernel or
  // driver lack what the configuration insists on.
  // `ioctl`: who answers ethtool's ioctls, instead of the kernel. `on_trouble`: is told, by the
  // device's name, what of the netdev could not be changed back in the end.
  static absl::StatusOr<std::unique_ptr<AfXdpDevice>> Create(
      AfXdpConfig config, journal::Journal& journal,
      std::unique_ptr<linux_sys::EthtoolIoctl> ioctl = nullptr, OnTrouble on_trouble = nullptr);
  // Ends all leases, detaches the program, gives the netdev its channels back, which waits some
  // 300 ms for clients that still hold sockets.
  ~AfXdpDevice() override;

  // The netdev or its namespace has been removed, or the netdev renamed: no lease can be had any
  // more.
  bool gone() const { return gone_.load(std::memory_order_relaxed); }
  // Looks whether somebody has taken the XDP program off the netdev, of which no news come: State
  // says so from then on, and no lease can be had either.
  bool CheckDetached();
  // Counts what rings have carried; at least once in a minute, for their indices come round.
  void FollowRings();

  const device::DeviceInfo& info() const override { return info_; }
  device::DeviceState State() const override;
  absl::Status Set(const device::DeviceSettings& settings) override;
  void SetEvents(device::DeviceEvents events) override;
  absl::StatusOr<std::shared_ptr<device::PinnedMemory>> PinMemory(
      const device::QueueRequest& request) override;
  absl::StatusOr<device::Grant> OpenQueues(const device::QueueRequest& request) override;
  absl::Status CloseQueues(device::LeaseId lease) override;
  bool Kept(uint32_t queue) const override { return kept_->Kept(queue); }
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
  // Who was given a queue's socket last.
  struct Holder {
    device::LeaseId lease = 0;
    uint32_t pid = 0;
    uint64_t start_ticks = 0;
    absl::Time until = absl::InfiniteFuture();  // when its lease was closed here
  };
  // The sockets of a lease on their way to leases_; who does not get there is closed.
  struct PinnedSockets;
  using Lock = std::unique_lock<std::timed_mutex>;

  AfXdpDevice(AfXdpConfig config, journal::Journal& journal, OnTrouble on_trouble);
  absl::Status TakeNetdev(std::unique_ptr<linux_sys::EthtoolIoctl> ioctl);
  absl::Status ChooseSteering();
  absl::Status AttachProgram();
  void ChooseZeroCopy();
  void FillInfo();
  void Look();
  // The namespace's name is nobody's, or another's: what holds it alive is perhaps this device
  // alone.
  bool NetnsHasGone() const;
  // Empty: the netdev is where it was.
  std::string WhyGone(const absl::StatusOr<linux_sys::NetdevFacts>& link) const;
  std::string Detached() const;
  absl::Status CheckOpen() const;
  absl::Status CheckRequest(const device::QueueRequest& request) const;
  // The error of a bind that found the queue held.
  absl::Status StillHeld(const absl::Status& why) const;
  // The process that had the queue last still runs, and has it no longer by a lease.
  const Holder* FormerHolder(uint32_t queue) const;
  // Brings packets to the queues of a lease, and no longer.
  absl::Status LetIn(const SocketLease& lease);
  void ShutOut(const SocketLease& lease);
  device::QueueCheck ArrivalCheck(uint32_t queue);
  device::QueueCheck NicCheck(uint32_t queue, const absl::StatusOr<linux_sys::RssState>& rss) const;
  device::QueueCheck NetdevDropCheck() const;
  std::optional<device::QueueCheck> TagCheck(uint32_t queue) const;
  bool TakesTagsOff() const;
  bool Leased(uint32_t queue) const;
  std::optional<device::QueueCheck> FormerCheck(uint32_t queue) const;
  // Waits at most so long as a call may take. UNAVAILABLE.
  absl::StatusOr<Lock> TryLock() const;

  const AfXdpConfig config_;
  journal::Journal& journal_;
  const OnTrouble on_trouble_;
  std::string netns_;  // as the kernel has it, whatever becomes of its name
  linux_sys::OwnedFd netns_fd_;
  uint64_t netns_cookie_ = 0;  // 0: not to be had
  device::DeviceInfo info_;
  device::NetdevFacts facts_;
  std::string no_zero_copy_metadata_;  // as SocketOptions
  std::string no_zero_copy_times_;
  bool zero_copy_multi_buffer_ = false;
  SocketOptions sockets_;
  uint32_t rx_queues_ = 1, tx_queues_ = 1;  // that the netdev has
  linux_sys::XskKernel kernel_;

  backend::EventMailer mailer_;
  mutable std::timed_mutex control_;
  // Each outlives what stands below it.
  std::unique_ptr<linux_sys::EthtoolLink> ethtool_;
  std::unique_ptr<NetdevChanges> changes_;
  std::unique_ptr<NicSteering> nic_;  // null: the program alone steers
  std::unique_ptr<SteeringProgram> program_;
  std::optional<linux_sys::NetdevSettings> settings_;  // what Set has changed
  std::map<device::LeaseId, std::unique_ptr<SocketLease>> leases_;
  const std::shared_ptr<SocketCloser> closer_ = std::make_shared<SocketCloser>();
  std::unique_ptr<KeptSockets> kept_;
  std::map<uint32_t, Holder> holders_;   // by queue
  mutable device::DeviceCounters past_;  // of leases that are over

  std::mutex look_mutex_;           // taken before state_mutex_
  mutable std::mutex state_mutex_;  // held for copies only
  device::DeviceState state_;
  mutable device::DeviceCounters counters_;  // as last read
  std::atomic<bool> gone_{false};
  std::atomic<bool> detached_{false};
  std::unique_ptr<NetdevWatcher> watch_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_AF_XDP_DEVICE_H_
