// Inside of RxQueue: the driver, the pool, and packets that are half there. One thread, the pair's.
#ifndef QSPLIT_CLIENT_LIB_SRC_RX_QUEUE_IMPL_H_
#define QSPLIT_CLIENT_LIB_SRC_RX_QUEUE_IMPL_H_

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "client-lib/src/queue_bell.h"
#include "client-lib/src/software.h"
#include "dataplane/cache_line.h"
#include "dataplane/rx_driver.h"
#include "qsplit/rx_queue.h"

namespace qsplit::internal {

class alignas(dataplane::kCacheLineBytes) RxQueueImpl {
 public:
  struct Setup {
    QueueBell bell;
    uint32_t number = 0;
    // Of what is posted, <= the pool's.
    uint32_t buffer_bytes = 0;
    // Most buffers that the device may have at once.
    uint32_t max_posted = 0;
    SoftwareWork software;
  };

  // The pool stays the caller's and outlives this.
  RxQueueImpl(dataplane::RxDriver driver, BufferPool* pool, const Setup& setup);
  ~RxQueueImpl();
  RxQueueImpl(const RxQueueImpl&) = delete;
  RxQueueImpl& operator=(const RxQueueImpl&) = delete;

  size_t Receive(std::span<Packet> out);
  // Posts as many buffers as it may; tells the device of them.
  void Refill();
  // True: a completion is there.
  bool Look();

  dataplane::RxDriver driver;
  const Setup setup;
  RxQueue::Counters counters;

 private:
  static constexpr uint32_t kBurst = 32;

  // Whether its bytes are in the buffer.
  bool Fits(const dataplane::RxCompletion& c) const {
    return c.offset <= setup.buffer_bytes && c.length <= setup.buffer_bytes - c.offset;
  }
  // Of the completions that were polled the first, as many as are a packet each, while none is
  // being put together. How many.
  [[gnu::hot]] size_t TakeWhole(std::span<Packet> out);
  // Adds a completion to the packet that is being put together. True: *out is a packet.
  bool Take(const dataplane::RxCompletion& completion, Packet* out);
  void DropPartial();

  BufferPool* pool_;
  uint32_t refill_at_;  // this many missing buffers are worth a doorbell
  // Completions that were polled and not looked at.
  std::array<dataplane::RxCompletion, kBurst> stash_;
  uint32_t stash_next_ = 0;
  uint32_t stash_end_ = 0;
  // Buffers to be posted; here, since making so many anew costs more than posting one.
  std::array<dataplane::RxBuffer, kBurst> batch_;
  // The packet that is being put together.
  uint32_t first_ = BufferPool::kNone;
  uint32_t last_ = BufferPool::kNone;
  uint32_t length_ = 0;
  uint32_t segments_ = 0;
  dataplane::RxMetadata meta_;
};

// `to` gets what only `from` has.
void MergeMetadata(const dataplane::RxMetadata& from, dataplane::RxMetadata* to);
// The same values in the public form.
PacketMetadata PublicMetadata(const dataplane::RxMetadata& meta);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_RX_QUEUE_IMPL_H_
