#include "dataplane/burst/rx_burst.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/columns.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {

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
      to[i].cookie = buffers[i].cookie;
      to[i].length = static_cast<uint32_t>(lengths[i]);
      to[i].offset = plan.prefix_bytes;
      to[i].first = to[i].last = true;
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
  const uint32_t word_count = plan.slot_bytes / 8;
  std::byte* at = slots + size_t{slot} * plan.slot_bytes;
  uint32_t done = 0;
  for (; done < most; ++done, at += plan.slot_bytes) {
    const RxBuffer& buffer = buffers[done];
    const uint64_t address = buffer.address.value;
    if ((address & plan.alignment_mask) != 0 || address > plan.max_address) break;
    uint32_t bytes = plan.buffer_bytes;
    if (bytes == 0) {
      bytes = buffer.bytes;
      if (bytes == 0 || bytes > plan.max_length) break;
    } else if (buffer.bytes < bytes) {
      break;
    }
    std::array<uint64_t, kMaxWords> words = plan.image;
    for (const Piece& piece : plan.address) words[piece.word] |= piece.Put(address);
    for (const Piece& piece : plan.length) words[piece.word] |= piece.Put(bytes);
    if (plan.completed.mask != 0 &&
        (words[plan.first_word] & plan.completed.mask) == plan.completed.value) {
      break;
    }
    for (uint32_t w = 0; w < word_count; ++w) {
      StoreRelaxed<uint64_t>(at + size_t{8} * w, words[w]);
    }
    posted[slot + done] = {buffer.cookie, bytes};
  }
  return done;
}

}  // namespace qsplit::dataplane::burst
