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

// The prefix of a packet. False: not of the common case.
bool ReadPrefix(const RxRingPlan& plan, const RxBuffer& buffer, uint32_t i, WordColumns* words) {
  if (plan.prefix_word == kMaxWords) return true;
  const std::byte* from = buffer.memory;
  if (reinterpret_cast<uintptr_t>(from) % kWord != 0) return false;
  for (uint32_t w = plan.prefix_word; w < kMaxWords; ++w) {
    if ((plan.record.words >> w & 1) == 0) continue;
    const uint32_t offset = kWord * (w - plan.prefix_word);
    // What was released with the completion.
    const uint64_t word = offset + kWord <= plan.prefix_bytes
                              ? LoadRelaxed<uint64_t>(from + offset)
                              : LoadRelaxed<uint32_t>(from + offset);
    if ((word & plan.record.tests[w].mask) != plan.record.tests[w].value) return false;
    words->word[w][i] = word;
  }
  return true;
}

// Whether the key names the buffer; *skip: how far behind its first byte.
bool Names(const RxRingPlan& plan, uint64_t key, const RxBuffer& buffer, uint32_t number,
           uint64_t* skip) {
  *skip = 0;
  if (plan.key == RxRingPlan::Key::kNumber) return key == number;
  if (plan.key == RxRingPlan::Key::kAddress) {
    *skip = key - buffer.address.value;
    return *skip == 0 || (plan.key_inside && *skip < buffer.bytes);
  }
  return true;
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

// Whether a word differs from the one that was posted in the same slot before, of some of `count`
// buffers from `from` on.
bool Differs(const RxRingPlan& plan, uint32_t which, const RxRingBurst::Free& to,
             const RxBuffer* buffers, uint32_t from, uint32_t count) {
  if (plan.Varies(which)) return true;
  const bool has_length = std::any_of(plan.length.begin(), plan.length.end(),
                                      [&](const Piece& piece) { return piece.word == which; });
  if (!has_length) return false;
  const RxBuffer* before = to.buffers + to.slot;
  bool differs = false;
  for (uint32_t i = from; i < from + count; ++i) {
    differs = differs || buffers[i].bytes != before[i].bytes;
  }
  return differs;
}

// column[i] |= what a word has of a number in this piece.
template <typename Number>
void PutPiece(const Piece& piece, uint32_t count, uint64_t* column, Number&& number) {
  if (piece.byte_swap) {
    for (uint32_t i = 0; i < count; ++i) {
      column[i] |= __builtin_bswap64(((number(i) >> piece.place) & piece.mask) << piece.shift);
    }
  } else {
    for (uint32_t i = 0; i < count; ++i) {
      column[i] |= ((number(i) >> piece.place) & piece.mask) << piece.shift;
    }
  }
}

// Writes one word of the slots of `count` buffers from `from` on.
void PostWords(const RxRingPlan& plan, uint32_t which, const RxRingBurst::Free& to,
               const RxBuffer* buffers, uint32_t from, uint32_t count) {
  alignas(64) uint64_t column[kColumn];
  const uint64_t image = InPhase(plan.image[which], plan.image_phase[which], to.phase);
  std::fill_n(column, count, image);
  const RxBuffer* const of = buffers + from;
  const uint32_t slot = to.slot + from;
  for (const Piece& piece : plan.address) {
    if (piece.word != which) continue;
    PutPiece(piece, count, column, [&](uint32_t i) { return of[i].address.value; });
  }
  for (const Piece& piece : plan.length) {
    if (piece.word != which) continue;
    PutPiece(piece, count, column, [&](uint32_t i) { return uint64_t{of[i].bytes}; });
  }
  for (const Piece& piece : plan.number) {
    if (piece.word != which) continue;
    PutPiece(piece, count, column, [&](uint32_t i) { return uint64_t{slot + i}; });
  }
  std::byte* at = to.slots + size_t{slot} * plan.post_slot_bytes + size_t{kWord} * which;
  for (uint32_t i = 0; i < count; ++i, at += plan.post_slot_bytes) {
    StoreRelaxed<uint64_t>(at, column[i]);
  }
}

bool CanPost(const RxRingPlan& plan, const RxBuffer& buffer) {
  const uint64_t address = buffer.address.value;
  return (address & plan.alignment_mask) == 0 && address <= plan.max_address &&
         (plan.buffer_bytes != 0 ? buffer.bytes >= plan.buffer_bytes
                                 : buffer.bytes - 1 < plan.max_length);
}

void Keep(const RxRingPlan& plan, const RxBuffer& from, uint32_t bytes, RxBuffer* to) {
  to->bytes = bytes;
  to->cookie = from.cookie;
  if (plan.keeps_address) to->address = from.address;
  if (plan.keeps_memory) to->memory = from.memory;
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
      if (code->again[phase] == RxRingCode::kNone) continue;
      burst->again_[phase] = burst->code_.At<PostCode>(code->again[phase]);
    }
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

uint32_t RxRingBurst::PostByCode(const Free& to, const RxBuffer* buffers) const {
  const uint32_t phase = to.phase & 1;
  uint32_t done = 0;
  if (to.were_posted && again_[phase] != nullptr) {
    done = again_[phase](to.slots, to.buffers, to.slot, to.most, buffers, 0);
    if (done == to.most || to.slot + done == plan_.buffer_count) return done;
  }
  return done +
         post_[phase](to.slots, to.buffers, to.slot + done, to.most - done, buffers + done, 0);
}

bool RxRingBurst::PostHeld(const Free& to, const RxBuffer& buffer, uint64_t* held) const {
  if (to.slot >= plan_.buffer_count || !plan_.posts || !CanPost(plan_, buffer)) return false;
  const uint32_t bytes = BytesOf(plan_, buffer);
  std::byte* at = to.slots + size_t{to.slot} * plan_.post_slot_bytes;
  for (uint32_t w = 0; w < plan_.post_words; ++w) {
    const uint64_t word = PostWord(plan_, w, buffer, bytes, to.slot, to.phase);
    if (w == plan_.handover_word) {
      *held = word;
    } else {
      StoreRelaxed<uint64_t>(at + size_t{kWord} * w, word);
    }
  }
  Keep(plan_, buffer, bytes, &to.buffers[to.slot]);
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
  alignas(64) uint64_t keys[kColumn];
  alignas(64) uint64_t offsets[kColumn];
  const bool has_offset = !plan.record.offset.empty();
  uint32_t done = 0;
  while (done < most) {
    const uint32_t wanted = std::min(kColumn, most - done);
    uint32_t count = ReadSlots(plan, from.slots + size_t{from.slot + done} * plan.slot_bytes,
                               from.phase, wanted, &words);
    ReadLengths(plan.record, words, count, lengths);
    if (plan.key != RxRingPlan::Key::kNone) ReadNumbers(plan.key_pieces, words, count, keys);
    if (has_offset) ReadNumbers(plan.record.offset, words, count, offsets);
    const RxBuffer* buffers = from.buffers + from.buffer + done;
    RxCompletion* to = out + done;
    for (uint32_t i = 0; i < count; ++i) {
      const RxBuffer& buffer = buffers[i];
      uint64_t skip = 0;
      if (plan.key != RxRingPlan::Key::kNone &&
          !Names(plan, keys[i], buffer, from.buffer + done + i, &skip)) {
        count = i;
        break;
      }
      skip += plan.prefix_bytes;
      if (has_offset) skip += offsets[i];
      if (lengths[i] > buffer.bytes || lengths[i] + skip > buffer.bytes ||
          !ReadPrefix(plan, buffer, i, &words)) {
        count = i;
        break;
      }
      const uint64_t head[2] = {buffer.cookie | lengths[i] << 32, uint64_t{0x101} << 32 | skip};
      std::memcpy(static_cast<void*>(&to[i]), head, sizeof head);
    }
    ReadMetadata(plan.record, words, count, to);
    done += count;
    if (count < wanted) break;
  }
  return done;
}

uint32_t RxRingBurst::PostByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers) {
  if (to.slot >= plan.buffer_count || !plan.posts) return 0;
  const uint32_t most = std::min(to.most, plan.buffer_count - to.slot);
  uint32_t done = 0;
  for (; done < most; ++done) {
    if (!CanPost(plan, buffers[done])) break;
  }
  // Word by word of all of them, a column of each at a time.
  for (uint32_t from = 0; from < done; from += kColumn) {
    const uint32_t count = std::min(kColumn, done - from);
    for (uint32_t w = 0; w < plan.post_words; ++w) {
      if (plan.words_stay && to.were_posted && !Differs(plan, w, to, buffers, from, count))
        continue;
      PostWords(plan, w, to, buffers, from, count);
    }
  }
  for (uint32_t i = 0; i < done; ++i) {
    Keep(plan, buffers[i], BytesOf(plan, buffers[i]), &to.buffers[to.slot + i]);
  }
  return done;
}

}  // namespace qsplit::dataplane::burst
