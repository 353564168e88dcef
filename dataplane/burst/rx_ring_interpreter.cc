// What RxRingBurst does without machine code: step by step of the plan, each a short loop over the
// completions (buffers) of a burst.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "dataplane/barriers.h"
#include "dataplane/burst/columns.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/burst/slot_words.h"

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;

// Bits `turn` of a word are the other way round where the phase is 1.
uint64_t InPhase(uint64_t word, uint64_t turn, uint32_t phase) {
  return (phase & 1) != 0 ? word ^ turn : word;
}

// A word at any address.
struct [[gnu::packed]] LooseWord {
  uint64_t value;
};
struct [[gnu::packed]] LooseHalf {
  uint32_t value;
};

// Reads a word (half of one) of each packet's prefix into a column, until one fails the test; how
// many did not. volatile: once. What is there was released with the completion.
template <typename Loose>
uint32_t ReadPrefixWords(const RxBuffer* buffers, size_t offset, const WordTest& test,
                         uint32_t count, uint64_t* column) {
  const uint64_t mask = test.mask;
  const uint64_t value = test.value;
  return CountColumn(count, [=](uint32_t i) {
    const uint64_t word =
        reinterpret_cast<const volatile Loose*>(buffers[i].memory + offset)->value;
    column[i] = word;
    return (word & mask) == value;
  });
}

// Reads prefixes of packets into columns, until one is not of the common case; how many are.
uint32_t ReadPrefixes(const RxRingPlan& plan, const RxBuffer* buffers, uint32_t count,
                      WordColumns* words) {
  for (uint32_t w = plan.prefix_word; w < kMaxWords; ++w) {
    if ((plan.record.words >> w & 1) == 0) continue;
    const uint32_t offset = kWord * (w - plan.prefix_word);
    const auto read = offset + kWord <= plan.prefix_bytes ? ReadPrefixWords<LooseWord>
                                                          : ReadPrefixWords<LooseHalf>;
    count = read(buffers, offset, plan.record.tests[w], count, words->word[w]);
  }
  return count;
}

// Completions that are of the expected buffers, `number` being that of the first; how many.
uint32_t CountNamed(const RxRingPlan& plan, const WordColumns& words, uint32_t number,
                    uint32_t count) {
  if (plan.key != RxRingPlan::Key::kNumber) return count;
  alignas(64) uint64_t keys[kColumn];
  ReadNumbers(plan.key_pieces, words, count, keys);
  return CountColumn(count, [&](uint32_t i) { return keys[i] == number + i; });
}

// How far behind their buffers' first bytes packets begin, where completions say it, until one is
// of another buffer; how many are not.
uint32_t FindSkips(const RxRingPlan& plan, const WordColumns& words, const RxBuffer* buffers,
                   uint32_t count, uint64_t* skips) {
  std::fill_n(skips, count, plan.prefix_bytes);
  alignas(64) uint64_t numbers[kColumn];
  if (plan.key == RxRingPlan::Key::kAddress) {
    ReadNumbers(plan.key_pieces, words, count, numbers);
    uint32_t named = 0;
    for (; named < count; ++named) {
      const uint64_t behind = numbers[named] - buffers[named].address.value;
      if (plan.key_inside ? behind >= buffers[named].bytes : behind != 0) break;
      skips[named] += behind;
    }
    count = named;
  }
  if (plan.record.offset.empty()) return count;
  ReadNumbers(plan.record.offset, words, count, numbers);
  for (uint32_t i = 0; i < count; ++i) skips[i] += numbers[i];
  return count;
}

// Writes all but the metadata of completions, as many as fit into their buffers and whose prefix is
// of the common case; how many. skip_of(i): where the packet begins in its buffer.
template <typename SkipOf>
uint32_t WriteHeads(const RxRingPlan& plan, const RxBuffer* buffers, const uint64_t* lengths,
                    uint32_t count, WordColumns* words, RxCompletion* out, SkipOf&& skip_of) {
  uint32_t fit = CountColumn(count, [&](uint32_t i) {
    return lengths[i] <= UINT32_MAX && lengths[i] + skip_of(i) <= buffers[i].bytes;
  });
  if (plan.prefix_word != kMaxWords) fit = ReadPrefixes(plan, buffers, fit, words);
  ForColumn(fit,
            [&](uint32_t i) { WriteHead(buffers[i].cookie, lengths[i], skip_of(i), &out[i]); });
  return fit;
}

// A word of the slot that a buffer is posted in.
uint64_t PostWord(const RxRingPlan& plan, uint32_t which, const RxBuffer& buffer, uint32_t bytes,
                  uint32_t number, uint32_t phase) {
  uint64_t word = InPhase(plan.image[which], plan.image_phase[which], phase);
  const auto add = [&](const std::vector<Piece>& pieces, uint64_t value) {
    for (const Piece& piece : pieces) {
      if (piece.word == which) word |= piece.Put(value);
    }
  };
  add(plan.address, buffer.address.value);
  add(plan.length, bytes);
  add(plan.number, number);
  return word;
}

