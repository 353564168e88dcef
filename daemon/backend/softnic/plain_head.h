// The first 64 bytes of a plain frame in registers: read once from its sender's memory, told by its
// key, summed, and written to its receiver's, all without a stop in memory between. (A load of
// bytes that were stored in other words a moment ago waits until those stores are in the cache: so
// long that a frame of 64 bytes would take half as much again.)
//
//   word      0   1   2   3   4   5   6   7       of 8 bytes, as they stand in memory
//             a_      b_      c_      d_          two in each register
//
// Values; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_PLAIN_HEAD_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_PLAIN_HEAD_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/packet.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

class PlainHead {
 public:
  using Pair [[gnu::vector_size(16)]] = uint64_t;

  // Of private memory.
  [[gnu::always_inline]] PlainHead(const FrameHead& head)  // NOLINT: the same in registers
      : PlainHead(static_cast<const void*>(head.data())) {}
  // Of kHeadBytes bytes that somebody may be writing to: what is read is not read again.
  [[gnu::always_inline]] static PlainHead ReadOnce(const std::byte* at) {
    const PlainHead head(static_cast<const void*>(at));
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return head;
  }
  // kHeadBytes bytes.
  [[gnu::always_inline]] void WriteTo(void* to) const {
    auto* const bytes = static_cast<std::byte*>(to);
    std::memcpy(bytes, &a_, sizeof a_);
    std::memcpy(bytes + 16, &b_, sizeof b_);
    std::memcpy(bytes + 32, &c_, sizeof c_);
    std::memcpy(bytes + 48, &d_, sizeof d_);
  }

  // Two words.
  template <size_t kPair>
  [[gnu::always_inline]] Pair Words() const {
    static_assert(kPair < 4);
    if constexpr (kPair == 0) return a_;
    if constexpr (kPair == 1) return b_;
    if constexpr (kPair == 2) return c_;
    if constexpr (kPair == 3) return d_;
  }
  template <size_t kIndex>
  [[gnu::always_inline]] uint64_t Word() const {
    return Words<kIndex / 2>()[kIndex % 2];
  }

  bool IsIp4() const {
    return static_cast<uint16_t>(Word<1>() >> 32) == __builtin_bswap16(kEtherTypeIp4);
  }

  // Whether two heads have all bits of the key in common, that of IPv4 (or IPv6: not kFour). If one
  // of them is of a flow that is kept, so is the other if it is whole.
  template <bool kFour>
  [[gnu::always_inline]] static bool AreAlike(const PlainHead& one, const PlainHead& other) {
    return IsZero(Differs<kFour, 0>(one, other.a_) | Differs<kFour, 1>(one, other.b_) |
                  Differs<kFour, 2>(one, other.c_) | Differs<kFour, 3>(one, other.d_));
  }
  // Of one pair of words the bits of the key in which a head differs from others.
  template <bool kFour, size_t kPair>
  [[gnu::always_inline]] static Pair Differs(const PlainHead& head, Pair words) {
    constexpr HeadWords kBits = kFour ? kIp4KeyBits : kIp6KeyBits;
    constexpr Pair kMask = {kBits[2 * kPair], kBits[2 * kPair + 1]};
    return (head.Words<kPair>() ^ words) & kMask;
  }
  [[gnu::always_inline]] static bool IsZero(Pair bits) { return (bits[0] | bits[1]) == 0; }

  // Whether a frame, plain as far as the bits of the key say, is all there, up to a transport
  // header of any kind; and where its IP packet ends.
  template <bool kFour>
  [[gnu::always_inline]] bool IsWhole(uint32_t frame_bytes, uint32_t* l3_end) const {
    constexpr uint32_t kWholeHeader = 20;
    const auto said = static_cast<uint16_t>(Word<2>() >> (kFour ? 0 : 16));
    *l3_end = (kFour ? kEthernetHeaderBytes : L4Offset(6)) + __builtin_bswap16(said);
    return *l3_end <= frame_bytes && *l3_end >= kL4At<kFour> + kWholeHeader;
  }

