#include "dataplane/burst/rx_ring_burst.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/columns.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;

// Bits `turn` of a word are the other way round where the phase is 1.
uint64_t InPhase(uint64_t word, uint64_t turn, uint32_t phase) {
  return (phase & 1) != 0 ? word ^ turn : word;
}

// Reads a word of so many slots into a column, until one fails the test; how many did not.
uint32_t ReadWords(const std::byte* at, uint32_t slot_bytes, const WordTest& test, uint32_t most,
                   uint64_t* column) {
  uint32_t count = 0;
  if (test.mask == 0) {
    for (; count < most; ++count, at += slot_bytes) column[count] = LoadRelaxed<uint64_t>(at);
    return count;
  }
  for (; count < most; ++count, at += slot_bytes) {
    // Acquire, for the first word: pairs with the release of the device's store of it.
    const auto word = LoadAcquire<uint64_t>(at);
    if ((word & test.mask) != test.value) break;
    column[count] = word;
  }
  return count;
}

// Reads completions while they are of the common case, into columns; how many.
uint32_t ReadSlots(const RxRingPlan& plan, const std::byte* at, uint32_t phase, uint32_t most,
                   WordColumns* words) {
  const auto read = [&](uint32_t w) {
    const WordTest& test = plan.record.tests[w];
    most = ReadWords(at + size_t{kWord} * w, plan.slot_bytes,
                     {test.mask, InPhase(test.value, plan.record_phase[w], phase)}, most,
                     words->word[w]);
  };
  read(plan.first_word);
  for (uint32_t w = 0; w < plan.prefix_word; ++w) {
    if (w != plan.first_word && (plan.record.words >> w & 1) != 0) read(w);
  }
  return most;
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
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t word =
        reinterpret_cast<const volatile Loose*>(buffers[i].memory + offset)->value;
    if ((word & test.mask) != test.value) return i;
    column[i] = word;
  }
  return count;
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
  uint32_t named = 0;
  while (named < count && keys[named] == number + named) ++named;
  return named;
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
      if (behind != 0 && (!plan.key_inside || behind >= buffers[named].bytes)) break;
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
  uint32_t fit = 0;
  while (fit < count && lengths[fit] <= UINT32_MAX &&
         lengths[fit] + skip_of(fit) <= buffers[fit].bytes) {
    ++fit;
  }
  if (plan.prefix_word != kMaxWords) fit = ReadPrefixes(plan, buffers, fit, words);
  for (uint32_t i = 0; i < fit; ++i) {
    const uint64_t head[2] = {buffers[i].cookie | lengths[i] << 32,
                              uint64_t{0x101} << 32 | skip_of(i)};
    std::memcpy(static_cast<void*>(&out[i]), head, sizeof head);
  }
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
  for (uint32_t i = 0; i < count; ++i) differ = differ || buffers[i].bytes != before[i].bytes;
  return differ;
}

// Where a word of so many slots is put together: begins with the same in all; goes through columns
// but for the last of its pieces.
struct PostColumn {
  uint64_t image = 0;
  std::byte* slots = nullptr;
  size_t stride = 0;
  uint32_t count = 0;
  alignas(64) uint64_t words[kColumn];

  template <bool kFirst, bool kLast, typename BitsOf>
  void Add(BitsOf&& bits_of) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t word = (kFirst ? image : words[i]) | bits_of(i);
      if (kLast) {
        StoreRelaxed<uint64_t>(slots + i * stride, word);
      } else {
        words[i] = word;
      }
    }
  }
  // What the word has of a number in this piece.
  template <typename Number>
  void AddPiece(const Piece& piece, bool first, bool last, Number&& number) {
    const auto add = [&](auto bits_of) {
      if (first) {
        last ? Add<true, true>(bits_of) : Add<true, false>(bits_of);
      } else {
        last ? Add<false, true>(bits_of) : Add<false, false>(bits_of);
      }
    };
    const uint64_t mask = piece.mask;
    const uint32_t shift = piece.shift;
    const uint32_t place = piece.place;
    if (piece.byte_swap) {
      add([=](uint32_t i) { return __builtin_bswap64(((number(i) >> place) & mask) << shift); });
    } else {
      add([=](uint32_t i) { return ((number(i) >> place) & mask) << shift; });
    }
  }
};

