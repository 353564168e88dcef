// Steering where the NIC has no ntuple rules: an XDP program on the netdev, and its rules.
//
//   NIC --> XDP program --> dropped | the kernel's stack | back to the wire | a lease's AF_XDP
//   socket
//
// It matches as the software NIC does: (packet & mask) == value, the lowest location wins. A packet
// that no rule takes goes on to the kernel untouched. Packets are hostile; the program reads each
// byte once. A change of the rules is met whole or not at all by every packet, and no call waits
// for packets. An AF_XDP socket takes only what arrived on the queue that it is bound to, so a rule
// for queue 3 delivers a packet that came in on queue 5 to the socket of queue 5 if one lease
// holds both, and lets it pass to the kernel otherwise.
//
// When few rules have been the same for a while, a thread of this object makes a program in which
// they are constants, and puts it in place of the one that runs (bpf/steering_constants.h): it
// steers as the general one does, and costs a packet as much as one that is written for these
// rules.
//
// Everything ends with this object, and with the process: the program is on the netdev by a
// bpf_link, and nothing is pinned. What it cannot see: a VLAN tag that the NIC has stripped (turn
// rx-vlan-offload off), and a packet that the socket's ring has no room for, which the kernel
// drops and counts at the socket.
//
// Any thread; calls wait for each other, none for long.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/xdp_link.h"
#include "daemon/backend/af_xdp/xdp_loaded.h"
#include "daemon/device/device.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::af_xdp {

struct SteeringOptions {
  std::string netdev;
  std::string netns;  // as RunInNetns takes it; empty: the process's own
  uint32_t rx_queues = 1;
  std::optional<XdpMode> mode;  // absent: native, or else generic
};

// What became of the netdev's packets since Load; bytes without frame check sequences.
struct SteeringReasons {
  SteeringCount passed_no_rule;
  SteeringCount passed_by_rule;
  SteeringCount passed_wrong_queue;  // arrived on a queue that is not of the rule's lease
  SteeringCount passed_no_socket;
  SteeringCount passed_in_change;  // the rules changed under each of several attempts to match
  SteeringCount dropped_by_rule;
  SteeringCount dropped_malformed;    // shorter than an Ethernet header
  SteeringCount redirected;           // to sockets, which may still have had no room
  SteeringCount sent_back;            // verdicts: a driver may still lose it
  std::vector<SteeringCount> queues;  // of redirected, by queue
};

// For `queue why`.
struct SteeringState {
  bool attached = false;
  XdpMode mode = XdpMode::kNative;
  std::string native_failure;  // empty: it is native
  uint32_t program_id = 0;     // of the one that runs
  uint32_t link_id = 0;
  bool by_constants = false;  // the program that runs was made for the rules that hold
  absl::Status made;          // why none could be made for them
};
enum class SocketEntry : uint8_t { kNone, kOfThisQueue, kOfAnotherQueue };

class SteeringProgram {
 public:
  // Rules at once, and locations: 0 and up.
  static constexpr uint32_t kCapacity = kSteeringRules;

  // Loads and attaches. NOT_FOUND: no such netdev or namespace.
  // FAILED_PRECONDITION: another XDP program is there; it stays. PERMISSION_DENIED: needs CAP_BPF,
  // CAP_PERFMON and CAP_NET_ADMIN. UNIMPLEMENTED: the kernel is too old.
  static absl::StatusOr<std::unique_ptr<SteeringProgram>> Load(const SteeringOptions& options);
  ~SteeringProgram();

  // As device::Device has them. Counters of the rule begin at 0; a packet that meets the former
  // rule of that location at this very moment may be counted for this one.
  absl::Status AddRule(const device::FlowRule& rule);
  absl::Status RemoveRule(uint32_t location);
  // All rules at once in place of those that were there; their counters begin at 0. Nothing changes
  // when it fails.
  absl::Status SetRules(std::span<const device::FlowRule> rules);
  std::vector<device::RuleCounters> ReadRuleCounters() const;
  SteeringReasons ReadReasons() const;
  // Of the rules that bring packets to the queue.
  std::vector<uint32_t> LocationsTo(uint32_t queue) const;
  // Those of them that ask for a VLAN tag.
  std::vector<uint32_t> LocationsOfTagsTo(uint32_t queue) const;

  // The socket that takes what arrives on the queue; it is bound to it and has a receive ring.
  // OUT_OF_RANGE: no such queue.
  absl::Status SetSocket(uint32_t queue, int socket_fd);
  absl::Status ClearSocket(uint32_t queue);
  // The lease that holds the queue; 0: none. Remove the rules and the socket before a queue goes
  // from one lease to another.
  absl::Status SetQueueOwner(uint32_t queue, device::LeaseId lease);

  SteeringState State() const;
  // Waits until the program that is to run for the present rules runs, without waiting for them to
  // stay the same. As State().made.
  absl::Status MakeNow();
  absl::StatusOr<SocketEntry> LookForSocket(uint32_t queue) const;

 private:
  using Rules = std::map<uint32_t, device::FlowRule>;
  using Lock = std::unique_lock<std::mutex>;

  SteeringProgram(uint32_t rx_queues, XdpLoaded loaded, XdpLink link);
  absl::Status CheckQueue(uint32_t queue) const;
  absl::Status CheckRule(const device::FlowRule& rule) const;
  absl::Status Publish(const Rules& rules);
  // Of the thread.
  void MakePrograms();
  void MakeFor(uint64_t generation, Lock& lock);
  // Of all programs that ran; mutex_ is held.
  std::unique_ptr<SteeringCounts> Counts() const;

  const uint32_t rx_queues_;
  const std::unique_ptr<SteeringTable> scratch_ = std::make_unique<SteeringTable>();
  mutable std::mutex mutex_;
  XdpLoaded loaded_;
  XdpLink link_;
  uint64_t generation_ = 1;
  Rules rules_;                        // of that generation
  std::vector<SteeringCount> before_;  // by location: what was counted before the rule was there

  std::condition_variable changed_;  // of what follows, or generation_
  bool stop_ = false;
  bool hurry_ = false;
  uint64_t tried_ = 0;      // the generation that a program was last looked for
  uint64_t constants_ = 0;  // that of the program that runs; 0: the general one
  absl::Status made_;       // of tried_
  // Programs with constants, the one that runs the last. Those in front of it are kept until no CPU
  // can be in them any more; what they counted goes to ended_ then.
  struct Ran {
    XdpMade made;
    std::chrono::steady_clock::time_point until;
  };
  std::vector<Ran> ran_;
  const std::unique_ptr<SteeringCounts> ended_ = std::make_unique<SteeringCounts>();
  std::thread maker_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_
