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

// Remembers a buffer. both: its address, bytes and cookie.
QSPLIT_ROWS_INLINE void Keep(const PostRows&, const RxBuffer&, __m128i both, PostedSlot* to) {
  static_assert(offsetof(PostedSlot, cookie) == 0 && offsetof(PostedSlot, bytes) == 4);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi32(both, 0x0b));
}
QSPLIT_ROWS_INLINE void Keep(const PostRows& rows, const RxBuffer& buffer, __m128i both,
                             RxBuffer* to) {
  static_assert(offsetof(RxBuffer, address) == 0 && offsetof(RxBuffer, bytes) == 8 &&
                offsetof(RxBuffer, cookie) == 12 && offsetof(RxBuffer, memory) == 16);
  if (rows.keeps_address) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), both);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&to->bytes), _mm_unpackhi_epi64(both, both));
  }
  if (rows.keeps_memory) to->memory = buffer.memory;
}

// kHalves: of a slot, 0: more than those that are kept in registers.
template <typename Posted, uint32_t kHalves>
QSPLIT_ROWS void PostHalves(const PostRows& rows, const PostRows::At& at, uint32_t halves,
                            const RxBuffer* buffers, Posted* posted) {
  HalfAt half[kHalves == 0 ? PostRows::kMostHalves : kHalves];
  for (uint32_t h = 0; h < (kHalves == 0 ? halves : kHalves); ++h) {
    half[h] = HalfAt::Of(rows.halves[h], at.phase);
  }
  const size_t stride = rows.slot_bytes;
  const __m128i same = _mm_set1_epi32(static_cast<int>(rows.same_bytes));
  const bool has_same = rows.same_bytes != 0;
  __m128i number = _mm_set1_epi32(static_cast<int>(at.number));
  std::byte* slot = at.slots;
  for (uint32_t i = 0; i < at.count; ++i) {
    __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(buffers + i));
    if (has_same) both = _mm_blend_epi32(both, same, kBytes);
    __m128i numbers = both;
    if constexpr (std::is_same_v<Posted, RxBuffer>) {
      numbers = _mm_blend_epi32(both, number, kNumber);
      number = _mm_add_epi32(number, _mm_set1_epi32(1));
    }
    for (uint32_t h = 0; h < (kHalves == 0 ? halves : kHalves); ++h) half[h].Store(numbers, slot);
    slot += stride;
    Keep(rows, buffers[i], both, posted + i);
  }
}

template <typename Posted>
void Post(const PostRows& rows, const PostRows::At& at, const RxBuffer* buffers, Posted* posted) {
  const uint32_t halves = at.were_posted ? rows.again_count : rows.half_count;
  switch (halves) {
    case 1:
      return PostHalves<Posted, 1>(rows, at, halves, buffers, posted);
    case 2:
      return PostHalves<Posted, 2>(rows, at, halves, buffers, posted);
    default:
      return PostHalves<Posted, 0>(rows, at, halves, buffers, posted);
  }
}

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
  Keep(rows, buffer, both, posted);
}

}  // namespace

bool PostRows::FindPostOwnSlots() {
  if (x86::HasRows()) post_own_slots = Post<PostedSlot>;
  return post_own_slots != nullptr;
}

bool PostRows::FindPostRing() {
  if (x86::HasRows()) {
    post_ring = Post<RxBuffer>;
    post_held = PostHeld;
  }
  return post_ring != nullptr;
}

}  // namespace qsplit::dataplane::burst

#endif
