// Frames that go from a transmit ring to receive rings together, each straight from its sender's
// memory into its receivers', with one read of it.
//
//   sender's memory --64 bytes--> head (private): parsed, checked, steered by --> receiver's memory
//                   --the rest, never looked at-------------------------------> behind it
//
// The sender may rewrite its memory at any moment: what decides is the private head, and each byte
// of the rest is read once. Only plain frames go this way: untagged, IPv4 or IPv6 without options,
// no offload, no tap. The worker's thread only.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_BURST_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_BURST_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/flow_cache.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/plain_head.h"
#include "dataplane/rx_device.h"

namespace qsplit::softnic {

// Frames of one burst, at most: so many that what is waited for once in each costs little.
inline constexpr uint32_t kBurstFrames = 128;
// Packets' memory is asked for so many frames before its turn: as many cache lines as a processor
// can wait for at a time, more or less.
inline constexpr uint32_t kFramesAhead = 16;
// Heads are read, and flows sought, so many frames before their turn: a look-up waits for memory
// that depends on the head, for longer than a processor finds other work by itself.
inline constexpr uint32_t kHeadsAhead = 4;

// A piece of a frame in its receiver's memory.
struct RxPiece {
  std::byte* at;
  uint32_t bytes;
  uint32_t posted_bytes;
};

struct BurstFrame {
  FrameHead head;                 // zero behind the frame's end
  const std::byte* at = nullptr;  // in the sender's memory; null: not to be had
  uint32_t sent_bytes = 0;        // there
  uint32_t bytes = 0;             // on the wire: padded
  uint32_t l3_end = 0;            // as in Packet
  // Where its flow is sought; null: its head was not read yet.
  const FlowCache::Flow* place = nullptr;
  PlainFlow flow;              // of those that are enqueued
  BurstFrame* next = nullptr;  // to the same queue

  // Its head is there, and no longer than what may be sent.
  bool MayBeRead(uint32_t longest) const {
    return at != nullptr && sent_bytes >= kEthernetHeaderBytes && sent_bytes <= longest;
  }
  // Reads the head into private memory; all that is found out about the frame is of that, and goes
  // on with it. sent_bytes >= kEthernetHeaderBytes.
  [[gnu::always_inline]] PlainHead ReadHead() {
    bytes = std::max(sent_bytes, kMinFrameBytes);
    if (sent_bytes >= kHeadBytes) [[likely]] {
      const PlainHead read = PlainHead::ReadOnce(at);
      read.WriteTo(head.data());
      return read;
    }
    ReadShortHead();
    return head;
  }
  [[gnu::noinline]] void ReadShortHead() {
    head.fill(0);
    // Two halves that overlap: the head is what is there afterwards.
    if (sent_bytes >= 32) {
      std::memcpy(head.data(), at, 32);
      std::memcpy(head.data() + sent_bytes - 32, at + sent_bytes - 32, 32);
    } else {
      std::memcpy(head.data(), at, sent_bytes);
    }
    // What is read from the head from now on is not read from the sender's memory again.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  // Copies bytes [from, from + count) of the frame.
  void CopyTo(std::byte* to_memory, uint32_t from, uint32_t count) const {
    if (from < kHeadBytes) {
      const uint32_t part = std::min(count, kHeadBytes - from);
      std::memcpy(to_memory, head.data() + from, part);
      to_memory += part;
      from += part;
      count -= part;
    }
    if (count != 0) std::memcpy(to_memory, at + from, count);
  }
  // Copies what stands behind the head, if anything.
  void CopyRest(std::byte* to_memory) const {
    if (bytes > kHeadBytes) {
      std::memcpy(to_memory + kHeadBytes, at + kHeadBytes, bytes - kHeadBytes);
    }
  }
};

// Frames into buffers of one receive queue, one each, in order: buffers at hand, and what of them
// is filled and said.
struct RxRun {
  uint64_t time_ns = 0;
  uint32_t prefix_bytes = 0;
  uint32_t fetched = 0;
  uint32_t ready = 0;      // of those, in memory that may be written
  uint32_t filled = 0;     // of those
  uint32_t completed = 0;  // of those
  uint64_t bytes = 0;      // of all that is filled
  // What all frames since `completed` have in common.
  PlainFlow flow;  // its hash apart
  ChecksumVerdict verdict;
  std::array<dataplane::PlainBuffer, kBurstFrames> posted;
  std::array<std::byte*, kBurstFrames> to;
  std::array<dataplane::RxPlain, kBurstFrames> results;

  // Whether there is a buffer for a frame of so many bytes.
  bool Takes(uint32_t frame_bytes) const { return filled < ready && frame_bytes <= Room(); }
  // Of the next buffer, behind its prefix.
  uint32_t Room() const { return posted[filled].bytes - prefix_bytes; }
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FRAME_BURST_H_
