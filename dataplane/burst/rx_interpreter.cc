// What RxBurst does without machine code: step by step of the plan, each a short loop over the
// slots of a burst.
#include <algorithm>

#include "dataplane/burst/columns.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/slot_words.h"

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;

// Pieces of a word of a descriptor.
size_t PiecesIn(const std::vector<Piece>& pieces, uint32_t which) {
  size_t count = 0;
  for (const Piece& piece : pieces) count += piece.word == which ? 1 : 0;
  return count;
}
size_t PiecesIn(const RxBurstPlan& plan, uint32_t which) {
  return PiecesIn(plan.address, which) + PiecesIn(plan.length, which);
}

// How many of the buffers may be posted for all that their words would say: up to the first whose
// slot would read as completed.
uint32_t CountUnlikeCompleted(const RxBurstPlan& plan, const RxBuffer* buffers, uint32_t count) {
  if (plan.completed.mask == 0) return count;
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t word = plan.image[plan.first_word];
    for (const Piece& piece : plan.address) {
      if (piece.word == plan.first_word) word |= piece.Put(buffers[i].address.value);
    }
    for (const Piece& piece : plan.length) {
      if (piece.word == plan.first_word) word |= piece.Put(buffers[i].bytes);
    }
    if ((word & plan.completed.mask) == plan.completed.value) return i;
  }
  return count;
}

// Writes all words of slots.
void PostWords(const RxBurstPlan& plan, const SlotWords& slots, const RxBuffer* buffers) {
  const uint32_t words = plan.slot_bytes / kWord;
  for (uint32_t w = 0; w < words;) {
    const SlotWords to{slots.at + size_t{kWord} * w, slots.stride, slots.count};
    const size_t pieces = PiecesIn(plan, w);
    if (pieces == 0) {
      uint32_t end = w + 1;
      while (end < words && PiecesIn(plan, end) == 0) ++end;
      StoreSame(to, &plan.image[w], end - w);
      w = end;
      continue;
    }
    WordsOfPieces word(to, plan.image[w], pieces);
    for (const Piece& piece : plan.address) {
      if (piece.word == w) word.Add(piece, [=](uint32_t i) { return buffers[i].address.value; });
    }
    for (const Piece& piece : plan.length) {
      if (piece.word == w) word.Add(piece, [=](uint32_t i) { return uint64_t{buffers[i].bytes}; });
    }
    ++w;
  }
}

}  // namespace

uint32_t RxBurst::PollByPlan(const RxBurstPlan& plan, const std::byte* slots,
                             const PostedSlot* posted, uint32_t slot, uint32_t most,
                             RxCompletion* out) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  const uint64_t prefix = plan.prefix_bytes;
  const uint64_t same_room = plan.buffer_bytes;
  WordColumns words;
  alignas(64) uint64_t lengths[kColumn];
  uint32_t done = 0;
  while (done < most) {
    const uint32_t wanted = std::min(kColumn, most - done);
    const PostedSlot* buffers = posted + slot + done;
    RxCompletion* to = out + done;
    const uint32_t said =
        ReadSlots(plan.record, plan.first_word, plan.record.words, {},
                  {slots + size_t{slot + done} * plan.slot_bytes, plan.slot_bytes, wanted}, &words);
    ReadLengths(plan.record, words, said, lengths);
    const uint32_t count = CountColumn(said, [&](uint32_t i) {
      const uint64_t room = same_room != 0 ? same_room : buffers[i].bytes;
      if (lengths[i] > room || lengths[i] + prefix > room) return false;
      WriteHead(buffers[i].cookie, lengths[i], prefix, &to[i]);
      return true;
    });
    ReadMetadata(plan.record, words, count, to);
    done += count;
    if (count < wanted) break;
  }
  return done;
}

uint32_t RxBurst::CountToPost(const RxBurstPlan& plan, uint32_t slot, uint32_t most,
                              const RxBuffer* buffers) {
  if (slot >= plan.slot_count || !plan.posts) return 0;
  const uint32_t same_bytes = plan.buffer_bytes;
  if (same_bytes == 0 && plan.max_length == 0) return 0;
  const BufferLimits limits{plan.max_address, plan.alignment_mask, same_bytes != 0 ? same_bytes : 1,
                            same_bytes != 0 ? UINT32_MAX - same_bytes : plan.max_length - 1};
  const uint32_t count = CountPostable(limits, buffers, std::min(most, plan.slot_count - slot));
  return CountUnlikeCompleted(plan, buffers, count);
}

uint32_t RxBurst::PostByPlan(const RxBurstPlan& plan, std::byte* slots, PostedSlot* posted,
                             uint32_t slot, uint32_t most, const RxBuffer* buffers) {
  const uint32_t same_bytes = plan.buffer_bytes;
  const uint32_t done = CountToPost(plan, slot, most, buffers);
  for (uint32_t from = 0; from < done; from += kColumn) {
    const size_t at = slot + from;
    PostWords(plan, {slots + at * plan.slot_bytes, plan.slot_bytes, std::min(kColumn, done - from)},
              buffers + from);
  }
  posted += slot;
  ForColumn(done, [=](uint32_t i) {
    posted[i] = {buffers[i].cookie, same_bytes != 0 ? same_bytes : buffers[i].bytes};
  });
  return done;
}

}  // namespace qsplit::dataplane::burst
