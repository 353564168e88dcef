#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "dataplane/burst/poll_rows.h"
#include "dataplane/burst/x86_rows.h"

namespace qsplit::dataplane::burst {
namespace {

using x86::Half;

// Of a slot: volatile, so that each half is loaded once and in this order, which the processor
// keeps. Aligned halves are loaded at once. The device may write them at the same time: whatever it
// does, these are some of its bytes, and no race for a sanitizer to find.
QSPLIT_ROWS_INLINE __m128i LoadHalf(const std::byte* at) {
  return *reinterpret_cast<const volatile __m128i*>(at);
}
QSPLIT_ROWS_INLINE __m256i Halves(const std::byte* low, const std::byte* high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(low))),
      _mm_load_si128(reinterpret_cast<const __m128i*>(high)), 1);
}
template <typename T>
QSPLIT_ROWS_INLINE __m256i Whole(const T& from) {
  static_assert(sizeof from == 32);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&from));
}
QSPLIT_ROWS_INLINE uint64_t Word(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// So many words of tests, and what they are to be.
template <uint32_t kHalves>
struct Tests {
  __m256i masks[2];
  __m256i values[2];

  QSPLIT_ROWS_INLINE Tests(const PollRows& rows, uint32_t phase) {
    const auto& value = rows.values[phase & 1];
    for (int i = 0; i < 2; ++i) {
      masks[i] = _mm256_set_m128i(Half(rows.masks[2 * i + 1]), Half(rows.masks[2 * i]));
      values[i] = _mm256_set_m128i(Half(value[2 * i + 1]), Half(value[2 * i]));
    }
  }
};

// Reads a slot into the copy. False: not of the common case. key: what differs in the first half's
// value.
template <uint32_t kHalves>
QSPLIT_ROWS_INLINE bool ReadSlot(const std::byte* slot, const uint32_t* offsets,
                                 const Tests<kHalves>& tests, __m128i key, std::byte* copy) {
  const __m128i first = LoadHalf(slot + offsets[0]);
  if constexpr (kHalves == 1) {
    const __m128i differs =
        _mm_xor_si128(_mm_and_si128(first, _mm256_castsi256_si128(tests.masks[0])),
                      _mm_xor_si128(key, _mm256_castsi256_si128(tests.values[0])));
    if (_mm_testz_si128(differs, differs) == 0) return false;
    _mm_store_si128(reinterpret_cast<__m128i*>(copy), first);
    return true;
  } else {
    const __m256i front =
        _mm256_inserti128_si256(_mm256_castsi128_si256(first), LoadHalf(slot + offsets[1]), 1);
    __m256i differs =
        _mm256_xor_si256(_mm256_and_si256(front, tests.masks[0]),
                         _mm256_xor_si256(_mm256_zextsi128_si256(key), tests.values[0]));
    if constexpr (kHalves > 2) {
      __m256i back = _mm256_zextsi128_si256(LoadHalf(slot + offsets[2]));
      if constexpr (kHalves > 3) {
        back = _mm256_inserti128_si256(back, LoadHalf(slot + offsets[3]), 1);
      }
      differs = _mm256_or_si256(
          differs, _mm256_xor_si256(_mm256_and_si256(back, tests.masks[1]), tests.values[1]));
      _mm256_store_si256(reinterpret_cast<__m256i*>(copy + 32), back);
    }
    if (_mm256_testz_si256(differs, differs) == 0) return false;
    _mm256_store_si256(reinterpret_cast<__m256i*>(copy), front);
    return true;
  }
}

struct State {
  uint32_t cookie;
  uint32_t bytes;
};
QSPLIT_ROWS_INLINE State StateOf(const PostedSlot& posted) { return {posted.cookie, posted.bytes}; }
QSPLIT_ROWS_INLINE State StateOf(const RxBuffer& buffer) { return {buffer.cookie, buffer.bytes}; }

// Reads a packet's prefix into the copy; volatile: once. False: not of the common case.
QSPLIT_ROWS_INLINE bool ReadPrefix(const PollRows& rows, const std::byte* memory, std::byte* copy) {
  struct [[gnu::packed, gnu::may_alias]] Loose {
    uint64_t word;
    uint32_t half;
  };
  const auto* const from = reinterpret_cast<const volatile Loose*>(memory);
  __m128i prefix = _mm_cvtsi64_si128(static_cast<long long>(from->word));
  if (rows.prefix_read > sizeof(uint64_t)) {
    prefix = _mm_insert_epi32(prefix, static_cast<int>(from->half), 2);
  }
  const __m128i differs =
      _mm_xor_si128(_mm_and_si128(prefix, Half(rows.prefix_mask)), Half(rows.prefix_value));
  if (_mm_testz_si128(differs, differs) == 0) return false;
  _mm_store_si128(reinterpret_cast<__m128i*>(copy + PollRows::kPrefixAt), prefix);
  return true;
}

// A table, as a loop has it.
struct LookupAt {
  PollRows::Bits bits[PollRows::kMostBits];
  const uint16_t* entry_of_index;
  const std::byte* entries;

  QSPLIT_ROWS_INLINE explicit LookupAt(const PollRows::Lookup& lookup)
      : bits{lookup.bits[0], lookup.bits[1]},
        entry_of_index(lookup.entry_of_index.data()),
        entries(reinterpret_cast<const std::byte*>(lookup.entries.data())) {}
  template <uint32_t kBits>
  QSPLIT_ROWS_INLINE const PollRows::Entry& Find(const std::byte* copy) const {
    uint64_t index = _pext_u64(Word(copy + bits[0].at), bits[0].mask);
    if constexpr (kBits > 1) {
      index |= _pext_u64(Word(copy + bits[1].at), bits[1].mask) << bits[1].place;
    }
    return *reinterpret_cast<const PollRows::Entry*>(entries + entry_of_index[index]);
  }
};

// Numbers of the copy, moved to their places: of no half, of one, or of two, each a side.
template <uint32_t kSides>
struct Numbers {
  static_assert(kSides == 2);
  const std::byte* low;
  const std::byte* high;
  __m256i moves;

  QSPLIT_ROWS_INLINE Numbers(const PollRows& rows, const std::byte* copy)
      : low(copy + rows.sides[0].at),
        high(copy + rows.sides[1].at),
        moves(_mm256_set_m128i(Half(rows.sides[1].moves), Half(rows.sides[0].moves))) {}
  // What these entries leave of them.
  QSPLIT_ROWS_INLINE __m128i Of(const PollRows::Entry& entry, const PollRows::Entry* more) const {
    __m256i both =
        _mm256_and_si256(_mm256_shuffle_epi8(Halves(low, high), moves), Whole(entry.masks));
    if (more != nullptr) both = _mm256_and_si256(both, Whole(more->masks));
    return _mm_or_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  }
};
template <>
struct Numbers<1> {
  const std::byte* at;
  __m128i moves;

  QSPLIT_ROWS_INLINE Numbers(const PollRows& rows, const std::byte* copy)
      : at(copy + rows.sides[0].at), moves(Half(rows.sides[0].moves)) {}
  QSPLIT_ROWS_INLINE __m128i Of(const PollRows::Entry& entry, const PollRows::Entry* more) const {
    const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(at));
    __m128i left = _mm_and_si128(_mm_shuffle_epi8(all, moves), Half(entry.masks[0]));
    if (more != nullptr) left = _mm_and_si128(left, Half(more->masks[0]));
    return left;
  }
};