  // As softnic::Verify for a frame that is whole; what stands behind the head is open.
  [[gnu::always_inline]] OpenVerdict Verify(const PlainFacts& facts, uint32_t l3_end) const {
    return facts.ip_version == 4 ? VerifyOf<true>(facts, l3_end) : VerifyOf<false>(facts, l3_end);
  }

 private:
  template <bool kFour>
  static constexpr uint32_t kL4At = L4Offset(kFour ? 4 : 6);
  // A word's bytes from the n-th on, in memory's order; those in front of the n-th, 1 or more.
  static constexpr uint64_t From(uint32_t n) { return ~uint64_t{0} << 8 * n; }
  static constexpr uint64_t UpTo(uint32_t n) { return n >= 8 ? ~uint64_t{0} : ~From(n); }
  static dataplane::ChecksumState Judge(bool good) {
    return good ? dataplane::ChecksumState::kGood : dataplane::ChecksumState::kBad;
  }

  [[gnu::always_inline]] explicit PlainHead(const void* at)
      : a_(Load(at, 0)), b_(Load(at, 16)), c_(Load(at, 32)), d_(Load(at, 48)) {}
  [[gnu::always_inline]] static Pair Load(const void* at, size_t offset) {
    Pair pair;
    std::memcpy(&pair, static_cast<const std::byte*>(at) + offset, sizeof pair);
    return pair;
  }

  // Adds bytes [kFrom, end) of the head, kLeast <= end.
  template <uint32_t kFrom, uint32_t kLeast, size_t kIndex = kFrom / 8>
  [[gnu::always_inline]] void AddTo(RawSum* sum, uint32_t end) const {
    if constexpr (kIndex < 8) {
      constexpr uint32_t kBegin = 8 * kIndex;
      uint64_t word = Word<kIndex>();
      if constexpr (kBegin < kFrom) word &= From(kFrom - kBegin);
      if constexpr (kBegin + 8 > kLeast) word &= end > kBegin ? UpTo(end - kBegin) : 0;
      sum->AddWord(word);
      AddTo<kFrom, kLeast, kIndex + 1>(sum, end);
    }
  }

  template <bool kFour>
  [[gnu::always_inline]] OpenVerdict VerifyOf(const PlainFacts& facts, uint32_t l3_end) const {
    constexpr uint32_t kL4 = kL4At<kFour>;
    OpenVerdict open;
    if constexpr (kFour) {
      static_assert(kEthernetHeaderBytes == 14 && kL4 == 34);
      RawSum header;
      header.AddWord(Word<1>() & From(6));
      header.AddWord(Word<2>());
      header.AddWord(Word<3>());
      header.AddWord(Word<4>() & UpTo(2));
      open.verdict.l3 = Judge(header.IsGood());
    }
    const bool udp = facts.l4 == dataplane::L4Kind::kUdp;
    if (!udp && facts.l4 != dataplane::L4Kind::kTcp) return open;
    uint32_t length = l3_end - kL4;
    if (udp) {
      constexpr uint32_t kLengthAt = kL4 + 4;
      constexpr uint32_t kSumAt = kL4 + 6;
      const uint16_t said =
          __builtin_bswap16(static_cast<uint16_t>(Word<kLengthAt / 8>() >> 8 * (kLengthAt % 8)));
      const bool none = static_cast<uint16_t>(Word<kSumAt / 8>() >> 8 * (kSumAt % 8)) == 0;
      if (none && kFour) return open;
      if (none || said < 8 || said > length) {
        open.verdict.l4 = dataplane::ChecksumState::kBad;
        return open;
      }
      length = said;
    }
    const uint32_t in_head = std::min(length, kHeadBytes - kL4);  // 8 or more
    open.sum.AddValue(facts.l4_protocol);
    open.sum.AddValue(static_cast<uint16_t>(length));  // a frame is no longer
    // The addresses stand right in front.
    AddTo<kL4 - (kFour ? 8 : 32), kL4 + 8>(&open.sum, kL4 + in_head);
    open.rest_bytes = length - in_head;
    if (open.rest_bytes == 0) open.verdict.l4 = Judge(open.sum.IsGood());
    return open;
  }

  Pair a_, b_, c_, d_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_PLAIN_HEAD_H_