// Writes one word of the slots of `count` buffers, `slot` being that of the first.
void PostWords(const RxRingPlan& plan, uint32_t which, const RxRingBurst::Free& to, uint32_t slot,
               const RxBuffer* buffers, uint32_t count) {
  PostColumn column;
  column.image = InPhase(plan.image[which], plan.image_phase[which], to.phase);
  column.slots = to.slots + size_t{slot} * plan.post_slot_bytes + size_t{kWord} * which;
  column.stride = plan.post_slot_bytes;
  column.count = count;
  const auto pieces_in = [&](const std::vector<Piece>& pieces) {
    return std::count_if(pieces.begin(), pieces.end(),
                         [&](const Piece& piece) { return piece.word == which; });
  };
  auto left = pieces_in(plan.address) + pieces_in(plan.length) + pieces_in(plan.number);
  if (left == 0) column.Add<true, true>([](uint32_t) { return 0; });
  bool first = true;
  const auto put = [&](const std::vector<Piece>& pieces, auto number) {
    for (const Piece& piece : pieces) {
      if (piece.word != which) continue;
      column.AddPiece(piece, first, --left == 0, number);
      first = false;
    }
  };
  put(plan.address, [=](uint32_t i) { return buffers[i].address.value; });
  put(plan.length, [=](uint32_t i) { return uint64_t{buffers[i].bytes}; });
  put(plan.number, [=](uint32_t i) { return uint64_t{slot + i}; });
}

// How many of the buffers can be posted, up to the first that cannot.
uint32_t CountPostable(const RxRingPlan& plan, const RxBuffer* buffers, uint32_t count) {
  const uint64_t alignment = plan.alignment_mask;
  const uint64_t max_address = plan.max_address;
  if (alignment != 0 || max_address != UINT64_MAX) {
    uint32_t i = 0;
    while (i < count && (buffers[i].address.value & alignment) == 0 &&
           buffers[i].address.value <= max_address) {
      ++i;
    }
    count = i;
  }
  // One length for all, or from 1 up to the most.
  const uint32_t least = plan.buffer_bytes != 0 ? plan.buffer_bytes : 1;
  const uint32_t range = plan.buffer_bytes != 0 ? UINT32_MAX - least : plan.max_length - 1;
  uint32_t i = 0;
  while (i < count && buffers[i].bytes - least <= range) ++i;
  count = i;
  if (!plan.needs_memory) return count;
  for (i = 0; i < count && buffers[i].memory != nullptr;) ++i;
  return i;
}

void Keep(const RxRingPlan& plan, const RxBuffer* from, uint32_t count, RxBuffer* to) {
  const uint32_t bytes = plan.buffer_bytes;
  for (uint32_t i = 0; i < count; ++i) {
    to[i].bytes = bytes != 0 ? bytes : from[i].bytes;
    to[i].cookie = from[i].cookie;
  }
  if (plan.keeps_address) {
    for (uint32_t i = 0; i < count; ++i) to[i].address = from[i].address;
  }
  if (plan.keeps_memory) {
    for (uint32_t i = 0; i < count; ++i) to[i].memory = from[i].memory;
  }
}

}  // namespace

bool RxRingPlan::Varies(uint32_t word) const {
  const auto there = [&](const Piece& piece) { return piece.word == word; };
  return image_phase[word] != 0 || std::any_of(address.begin(), address.end(), there);
}