template <typename Posted, bool kPrefix, uint32_t kHalves, uint32_t kBits, uint32_t kSides>
QSPLIT_ROWS uint32_t Poll(const PollRows& rows, const PollRows::At& at, const Posted* posted,
                          RxCompletion* out) {
  constexpr bool kRing = std::is_same_v<Posted, RxBuffer>;
  alignas(32) std::byte copy[PollRows::kCopyBytes];
  std::memset(copy + PollRows::kZerosAt, 0, PollRows::kHalfBytes);
  const Tests<kHalves> tests(rows, at.phase);
  uint32_t offsets[PollRows::kMostHalves];
  std::memcpy(offsets, rows.offsets.data(), sizeof offsets);
  const size_t stride = rows.slot_bytes;
  const __m128i key_moves = Half(rows.key);
  __m128i number = _mm_cvtsi32_si128(static_cast<int>(at.number));
  const std::byte* const length_at = copy + rows.length.at;
  const __m128i length_moves = Half(rows.length.moves);
  const uint32_t length_mask = rows.length_mask;
  const uint64_t less = rows.length_less;
  const uint64_t prefix = rows.prefix_bytes;
  const uint32_t same_room = rows.same_room;
  const __m128i marks = _mm_cvtsi64_si128(static_cast<long long>(uint64_t{0x101} << 32 | prefix));
  const __m256i rest = Whole(rows.rest);
  const LookupAt lookup(rows.lookups.front());
  const bool second = rows.lookups.size() > 1;

  const std::byte* slot = at.slots;
  const Posted* const end = posted + at.most;
  const Posted* const first = posted;
  for (; posted != end; ++posted, ++out) {
    __m128i key = _mm_setzero_si128();
    if constexpr (kRing) {
      key = _mm_shuffle_epi8(number, key_moves);
      number = _mm_add_epi32(number, _mm_cvtsi32_si128(1));
    }
    if (!ReadSlot<kHalves>(slot, offsets, tests, key, copy)) break;
    slot += stride;
    const State state = StateOf(*posted);
    const __m128i moved =
        _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(length_at)), length_moves);
    const uint64_t length = (static_cast<uint32_t>(_mm_cvtsi128_si32(moved)) & length_mask) - less;
    const uint64_t room = !kRing && same_room != 0 ? same_room : state.bytes;
    // Less than nothing, or more than there is room for.
    if (length > UINT32_MAX || length + prefix > room) break;
    if constexpr (kPrefix) {
      if (!ReadPrefix(rows, posted->memory, copy)) break;
    }

    const PollRows::Entry& entry = lookup.Find<kBits>(copy);
    const PollRows::Entry* more = nullptr;
    __m128i meta = Half(entry.values);
    if (second) [[unlikely]] {
      more = &LookupAt(rows.lookups[1]).Find<kBits>(copy);
      meta = _mm_or_si128(meta, Half(more->values));
    }
    if constexpr (kSides != 0) {
      meta = _mm_or_si128(meta, Numbers<kSides>(rows, copy).Of(entry, more));
    }
    // The end first: it begins before the metadata's first half ends.
    static_assert(sizeof(RxCompletion) == 56 && offsetof(RxCompletion, meta) == 16);
    auto* const to = reinterpret_cast<std::byte*>(out);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 24), rest);
    const __m128i head = _mm_unpacklo_epi64(
        _mm_cvtsi64_si128(static_cast<long long>(state.cookie | length << 32)), marks);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_set_m128i(meta, head));
  }
  return static_cast<uint32_t>(posted - first);
}

