// Frames on their way from one of a NIC's threads to another: a ring of bytes with one writer and
// one reader.
//
//   thread i: Reserve, fill, ... --Publish, once for each round--> thread j: Front, Pop, ...
//   Release
//
// The memory is the daemon's own and private to the two threads; each side's position has a cache
// line of its own. Never allocates after construction, never blocks: a full lane drops. Writer's
// functions: one thread; reader's functions: one thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_LANE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_LANE_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "dataplane/barriers.h"
#include "dataplane/cache_line.h"

namespace qsplit::softnic {

class FrameLane {
 public:
  // What becomes of a frame at its other end.
  enum class For : uint32_t {
    kQueue,        // it came from the wire: to a receive queue there
    kRepresentor,  // no lease takes it
    kWire,         // it goes out by the NIC's kernel interface
  };
  struct Frame {
    For what{};
    std::span<uint8_t> bytes;
  };
  static constexpr uint64_t kBytes = 256 * 1024;

  FrameLane() : memory_(kBytes) {}

  // Writer: room for a frame, to be filled before Publish. Empty: the lane is full.
  std::span<uint8_t> Reserve(For what, uint32_t bytes) {
    const uint64_t needed = Room(bytes);
    const uint64_t at = produced_ % kBytes;
    const uint64_t left = kBytes - at;
    const uint64_t passed_over = needed > left ? left : 0;
    if (produced_ + passed_over + needed - consumed_seen_ > kBytes) {
      consumed_seen_ = consumed_.load(std::memory_order_acquire);
      if (produced_ + passed_over + needed - consumed_seen_ > kBytes) return {};
    }
    if (passed_over != 0) Write(at, {For::kQueue, 0});
    produced_ += passed_over;
    const uint64_t begin = produced_ % kBytes;
    Write(begin, {what, bytes});
    produced_ += needed;
    return {memory_.data() + begin + sizeof(Header), bytes};
  }
  // Writer: all of it is for the reader. True: the reader sleeps, and must be woken.
  bool Publish() {
    if (produced_ == published_.load(std::memory_order_relaxed)) return false;
    published_.store(produced_, std::memory_order_release);
    dataplane::StoresBeforeLoads();  // pairs with the one in Sleep
    return asleep_.load(std::memory_order_relaxed);
  }

  // Reader: the next frame; it stays there until Release.
  std::optional<Frame> Front() {
    while (consume_ != published_seen_ || Look()) {
      const uint64_t at = consume_ % kBytes;
      Header header;
      std::memcpy(&header, memory_.data() + at, sizeof header);
      if (header.bytes != 0) {
        return Frame{header.what, {memory_.data() + at + sizeof header, header.bytes}};
      }
      consume_ += kBytes - at;
    }
    return std::nullopt;
  }
  void Pop(const Frame& front) { consume_ += Room(static_cast<uint32_t>(front.bytes.size())); }
  // Reader: what was popped is the writer's again.
  void Release() { consumed_.store(consume_, std::memory_order_release); }
  // Reader: before it sleeps. False: there is something after all.
  bool Sleep() {
    asleep_.store(true, std::memory_order_relaxed);
    dataplane::StoresBeforeLoads();
    return consume_ == published_seen_ && !Look();
  }
  void Awake() { asleep_.store(false, std::memory_order_relaxed); }

 private:
  struct Header {
    For what{};
    uint32_t bytes = 0;  // 0: the rest of the ring is not used
  };
  // Whole cache lines, so that a header always fits behind what is there.
  static constexpr uint64_t Room(uint32_t bytes) { return (sizeof(Header) + bytes + 63) / 64 * 64; }
  void Write(uint64_t at, const Header& header) {
    std::memcpy(memory_.data() + at, &header, sizeof header);
  }
  bool Look() {
    published_seen_ = published_.load(std::memory_order_acquire);  // pairs with Publish
    return consume_ != published_seen_;
  }

  dataplane::CacheLineVector<uint8_t> memory_;
  // The writer's; written for each frame.
  alignas(dataplane::kCacheLineBytes) uint64_t produced_ = 0;
  uint64_t consumed_seen_ = 0;
  // What both look at once for each round: the writer at asleep_, just behind its store.
  alignas(dataplane::kCacheLineBytes) std::atomic<uint64_t> published_{0};
  std::atomic<bool> asleep_{false};
  // The reader's; written for each frame. The writer looks at consumed_ where the lane seems full.
  alignas(dataplane::kCacheLineBytes) uint64_t consume_ = 0;
  uint64_t published_seen_ = 0;
  std::atomic<uint64_t> consumed_{0};
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_LANE_H_
