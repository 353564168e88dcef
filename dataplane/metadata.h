// What a descriptor says about a packet beside its bytes, freed from how any layout codes it: RX
// metadata (device to program) and TX requests (program to device). Both sides of a ring speak it.
//
// Plain values, private to who holds them; any thread.
#ifndef QSPLIT_DATAPLANE_METADATA_H_
#define QSPLIT_DATAPLANE_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/types.h"

namespace qsplit::dataplane {

// A set of RX metadata, one bit for each member of RxMetadata.
enum class RxField : uint32_t {
  kHash = 1u << 0,
  kHashType = 1u << 1,
  kVlanTci = 1u << 2,
  kL3Checksum = 1u << 3,
  kL4Checksum = 1u << 4,
  kL3Kind = 1u << 5,
  kL4Kind = 1u << 6,
  kTimestamp = 1u << 7,
  kError = 1u << 8,
  kQueue = 1u << 9,
  kMark = 1u << 10,
  kChecksumValue = 1u << 11,
  kSegment = 1u << 12,
};

struct RxFields {
  uint32_t bits = 0;

  constexpr RxFields() = default;
  constexpr RxFields(RxField f) : bits(static_cast<uint32_t>(f)) {}  // NOLINT: a set of one
  constexpr explicit RxFields(uint32_t b) : bits(b) {}
  static constexpr RxFields None() { return RxFields(); }
  static constexpr RxFields All() { return RxFields((1u << 13) - 1); }
  constexpr bool Has(RxField f) const { return (bits & static_cast<uint32_t>(f)) != 0; }
  constexpr bool HasAll(RxFields f) const { return (bits & f.bits) == f.bits; }
  friend constexpr bool operator==(RxFields, RxFields) = default;
  friend constexpr RxFields operator|(RxFields a, RxFields b) { return RxFields(a.bits | b.bits); }
  friend constexpr RxFields operator&(RxFields a, RxFields b) { return RxFields(a.bits & b.bits); }
  constexpr RxFields& operator|=(RxFields o) {
    bits |= o.bits;
    return *this;
  }
};
constexpr RxFields operator|(RxField a, RxField b) { return RxFields(a) | RxFields(b); }

// A member means something only when its bit stands in `present`; else it is zero.
struct RxMetadata {
  RxFields present;
  uint32_t hash = 0;
  HashType hash_type = HashType::kNone;
  L3Kind l3 = L3Kind::kUnknown;
  L4Kind l4 = L4Kind::kUnknown;
  ChecksumState l3_checksum = ChecksumState::kUnknown;
  ChecksumState l4_checksum = ChecksumState::kUnknown;
  // True: the device says that the packet is damaged in some way that no other member tells.
  bool error = false;
  // Priority, drop eligible and VLAN id, as in the 802.1Q tag, host byte order. Present only when
  // the device took the tag out of the packet.
  uint16_t vlan_tci = 0;
  // The device's number of the queue that the packet came by.
  uint16_t queue = 0;
  // A number that a steering rule attached.
  uint32_t mark = 0;
  // Ones' complement sum over what the layout's spec says, usually the packet behind its link
  // header.
  uint16_t checksum = 0;
  // Payload bytes of each of the packets that the device merged into this one, and what they are.
  uint16_t segment_bytes = 0;
  SegmentKind segment = SegmentKind::kNone;
  // In the layout's units (after its scale), nanoseconds wherever the spec can say so.
  uint64_t timestamp = 0;

  friend bool operator==(const RxMetadata&, const RxMetadata&) = default;
};

// What a program may ask the device to do to a packet that it sends, one bit each.
enum class TxFeature : uint32_t {
  // Fill in the IPv4 header checksum.
  kL3Checksum = 1u << 0,
  // Fill in the TCP, UDP or SCTP checksum. As usual for NICs, TCP's and UDP's checksum field must
  // hold the sum of the pseudo header, SCTP's zero. With kSegment without the length, but where the
  // layout says checksum.l4.insert_offset, whose devices know no headers: with that of the whole,
  // and with IPv4's checksum filled in.
  kL4Checksum = 1u << 1,
  // Insert an 802.1Q tag.
  kVlanInsert = 1u << 2,
  // Cut a long TCP or UDP packet into several.
  kSegment = 1u << 3,
  // Record when it was sent; TxDriver::ReturnsTimes says whether the driver hears of it.
  kTimestamp = 1u << 4,
  // Take a packet from more than one buffer.
  kScatter = 1u << 5,
};

struct TxFeatures {
  uint32_t bits = 0;

