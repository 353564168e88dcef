// The hardware abstraction: all that the daemon asks of a NIC.
//
//   lease/ steering/ …  --->  Device  <---  backend/softnic, backend/af_xdp, backend/vfio
//
// A Device is control only: no call here moves a packet. Calls may come from any thread, one at a
// time or together; an implementation serializes what it must, and no call waits for a client.
// Calls never throw, never trust a number from a client (the caller checked it, the device checks
// it again against its own state), and change nothing when they fail.
//
// OpenQueues and CloseQueues may take long, for they pin and unpin a client's memory: the broker
// makes these calls without its lock, and of one device one at a time. Where memory can be pinned
// ahead, PinMemory does, and these two need not wait for another client's. Every other call may
// come while one of these is under way, must not wait for it, and returns within 50 ms or fails
// with UNAVAILABLE.
//
// What a device lacks it answers with UNIMPLEMENTED and a message that says why.
#ifndef QSPLIT_DAEMON_DEVICE_DEVICE_H_
#define QSPLIT_DAEMON_DEVICE_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/device/flow_rule.h"
#include "daemon/device/grant.h"
#include "daemon/linux/owned_fd.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::device {

using LeaseId = uint64_t;
using RegionId = uint64_t;
using MacAddress = std::array<uint8_t, 6>;

enum class Protection : uint8_t { kDirect, kGuarded, kKernel };

enum class Offload : uint8_t {
  kRss,
  kNtuple,
  kRxChecksum,
  kTxChecksum,
  kRxVlan,
  kTxVlan,
  kRxScatter,
  kTxGather,
  kTso,
  kRxTimestamp,
  kTxTimestamp,
};

// What a device can be set up with of what a layout lets choose: for each of Layout.features a mask
// of choices, bit i for Feature.choices[i]. A fact of the hardware, such as a chip's variant,
// leaves one bit. No mask is 0.
using AllowedChoices = std::vector<uint64_t>;

// A PCI function, for people. Never vendor or device ids.
struct PciFacts {
  std::string address;  // "0000:01:00.0"
  std::optional<uint32_t> iommu_group;
  std::vector<std::string> group_members;  // the others: address, and the driver behind a space
  std::string kernel_driver;               // that it had; empty: none
  std::string mode;                        // "direct", "guarded"
  std::string physical_function;           // address, of a virtual function; else empty
  uint32_t virtual_functions = 0;          // that it has
};

// A network device that stays with its kernel driver, for people: as qsplit.v1.KernelNetdev.
struct NetdevFacts {
  std::string name;
  std::string netns;
  std::string driver;
  std::string xdp_mode;
  std::string xdp_mode_reason;
  bool zero_copy = false;
  std::string copy_reason;
  std::string steering;
  std::string steering_reason;
  std::vector<std::string> missing;
  std::string transmit_times;
};

// What never changes while the device is owned. One that cannot be used has no queues, and
// DeviceState::trouble says why; Broker::ReplaceDevice puts another in its place later.
struct DeviceInfo {
  std::string name;
  std::string backend;
  uint32_t rx_queues = 0;
  uint32_t tx_queues = 0;
  int32_t numa_node = -1;
  uint32_t rule_capacity = 0;
  uint32_t rss_table_size = 0;  // entries, a power of two; 0: no RSS
  // Whose hash is over addresses and ports; kIp4, kIp6: all other packets', over addresses.
  FlowTypes rss_types;
  uint32_t default_slots = 0;
  // Of receive buffers, with which the device does best; 0: 2048.
  uint32_t rx_buffer_bytes = 0;
  std::vector<Offload> offloads;
  std::vector<Protection> protections;
  // Those of `protections` in which QueueRequest::limit is kept.
  std::vector<Protection> rate_limit_modes;
  std::vector<layout::VerifiedLayout> layouts;  // of equally small ones the first is taken
  // One for each of `layouts`; empty: every choice of each.
  std::vector<AllowedChoices> allowed;
  // How long OpenQueues may answer UNAVAILABLE until a queue that was given back is free: it is
  // asked again meanwhile. 0: it waits itself, or there is nothing to wait for.
  uint32_t open_patience_ms = 0;
  // Each lease has its regions' pages pinned until its queues are closed, and are not kept: not
  // the same pages as another lease over the same region, when the client takes pages out of its
  // file in between.
  bool pins_memory = false;
  // PinMemory has something to do.
  bool pins_ahead = false;
  // One lease takes all of the device, however few queues it asks for.
  bool whole_function_only = false;
  // A receive queue and the transmit queue of its number go to one lease, or one of them to nobody.
  bool queues_pair = false;
  // Addresses that the IOMMU translates, [iova_first, iova_end); absent: no limit.
  std::optional<uint64_t> iova_first;
  std::optional<uint64_t> iova_end;
  // Regions of a lease stand at addresses one right behind the other, from iova_first on.
  bool regions_adjoin = false;
  // Who sends can forge every address, and nothing but the policy of the daemon is in the way.
  bool transmit_needs_grant = false;
  // Why QueueRequest::source cannot be kept; empty: it is kept.
  std::string source_check_trouble;
  std::optional<PciFacts> pci;
  std::optional<NetdevFacts> netdev;
  // Which thread of its worker works for receive and transmit queue q, by q; empty: the first, or
  // there is none. Devices of one back end that name the same worker share its threads.
  std::vector<uint32_t> queue_threads;
  std::string worker;
  std::string wire;         // for people
  std::string representor;  // netdev name, empty: none
};

