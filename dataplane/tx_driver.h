// The driver's side of a transmit queue: writes packets into slots, context descriptors before them
// where a request needs one, rings the doorbell, and learns which packets are sent. Queues whose
// device completes descriptors by writing over them have an engine of their own; another one drives
// every other protocol: heads, own bits, completion rings by tag, index or address, chains in
// tables.
//
//        Push            Publish            (device)            Reclaim
//   free ----> written  --------> device's ----------> complete -------> free
//
// The rings' memory is written by the device too: only done words, completions and cells are read
// from it, with acquire; cookies come from a private array. Never: allocates after Create, locks,
// makes a system call, makes a virtual call. One thread at a time for one driver.
#ifndef QSPLIT_DATAPLANE_TX_DRIVER_H_
#define QSPLIT_DATAPLANE_TX_DRIVER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/metadata.h"
#include "dataplane/ring_view.h"
#include "dataplane/types.h"

namespace qsplit::layout {
class VerifiedLayout;
}

namespace qsplit::dataplane {

class BurstCache;

struct TxOptions {
  // Ask for a completion report every so many packets, at least 1. The last packet before each
  // Publish is always reported, so whatever was published comes back.
  uint32_t report_every = 32;
  // The fastest way in which descriptors may be written; what is possible of it is done.
  AccessMode access = AccessMode::kCompiled;
  // Where what was compiled for other queues is looked for, and kept; null: nowhere. Only Create
  // uses it.
  BurstCache* bursts = nullptr;
};

// A packet in one piece, for bursts.
struct TxPacket {
  Iova address;
  uint32_t bytes = 0;
  // Comes back by Reclaim.
  uint32_t cookie = 0;
};

// What Push did.
enum class PushResult : uint8_t {
  kPushed = 0,
  // Not enough free slots now: Publish, Reclaim, try again. Nothing was written.
  kNoRoom,
  // No form of the layout can carry the request: do it in software. Nothing was written.
  kUnsupported,
  // More segments or bytes than the layout or the ring can ever take, or an empty segment. Nothing
  // was written.
  kTooLong,
};

class InPlaceTxDriver;
class RingTxDriver;

class TxDriver {
 public:
  // Bytes of QueueView::scratch that a transmit queue of this layout with these slot counts and
  // features (all else in the view is not looked at) takes; 0: none. With less, but enough for a
  // packet, fewer packets can be on their way.
  static uint32_t ScratchBytes(const layout::VerifiedLayout& layout, const QueueView& view);

  // As RxDriver::Create, for the layout's transmit queue. INVALID_ARGUMENT as well: the view lacks
  // scratch memory.
  static absl::StatusOr<TxDriver> Create(const layout::VerifiedLayout& layout,
                                         const QueueView& view, const TxOptions& options);
  TxDriver(TxDriver&&) noexcept;
  TxDriver& operator=(TxDriver&&) noexcept;
  ~TxDriver();

  // Everything that some request could be granted.
  TxFeatures Features() const;
  bool Supports(TxFeature feature) const { return Features().Has(feature); }
  // Whether exactly this request can be carried; Push answers kUnsupported where this is false.
  bool Supports(const TxRequest& request) const;

  // The most slots that can be in use, and those free now. A packet takes one for each segment, and
  // one more for each context descriptor that it needs; or more or fewer, where the layout's
  // descriptors are longer or hold several segments. No room as well while completions of what is
  // on its way need all the place that there is for them.
  uint32_t Capacity() const;
  uint32_t Room() const;
  // Most segments for a packet.
  uint32_t MaxSegments() const;
  // Shortest packet that the device takes, in bytes; pad shorter ones. 0: any.
  uint32_t MinPacketBytes() const;
  // Segments begin at multiples of this, in bytes; a power of two.
  uint32_t AddressAlignment() const;
  // True where packets' bytes go into the ring itself: then TxSegment::memory must be set, Push
  // reads it, and the bytes are the caller's again when Push returns.
  bool NeedsMemory() const;
  // Bytes in front of each segment's address that must be the caller's too. Where it is not 0,
  // TxSegment::memory must be set in the first segment of a packet with a request: the device finds
  // the request in these bytes, and Push writes them.
  uint32_t BytesBefore() const;
  // Packets pushed that have not come back through Reclaim.
  [[gnu::hot]] uint32_t Outstanding() const;

  // Writes one packet, all of it or nothing.
  PushResult Push(std::span<const TxSegment> segments, const TxRequest& request, uint32_t cookie);
  // One segment, no request.
  PushResult Push(Iova address, uint32_t bytes, uint32_t cookie) {
    const TxSegment one{address, bytes};
    return Push(std::span(&one, 1), TxRequest{}, cookie);
  }

  // Writes packets of one segment, all with the same request, in their order, until one cannot be;
  // how many were. *why: what became of that one, kPushed where all were written. Not for layouts
  // with NeedsMemory.
  [[gnu::hot]] uint32_t PushBurst(std::span<const TxPacket> packets, const TxRequest& request,
                                  PushResult* why);

  // Gives what was pushed to the device. True: it sleeps; wake it by the grant's event.
  // Without anything new it does nothing and returns false.
  [[gnu::hot]] bool Publish();

  // Cookies of packets that are sent, at most cookies.size(); returns how many. In the order of
  // Push, unless the layout's completions name packets one by one: then in the order in which the
  // device completed them. Each once. Frees their slots.
  [[gnu::hot]] uint32_t Reclaim(std::span<uint32_t> cookies);

  // Whether a request for kTimestamp gets an answer, and not only the device's attention: times may
  // go to registers that a driver has not.
  bool ReturnsTimes() const;
  // When packets left that asked for kTimestamp: the oldest, at most out.size(), each once, after
  // the Reclaim that gives its cookie at the latest; returns how many. Those that nobody takes give
  // way to newer ones when there are as many as packets can be on their way at once.
  uint32_t TakeTimes(std::span<TxTime> out);

  // How descriptors are written here.
  AccessReport Access() const;

 private:
  explicit TxDriver(std::unique_ptr<InPlaceTxDriver> in_place);
  explicit TxDriver(std::unique_ptr<RingTxDriver> ring);
  // Those of the common case that come first.
  uint32_t PushRun(std::span<const TxPacket> packets, const TxRequest& request);
  // What PushBurst does from that many on, where the next one is another.
  [[gnu::noinline]] uint32_t PushRest(std::span<const TxPacket> packets, uint32_t done,
                                      const TxRequest& request, PushResult* why);
  // One of them.
  std::unique_ptr<InPlaceTxDriver> in_place_;
  std::unique_ptr<RingTxDriver> ring_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_DRIVER_H_