uint32_t BytesOf(const RxRingPlan& plan, const RxBuffer& buffer) {
  return plan.buffer_bytes != 0 ? plan.buffer_bytes : buffer.bytes;
}

// Words of a descriptor that have pieces of a number, as bits.
uint32_t WordsOf(const std::vector<Piece>& pieces) {
  uint32_t words = 0;
  for (const Piece& piece : pieces) words |= 1u << piece.word;
  return words;
}

// Whether some buffers have other bytes than those that were posted in the same slots before.
bool BytesDiffer(const RxBuffer* buffers, const RxBuffer* before, uint32_t count) {
  bool differ = false;
  ForColumn(count, [&](uint32_t i) { differ |= buffers[i].bytes != before[i].bytes; });
  return differ;
}

// Pieces of a word of a descriptor, those of the length among them or not.
size_t PiecesIn(const RxRingPlan& plan, uint32_t which, bool with_length) {
  size_t count = 0;
  const auto add = [&](const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) count += piece.word == which ? 1 : 0;
  };
  add(plan.address);
  if (with_length) add(plan.length);
  add(plan.number);
  return count;
}

// Writes the words `which` (bits) of slots of buffers, `number` being that of the first.
void PostWords(const RxRingPlan& plan, uint32_t which, uint32_t phase, const SlotWords& slots,
               uint32_t number, const RxBuffer* buffers) {
  uint64_t image[kMaxWords] = {};
  for (uint32_t w = 0; w < plan.post_words; ++w) {
    image[w] = InPhase(plan.image[w], plan.image_phase[w], phase);
  }
  // Buffers are all of one length as a rule.
  const uint32_t bytes = buffers[0].bytes;
  uint32_t differ = 0;
  const bool has_length = (WordsOf(plan.length) & which) != 0;
  if (has_length) ForColumn(slots.count, [&](uint32_t i) { differ |= buffers[i].bytes ^ bytes; });
  const bool same_bytes = differ == 0;
  if (has_length && same_bytes) {
    for (const Piece& piece : plan.length) image[piece.word] |= piece.Put(bytes);
  }
  const auto wanted = [&](uint32_t w) { return w < plan.post_words && (which >> w & 1) != 0; };
  for (uint32_t w = 0; w < plan.post_words;) {
    if (!wanted(w)) {
      ++w;
      continue;
    }
    const SlotWords to{slots.at + size_t{kWord} * w, slots.stride, slots.count};
    const size_t pieces = PiecesIn(plan, w, !same_bytes);
    if (pieces == 0) {
      uint32_t end = w + 1;
      while (wanted(end) && PiecesIn(plan, end, !same_bytes) == 0) ++end;
      StoreSame(to, &image[w], end - w);
      w = end;
      continue;
    }
    WordsOfPieces word(to, image[w], pieces);
    const auto put = [&](const std::vector<Piece>& from, auto number_of) {
      for (const Piece& piece : from) {
        if (piece.word == w) word.Add(piece, number_of);
      }
    };
    put(plan.address, [=](uint32_t i) { return buffers[i].address.value; });
    if (!same_bytes) put(plan.length, [=](uint32_t i) { return uint64_t{buffers[i].bytes}; });
    put(plan.number, [=](uint32_t i) { return uint64_t{number + i}; });
    ++w;
  }
}

// How many of the buffers can be posted, up to the first that cannot.
uint32_t CountPostable(const RxRingPlan& plan, const RxBuffer* buffers, uint32_t count) {
  // One length for all, or from 1 up to the most.
  const uint32_t same_bytes = plan.buffer_bytes;
  const BufferLimits limits{plan.max_address, plan.alignment_mask, same_bytes != 0 ? same_bytes : 1,
                            same_bytes != 0 ? UINT32_MAX - same_bytes : plan.max_length - 1};
  count = CountPostable(limits, buffers, count);
  if (!plan.needs_memory) return count;
  return CountColumn(count, [=](uint32_t i) { return buffers[i].memory != nullptr; });
}

// Copies so many bytes of each buffer.
template <size_t kFrom, size_t kBytes>
void Copy(const RxBuffer* from, uint32_t count, RxBuffer* to) {
  ForColumn(count, [=](uint32_t i) {
    std::memcpy(reinterpret_cast<std::byte*>(to + i) + kFrom,
                reinterpret_cast<const std::byte*>(from + i) + kFrom, kBytes);
  });
}