// What changes.
struct DeviceState {
  bool link_up = false;
  uint32_t link_mbps = 0;
  uint32_t mtu_bytes = 0;
  MacAddress mac{};
  bool promiscuous = false;
  bool all_multicast = false;
  std::vector<MacAddress> multicast;
  std::string trouble;  // what holds it back, in a sentence; empty: nothing

  bool operator==(const DeviceState&) const = default;
};

struct DeviceSettings {
  std::optional<uint32_t> mtu_bytes;
  std::optional<bool> promiscuous;
  std::optional<bool> all_multicast;
  std::optional<std::vector<MacAddress>> multicast;
};

// Memory that a lease's queues may reach. The fd is a memfd with F_SEAL_SHRINK; the device maps
// it itself and keeps no copy of the fd after CloseQueues.
struct RegionMapping {
  RegionId region = 0;
  std::shared_ptr<const linux_sys::OwnedFd> memory;
  uint64_t offset_bytes = 0;  // in the memfd, page-aligned
  uint64_t length_bytes = 0;  // multiple of the page size
  uint64_t iova = 0;          // chosen by lease/, page-aligned; unique in the lease
  bool device_writable = true;
};

// How fast the transmit queues of one lease, taken together, may send: token buckets, one of
// packets and one of bytes (without frame check sequences). A rate of 0 is no limit; a burst, the
// bucket's depth, is not 0 where its rate is not. A packet of more bytes than the bucket holds goes
// when the bucket is full.
struct RateLimit {
  uint64_t tx_packets_per_second = 0;
  uint64_t tx_bytes_per_second = 0;
  uint64_t burst_packets = 0;
  uint64_t burst_bytes = 0;

  bool any() const { return tx_packets_per_second != 0 || tx_bytes_per_second != 0; }
  bool operator==(const RateLimit&) const = default;
};

// Source addresses with which the transmit queues of a lease may send. A packet passes when its
// Ethernet source (of ARP, the sender's hardware address too) is one of `macs`, and its IP source
// (of ARP, the sender's) lies in one of `prefixes`; an empty list does not restrict. Packets that
// are neither IP nor ARP are judged by `macs` alone.
struct SourcePrefix {
  std::array<uint8_t, 16> address{};  // IPv4: the first 4 bytes, the rest 0
  uint8_t ip_version = 4;             // 4 or 6
  uint8_t bits = 0;                   // 0..32 or 0..128

  bool operator==(const SourcePrefix&) const = default;
};
struct SourceFilter {
  std::vector<MacAddress> macs;
  std::vector<SourcePrefix> prefixes;

  bool any() const { return !macs.empty() || !prefixes.empty(); }
  bool operator==(const SourceFilter&) const = default;
};

// A lease's memory, made ready before its queues are opened; lets go of it in the end, and does not
// wait for that. May outlive the device.
class PinnedMemory {
 public:
  virtual ~PinnedMemory() = default;
};

