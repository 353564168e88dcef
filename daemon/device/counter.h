// A counter that one thread adds to and any thread reads.
//
// One writer, so adding is a load and a store, not a locked instruction. Reading gives the counter
// as it was at some recent moment; no two need be of the same moment.
#ifndef QSPLIT_DAEMON_DEVICE_COUNTER_H_
#define QSPLIT_DAEMON_DEVICE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace qsplit::device {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Clear() { value_.store(0, std::memory_order_relaxed); }
  uint64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_COUNTER_H_