  constexpr TxFeatures() = default;
  constexpr TxFeatures(TxFeature f) : bits(static_cast<uint32_t>(f)) {}  // NOLINT: a set of one
  constexpr explicit TxFeatures(uint32_t b) : bits(b) {}
  constexpr bool Has(TxFeature f) const { return (bits & static_cast<uint32_t>(f)) != 0; }
  constexpr bool HasAll(TxFeatures f) const { return (bits & f.bits) == f.bits; }
  friend constexpr bool operator==(TxFeatures, TxFeatures) = default;
  friend constexpr TxFeatures operator|(TxFeatures a, TxFeatures b) {
    return TxFeatures(a.bits | b.bits);
  }
  friend constexpr TxFeatures operator&(TxFeatures a, TxFeatures b) {
    return TxFeatures(a.bits & b.bits);
  }
  constexpr TxFeatures& operator|=(TxFeatures o) {
    bits |= o.bits;
    return *this;
  }
};
constexpr TxFeatures operator|(TxFeature a, TxFeature b) { return TxFeatures(a) | TxFeatures(b); }

// What to do to one packet. Default: send it as it is. On the device's side the members come from
// descriptors that a hostile program wrote: every value is possible.
struct TxRequest {
  // The subset of kL3Checksum, kL4Checksum, kVlanInsert, kSegment, kTimestamp that is asked for.
  TxFeatures wants;
  // What the packet is; needed with kL3Checksum, kL4Checksum and kSegment.
  L3Kind l3 = L3Kind::kUnknown;
  L4Kind l4 = L4Kind::kUnknown;
  // Header lengths in bytes; l2 and l3 needed with kL3Checksum and kL4Checksum, all with kSegment.
  // l2 counts everything before the IP header as the packet stands in memory.
  uint16_t l2_header_bytes = 0;
  uint16_t l3_header_bytes = 0;
  uint16_t l4_header_bytes = 0;
  // The tag, host byte order; with kVlanInsert.
  uint16_t vlan_tci = 0;
  // Payload bytes of each piece; with kSegment.
  uint16_t segment_bytes = 0;
  // Where the checksums begin and where they are stored, in bytes from the packet's start. A driver
  // leaves them 0: they follow from the members above. The device's side fills them in whenever
  // kL3Checksum (kL4Checksum, kSegment) is wanted, whichever way the layout says it; header lengths
  // and kinds may stay 0 there if the layout says it by these offsets alone.
  uint16_t l3_checksum_start = 0;
  uint16_t l3_checksum_at = 0;
  uint16_t l4_checksum_start = 0;
  uint16_t l4_checksum_at = 0;

  friend bool operator==(const TxRequest&, const TxRequest&) = default;
};

// When a packet left that asked for it.
struct TxTime {
  // As given to Push.
  uint32_t cookie = 0;
  // In the layout's units (after its scale), nanoseconds wherever the spec can say so; a device may
  // say anything. nullopt: it said nothing.
  std::optional<uint64_t> time_ns;

  friend bool operator==(const TxTime&, const TxTime&) = default;
};

// One piece of a packet in memory that the device can reach.
struct TxSegment {
  Iova address;
  uint32_t bytes = 0;
  // The same bytes as the driver reaches them; only where TxDriver::NeedsMemory or BytesBefore says
  // so. Null on the device's side.
  std::byte* memory = nullptr;

  friend bool operator==(const TxSegment&, const TxSegment&) = default;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_METADATA_H_
