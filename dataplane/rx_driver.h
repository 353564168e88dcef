// The driver's side of a receive queue: posts buffers, rings the doorbell, reads completions.
//
//        Post            Publish            (device)           Poll
//   free ----> written  --------> device's ---------> complete ----> free
//
// The ring's memory is written by the device too and may hold anything at any moment: each
// descriptor is read once into a private copy, cookies come from a private array, and a length
// never exceeds what was posted. The done word is loaded with acquire before the rest.
// Never: allocates after Create, locks, makes a system call, makes a virtual call.
// One thread at a time for one driver.
#ifndef QSPLIT_DATAPLANE_RX_DRIVER_H_
#define QSPLIT_DATAPLANE_RX_DRIVER_H_

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

struct RxOptions {
  // Metadata that Poll should decode; others are left out and cost nothing.
  RxFields wanted = RxFields::All();
  // Size of every buffer in bytes. Where the layout sets it for the whole queue rather than in each
  // descriptor, Post refuses smaller buffers and the device uses this many bytes of each.
  // 0: not known; the layout has buffer.length in its post form.
  uint32_t buffer_bytes = 0;
  // The largest packet that is expected, in bytes; 0: not known. Where a descriptor may have
  // several buffers, all of which one packet takes, it gets no more of them than this needs.
  uint32_t packet_bytes = 0;
  // The fastest way in which descriptors may be read and written; what is possible of it is done.
  AccessMode access = AccessMode::kCompiled;
  // Where what was compiled for other queues is looked for, and kept; null: nowhere. Only Create
  // uses it.
  BurstCache* bursts = nullptr;
};

// A buffer to post.
struct RxBuffer {
  Iova address;
  uint32_t bytes = 0;
  // Comes back with the completion.
  uint32_t cookie = 0;
  // The same bytes in this process; needed only where the layout keeps meaning or packets in memory
  // that the driver has to read itself (RxDriver::NeedsMemory). Null: none.
  std::byte* memory = nullptr;
};

// One buffer that came back. A packet is all completions from one with `first` to one with `last`.
struct RxCompletion {
  uint32_t cookie = 0;
  // Bytes of the packet in this buffer, without the frame check sequence; <= the bytes posted. May
  // be 0 (an empty last buffer).
  uint32_t length = 0;
  // Where they begin in the buffer.
  uint32_t offset = 0;
  bool first = false;
  bool last = false;
  // In the completions in which the layout's fields mean something; read them in the last one
  // unless the layout says that they stand in the first (`present` tells).
  RxMetadata meta;
};

class BlockRxDriver;
class InPlaceRxDriver;
class RingRxDriver;

class RxDriver {
 public:
  // Compiles the layout's receive queue for the rings of `view`, which must be zeroed or fresh.
  // UNIMPLEMENTED: a ring protocol or construct that this build does not drive, by name.
  // INVALID_ARGUMENT: the view does not fit the layout (slot count, alignment, missing cell).
  static absl::StatusOr<RxDriver> Create(const layout::VerifiedLayout& layout,
                                         const QueueView& view, const RxOptions& options);
  RxDriver(RxDriver&&) noexcept;
  RxDriver& operator=(RxDriver&&) noexcept;
  ~RxDriver();

  // Metadata that the layout can give, a subset or not of what was wanted.
  RxFields Available() const;
  // Whether Post needs RxBuffer::memory: packets, or what they mean, stand where the driver has to
  // read them itself.
  bool NeedsMemory() const;
  // The most buffers that can be posted at once.
  uint32_t Capacity() const;
  // How many more buffers can be posted now.
  uint32_t Room() const;
  // Buffers posted that have not come back through Poll.
  uint32_t Outstanding() const;

  // Writes the next slot. False, and nothing written: no room, or bytes that the layout cannot say.
  // Layouts with several buffers in a descriptor write it when it is whole, some at Publish at the
  // latest. Not for layouts with NeedsMemory.
  bool Post(Iova buffer, uint32_t bytes, uint32_t cookie) {
    const RxBuffer one{buffer, bytes, cookie, nullptr};
    return Post(std::span(&one, 1)) == 1;
  }
  // Posts the first n, as many as fit and have what they need; returns n.
  uint32_t Post(std::span<const RxBuffer> buffers);

  // Gives the posted slots to the device. True: it sleeps; wake it by the grant's event.
  // Without new slots it does nothing and returns false.
  bool Publish();

  // Takes completions in ring order, at most out.size(), and tells the device of it; returns how
  // many.
  uint32_t Poll(std::span<RxCompletion> out);

  // How descriptors are read and written here.
  AccessReport Access() const;

 private:
  RxDriver();
  template <typename F>
  auto With(F&& f) const;

  // Exactly one: descriptors completed in place in one ring are most NICs' way, and the fastest;
  // rings of any other kind; packets in the ring itself.
  std::unique_ptr<InPlaceRxDriver> in_place_;
  std::unique_ptr<RingRxDriver> rings_;
  std::unique_ptr<BlockRxDriver> blocks_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_DRIVER_H_
