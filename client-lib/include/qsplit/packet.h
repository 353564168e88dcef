// A packet: an owned view of buffers in a region, and what is known of it beside its bytes.
//
//   Packet ──> buffer ──> buffer ──> …          most packets have one segment
//               bytes()    segment(1)
//
// Move-only. It owns its buffers: they go back to the pool of their queue pair when it is
// destroyed, overwritten or sent. No allocation, no lock, no copy. A packet, and all others of its
// queue pair, belong to one thread at a time. A packet may outlive its lease; it keeps the region
// then.
//
// The bytes of a received packet came from the wire and are not to be trusted; the device does not
// write to them any more.
#ifndef QSPLIT_PACKET_H_
#define QSPLIT_PACKET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "qsplit/buffer_pool.h"

namespace qsplit {

// What is known about a checksum. kUnknown: nobody looked.
enum class ChecksumState : uint8_t { kUnknown = 0, kGood = 1, kBad = 2 };

// Which header fields a hash covers. kOther: something else.
enum class HashType : uint8_t {
  kNone = 0,
  kIp4,
  kTcp4,
  kUdp4,
  kSctp4,
  kIp6,
  kTcp6,
  kUdp6,
  kSctp6,
  kOther,
};

// What can be known about a received packet, one bit each.
enum class PacketField : uint32_t {
  kHash = 1u << 0,
  kHashType = 1u << 1,
  kVlan = 1u << 2,
  kChecksumL3 = 1u << 3,
  kChecksumL4 = 1u << 4,
  kTimestamp = 1u << 7,
  kError = 1u << 8,
  kQueue = 1u << 9,
  kMark = 1u << 10,
};

// A set of them.
struct PacketFields {
  uint32_t bits = 0;

  constexpr PacketFields() = default;
  constexpr PacketFields(PacketField f) : bits(static_cast<uint32_t>(f)) {}  // NOLINT: a set of one
  constexpr explicit PacketFields(uint32_t b) : bits(b) {}
  static constexpr PacketFields None() { return PacketFields(); }
  // Each of PacketField.
  static constexpr PacketFields All() { return PacketFields(0x79f); }
  constexpr bool Has(PacketField f) const { return (bits & static_cast<uint32_t>(f)) != 0; }
  friend constexpr bool operator==(PacketFields, PacketFields) = default;
  friend constexpr PacketFields operator|(PacketFields a, PacketFields b) {
    return PacketFields(a.bits | b.bits);
  }
};
constexpr PacketFields operator|(PacketField a, PacketField b) {
  return PacketFields(a) | PacketFields(b);
}

// Values that stand beside a packet's bytes; a member means something only when its bit is in
// `present`.
struct PacketMetadata {
  uint32_t present = 0;
  // Of these, what the library computed because the layout lacks it.
  uint32_t computed = 0;
  uint32_t hash = 0;
  uint32_t mark = 0;
  uint64_t timestamp = 0;
  uint16_t vlan_tci = 0;
  uint16_t queue = 0;
  HashType hash_type = HashType::kNone;
  ChecksumState l3_checksum = ChecksumState::kUnknown;
  ChecksumState l4_checksum = ChecksumState::kUnknown;
  bool error = false;

  bool Has(PacketField field) const { return (present & static_cast<uint32_t>(field)) != 0; }
};

namespace internal {
struct PacketAccess;
}

class Packet {
 public:
  Packet() = default;
  ~Packet() { Reset(); }
  Packet(Packet&& other) noexcept { Steal(other); }
  Packet& operator=(Packet&& other) noexcept {
    if (this != &other) {
      Reset();
      Steal(other);
    }
    return *this;
  }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  // False for a packet that was never filled, or was moved away or sent.
  explicit operator bool() const { return pool_ != nullptr; }
  // Gives the buffers back now.
  void Reset() {
    if (pool_ == nullptr) return;
    if (segments_ == 1) {
      pool_->Give(first_);
    } else {
      pool_->GiveChain(first_);
    }
    pool_ = nullptr;
  }

  // Bytes of all segments, from the Ethernet header on, without the frame check sequence.
  uint32_t length() const { return pool_ == nullptr ? 0 : length_; }

  // The first segment: all of the packet when segment_count() is 1. Programs may write to it.
  std::span<std::byte> bytes() { return pool_ == nullptr ? std::span<std::byte>() : View(first_); }
  std::span<const std::byte> bytes() const {
    return pool_ == nullptr ? std::span<std::byte>() : View(first_);
  }