void Keep(const RxRingPlan& plan, const RxBuffer* from, uint32_t count, RxBuffer* to) {
  static_assert(offsetof(RxBuffer, address) == 0 && offsetof(RxBuffer, bytes) == 8 &&
                offsetof(RxBuffer, cookie) == 12 && offsetof(RxBuffer, memory) == 16 &&
                sizeof(RxBuffer) == 24);
  if (plan.keeps_address) {
    plan.keeps_memory ? Copy<0, 24>(from, count, to) : Copy<0, 16>(from, count, to);
  } else {
    plan.keeps_memory ? Copy<8, 16>(from, count, to) : Copy<8, 8>(from, count, to);
  }
  if (const uint32_t same = plan.buffer_bytes; same != 0) {
    ForColumn(count, [=](uint32_t i) { to[i].bytes = same; });
  }
}

}  // namespace

uint32_t RxRingBurst::PostHeldByPlan(const RxRingPlan& plan, const Free& to,
                                     const RxBuffer* buffers, uint64_t* held) {
  Free one = to;
  one.most = std::min(to.most, 1u);
  if (CountToPost(plan, one, buffers) == 0) return 0;
  const uint32_t bytes = BytesOf(plan, *buffers);
  std::byte* at = to.slots + size_t{to.slot} * plan.post_slot_bytes;
  for (uint32_t w = 0; w < plan.post_words; ++w) {
    const uint64_t word = PostWord(plan, w, *buffers, bytes, to.slot, to.phase);
    if (w == plan.handover_word) {
      *held = word;
    } else {
      StoreRelaxed<uint64_t>(at + size_t{kWord} * w, word);
    }
  }
  Keep(plan, buffers, 1, &to.buffers[to.slot]);
  Free rest = to;
  ++rest.slot;
  --rest.most;
  return 1 + PostByPlan(plan, rest, buffers + 1);
}

uint32_t RxRingBurst::PollByPlan(const RxRingPlan& plan, const Completed& from, RxCompletion* out) {
  if (from.slot >= plan.slot_count || from.buffer >= plan.buffer_count) return 0;
  const uint32_t most =
      std::min({from.most, plan.slot_count - from.slot, plan.buffer_count - from.buffer});
  WordColumns words;
  alignas(64) uint64_t lengths[kColumn];
  alignas(64) uint64_t skips[kColumn];
  const bool skips_differ = plan.key == RxRingPlan::Key::kAddress || !plan.record.offset.empty();
  // What is in the slot; the rest in the packet's prefix.
  const uint32_t in_slot = plan.prefix_word >= kMaxWords
                               ? plan.record.words
                               : plan.record.words & ((1u << plan.prefix_word) - 1);
  PhaseBits flips{};
  if ((from.phase & 1) != 0) flips = plan.record_phase;
  uint32_t done = 0;
  while (done < most) {
    const uint32_t wanted = std::min(kColumn, most - done);
    const RxBuffer* buffers = from.buffers + from.buffer + done;
    RxCompletion* to = out + done;
    uint32_t count = ReadSlots(
        plan.record, plan.first_word, in_slot, flips,
        {from.slots + size_t{from.slot + done} * plan.slot_bytes, plan.slot_bytes, wanted}, &words);
    count = CountNamed(plan, words, from.buffer + done, count);
    ReadLengths(plan.record, words, count, lengths);
    if (skips_differ) {
      count = FindSkips(plan, words, buffers, count, skips);
      count = WriteHeads(plan, buffers, lengths, count, &words, to,
                         [&](uint32_t i) { return skips[i]; });
    } else {
      count = WriteHeads(plan, buffers, lengths, count, &words, to,
                         [skip = uint64_t{plan.prefix_bytes}](uint32_t) { return skip; });
    }
    ReadMetadata(plan.record, words, count, to);
    done += count;
    if (count < wanted) break;
  }
  return done;
}

uint32_t RxRingBurst::CountToPost(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers) {
  if (to.slot >= plan.buffer_count || !plan.posts) return 0;
  return CountPostable(plan, buffers, std::min(to.most, plan.buffer_count - to.slot));
}

uint32_t RxRingBurst::PostByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers) {
  const uint32_t done = CountToPost(plan, to, buffers);
  const uint32_t all = (1u << plan.post_words) - 1;
  // What differs from one buffer to the next, and what only may.
  uint32_t varying = all;
  uint32_t with_length = 0;
  if (plan.words_stay && to.were_posted) {
    varying = WordsOf(plan.address);
    for (uint32_t w = 0; w < plan.post_words; ++w) {
      varying |= plan.image_phase[w] != 0 ? 1u << w : 0;
    }
    with_length = WordsOf(plan.length) & ~varying;
  }
  for (uint32_t from = 0; from < done; from += kColumn) {
    const uint32_t count = std::min(kColumn, done - from);
    const uint32_t slot = to.slot + from;
    const bool length = with_length != 0 && BytesDiffer(buffers + from, to.buffers + slot, count);
    PostWords(plan, varying | (length ? with_length : 0), to.phase,
              {to.slots + size_t{slot} * plan.post_slot_bytes, plan.post_slot_bytes, count}, slot,
              buffers + from);
  }
  Keep(plan, buffers, done, &to.buffers[to.slot]);
  return done;
}

}  // namespace qsplit::dataplane::burst
