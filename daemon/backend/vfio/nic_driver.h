// What one family of functions has to say for itself: the code that knows its registers, and the
// only code that does.
//
//   VfioDevice (leases, memory, guard)  --->  NicDriver  --->  FunctionAccess (registers)
//
// A driver brings its function up, starts and stops queues whose rings somebody else has put into
// memory, and sets what decides where packets go. It moves no packet and reads no descriptor: the
// layouts that it names say how, to whoever drives the rings. It owns no thread and takes no lock:
// VfioDevice makes one call at a time. It never waits longer than 50 ms but in Start.
//
// What the hardware lacks is answered with UNIMPLEMENTED and words that say what.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_NIC_DRIVER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_NIC_DRIVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/common/ring_plan.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/device/device.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::vfio {

// A layout by its name, and what its features can be: ("Dword1", "hash") for each choice that the
// hardware can be set up with. Of a feature that is not named, the first choice alone.
struct DrivenLayout {
  std::string name;
  std::vector<std::pair<std::string, std::string>> choices;
  // Where the hardware wants cells that the layout leaves to the grant; static data.
  std::span<const backend::FixedCell> fixed_cells;
};

// How packets find their queue, where a function can do one or the other.
enum class Steering : uint8_t {
  kRss,    // by hash over all queues, and by rules for 5-tuples
  kPools,  // by destination MAC and VLAN to a pool of queues, and by hash within it
};

// A VF of a PF that this daemon drives itself.
struct VfSetting {
  device::MacAddress mac{};
  uint16_t vlan = 0;  // 0: untagged and all that the VF asks for
};

struct DriverSettings {
  std::optional<device::MacAddress> mac;  // absent: the function's own
  uint32_t mtu_bytes = 1500;
  Steering steering = Steering::kRss;
  std::vector<VfSetting> vfs;  // PFs only; the VFs exist already
};

// What never changes between Start and Stop.
struct DriverFacts {
  std::string family;  // for people, "82576 PF"
  uint32_t rx_queues = 0;
  uint32_t tx_queues = 0;
  uint32_t vectors = 0;         // of MSI-X, that the driver uses
  uint32_t rss_table_size = 0;  // a power of two; 0: no RSS
  device::FlowTypes rss_types;  // as device::DeviceInfo
  uint32_t rule_capacity = 0;
  uint32_t default_slots = 512;
  // False: one queue cannot be stopped by itself, or one without buffers holds the others up, so
  // that one lease at a time has the function.
  bool leases_may_share = true;
  uint32_t max_mtu_bytes = 1500;
  std::vector<device::Offload> offloads;
  std::vector<DrivenLayout> layouts;
  std::string steering;  // for people: what rules there can be
};

// One ring of a queue, at the addresses by which the function reaches it.
struct RingSetup {
  uint64_t slots_iova = 0;
  uint32_t slot_count = 0;           // 0: the feature choices leave the ring out
  std::vector<uint64_t> cell_iovas;  // of each of Ring.cells; 0: left out
};

struct QueueSetup {
  bool transmit = false;
  uint32_t queue = 0;
  layout::VerifiedLayout layout;
  std::vector<uint32_t> features;  // a choice for each of Layout.features
  std::vector<RingSetup> rings;    // in the order of the layout's queue; zeroed memory
  uint32_t rx_buffer_bytes = 0;    // where the layout fixes one size for a queue
};

// A register of a BAR.
struct RegisterPlace {
  uint32_t bar = 0;
  uint64_t offset = 0;
};

// Where a started queue's doorbells stand.
struct RingPlaces {
  std::vector<RegisterPlace> producer_doorbells;  // in the layout's order, those that are a place
  std::vector<RegisterPlace> consumer_doorbells;
  // A register of 32 bits with the index of the slot that the device comes to next, where there is
  // one. Then the first producer doorbell is one as well, and reads as the index last written.
  std::optional<RegisterPlace> device_index;
};
struct QueuePlaces {
  std::vector<RingPlaces> rings;
  std::optional<uint32_t> doorbell_number;  // what doorbells call the queue; absent: its number
};

struct LinkState {
  bool up = false;
  uint32_t mbps = 0;
};

class NicDriver {
 public:
  virtual ~NicDriver() = default;

  // Resets the function and brings it up, with every queue stopped; the link may come later. Again
  // after Stop. Errors name the step that failed.
  virtual absl::Status Start(const DriverSettings& settings) = 0;
  // Stops all queues, masks interrupts, and ends bus mastering. Never fails: what the hardware does
  // not confirm, the IOMMU sees to.
  virtual void Stop() = 0;

  // From here on: only between Start and Stop.
  virtual const DriverFacts& facts() const = 0;
  virtual device::MacAddress mac() const = 0;
  virtual LinkState Link() = 0;

  // Which MSI-X vector tells of a queue's completions (each completion, without another store to
  // ask for it), and which of all else: link, mailbox, errors. Queues may share one.
  virtual std::optional<uint32_t> VectorOf(bool transmit, uint32_t queue) const = 0;
  virtual std::optional<uint32_t> OtherVector() const = 0;
  // What the other vector tells of, or what time brings: link changes, messages of VFs. Called when
  // it fires and ten times a second at least.
  virtual void Service() = 0;

  // INVALID_ARGUMENT: what the hardware does not take, by name. The queue is stopped before.
  virtual absl::StatusOr<QueuePlaces> StartQueue(const QueueSetup& setup) = 0;
  // When it returns OK the function touches none of the queue's memory. UNAVAILABLE: it did not
  // confirm that in time. Of a queue that is stopped already: nothing happens.
  virtual absl::Status StopQueue(bool transmit, uint32_t queue) = 0;

  // INVALID_ARGUMENT or UNIMPLEMENTED, and nothing has changed.
  virtual absl::Status Set(const device::DeviceSettings& settings) = 0;

  // An entry kNoQueue: what hashes there is dropped.
  virtual absl::Status SetRss(const device::RssConfig& config) = 0;
  // UNIMPLEMENTED: no filter of this hardware does the rule, in words; RESOURCE_EXHAUSTED: all are
  // in use. The location is free / taken.
  virtual absl::Status AddRule(const device::FlowRule& rule) = 0;
  virtual absl::Status RemoveRule(uint32_t location) = 0;

  // Adds to the totals of the wire and to each queue what the hardware has counted since Start.
  virtual void ReadCounters(device::DeviceCounters* counters) = 0;
};

// The driver for a function with these PCI numbers; nullptr: there is none. Making it touches
// nothing: whatever is needed of the function is read from it in Start.
std::unique_ptr<NicDriver> MakeDriver(uint16_t vendor_id, uint16_t device_id, bool is_vf,
                                      FunctionAccess& function);
// Whether there is one.
bool KnowsFunction(uint16_t vendor_id, uint16_t device_id, bool is_vf);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_NIC_DRIVER_H_
