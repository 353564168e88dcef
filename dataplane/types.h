// The small types that every part of the data plane speaks.
//
// Plain values: no memory of a peer is touched here, any thread may use them.
#ifndef QSPLIT_DATAPLANE_TYPES_H_
#define QSPLIT_DATAPLANE_TYPES_H_

#include <compare>
#include <cstdint>

namespace qsplit::dataplane {

// An address as a device sees it: where a region is mapped in the device's address space, plus an
// offset. Never a pointer of this process.
struct Iova {
  uint64_t value = 0;

  constexpr Iova() = default;
  constexpr explicit Iova(uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(Iova, Iova) = default;
  // Wraps modulo 2^64, as a device's adder does; check ranges before adding.
  friend constexpr Iova operator+(Iova base, uint64_t bytes) { return Iova(base.value + bytes); }
};

// A buffer of a posted descriptor, as the other side asked for it: not checked.
struct PlainBuffer {
  Iova address;
  uint32_t bytes = 0;
  // The slot that it stood in.
  uint32_t slot = 0;
};
static_assert(sizeof(PlainBuffer) == 16);

// Bytes from the start of a region.
struct RegionOffset {
  uint64_t value = 0;

  constexpr RegionOffset() = default;
  constexpr explicit RegionOffset(uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(RegionOffset, RegionOffset) = default;
};

// Number of a queue within its device and direction.
struct QueueIndex {
  uint32_t value = 0;

  constexpr QueueIndex() = default;
  constexpr explicit QueueIndex(uint32_t v) : value(v) {}
  friend constexpr auto operator<=>(QueueIndex, QueueIndex) = default;
};

// What the device says about a checksum. kUnknown: it did not look.
enum class ChecksumState : uint8_t { kUnknown = 0, kGood = 1, kBad = 2 };

// Which header fields the device hashed. kOther: hashed, over something else.
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
inline constexpr uint8_t kHashTypes = 10;

// Network layer of a packet. kOther: known to be none of these.
enum class L3Kind : uint8_t { kUnknown = 0, kIp4, kIp6, kArp, kOther };
inline constexpr uint8_t kL3Kinds = 5;

// Transport layer of a packet. kFragment: a fragment, whose transport header may be elsewhere.
// kOther: known to be none of these.
enum class L4Kind : uint8_t { kUnknown = 0, kTcp, kUdp, kSctp, kIcmp, kFragment, kOther };
inline constexpr uint8_t kL4Kinds = 7;

// What a packet is that was merged from several, or is to be cut into several.
enum class SegmentKind : uint8_t { kNone = 0, kTcp4, kTcp6, kUdp4, kUdp6 };
inline constexpr uint8_t kSegmentKinds = 5;

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TYPES_H_