struct QueueRequest {
  LeaseId lease = 0;
  layout::VerifiedLayout layout;
  // What the queues are set up with: an index into Feature.choices for each of Layout.features;
  // those left out are 0.
  std::vector<uint32_t> features;
  std::vector<uint32_t> rx_queues;  // numbers of the device, ascending, free
  std::vector<uint32_t> tx_queues;
  uint32_t rx_slots = 0;  // allowed by the layout
  uint32_t tx_slots = 0;
  uint32_t rx_buffer_bytes = 0;
  Protection protection = Protection::kDirect;
  std::vector<RegionMapping> regions;
  bool join_rss = false;
  bool wants_transmit_times = false;  // the role timestamp was asked for on transmit
  RateLimit limit;                    // none, but in DeviceInfo::rate_limit_modes
  SourceFilter source;                // none, but where DeviceInfo::source_check_trouble is empty
  int32_t holder_pid = 0;             // who gets the grant
  // PinMemory's answer for this very request, for OpenQueues; null: it pins the memory itself.
  std::shared_ptr<PinnedMemory> pinned;
};

// A descriptor or doorbell that was refused: as qsplit.v1.Fault.
enum class FaultKind : uint8_t {
  kUnmapped,
  kReadOnly,
  kBadIndex,
  kEndlessChain,
  kBadDescriptor,
  kBadPacket,
};
struct Fault {
  LeaseId lease = 0;
  FaultKind kind = FaultKind::kUnmapped;
  bool transmit = false;
  uint32_t queue = 0;
  uint32_t slot = 0;
  uint64_t iova = 0;
  uint64_t length_bytes = 0;
  absl::Time time;
};

// Counters since the device started; the broker makes qsplit.v1.QueueStats and DeviceStats of them.
struct QueueCounters {
  uint64_t packets = 0, bytes = 0, completions = 0, descriptors = 0;
  uint64_t drops_no_descriptor = 0, drops_too_long = 0, drops_down = 0, drops_injected = 0;
  uint64_t checksum_errors = 0, faults = 0, events = 0, wakeups = 0;
  uint64_t drops_source = 0;
};
// A counter that only one kind of device has.
struct NamedCounter {
  std::string name;  // of [a-z0-9_]
  uint64_t value = 0;
};
struct DeviceCounters {
  std::vector<QueueCounters> rx, tx;  // by queue number
  uint64_t wire_rx_packets = 0, wire_rx_bytes = 0, wire_tx_packets = 0, wire_tx_bytes = 0;
  uint64_t drops_mac_filter = 0, drops_rule = 0, drops_malformed = 0, drops_wire = 0;
  uint64_t representor_rx_packets = 0, representor_tx_packets = 0, drops_representor = 0;
  std::vector<NamedCounter> more;
};
struct RuleCounters {
  uint32_t location = 0;
  uint64_t packets = 0, bytes = 0;
};

// Entry of the RSS table that names no queue: the representor.
inline constexpr uint32_t kNoQueue = 0xffffffff;
inline constexpr size_t kRssKeyBytes = 40;
struct RssConfig {
  std::vector<uint32_t> indirection;  // rss_table_size entries
  std::array<uint8_t, kRssKeyBytes> key{};
};

// As qsplit.v1.InjectedFault.
enum class InjectedFault : uint8_t {
  kLinkDown,
  kStallQueue,
  kLoseCompletion,
  kRepeatCompletion,
  kDelayCompletion,
  kWrongLength,
};
struct Injection {
  InjectedFault fault = InjectedFault::kLinkDown;
  uint32_t queue = 0;
  bool transmit = false;
  uint32_t count = 1;
  absl::Duration duration;
};

// One thing that a queue's packets depend on, and how it stands: as qsplit.v1.QueueCheck.
enum class CheckVerdict : uint8_t { kGood, kNote, kWrong };
struct QueueCheck {
  std::string subject;
  CheckVerdict verdict = CheckVerdict::kGood;
  std::string finding;
  std::string remedy;
  // So many packets were kept away by it so far; 0: none, or it is not counted.
  uint64_t count = 0;
};

