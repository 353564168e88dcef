// The device's side of a transmit queue: gathers packets out of descriptors, tracks contexts,
// reports completions. For software that is the device (softnic), or stands before it (guard).
//
// Ring and doorbell are written by a hostile driver and may change at any moment: the doorbell is
// read once for each look, each descriptor once into a private copy; only the copy is checked and
// used. Segments and requests that come out are what the driver asked for: addresses are the
// caller's to check against the lease's regions, header lengths against the packet.
// Never: allocates after Create, locks, makes a system call, looks at more than slot_count slots in
// one call. One thread at a time for one device side.
#ifndef QSPLIT_DATAPLANE_TX_DEVICE_H_
#define QSPLIT_DATAPLANE_TX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/device_memory.h"
#include "dataplane/metadata.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_view.h"
#include "dataplane/types.h"

namespace qsplit::layout {
class VerifiedLayout;
}

namespace qsplit::dataplane {

class BurstCache;

struct TxDeviceOptions {
  // How prefixes of packets and tables of descriptors are read, where the layout has them in the
  // driver's memory; else it is not used.
  DeviceMemory memory;
  // As TxOptions'.
  AccessMode access = AccessMode::kCompiled;
  BurstCache* bursts = nullptr;
};

// Names one fetched packet.
struct TxHandle {
  uint32_t first_slot = 0;
  // Slots, context descriptors in front of it included; of a table those of its chain.
  uint32_t slots = 0;
  // The device's own name of it.
  uint32_t record = 0;
  uint64_t number = 0;
};

// A packet to send.
struct TxWork {
  // Bytes that stood in the ring itself, a private copy, in front of the segments; nearly always
  // none. These or the segments are at least one; both are valid until the next Fetch.
  std::span<const std::byte> inline_bytes;
  std::span<const TxSegment> segments;
  // All bytes; fits, because a segment's length and their number are bounded.
  uint64_t bytes = 0;
  TxRequest request;
  // The driver is told when the packet left: give Complete the time.
  bool wants_time = false;
  TxHandle handle;
};

// A packet that is one buffer and asks for nothing: what most are. `slot` is the device's own name
// of it.
using PlainTx = PlainBuffer;

class InPlaceTxDevice;
class RingTxDevice;

class TxDevice {
 public:
  // As TxDriver::Create. The rings start empty with all indices 0. INVALID_ARGUMENT as well: the
  // layout puts something into the driver's memory, and the options have no way to read it.
  static absl::StatusOr<TxDevice> Create(const layout::VerifiedLayout& layout,
                                         const QueueView& view, const TxDeviceOptions& options);
  TxDevice(TxDevice&&) noexcept;
  TxDevice& operator=(TxDevice&&) noexcept;
  ~TxDevice();

  // How plain packets are fetched.
  AccessReport Access() const;
  // What the layout's descriptors can ask for.
  TxFeatures Features() const;

  // Slots published and not yet fetched; reads the doorbell. 0 as well when it is out of range: the
  // next Fetch says so.
  uint32_t PeekAvailable();
  // The next whole packet. kNone: *out is filled. kEmpty: none, or its last descriptor is not
  // published yet, or there is no room for its completion (nothing is consumed then).
  RingFault Fetch(TxWork* out);
  // The next packets, as long as they are plain and whole, in the order in which they were posted;
  // one look at the doorbell for all. Fewer than `out` has room for, down to none: Fetch takes the
  // next one, or says what is wrong with it. *nothing, if given: no slot at all was published at
  // that look, nor is anything wrong, so that Fetch need not look too; what came since has the next
  // call.
  uint32_t FetchPlain(std::span<PlainTx> out, bool* nothing = nullptr);
  // Complete for each of them: packets that FetchPlain gave one after the other, in that order.
  void CompletePlain(std::span<const PlainTx> packets);
  // One of them, as Complete takes it.
  TxHandle HandleOf(const PlainTx& packet) const;
  // Writes the completion of a fetched packet, where the driver asked for it or the layout wants it
  // always; the done word last, with release. Packets may be completed late: in the order of Fetch,
  // or in any order where the layout's completions name packets one by one. A handle that Fetch did
  // not give, or one for the second time, does nothing. time_ns: when it left, on the device's
  // clock; only of a packet that wants_time.
  void Complete(const TxHandle& handle, uint64_t time_ns = 0);

  // Before sleeping: sets (clears) the need-wakeup flag, with a full fence behind it. Look at
  // PeekAvailable once more after setting it and before sleeping.
  void SetNeedWakeup(bool need);

 private:
  explicit TxDevice(std::unique_ptr<InPlaceTxDevice> in_place);
  explicit TxDevice(std::unique_ptr<RingTxDevice> ring);
  // One of them: completions over descriptors at a doorbell, and everything else.
  std::unique_ptr<InPlaceTxDevice> in_place_;
  std::unique_ptr<RingTxDevice> ring_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_DEVICE_H_
