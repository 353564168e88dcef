// Flows of plain frames that one thread of a NIC has steered: where their next frames go, found by
// the bits of a frame's head that its key is made of, without parsing, hashing or looking at rules.
//
//   head ─and─► words that make the key ─hash─► set: 8 tags of a byte ─► flow: its words compared
//
// What is kept holds under the rules, RSS table, settings and queues of the moment: whoever changes
// one of them calls Forget, before the next frame. A set that is full gives up one of its flows; no
// two flows in it have one tag. So a look-up reads two cache lines (three for IPv6), whatever
// frames come, and those that meet in a set at the worst cost each other their places.
//
// Frames come from outside. Nothing is allocated after construction. The worker's thread only.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_CACHE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_CACHE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/plain_head.h"
#include "daemon/backend/softnic/seeded_hash.h"
#include "dataplane/cache_line.h"
#include "dataplane/prefetch.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

struct RxQueue;

// What is known of a plain frame by its flow. In whole words, by which it is copied and compared:
// a load of what several stores have just made waits until they are in the cache.
class PlainFlow {
 public:
  static constexpr uint32_t kNoRule = UINT32_MAX;

  PlainFlow() = default;
  // to: the queue; null: it is one of the NIC's thread number `core`, another one than the
  // caller's. rule: its location, or kNoRule.
  PlainFlow(RxQueue* to, uint32_t core, uint32_t rule, const PlainFacts& facts, uint32_t hash,
            dataplane::HashType hash_type)
      : to_(to),
        numbers_(rule | uint64_t{hash} << 32),
        kinds_(facts.ip_version | uint64_t{facts.l4_protocol} << 8 |
               uint64_t{static_cast<uint8_t>(facts.l3)} << 16 |
               uint64_t{static_cast<uint8_t>(facts.l4)} << 24 |
               uint64_t{static_cast<uint8_t>(hash_type)} << 32 | uint64_t{core} << 48) {}

  RxQueue* to() const { return to_; }
  uint32_t core() const { return static_cast<uint32_t>(kinds_ >> 48); }
  uint32_t rule() const { return static_cast<uint32_t>(numbers_); }
  uint32_t hash() const { return static_cast<uint32_t>(numbers_ >> 32); }
  PlainFacts facts() const {
    return {.ip_version = static_cast<uint8_t>(kinds_),
            .l4_protocol = static_cast<uint8_t>(kinds_ >> 8),
            .l3 = static_cast<dataplane::L3Kind>(kinds_ >> 16 & 0xff),
            .l4 = static_cast<dataplane::L4Kind>(kinds_ >> 24 & 0xff)};
  }
  dataplane::HashType hash_type() const {
    return static_cast<dataplane::HashType>(kinds_ >> 32 & 0xff);
  }
  // Whether two of one core have facts and hash type in common.
  bool IsOfOneKind(const PlainFlow& other) const { return kinds_ == other.kinds_; }

 private:
  RxQueue* to_ = nullptr;
  uint64_t numbers_ = kNoRule;
  uint64_t kinds_ = 0;
};

class FlowCache {
 public:
  static constexpr size_t kSets = 512;
  static constexpr size_t kWays = 8;
  // Of flows that come when more than all places' worth were unknown in a row.
  static constexpr size_t kOneIn = 8;

  struct alignas(dataplane::kCacheLineBytes) Flow {
    std::array<uint64_t, 5> words;  // the first of one of its frames' head
    PlainFlow flow;
  };
  static_assert(sizeof(Flow) == dataplane::kCacheLineBytes);

  FlowCache() : flows_(kPlaces), tails_(kPlaces) {
    FrameHead four{};
    StoreBe16(four.data() + 12, kEtherTypeIp4);
    std::memcpy(flows_[kNoneOfIp6].words.data(), four.data(), sizeof Flow::words);
    Forget();
  }

  // All of it.
  void Forget() { tags_.fill(0); }