std::unique_ptr<RxRingBurst> RxRingBurst::Create(RxRingPlan plan, bool compiled) {
  std::unique_ptr<RxRingBurst> burst(new RxRingBurst);
  burst->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    if (!compiled) return absl::FailedPreconditionError("compiled access was not asked for");
    if (absl::Status status = CodeMemory::Allowed(); !status.ok()) return status;
    absl::StatusOr<RxRingCode> code = GenerateRxRing(burst->plan_);
    if (!code.ok()) return code.status();
    absl::StatusOr<CodeMemory> memory = CodeMemory::Create(code->bytes);
    if (!memory.ok()) return memory.status();
    burst->code_ = *std::move(memory);
    for (int phase = 0; phase < 2; ++phase) {
      burst->poll_[phase] = burst->code_.At<PollCode>(code->poll[phase]);
      burst->post_[phase] = burst->code_.At<PostCode>(code->post[phase]);
      const auto optional = [&](size_t offset) {
        return offset == RxRingCode::kNone ? nullptr : burst->code_.At<PostCode>(offset);
      };
      burst->again_[phase] = optional(code->again[phase]);
      burst->held_[phase] = optional(code->held[phase]);
    }
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

bool RxRingBurst::PostHeldByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer& buffer,
                                 uint64_t* held) {
  if (to.slot >= plan.buffer_count || !plan.posts || CountPostable(plan, &buffer, 1) == 0)
    return false;
  const uint32_t bytes = BytesOf(plan, buffer);
  std::byte* at = to.slots + size_t{to.slot} * plan.post_slot_bytes;
  for (uint32_t w = 0; w < plan.post_words; ++w) {
    const uint64_t word = PostWord(plan, w, buffer, bytes, to.slot, to.phase);
    if (w == plan.handover_word) {
      *held = word;
    } else {
      StoreRelaxed<uint64_t>(at + size_t{kWord} * w, word);
    }
  }
  Keep(plan, &buffer, 1, &to.buffers[to.slot]);
  return true;
}

uint32_t RxRingBurst::PollByPlan(const RxRingPlan& plan, const Completed& from, RxCompletion* out) {
  if (from.slot >= plan.slot_count || from.buffer >= plan.buffer_count) return 0;
  const uint32_t most =
      std::min({from.most, plan.slot_count - from.slot, plan.buffer_count - from.buffer});
  static_assert(offsetof(RxCompletion, cookie) == 0 && offsetof(RxCompletion, length) == 4 &&
                offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  WordColumns words;
  alignas(64) uint64_t lengths[kColumn];
  alignas(64) uint64_t skips[kColumn];
  const bool skips_differ = plan.key == RxRingPlan::Key::kAddress || !plan.record.offset.empty();
  uint32_t done = 0;
  while (done < most) {
    const uint32_t wanted = std::min(kColumn, most - done);
    const RxBuffer* buffers = from.buffers + from.buffer + done;
    RxCompletion* to = out + done;
    uint32_t count = ReadSlots(plan, from.slots + size_t{from.slot + done} * plan.slot_bytes,
                               from.phase, wanted, &words);
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

uint32_t RxRingBurst::PostByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers) {
  if (to.slot >= plan.buffer_count || !plan.posts) return 0;
  const uint32_t done =
      CountPostable(plan, buffers, std::min(to.most, plan.buffer_count - to.slot));
  const bool all = !plan.words_stay || !to.were_posted;
  uint32_t varying = WordsOf(plan.address);
  for (uint32_t w = 0; w < plan.post_words; ++w) varying |= plan.image_phase[w] != 0 ? 1u << w : 0;
  const uint32_t with_length = WordsOf(plan.length) & ~varying;
  // Word by word of all of them, a column of each at a time.
  for (uint32_t from = 0; from < done; from += kColumn) {
    const uint32_t count = std::min(kColumn, done - from);
    const uint32_t slot = to.slot + from;
    const bool length = BytesDiffer(buffers + from, to.buffers + slot, count);
    for (uint32_t w = 0; w < plan.post_words; ++w) {
      if (all || (varying >> w & 1) != 0 || (length && (with_length >> w & 1) != 0)) {
        PostWords(plan, w, to, slot, buffers + from, count);
      }
    }
  }
  Keep(plan, buffers, done, &to.buffers[to.slot]);
  return done;
}

}  // namespace qsplit::dataplane::burst
