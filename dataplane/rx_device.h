// The device's side of a receive queue: takes posted buffers, completes them with what arrived.
// For software that is the device (softnic), or stands before it (guard).
//
// Ring and doorbell are written by a hostile driver and may change at any moment: the doorbell is
// read once for each look, each descriptor once into a private copy; only the copy is checked and
// used. Addresses and lengths that come out are what the driver asked for, not what it may have:
// the caller checks them against the lease's regions.
// Never: allocates after Create, locks, makes a system call, loops without a cap.
// One thread at a time for one device side.
#ifndef QSPLIT_DATAPLANE_RX_DEVICE_H_
#define QSPLIT_DATAPLANE_RX_DEVICE_H_

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

struct RxDeviceOptions {
  // Bytes of each buffer, for layouts that set it for the whole queue; as RxOptions::buffer_bytes.
  uint32_t buffer_bytes = 0;
  // How prefixes get into buffers, where the layout has a prefix that says something: Create then
  // wants `write`. Else it is not used.
  DeviceMemory memory;
  // As RxOptions'.
  AccessMode access = AccessMode::kCompiled;
  BurstCache* bursts = nullptr;
};

// A buffer that the driver posted.
struct PostedBuffer {
  Iova address;
  uint32_t bytes = 0;
  // Of a second buffer for headers, where the layout has one; else 0.
  Iova header_address;
  // The slot that it stood in.
  uint32_t slot = 0;
  // Where the packet's bytes go in this process, where the layout has packets lie in the ring
  // itself; else null: at `address`.
  std::byte* memory = nullptr;
};

// What to write for the oldest buffer that was fetched and not yet completed.
struct RxResult {
  // Bytes of the packet in this buffer; <= PostedBuffer::bytes.
  uint32_t length = 0;
  // True on the last buffer of a packet.
  bool last = true;
  // Give it in full with every buffer of a packet; it is written where the layout has it.
  // `present` says which members count; what the layout lacks is left out.
  RxMetadata meta;
};

// What differs between packets of one kind, each in one buffer.
struct RxPlain {
  uint32_t length = 0;
  uint32_t hash = 0;
};

class BlockRxDevice;
class InPlaceRxDevice;
class RingRxDevice;

class RxDevice {
 public:
  // As RxDriver::Create. The ring starts empty with all indices 0.
  static absl::StatusOr<RxDevice> Create(const layout::VerifiedLayout& layout,
                                         const QueueView& view, const RxDeviceOptions& options);
  RxDevice(RxDevice&&) noexcept;
  RxDevice& operator=(RxDevice&&) noexcept;
  ~RxDevice();

  // How plain buffers are fetched and completed.
  AccessReport Access() const;
  // Metadata that the layout can carry.
  RxFields Supported() const;
  // Bytes that the layout wants counted or placed in front of each packet's first buffer.
  uint32_t PrefixBytes() const;
  // Bytes of frame check sequence that the layout's lengths include; Complete adds them itself.
  uint32_t CrcBytes() const;

  // Buffers posted and not yet fetched; reads the doorbell. 0 as well when it is out of range:
  // the next Fetch says so.
  uint32_t PeekAvailable();
  // The next posted buffer for a packet. kNone: *out is filled. first: the packet begins there;
  // layouts may have other buffers for the rest of it. packet_bytes: of the whole packet, with its
  // first buffer; 0 if it is not known. kEmpty: nothing posted, no room for its completion, or
  // PacketMayGoOn is false.
  RingFault Fetch(PostedBuffer* out, bool first = true, uint32_t packet_bytes = 0);
  // The next posted buffers, each for a packet of its own, as long as they are of a kind that Fetch
  // has met; one look at the doorbell for all. Fewer than `out` has room for, down to none: Fetch
  // takes the next one, or says what is wrong with it. Not in the middle of a packet.
  uint32_t FetchPlain(std::span<PlainBuffer> out);
  // Complete for the oldest fetched buffers, each with a packet of its own. meta: of all of them,
  // but for the hash.
  void CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets);
  // Whether the layout lets the packet whose buffers are being fetched have one more.
  bool PacketMayGoOn() const;
  // Completes the oldest fetched buffer. The driver sees it now, with the packet's last buffer, or
  // at Publish, as the layout has it; always whole or not at all. Needs a fetched buffer; without
  // one it does nothing and returns false.
  bool Complete(const RxResult& result);
  // Makes all that was completed visible. Once for each burst.
  void Publish();
  // Passes over the oldest fetched buffer and writes nothing: a completion that never comes, as a
  // broken device's. A driver waits for it for ever. Without a fetched buffer it does nothing.
  void Skip();
  // Buffers fetched and not completed.
  uint32_t Fetched() const;
  // The fetched buffers become unfetched again, to be read anew by later Fetches: for a packet that
  // turned out not to fit into what is posted.
  void Unfetch();

  // Before sleeping: sets (clears) the need-wakeup flag, with a full fence behind it. Look at
  // PeekAvailable once more after setting it and before sleeping.
  void SetNeedWakeup(bool need);

 private:
  RxDevice();
  template <typename F>
  auto With(F&& f) const;

  // Exactly one: descriptors completed in place in one ring are most NICs' way, and the fastest;
  // rings of any other kind; packets in the ring itself.
  std::unique_ptr<InPlaceRxDevice> in_place_;
  std::unique_ptr<RingRxDevice> rings_;
  std::unique_ptr<BlockRxDevice> blocks_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_DEVICE_H_