  // Where the flow of a frame would stand; asks for its memory. Confirm tells whether it does.
  [[gnu::always_inline]] const Flow* Seek(const PlainHead& head) const {
    if (head.IsIp4()) [[likely]] {
      return Look<true>(head);
    }
    return LookForIp6(PlainHead(head));  // a copy: what is called with it stands in memory
  }

  // The flow of a frame for which Seek gave `place`, perhaps some frames ago, and where its IP
  // packet ends; null: it is not kept, or may not be plain. The result stays as it is until the
  // next Keep or Forget.
  [[gnu::always_inline]] const PlainFlow* Confirm(const Flow* place, const PlainHead& head,
                                                  uint32_t frame_bytes, uint32_t* l3_end) {
    if (head.IsIp4()) [[likely]] {
      if (!IsOf<true>(*place, head)) return nullptr;
      unknown_ = 0;
      return head.IsWhole<true>(frame_bytes, l3_end) ? &place->flow : nullptr;
    }
    if (!IsOfIp6(*place, PlainHead(head))) return nullptr;
    unknown_ = 0;
    return head.IsWhole<false>(frame_bytes, l3_end) ? &place->flow : nullptr;
  }

  // Where to keep the flow of a plain frame, which the caller puts there at once. Null: it cannot
  // be told by such bits, or it is one of so many that few are worth a place.
  PlainFlow* Keep(const PlainHead& head, uint32_t frame_bytes) {
    uint32_t l3_end;
    const bool four = head.IsIp4();
    if (!(four ? head.IsWhole<true>(frame_bytes, &l3_end)
               : head.IsWhole<false>(frame_bytes, &l3_end))) {
      return nullptr;
    }
    if (++unknown_ > kSets * kWays && unknown_ % kOneIn != 0) return nullptr;
    return four ? Put<true>(head) : Put<false>(head);
  }

 private:
  // IPv6 has all of the head's words, IPv4 those that stand in the flow itself.
  static constexpr size_t kIp4Words = std::tuple_size_v<decltype(Flow::words)>;
  template <bool kFour>
  static constexpr size_t kWords = kFour ? kIp4Words : kHeadBytes / 8;
  template <bool kFour>
  using Words = std::array<uint64_t, kWords<kFour>>;
  using Tail = std::array<uint64_t, kHeadBytes / 8 - kIp4Words>;
  static constexpr uint64_t kEachByte = 0x0101010101010101u;
  static constexpr uint64_t kTopBits = 0x8080808080808080u;

  // Where no flow stands: a head that no frame of the kind has, for it tells of another kind.
  static constexpr size_t kNoneOfIp4 = kSets * kWays;
  static constexpr size_t kNoneOfIp6 = kNoneOfIp4 + 1;
  static constexpr size_t kPlaces = kNoneOfIp6 + 1;

  struct Place {
    size_t set;
    uint64_t tag;  // not 0
  };

  // Calls f(0) to f(kCount - 1), as if it were written down so: words stay in registers.
  template <size_t kCount, typename F>
  [[gnu::always_inline]] static void ForEach(F&& f) {
    [&]<size_t... kIndex>(std::index_sequence<kIndex...>) __attribute__((always_inline)) {
      (f(std::integral_constant<size_t, kIndex>()), ...);
    }
    (std::make_index_sequence<kCount>{});
  }

  template <bool kFour>
  [[gnu::always_inline]] static Words<kFour> WordsOf(const PlainHead& head) {
    Words<kFour> words;
    ForEach<kWords<kFour>>(
        [&](auto i) { words[i] = head.Word<i>() & (kFour ? kIp4KeyBits : kIp6KeyBits)[i]; });
    return words;
  }