template <typename Posted, bool kPrefix, uint32_t kHalves, uint32_t kSides>
auto Find(const PollRows& rows) {
  const bool one = std::all_of(rows.lookups.begin(), rows.lookups.end(),
                               [](const auto& lookup) { return lookup.bits[1].mask == 0; });
  return one ? Poll<Posted, kPrefix, kHalves, 1, kSides>
             : Poll<Posted, kPrefix, kHalves, 2, kSides>;
}
template <typename Posted, bool kPrefix, uint32_t kHalves>
auto Find(const PollRows& rows) {
  if (rows.sides[1].at != PollRows::kZerosAt) return Find<Posted, kPrefix, kHalves, 2>(rows);
  return rows.sides[0].at != PollRows::kZerosAt ? Find<Posted, kPrefix, kHalves, 1>(rows)
                                                : Find<Posted, kPrefix, kHalves, 0>(rows);
}

}  // namespace

bool PollRows::FindPollOwnSlots() {
  if (!x86::HasRows() || half_count > 2) return false;
  poll_own_slots =
      half_count == 1 ? Find<PostedSlot, false, 1>(*this) : Find<PostedSlot, false, 2>(*this);
  return true;
}

bool PollRows::FindPollRing() {
  if (!x86::HasRows()) return false;
  using Way = decltype(poll_ring) (*)(const PollRows&);
  static constexpr Way kWays[][kMostHalves] = {
      {Find<RxBuffer, false, 1>, Find<RxBuffer, false, 2>, Find<RxBuffer, false, 3>,
       Find<RxBuffer, false, 4>},
      {Find<RxBuffer, true, 1>, Find<RxBuffer, true, 2>, nullptr, nullptr}};
  const Way way = kWays[prefix_read != 0 ? 1 : 0][half_count - 1];
  if (way == nullptr) return false;
  poll_ring = way(*this);
  return true;
}

}  // namespace qsplit::dataplane::burst

#endif
