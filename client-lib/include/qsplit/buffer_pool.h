// The buffers of one queue pair: a slice of a region, cut into pieces of equal size, and a stack of
// those that are free. The inner workings of Packet; programs do not use it directly.
//
//   region  | buffer 0 | buffer 1 | …                    (shared with the device)
//   links_  | link 0   | link 1   | …                    (private to this process)
//
// What stands in the buffers may be written by the device while it has them; the links never are.
// A packet is a chain of buffers by their links. One thread at a time for one pool, and so for one
// queue pair and all packets of it. Nothing is allocated after the constructor.
#ifndef QSPLIT_BUFFER_POOL_H_
#define QSPLIT_BUFFER_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace qsplit::internal {

class BufferPool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Link {
    uint32_t next = kNone;
    // Where the packet's bytes begin in the buffer, and how many they are.
    uint32_t offset = 0;
    uint32_t length = 0;
  };

  // memory.size() / buffer_bytes buffers. iova: of memory[0] as the device sees it. owner: names
  // the lease; packets of one owner pass between its queues without a copy. keep_alive: what owns
  // the memory.
  BufferPool(std::span<std::byte> memory, uint32_t buffer_bytes, uint64_t iova, const void* owner,
             std::shared_ptr<const void> keep_alive)
      : memory_(memory),
        buffer_bytes_(buffer_bytes),
        iova_(iova),
        owner_(owner),
        keep_alive_(std::move(keep_alive)),
        links_(memory.size() / buffer_bytes),
        free_(links_.size()) {
    for (size_t i = links_.size(); i-- > 0;) free_[free_count_++] = static_cast<uint32_t>(i);
  }

  // Buffers that a queue took and that nobody will give back any more.
  void Lose(size_t buffers) { lost_ += buffers; }
  // The lease has no more use for it: it goes when the last packet that a program holds goes.
  static void Abandon(BufferPool* pool) {
    pool->abandoned_ = true;
    if (pool->Idle()) delete pool;
  }

  uint32_t Take() {
    if (free_count_ == 0) return kNone;
    const uint32_t buffer = free_[--free_count_];
    links_[buffer] = Link{};
    return buffer;
  }
  // At most so many; their numbers, until the pool is asked for something else. Their links hold
  // what they held before.
  std::span<const uint32_t> TakeSome(size_t most) {
    const uint32_t n = most < free_count_ ? static_cast<uint32_t>(most) : free_count_;
    free_count_ -= n;
    return std::span(free_).subspan(free_count_, n);
  }
  [[gnu::always_inline]] void Give(uint32_t buffer) {
    // Whoever has a buffer has the pool, which clang-tidy does not know.
    free_[free_count_++] = buffer;  // NOLINT(clang-analyzer-cplusplus.NewDelete)
    GoIfAbandoned();
  }
  // Of one buffer each.
  void GiveAll(std::span<const uint32_t> buffers) {
    std::copy(buffers.begin(), buffers.end(), free_.data() + free_count_);
    free_count_ += static_cast<uint32_t>(buffers.size());
    GoIfAbandoned();
  }
  void GiveChain(uint32_t first) {
    for (; first != kNone; first = links_[first].next) {
      free_[free_count_++] = first;  // NOLINT(clang-analyzer-cplusplus.NewDelete)
    }
    GoIfAbandoned();
  }

  Link& link(uint32_t buffer) { return links_[buffer]; }
  const Link& link(uint32_t buffer) const { return links_[buffer]; }
  std::byte* data(uint32_t buffer) const { return memory_.data() + size_t{buffer} * buffer_bytes_; }
  uint64_t iova(uint32_t buffer) const { return iova_ + uint64_t{buffer} * buffer_bytes_; }
  uint32_t buffer_bytes() const { return buffer_bytes_; }
  uint32_t count() const { return static_cast<uint32_t>(links_.size()); }
  uint32_t free_count() const { return free_count_; }
  const void* owner() const { return owner_; }

 private:
  ~BufferPool() = default;
  bool Idle() const { return free_count_ + lost_ == links_.size(); }
  [[gnu::always_inline]] void GoIfAbandoned() {
    if (abandoned_) [[unlikely]] {
      GoIfIdle();
    }
  }
  [[gnu::cold, gnu::noinline]] void GoIfIdle() {
    if (Idle()) delete this;
  }

  std::span<std::byte> memory_;
  uint32_t buffer_bytes_;
  uint64_t iova_;
  const void* owner_;
  std::shared_ptr<const void> keep_alive_;
  std::vector<Link> links_;
  std::vector<uint32_t> free_;  // a stack of free_count_
  uint32_t free_count_ = 0;
  size_t lost_ = 0;
  bool abandoned_ = false;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_BUFFER_POOL_H_
