// A lease: the revocable right to queues of a device, with the grant mapped and buffers posted.
//
// The daemon is trusted, but its grant is checked all the same before anything is mapped or
// written. Control calls (rules, release, events, state) may come from any thread; each pair rx(i),
// tx(i) belongs to one thread at a time. Destroying the lease releases it: no thread may use its
// queues then. Packets may outlive it.
#ifndef QSPLIT_LEASE_H_
#define QSPLIT_LEASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qsplit/device.h"
#include "qsplit/flow_rule.h"
#include "qsplit/region.h"
#include "qsplit/rx_queue.h"
#include "qsplit/tx_queue.h"

namespace qsplit {

namespace internal {
class LeaseParts;
}

struct LeaseOptions {
  static constexpr uint32_t kAllQueues = 0xffffffff;

  // How many queues; any mix, not both 0.
  uint32_t rx_queues = 1;
  uint32_t tx_queues = 1;
  // The device's number of the first; absent: any. The others follow it.
  std::optional<uint32_t> first_rx_queue;
  std::optional<uint32_t> first_tx_queue;
  // Slots of each ring; 0: the device's default.
  uint32_t rx_slots = 0;
  uint32_t tx_slots = 0;
  // Bytes of each buffer, a multiple of 64; 0: the device's default, 2048 or more.
  uint32_t buffer_bytes = 0;
  // The largest packet that receive queues are for, with its Ethernet header; 0: what the device's
  // MTU is when they are opened. Longer ones, of a device whose MTU grows meanwhile, may be
  // dropped: where descriptors have several buffers, they get no more than such a packet needs.
  uint32_t packet_bytes = 0;
  // Buffers of each pair of queues; 0: the slots of both rings, and 256 more.
  uint32_t buffers_per_pair = 0;
  // Where the buffers stand, from region_offset_bytes on; none: the library registers one.
  std::shared_ptr<Region> region;
  uint64_t region_offset_bytes = 0;
  // Roles that the program needs, as the vocabulary names them ("hash.value", "timestamp"). The
  // daemon picks the smallest layout that has them, and the choices of its features that bring
  // them; Acquire fails with UNIMPLEMENTED, and says which are missing, if there is none and the
  // library cannot do without: it computes hash.value, hash.type, the checksum states and vlan.tci
  // of received packets, and on sending fills in checksums and puts in VLAN tags.
  std::vector<std::string> rx_roles;
  std::vector<std::string> tx_roles;
  // What the program reads of received packets beside their bytes. Code is made for these fields,
  // others cost nothing for each packet, in hardware's way or in software's. A field that is not
  // here is absent from every packet, as if no layout had it, whatever roles are asked for: hash(),
  // vlan() and timestamp() are nullopt, hash_type() is kNone, checksum states are kUnknown, and
  // error() is false, also of a damaged packet. A tag that the device takes out, and that is not
  // read, is lost: keep kVlan where packets are sent on.
  PacketFields rx_fields = PacketFields::All();
  // Verifies checksums in software where the device does not, and marks them as computed.
  bool software_checksums = false;
  // Layout by name; empty: the daemon chooses.
  std::string layout;
  // Choices of the layout's features that the program insists on, each as "Feature=choice"; the
  // daemon chooses the others. NOT_FOUND: no layout, or not the one named, has them.
  std::vector<std::string> features;
  ProtectionMode protection = ProtectionMode::kAny;
  // True: the queues take part in RSS, and so in traffic that no rule takes; needs policy's
  // permission. False: only rules bring packets.
  bool join_rss = false;
};

// What becomes of packets that a lease sends with source addresses that policy does not give it.
enum class SourceCheck : uint8_t {
  // Policy names no addresses, or the lease has no transmit queue: nothing is checked.
  kNone,
  // The device drops them.
  kEnforced,
  // Policy names addresses, and the device cannot check them: they go out.
  kNotEnforced,
};

// Something that happened to a lease.
struct LeaseEvent {
  enum class Kind : uint8_t {
    // A descriptor or doorbell was refused, and its queue stopped.
    kFault,
    // An operator took the lease back.
    kRevoked,
    // It was given back.
    kReleased,
    // The daemon is gone, and the lease with it.
    kDaemonGone,
  };
  Kind kind = Kind::kFault;
  // Of a fault: which queue of the device, and what was wrong.
  bool transmit = false;
  uint32_t queue = 0;
  uint32_t slot = 0;
  uint64_t iova = 0;
  uint64_t length_bytes = 0;
  // A sentence for people.
  std::string text;
};

class Lease {
 public:
  explicit Lease(std::unique_ptr<internal::LeaseParts> parts);
  ~Lease();
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;

  uint64_t id() const;
  const std::string& device() const;
  const std::string& layout() const;
  // What the layout's features were set to: "Feature=choice" for each, in the layout's order.
  const std::vector<std::string>& features() const;
  ProtectionMode protection() const;
  SourceCheck source_check() const;
  // For kNotEnforced, why the device cannot; else empty.
  const std::string& source_check_reason() const;
  // Roles asked for that the layout lacks and the library computes.
  const std::vector<std::string>& roles_in_software() const;

  uint32_t rx_count() const;
  uint32_t tx_count() const;
  // Queues by their index in the lease, i < rx_count() (tx_count()). The references hold as long as
  // the lease.
  RxQueue& rx(uint32_t i);
  TxQueue& tx(uint32_t i);
  // All rx buffers and, if the library made it, tx buffers stand here.
  const std::shared_ptr<Region>& region() const;

  // Adds a rule whose `action` is an index of a receive queue of this lease, -1 to drop, `pass`
  // or `reflect`; it dies with the lease. Returns its location. ALREADY_EXISTS, PERMISSION_DENIED,
  // RESOURCE_EXHAUSTED, INVALID_ARGUMENT: as the message says.
  absl::StatusOr<uint32_t> AddRule(std::string_view words);
  absl::StatusOr<uint32_t> AddRule(const FlowRule& rule);
  absl::Status RemoveRule(uint32_t location);

  // False once the lease is revoked, faulted or released; one relaxed load.
  bool ok() const;
  // OK, or why not: ABORTED (revoked, or the fault that stopped it), FAILED_PRECONDITION
  // (released), UNAVAILABLE (daemon gone).
  absl::Status status() const;

  // The oldest event that nobody has taken; at most 256 are kept.
  std::optional<LeaseEvent> NextEvent();
  // Readable while NextEvent has something.
  int event_fd() const;
  // Calls `handler` for each event from now on, instead of keeping it, on a thread of the library;
  // it must not release the lease. Empty: keep them again.
  void OnEvent(std::function<void(const LeaseEvent&)> handler);

  // Gives the queues back; returns when the device has let go of everything. The queues must not be
  // used by any thread from the beginning of the call on. A second call does nothing.
  absl::Status Release();

 private:
  std::unique_ptr<internal::LeaseParts> parts_;
};

}  // namespace qsplit

#endif  // QSPLIT_LEASE_H_
