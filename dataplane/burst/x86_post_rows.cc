#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "dataplane/barriers.h"
#include "dataplane/burst/post_rows.h"
#include "dataplane/burst/x86_rows.h"

namespace qsplit::dataplane::burst {
namespace {

using x86::Half;

// Which of four numbers of 32 bits the bytes of a buffer are, and its own number.
constexpr int kBytes = 1 << 2;
constexpr int kNumber = 1 << 3;

// Of a slot, in registers.
struct HalfAt {
  uint32_t offset;
  __m128i moves;
  __m128i mask;
  __m128i image;

  QSPLIT_ROWS_INLINE static HalfAt Of(const PostRows::Half& half, uint32_t phase) {
    return {half.offset, Half(half.moves), Half(half.mask), Half(half.image[phase & 1])};
  }
  QSPLIT_ROWS_INLINE __m128i Of(__m128i numbers) const {
    return _mm_or_si128(_mm_and_si128(_mm_shuffle_epi8(numbers, moves), mask), image);
  }
  QSPLIT_ROWS_INLINE void Store(__m128i numbers, std::byte* slot) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(slot + offset), Of(numbers));
  }
};

// What is remembered of buffers.
enum class Keeps : uint8_t { kNeither, kAddress, kMemory, kBoth };

// both: a buffer's address, bytes and cookie.
template <Keeps kKeeps>
QSPLIT_ROWS_INLINE void Keep(const RxBuffer&, __m128i both, PostedSlot* to) {
  static_assert(offsetof(PostedSlot, cookie) == 0 && offsetof(PostedSlot, bytes) == 4);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi32(both, 0x0b));
}
template <Keeps kKeeps>
QSPLIT_ROWS_INLINE void Keep(const RxBuffer& buffer, __m128i both, RxBuffer* to) {
  static_assert(offsetof(RxBuffer, address) == 0 && offsetof(RxBuffer, bytes) == 8 &&
                offsetof(RxBuffer, cookie) == 12 && offsetof(RxBuffer, memory) == 16);
  if constexpr (kKeeps == Keeps::kAddress || kKeeps == Keeps::kBoth) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), both);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&to->bytes), _mm_unpackhi_epi64(both, both));
  }
  if constexpr (kKeeps == Keeps::kMemory || kKeeps == Keeps::kBoth) to->memory = buffer.memory;
}

// kHalves: of a slot, 0: more than those that are kept in registers.
template <typename Posted, Keeps kKeeps, uint32_t kHalves>
QSPLIT_ROWS void PostHalves(const PostRows& rows, const PostRows::At& at, uint32_t more_halves,
                            const RxBuffer* buffers, Posted* posted) {
  const uint32_t halves = kHalves == 0 ? more_halves : kHalves;
  HalfAt half[kHalves == 0 ? PostRows::kMostHalves : kHalves];
  for (uint32_t h = 0; h < halves; ++h) half[h] = HalfAt::Of(rows.halves[h], at.phase);
  const size_t stride = rows.slot_bytes;
  // What replaces bytes that are the same in all buffers.
  const bool same = rows.same_bytes != 0;
  const __m128i kept = _mm_set_epi32(-1, same ? 0 : -1, -1, -1);
  const __m128i bytes = _mm_set_epi32(0, static_cast<int>(rows.same_bytes), 0, 0);
  __m128i number = _mm_set1_epi32(static_cast<int>(at.number));
  std::byte* slot = at.slots;
  for (const RxBuffer* const end = buffers + at.count; buffers != end; ++buffers, ++posted) {
    __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(buffers));
    both = _mm_or_si128(_mm_and_si128(both, kept), bytes);
    __m128i numbers = both;
    if constexpr (std::is_same_v<Posted, RxBuffer>) {
      numbers = _mm_blend_epi32(both, number, kNumber);
      number = _mm_add_epi32(number, _mm_set1_epi32(1));
    }
    for (uint32_t h = 0; h < halves; ++h) half[h].Store(numbers, slot);
    slot += stride;
    Keep<kKeeps>(*buffers, both, posted);
  }
}

template <typename Posted, Keeps kKeeps>
void Post(const PostRows& rows, const PostRows::At& at, const RxBuffer* buffers, Posted* posted) {
  const uint32_t halves = at.were_posted ? rows.again_count : rows.half_count;
  switch (halves) {
    case 1:
      return PostHalves<Posted, kKeeps, 1>(rows, at, halves, buffers, posted);
    case 2:
      return PostHalves<Posted, kKeeps, 2>(rows, at, halves, buffers, posted);
    default:
      return PostHalves<Posted, kKeeps, 0>(rows, at, halves, buffers, posted);
  }
}

template <Keeps kKeeps>
QSPLIT_ROWS void PostHeld(const PostRows& rows, const PostRows::At& at, const RxBuffer& buffer,
                          RxBuffer* posted, uint64_t* held) {
  __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&buffer));
  if (rows.same_bytes != 0) {
    both = _mm_blend_epi32(both, _mm_set1_epi32(static_cast<int>(rows.same_bytes)), kBytes);
  }
  const __m128i numbers =
      _mm_blend_epi32(both, _mm_set1_epi32(static_cast<int>(at.number)), kNumber);
  for (uint32_t h = 0; h < rows.half_count; ++h) {
    const HalfAt half = HalfAt::Of(rows.halves[h], at.phase);
    uint64_t words[2];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words), half.Of(numbers));
    for (uint32_t w = 0; w < 2; ++w) {
      if (half.offset / sizeof *words + w == rows.handover_word) {
        *held = words[w];
      } else {
        StoreRelaxed<uint64_t>(at.slots + half.offset + w * sizeof *words, words[w]);
      }
    }
  }
  Keep<kKeeps>(buffer, both, posted);
}

}  // namespace

bool PostRows::FindPostOwnSlots() {
  if (!x86::HasRows()) return false;
  post_own_slots = Post<PostedSlot, Keeps::kNeither>;
  return true;
}

bool PostRows::FindPostRing() {
  if (!x86::HasRows()) return false;
  const auto take = [&]<Keeps kKeeps>() {
    post_ring = Post<RxBuffer, kKeeps>;
    post_held = PostHeld<kKeeps>;
    return true;
  };
  if (keeps_address) {
    return keeps_memory ? take.operator()<Keeps::kBoth>() : take.operator()<Keeps::kAddress>();
  }
  return keeps_memory ? take.operator()<Keeps::kMemory>() : take.operator()<Keeps::kNeither>();
}

}  // namespace qsplit::dataplane::burst

#endif