  // At least 1 in a filled packet.
  uint32_t segment_count() const { return pool_ == nullptr ? 0 : segments_; }
  // Segment i < segment_count(), found by walking the chain.
  std::span<std::byte> segment(uint32_t i) const {
    uint32_t buffer = first_;
    while (i-- > 0) buffer = pool_->link(buffer).next;
    return View(buffer);
  }
  // Calls visit(std::span<std::byte>) for each segment in order.
  template <typename Visitor>
  void ForEachSegment(Visitor&& visit) const {
    if (pool_ == nullptr) return;
    for (uint32_t b = first_; b != internal::BufferPool::kNone; b = pool_->link(b).next) {
      visit(View(b));
    }
  }
  // Copies from the packet's byte `offset` on, over segments; returns how many bytes it copied.
  size_t CopyTo(std::span<std::byte> out, size_t offset = 0) const {
    size_t copied = 0;
    ForEachSegment([&](std::span<std::byte> part) {
      if (offset >= part.size()) {
        offset -= part.size();
        return;
      }
      part = part.subspan(offset);
      offset = 0;
      const size_t n = std::min(part.size(), out.size() - copied);
      if (n > 0) std::memcpy(out.data() + copied, part.data(), n);
      copied += n;
    });
    return copied;
  }
  // Copies into the packet from byte `offset` on, never past length(); returns how many.
  size_t CopyFrom(std::span<const std::byte> in, size_t offset = 0) {
    size_t copied = 0;
    ForEachSegment([&](std::span<std::byte> part) {
      if (offset >= part.size()) {
        offset -= part.size();
        return;
      }
      part = part.subspan(offset);
      offset = 0;
      const size_t n = std::min(part.size(), in.size() - copied);
      if (n > 0) std::memcpy(part.data(), in.data() + copied, n);
      copied += n;
    });
    return copied;
  }
  // Makes a packet shorter; no-op when it is not longer than `length`. At least 1 byte stays.
  void Truncate(uint32_t length) {
    if (pool_ == nullptr || length >= length_) return;
    length_ = std::max<uint32_t>(length, 1);
    uint32_t left = length_;
    uint32_t buffer = first_;
    segments_ = 1;
    while (pool_->link(buffer).length < left) {
      left -= pool_->link(buffer).length;
      buffer = pool_->link(buffer).next;
      ++segments_;
    }
    pool_->link(buffer).length = left;
    pool_->GiveChain(std::exchange(pool_->link(buffer).next, internal::BufferPool::kNone));
  }

  // What the device said, by role, where the layout has it; nullopt where it said nothing, or the
  // program does not read it (LeaseOptions::rx_fields).
  std::optional<uint32_t> hash() const {
    return meta_.Has(PacketField::kHash) ? std::optional(meta_.hash) : std::nullopt;
  }
  HashType hash_type() const { return meta_.hash_type; }
  // The VLAN tag that stands beside the bytes: received, the device took it out; on sending, it is
  // put in, by the device where the layout can ask for it, else by the library. Priority, drop
  // eligible and id as in 802.1Q. A forwarded packet therefore keeps its tag.
  std::optional<uint16_t> vlan() const {
    return meta_.Has(PacketField::kVlan) ? std::optional(meta_.vlan_tci) : std::nullopt;
  }
  void set_vlan(std::optional<uint16_t> tci) {
    const auto bit = static_cast<uint32_t>(PacketField::kVlan);
    meta_.present = tci.has_value() ? meta_.present | bit : meta_.present & ~bit;
    meta_.vlan_tci = tci.value_or(0);
  }
  // The IPv4 header's checksum, and that of TCP, UDP or SCTP.
  ChecksumState checksum_l3() const { return meta_.l3_checksum; }
  ChecksumState checksum_l4() const { return meta_.l4_checksum; }
  // Nanoseconds on the device's clock, wherever the layout can say so.
  std::optional<uint64_t> timestamp() const {
    return meta_.Has(PacketField::kTimestamp) ? std::optional(meta_.timestamp) : std::nullopt;
  }
  // The device says that the packet is damaged in some other way.
  bool error() const { return meta_.error; }
  // True when the value comes from the library, which computed it, and not from the device.
  bool computed(PacketField field) const {
    return (meta_.computed & static_cast<uint32_t>(field)) != 0;
  }
  const PacketMetadata& metadata() const { return meta_; }

  // Asks for checksums to be filled in when the packet is sent: of an IPv4 header, and of TCP, UDP
  // or SCTP over IPv4 or IPv6; by the device where the layout can ask for it, else by the library.
  // Of a packet that has no such header nothing is changed.
  void RequestChecksums(bool l3 = true, bool l4 = true) {
    want_l3_ = l3;
    want_l4_ = l4;
  }
  // Asks the device to cut the packet when it is sent: TCP over IPv4 or IPv6, of up to 65535 bytes
  // from the IP header on, leaves in packets of at most `payload_bytes` bytes behind their TCP
  // headers. The device continues lengths, sequence numbers and IPv4 identifications, keeps PSH and
  // FIN for the last, and fills in all checksums. 0: does not ask. Only where the transmit queue
  // offloads_segments(); elsewhere, and of another packet, Send drops it (counters().refused).
  void RequestSegments(uint16_t payload_bytes) { segment_bytes_ = payload_bytes; }
  // Asks when the packet leaves: TxQueue::TakeTimestamps answers. Where the transmit queue does not
  // offloads_timestamps(), or the device does not tell, it says that there is no time; the packet
  // is sent all the same.
  void RequestTimestamp(bool wanted = true) { want_time_ = wanted; }

 private:
  friend struct internal::PacketAccess;

  std::span<std::byte> View(uint32_t buffer) const {
    const internal::BufferPool::Link& link = pool_->link(buffer);
    return {pool_->data(buffer) + link.offset, link.length};
  }
  void Steal(Packet& other) {
    pool_ = std::exchange(other.pool_, nullptr);
    first_ = other.first_;
    length_ = other.length_;
    segments_ = other.segments_;
    want_l3_ = other.want_l3_;
    want_l4_ = other.want_l4_;
    want_time_ = other.want_time_;
    segment_bytes_ = other.segment_bytes_;
    meta_ = other.meta_;
  }

  internal::BufferPool* pool_ = nullptr;
  uint32_t first_ = 0;
  uint32_t length_ = 0;
  uint16_t segments_ = 0;
  uint16_t segment_bytes_ = 0;
  bool want_l3_ = false;
  bool want_l4_ = false;
  bool want_time_ = false;
  PacketMetadata meta_;
};

}  // namespace qsplit

#endif  // QSPLIT_PACKET_H_
