// Driver and device of a queue in front of a guard and behind it, in their own memory each: what
// the guard's benchmarks stand between. One thread for each side.
#ifndef QSPLIT_TESTS_BENCH_GUARD_QUEUE_ENDS_H_
#define QSPLIT_TESTS_BENCH_GUARD_QUEUE_ENDS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "daemon/guard/guarded_queue.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::bench {

using namespace qsplit::dataplane;  // NOLINT

inline constexpr uint32_t kSlots = 512;
inline constexpr uint32_t kBurst = 32;  // descriptors of the client's each turn, and a report
inline constexpr uint32_t kBufferBytes = 2048;
inline constexpr uint32_t kBuffers = 256;
inline constexpr uint32_t kMemoryBytes = 2 * kBuffers * kBufferBytes;  // half of it for headers
inline constexpr uint64_t kIova = 0x1000'0000;
inline constexpr uint64_t kDeviceIova = 0x2000'0000;

// Driver and device of a queue, in their own memory each.
class Ends {
 public:
  Ends(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t queue)
      : transmit_(direction == v1::DIRECTION_TRANSMIT),
        shadow(layout, queue, {}, kSlots),
        real(layout, queue, {}, kSlots) {
    const uint32_t bytes = dataplane::testing::QueueBufferBytes(layout);
    options.rx_buffer_bytes = bytes;
    DeviceMemory memory;
    memory.context = this;
    memory.read = [](void* self, Iova from, std::byte* to, uint32_t size) {
      std::memcpy(to, &static_cast<Ends*>(self)->memory_[from.value - kDeviceIova], size);
      return true;
    };
    memory.write = [](void* self, Iova to, const std::byte* from, uint32_t size) {
      std::memcpy(&static_cast<Ends*>(self)->memory_[to.value - kDeviceIova], from, size);
      return true;
    };
    if (transmit_) {
      QueueView view = shadow.view();
      view.scratch_bytes = TxDriver::ScratchBytes(layout, view);
      view.scratch = &memory_[kBuffers * kBufferBytes];
      view.scratch_iova = Iova(kIova + kBuffers * kBufferBytes);
      tx_driver.emplace(*TxDriver::Create(layout, view, {kBurst}));
      tx_device.emplace(*TxDevice::Create(layout, real.view(), {memory}));
    } else {
      rx_driver.emplace(*RxDriver::Create(layout, shadow.view(), {RxFields::None(), bytes}));
      rx_device.emplace(*RxDevice::Create(layout, real.view(), {bytes, memory}));
    }
  }

  // The client: takes what came back, gives as much again, at most `most` descriptors.
  void Client(uint32_t most = kBurst) {
    if (transmit_) {
      uint32_t cookies[kBurst];
      while (tx_driver->Reclaim(cookies) != 0) {
      }
      for (uint32_t i = 0; i < most; ++i) {
        if (tx_driver->Push(Iova(kIova + next_ % kBuffers * kBufferBytes), 1000, 0) !=
            PushResult::kPushed) {
          break;
        }
        ++next_;
      }
      tx_driver->Publish();
    } else {
      RxCompletion out[kBurst];
      while (rx_driver->Poll(out) != 0) {
      }
      for (uint32_t i = 0; i < most; ++i) {
        const uint64_t offset = next_++ % kBuffers * kBufferBytes;
        const RxBuffer buffer{Iova(kIova + offset), kBufferBytes, 0, &memory_[offset]};
        if (rx_driver->Post(std::span(&buffer, 1)) == 0) break;
      }
      rx_driver->Publish();
    }
  }
  // The device: completes what it has, of a receive queue at most `most` buffers.
  void Device(uint32_t most = kBurst) {
    if (transmit_) {
      TxWork work;
      while (tx_device->Fetch(&work) == RingFault::kNone) tx_device->Complete(work.handle);
    } else {
      PostedBuffer buffer;
      uint32_t n = 0;
      while (n < most && rx_device->Fetch(&buffer) == RingFault::kNone) {
        RxResult result;
        result.length = 1000;
        rx_device->Complete(result);
        ++n;
      }
      rx_device->Publish();
    }
  }

 private:
  const bool transmit_;
  uint64_t next_ = 0;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kMemoryBytes);

 public:
  dataplane::testing::QueueMemory shadow, real;
  guard::GuardOptions options;
  std::optional<TxDriver> tx_driver;
  std::optional<RxDriver> rx_driver;
  std::optional<TxDevice> tx_device;
  std::optional<RxDevice> rx_device;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_GUARD_QUEUE_ENDS_H_