// How far the program that holds a queue has come in its rings.
struct QueueProgress {
  // The same one: it has posted nothing meanwhile, and taken nothing as far as that can be seen.
  uint64_t position = 0;
  // Completions that it has not taken; absent: that cannot be seen.
  std::optional<uint32_t> waiting;
};

// Which slots of a leased queue's ring are wanted: all in [first_slot, first_slot + slots).
struct RingSelection {
  uint32_t queue = 0;
  bool transmit = false;
  uint32_t ring = 0;  // index into Queue.rings of the layout
  uint32_t first_slot = 0;
  uint32_t slots = 0;  // those behind the ring's end do not count
};
// What stands in a ring at the moment: as qsplit.v1.RingImage.
struct RingImage {
  uint32_t slot_count = 0;  // 0: the choices leave the ring out
  std::vector<std::byte> slots;
  std::vector<uint64_t> cells;
  std::vector<uint64_t> producer_doorbells;  // empty: no memory that can be read
  std::vector<uint64_t> consumer_doorbells;
};

// Called by the device, on a thread of its own; must not block and must not call the device.
struct DeviceEvents {
  std::function<void(const Fault&)> fault;
  std::function<void(const DeviceState&)> state;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual const DeviceInfo& info() const = 0;
  virtual DeviceState State() const = 0;
  virtual absl::Status Set(const DeviceSettings& settings) = 0;
  virtual void SetEvents(DeviceEvents events) = 0;

  // What takes long of OpenQueues and needs no order among leases, where DeviceInfo::pins_ahead.
  // Takes no queue. Several at a time, also while queues are opened and closed. Errors as
  // OpenQueues.
  virtual absl::StatusOr<std::shared_ptr<PinnedMemory>> PinMemory(const QueueRequest& /*request*/) {
    return nullptr;
  }
  // Sets queues up for a lease: maps regions, makes rings, takes the queues out of RSS (or leaves
  // them in, request.join_rss). All or nothing. The rest of RSS is spread over the queues that
  // remain in it. UNAVAILABLE: the device is busy, or see DeviceInfo::open_patience_ms.
  // RESOURCE_EXHAUSTED: also a queue that a program keeps which had it before. Errors about a queue
  // that somebody holds on to say which it is: HeldQueueOf.
  virtual absl::StatusOr<Grant> OpenQueues(const QueueRequest& request) = 0;
  // Undoes it: stops the queues, unmaps all, gives the queues back to RSS. Rules that point at the
  // queues must have been removed. When it returns, the device touches none of the memory. Works
  // for a lease that OpenQueues has never seen: nothing happens. UNAVAILABLE: the device
  // is busy; the broker asks again, and does not ask for other leases until then.
  virtual absl::Status CloseQueues(LeaseId lease) = 0;
  // Whether a descriptor that was granted with the queue by the last lease that was closed is still
  // open somewhere, so that nobody else can have the queue. Answers at once.
  virtual bool Kept(uint32_t /*queue*/) const { return false; }

  // The location must be free / taken.
  virtual absl::Status AddRule(const FlowRule& rule) = 0;
  virtual absl::Status RemoveRule(uint32_t location) = 0;
  virtual std::vector<RuleCounters> ReadRuleCounters() const = 0;

  virtual absl::StatusOr<RssConfig> GetRss() const = 0;
  // An empty indirection spreads evenly over the queues that take part.
  virtual absl::Status SetRss(const RssConfig& config) = 0;

  virtual DeviceCounters ReadCounters() const = 0;

  // How it stands with what only this kind of device knows of a queue, in the order in which a
  // packet meets it; everything else the broker looks at itself.
  virtual std::vector<QueueCheck> ExamineQueue(uint32_t queue, bool transmit) = 0;
  // Absent: nobody leases the queue, or how far its holder is cannot be seen from here.
  virtual std::optional<QueueProgress> ReadProgress(uint32_t /*queue*/, bool /*transmit*/) const {
    return std::nullopt;
  }
  // FAILED_PRECONDITION: nobody leases the queue. INVALID_ARGUMENT: no such queue or ring.
  // UNIMPLEMENTED: the ring is not in memory that the daemon can read.
  virtual absl::StatusOr<RingImage> ReadRing(const RingSelection& wanted) const = 0;
  virtual absl::Status Inject(const Injection& injection) = 0;
};

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_DEVICE_H_
