#include "dataplane/burst/rx_burst.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/columns.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

// A word of the slot that a buffer is posted in.
uint64_t PostWord(const RxBurstPlan& plan, uint32_t which, const RxBuffer& buffer) {
  uint64_t word = plan.image[which];
  for (const Piece& piece : plan.address) {
    if (piece.word == which) word |= piece.Put(buffer.address.value);
  }
  for (const Piece& piece : plan.length) {
    if (piece.word == which) word |= piece.Put(buffer.bytes);
  }
  return word;
}

bool HasPiece(const RxBurstPlan& plan, uint32_t which) {
  const auto there = [&](const Piece& piece) { return piece.word == which; };
  return std::any_of(plan.address.begin(), plan.address.end(), there) ||
         std::any_of(plan.length.begin(), plan.length.end(), there);
}

// The one piece of addresses that stands in a word, with nothing beside it; or null.
const Piece* OnlyPiece(const RxBurstPlan& plan, uint32_t which) {
  const Piece* only = nullptr;
  for (const Piece& piece : plan.address) {
    if (piece.word != which) continue;
    if (only != nullptr) return nullptr;
    only = &piece;
  }
  for (const Piece& piece : plan.length) {
    if (piece.word == which) return nullptr;
  }
  return only;
}

}  // namespace

std::unique_ptr<RxBurst> RxBurst::Create(RxBurstPlan plan, bool compiled) {
  std::unique_ptr<RxBurst> burst(new RxBurst);
  burst->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    if (!compiled) return absl::FailedPreconditionError("compiled access was not asked for");
    if (absl::Status status = CodeMemory::Allowed(); !status.ok()) return status;
    absl::StatusOr<RxCode> code = GenerateRx(burst->plan_);
    if (!code.ok()) return code.status();
    absl::StatusOr<CodeMemory> memory = CodeMemory::Create(code->bytes);
    if (!memory.ok()) return memory.status();
    burst->code_ = *std::move(memory);
    burst->poll_ = burst->code_.At<PollCode>(code->poll);
    burst->post_ = burst->code_.At<PostCode>(code->post);
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

uint32_t RxBurst::PollByPlan(const RxBurstPlan& plan, const std::byte* slots,
                             const PostedSlot* posted, uint32_t slot, uint32_t most,
                             RxCompletion* out) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  const WordTest first = plan.record.tests[plan.first_word];
  const uint32_t other_words = plan.record.words & ~(1u << plan.first_word);
  // Cookie and length; offset, first and last.
  static_assert(offsetof(RxCompletion, cookie) == 0 && offsetof(RxCompletion, length) == 4 &&
                offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  const uint64_t marks = uint64_t{0x101} << 32 | plan.prefix_bytes;
  WordColumns words;
  uint64_t lengths[kColumn];
  uint32_t done = 0;
  while (done < most) {
    const uint32_t wanted = std::min(kColumn, most - done);
    const std::byte* at = slots + size_t{slot + done} * plan.slot_bytes;
    const PostedSlot* buffers = posted + slot + done;
    RxCompletion* to = out + done;
    uint32_t count = 0;
    for (bool common = true; count < wanted; ++count, at += plan.slot_bytes) {
      // Acquire: pairs with the release of the device's store of this word.
      const uint64_t word = LoadAcquire<uint64_t>(at + size_t{8} * plan.first_word);
      if ((word & first.mask) != first.value) break;
      words.word[plan.first_word][count] = word;
      for (uint32_t left = other_words; left != 0; left &= left - 1) {
        const auto w = static_cast<uint32_t>(std::countr_zero(left));
        const uint64_t other = LoadRelaxed<uint64_t>(at + size_t{8} * w);
        common = common && (other & plan.record.tests[w].mask) == plan.record.tests[w].value;
        words.word[w][count] = other;
      }
      if (!common) break;
    }
    ReadLengths(plan.record, words, count, lengths);
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t room = plan.buffer_bytes != 0 ? plan.buffer_bytes : buffers[i].bytes;
      if (lengths[i] > room || lengths[i] + plan.prefix_bytes > room) {
        count = i;
        break;
      }
      const uint64_t head[2] = {buffers[i].cookie | lengths[i] << 32, marks};
      std::memcpy(static_cast<void*>(&to[i]), head, sizeof head);
    }
    ReadMetadata(plan.record, words, count, to);
    done += count;
    if (count < wanted) break;
  }
  return done;
}

uint32_t RxBurst::PostByPlan(const RxBurstPlan& plan, std::byte* slots, PostedSlot* posted,
                             uint32_t slot, uint32_t most, const RxBuffer* buffers) {
  if (slot >= plan.slot_count || !plan.posts) return 0;
  most = std::min(most, plan.slot_count - slot);
  uint32_t done = 0;
  for (; done < most; ++done) {
    const RxBuffer& buffer = buffers[done];
    const uint64_t address = buffer.address.value;
    if ((address & plan.alignment_mask) != 0 || address > plan.max_address) break;
    if (plan.buffer_bytes != 0 ? buffer.bytes < plan.buffer_bytes
                               : buffer.bytes - 1 >= plan.max_length) {
      break;
    }
    if (plan.completed.mask == 0) continue;
    const uint64_t word = PostWord(plan, plan.first_word, buffer);
    if ((word & plan.completed.mask) == plan.completed.value) break;
  }
  // Word by word of all of them.
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    std::byte* at = slots + size_t{slot} * plan.slot_bytes + size_t{8} * w;
    const Piece* only = OnlyPiece(plan, w);
    if (only != nullptr) {
      const Piece piece = *only;
      for (uint32_t i = 0; i < done; ++i, at += plan.slot_bytes) {
        StoreRelaxed<uint64_t>(at, plan.image[w] | piece.Put(buffers[i].address.value));
      }
    } else if (HasPiece(plan, w)) {
      for (uint32_t i = 0; i < done; ++i, at += plan.slot_bytes) {
        StoreRelaxed<uint64_t>(at, PostWord(plan, w, buffers[i]));
      }
    } else {
      const uint64_t word = plan.image[w];
      for (uint32_t i = 0; i < done; ++i, at += plan.slot_bytes) StoreRelaxed<uint64_t>(at, word);
    }
  }
  for (uint32_t i = 0; i < done; ++i) {
    posted[slot + i] = {buffers[i].cookie,
                        plan.buffer_bytes != 0 ? plan.buffer_bytes : buffers[i].bytes};
  }
  return done;
}

}  // namespace qsplit::dataplane::burst