  using Pair = PlainHead::Pair;
  template <bool kFour>
  [[gnu::always_inline]] bool IsOf(const Flow& flow, const PlainHead& head) const {
    // The third pair's second word is beyond what stands in the flow, and is no matter for IPv4.
    static_assert(kIp4Words == 5 && kIp4KeyBits[5] == 0 && offsetof(Flow, words) == 0);
    const auto pair = [](const void* of, size_t word) {
      Pair words;
      std::memcpy(&words, static_cast<const std::byte*>(of) + 8 * word, sizeof words);
      return words;
    };
    Pair differs = PlainHead::Differs<kFour, 0>(head, pair(&flow, 0)) |
                   PlainHead::Differs<kFour, 1>(head, pair(&flow, 2));
    if constexpr (kFour) {
      return PlainHead::IsZero(differs | PlainHead::Differs<true, 2>(head, pair(&flow, 4)));
    } else {
      const Tail& tail = tails_[static_cast<size_t>(&flow - flows_.data())];
      differs |= PlainHead::Differs<false, 2>(head, Pair{flow.words[4], tail[0]});
      return PlainHead::IsZero(differs | PlainHead::Differs<false, 3>(head, pair(tail.data(), 1)));
    }
  }
  [[gnu::noinline]] bool IsOfIp6(const Flow& flow, const PlainHead& head) const {
    return IsOf<false>(flow, head);
  }

  template <bool kFour>
  [[gnu::always_inline]] static Place PlaceOf(const Words<kFour>& words) {
    // Digits of pi: any that are odd and have bits all over.
    uint64_t hash = MixedWords(words[3] ^ words[0] ^ 0x243f6a8885a308d3u,
                               words[4] ^ (words[1] + words[2]) ^ 0x13198a2e03707345u);
    if constexpr (!kFour) {
      hash ^=
          MixedWords(words[5] ^ 0xa4093822299f31d1u, (words[6] + words[7]) ^ 0x082efa98ec4e6c89u);
    }
    const uint64_t tag = hash >> 56;
    return {hash % kSets, tag + (tag == 0 ? 1 : 0)};
  }
  // 0x80 in the lowest byte of `word` that is `byte`, and perhaps in some above it.
  static uint64_t FindByte(uint64_t word, uint64_t byte) {
    const uint64_t differs = word ^ (byte * kEachByte);
    return (differs - kEachByte) & ~differs & kTopBits;
  }
  static size_t WayOf(uint64_t found) { return static_cast<size_t>(std::countr_zero(found)) / 8; }

  template <bool kFour>
  [[gnu::always_inline]] const Flow* Look(const PlainHead& head) const {
    const Place place = PlaceOf<kFour>(WordsOf<kFour>(head));
    const uint64_t found = FindByte(tags_[place.set], place.tag);
    if (found == 0) return &flows_[kFour ? kNoneOfIp4 : kNoneOfIp6];
    const size_t number = place.set * kWays + WayOf(found);
    dataplane::PrefetchToRead(&flows_[number]);
    if constexpr (!kFour) dataplane::PrefetchToRead(&tails_[number]);
    return &flows_[number];
  }

  [[gnu::noinline]] const Flow* LookForIp6(const PlainHead& head) const {
    return Look<false>(head);
  }

  template <bool kFour>
  PlainFlow* Put(const PlainHead& head) {
    const Place place = PlaceOf<kFour>(WordsOf<kFour>(head));
    uint64_t& tags = tags_[place.set];
    uint64_t found = FindByte(tags, place.tag);
    if (found == 0) found = FindByte(tags, 0);
    const size_t way = found != 0 ? WayOf(found) : next_++ % kWays;
    tags = (tags & ~(uint64_t{0xff} << 8 * way)) | place.tag << 8 * way;
    const size_t number = place.set * kWays + way;
    Flow& to = flows_[number];
    HeadWords words;
    head.WriteTo(words.data());
    std::memcpy(to.words.data(), words.data(), sizeof to.words);
    if constexpr (!kFour) std::memcpy(tails_[number].data(), &words[kIp4Words], sizeof(Tail));
    return &to.flow;
  }

  alignas(dataplane::kCacheLineBytes) std::array<uint64_t, kSets> tags_;  // of each set; 0: none
  dataplane::CacheLineVector<Flow> flows_;
  dataplane::CacheLineVector<Tail> tails_;
  size_t next_ = 0;     // the way to give up
  size_t unknown_ = 0;  // frames of flows that were not kept, since the last of one that was
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_CACHE_H_
