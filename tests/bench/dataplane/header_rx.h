// Receive loops out of emitted headers (qdlc --emit c++) for one NIC each: what a program has that
// knows its NIC when it is built and writes no descriptor by hand. They do what the loops of
// hand_rx.h and hand_ring_rx.h do, with the same queues.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_RX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_RX_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intel.ice.flex.h"
#include "intel.ixgbe.advanced.h"
#include "mellanox.mlx5.h"
#include "tests/bench/dataplane/hand_ring_rx.h"
#include "tests/bench/dataplane/hand_rx.h"
#include "virtio.packed.h"

namespace qsplit::bench {

inline void Put(const qsplit_layout::Received& r, uint32_t cookie, RxCompletion* to) {
  Put(to, cookie | uint64_t{r.length} << 32, r.present_hash, r.states_tag, r.offset);
}

// Posts buffers into a ring of Ring's whose slots are to remember the buffers' cookies, as many as
// there is room for; how many.
template <typename Ring>
uint32_t PostCookies(auto* slots, uint32_t slot_count, uint32_t room, uint32_t buffer_bytes,
                     std::span<const RxBuffer> buffers, uint32_t* cookies,
                     typename Ring::Position& at) {
  const auto most = static_cast<uint32_t>(std::min<size_t>(buffers.size(), room));
  return Ring::refill(slots, slot_count, most, at,
                      [from = buffers.data(), cookies, buffer_bytes](size_t i, size_t slot,
                                                                     qsplit_layout::Buffer& b) {
                        if (from[i].bytes < buffer_bytes) return false;
                        cookies[slot] = from[i].cookie;
                        b.address = from[i].address.value;
                        b.bytes = buffer_bytes;
                        return true;
                      });
}

// Slots that are completed in place, with a tail register.
template <typename Ring>
class HeaderRx {
 public:
  explicit HeaderRx(const HandQueue& queue) : q_(queue), cookies_(queue.slot_count) {}

  uint32_t Post(std::span<const RxBuffer> buffers) {
    const uint32_t done =
        PostCookies<Ring>(q_.slots, q_.slot_count, q_.slot_count - 1 - outstanding_,
                          q_.buffer_bytes, buffers, cookies_.data(), produce_);
    outstanding_ += done;
    return done;
  }
  void Publish() { Ring::ring_producer_doorbell_0(q_.tail, produce_, 0, 0); }

  uint32_t Poll(std::span<RxCompletion> out) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    const uint32_t count =
        Ring::receive(q_.slots, q_.slot_count, most, consume_, q_.buffer_bytes,
                      [to = out.data(), cookies = cookies_.data()](const auto& r) mutable {
                        Put(r, cookies[r.buffer], to++);
                      });
    outstanding_ -= count;
    return count;
  }

 private:
  HandQueue q_;
  std::vector<uint32_t> cookies_;
  typename Ring::Position produce_;
  typename Ring::Position consume_;
  uint32_t outstanding_ = 0;
};
using HeaderIxgbeRx = HeaderRx<qsplit_layout::intel_ixgbe_advanced::receive_descriptors_ring>;
using HeaderIceRx = HeaderRx<qsplit_layout::intel_ice_flex::receive_descriptors_ring>;

class HeaderMlx5Rx {
 public:
  using Work = qsplit_layout::mellanox_mlx5::receive_work_ring;
  using Completions = qsplit_layout::mellanox_mlx5::receive_completions_ring;

  explicit HeaderMlx5Rx(const HandMlx5Rx::Queue& queue) : q_(queue), cookies_(queue.slot_count) {
    Work::lay_out(q_.entries, q_.slot_count, 0);
    Completions::prepare(q_.completions, q_.slot_count);
  }

  uint32_t Post(std::span<const RxBuffer> buffers) {
    const uint32_t done = PostCookies<Work>(q_.entries, q_.slot_count, q_.slot_count - outstanding_,
                                            q_.buffer_bytes, buffers, cookies_.data(), posted_);
    outstanding_ += done;
    return done;
  }
  void Publish() { Work::ring_producer_doorbell_0(q_.received, posted_, 0, 0); }

  uint32_t Poll(std::span<RxCompletion> out) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    const uint32_t count = Completions::receive(
        q_.completions, q_.slot_count, most, taken_, q_.buffer_bytes,
        [to = out.data(), cookies = cookies_.data(), mask = q_.slot_count - 1](
            const auto& r) mutable { Put(r, cookies[r.buffer & mask], to++); });
    if (count != 0) Completions::ring_consumer_doorbell_0(q_.completed, taken_, count, 0);
    outstanding_ -= count;
    return count;
  }

 private:
  HandMlx5Rx::Queue q_;
  std::vector<uint32_t> cookies_;
  Work::Position posted_;
  Completions::Position taken_;
  uint32_t outstanding_ = 0;
};

class HeaderVirtioRx {
 public:
  using Ring = qsplit_layout::virtio_packed::receive_descriptors_ring;

  explicit HeaderVirtioRx(const HandVirtioRx::Queue& queue)
      : q_(queue), buffers_(queue.slot_count) {}

  uint32_t Post(std::span<const RxBuffer> buffers) {
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), q_.slot_count - outstanding_));
    const uint32_t done = Ring::refill(
        q_.slots, q_.slot_count, most, produce_,
        [from = buffers.data(), posted = buffers_.data(), least = q_.buffer_bytes](
            size_t i, size_t slot, qsplit_layout::Buffer& b) {
          if (from[i].bytes < least) return false;
          posted[slot] = {from[i].memory, from[i].cookie};
          b = {
              .address = from[i].address.value, .bytes = least, .tag = static_cast<uint32_t>(slot)};
          return true;
        });
    outstanding_ += done;
    added_ += done;
    return done;
  }
  void Publish() {
    if (added_ == 0) return;
    Ring::ring_producer_doorbell_0(q_.doorbell, produce_, added_, 0, q_.no_notify);
    added_ = 0;
  }

  uint32_t Poll(std::span<RxCompletion> out) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    const uint32_t count = Ring::receive(
        q_.slots, q_.slot_count, most, consume_, q_.buffer_bytes,
        [posted = buffers_.data(), mask = q_.slot_count - 1](const auto& r) {
          return posted[r.buffer & mask].memory;
        },
        [to = out.data(), posted = buffers_.data(), mask = q_.slot_count - 1](
            const auto& r) mutable { Put(r, posted[r.buffer & mask].cookie, to++); });
    outstanding_ -= count;
    return count;
  }

 private:
  struct Buffer {
    const std::byte* memory;
    uint32_t cookie;
  };
  HandVirtioRx::Queue q_;
  std::vector<Buffer> buffers_;
  Ring::Position produce_;
  Ring::Position consume_;
  uint32_t outstanding_ = 0;
  uint32_t added_ = 0;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_RX_H_
