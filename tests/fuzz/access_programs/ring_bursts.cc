#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT
using burst::RxRingBurst;
using burst::RxRingPlan;
using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

namespace {

constexpr uint32_t kBuffers = 4;
constexpr uint32_t kSlotBytes = 8 * burst::kMaxWords;

burst::Piece TakePiece(Input& in, uint8_t bits) {
  burst::Piece piece;
  piece.word = in.Byte() % burst::kMaxWords;
  piece.shift = static_cast<uint8_t>(in.Byte() % (65 - bits));
  piece.byte_swap = in.Byte() % 2 != 0;
  piece.mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return piece;
}

// What is left to say of completions: a phase in a bit that nothing else looks at, a key.
void TakeCompletion(Input& in, RxRingPlan* plan) {
  const uint32_t word = in.Byte() % burst::kMaxWords;
  const uint64_t bit = uint64_t{1} << in.Byte() % 64;
  if (!plan->record.LooksAt(word, bit) && (plan->record.tests[word].mask & bit) == 0) {
    plan->record.tests[word].mask |= bit;
    plan->record_phase[word] = bit;
    plan->record.words |= 1u << word;
    plan->first_word = word;
  }
  plan->record.words |= 1u << plan->first_word;
  plan->key = static_cast<RxRingPlan::Key>(in.Byte() % 3);
  if (plan->key == RxRingPlan::Key::kNone) return;
  plan->key_pieces.push_back(TakePiece(in, plan->key == RxRingPlan::Key::kNumber ? 8 : 64));
  plan->key_inside = in.Byte() % 2 != 0;
  plan->record.words |= 1u << plan->key_pieces.front().word;
}

// Pieces of a descriptor to post: apart from each other, each in a word of its own.
void TakePosting(Input& in, RxRingPlan* plan) {
  plan->posts = true;
  plan->post_slot_bytes = kSlotBytes;
  plan->post_words = burst::kMaxWords;
  plan->address.push_back(TakePiece(in, 48));
  plan->length.push_back(TakePiece(in, 16));
  plan->number.push_back(TakePiece(in, 8));
  plan->address.front().word = 0;
  plan->length.front().word = 1;
  plan->number.front().word = 2;
  plan->image[3] = in.Value();
  plan->image_phase[3] = in.Value();
  plan->image[4] = in.Value();
  plan->max_address = (uint64_t{1} << 48) - 1;
  plan->max_length = UINT16_MAX;
  plan->alignment_mask = in.Byte() % 2;
  plan->words_stay = in.Byte() % 2 != 0;
  plan->keeps_address = in.Byte() % 2 != 0;
  plan->keeps_memory = true;
  plan->holds = true;
  plan->handover_word = in.Byte() % burst::kMaxWords;
}

bool Same(const RxCompletion& a, const RxCompletion& b) {
  return a.cookie == b.cookie && a.length == b.length && a.offset == b.offset &&
         a.first == b.first && a.last == b.last && a.meta == b.meta;
}

bool Same(const RxBuffer& a, const RxBuffer& b) {
  return a.address == b.address && a.bytes == b.bytes && a.cookie == b.cookie &&
         a.memory == b.memory;
}

void RunPoll(const RxRingBurst& burst, const DescriptorBytes& bytes,
             const FencedArray<RxBuffer>& posted, Fence fence, Input& in) {
  const FencedArray<std::byte> slot(std::span(bytes.bytes, kSlotBytes), fence);
  for (uint32_t phase = 0; phase < 2; ++phase) {
    const RxRingBurst::Completed from = {
        slot.data(), phase, 0, posted.data(), in.Byte() % (kBuffers + 1u), 2};
    const FencedArray<RxCompletion> interpreted(1, fence);
    const FencedArray<RxCompletion> by_code(1, fence);
    const uint32_t count = RxRingBurst::PollByPlan(burst.plan(), from, interpreted.data());
    MUST(burst.Poll(from, by_code.data()) == count);
    MUST(count <= 1 && (count == 0 || Same(interpreted.front(), by_code.front())));
    if (count == 0) continue;
    const RxBuffer& buffer = posted[from.buffer];
    MUST(interpreted.front().cookie == buffer.cookie);
    MUST(uint64_t{interpreted.front().offset} + interpreted.front().length <= buffer.bytes);
  }
}

// A ring of posted buffers, twice: one that the interpreter writes, one of machine code.
struct Posted {
  explicit Posted(Fence fence) : ring(size_t{kBuffers} * kSlotBytes, fence), kept(kBuffers, fence) {
    // Every slot once, as those that `were_posted` speaks of.
    std::ranges::fill(kept, RxBuffer{Iova(0), 1, 0, nullptr});
  }
  RxRingBurst::Free From(uint32_t turn, uint32_t slot, uint32_t most) const {
    return {ring.data(), turn, slot, kept.data(), most, turn > 1};
  }
  bool IsSame(const Posted& other) const {
    return ring.IsSame(other.ring) &&
           std::equal(kept.begin(), kept.end(), other.kept.begin(),
                      [](const RxBuffer& a, const RxBuffer& b) { return Same(a, b); });
  }
  FencedArray<std::byte> ring;
  FencedArray<RxBuffer> kept;
};

void RunPost(const RxRingBurst& burst, Fence fence, Input& in) {
  const RxRingPlan& plan = burst.plan();
  const FencedArray<RxBuffer> buffers(kBuffers + 1, fence);
  for (RxBuffer& buffer : buffers) {
    buffer = {Iova(in.Value()), static_cast<uint32_t>(in.Value()), in.Byte(), nullptr};
  }
  const Posted interpreted(fence);
  const Posted by_code(fence);
  const std::vector<RxBuffer> plain(interpreted.kept.begin(), interpreted.kept.end());
  for (const Posted* one : {&interpreted, &by_code}) {
    RxRingBurst::Free all = one->From(0, 0, kBuffers);
    RxRingBurst::PostByPlan(plan, all, plain.data());
  }
  for (uint32_t turn = 0; turn < 4; ++turn) {
    const uint32_t slot = in.Byte() % 6u;
    const uint32_t most = in.Byte() % (kBuffers + 2u);
    const RxRingBurst::Free to = interpreted.From(turn, slot, most);
    const RxRingBurst::Free same = by_code.From(turn, slot, most);
    MUST(burst.Post(same, buffers.data()) == RxRingBurst::PostByPlan(plan, to, buffers.data()));
    const FencedArray<uint64_t> held(1, fence);
    const FencedArray<uint64_t> same_held(1, fence);
    const uint32_t first_ones = RxRingBurst::PostHeldByPlan(plan, to, buffers.data(), held.data());
    MUST(burst.PostHeld(same, buffers.data(), same_held.data()) == first_ones);
    MUST(same_held.IsSame(held));
    const size_t handover = size_t{slot} * kSlotBytes + size_t{8} * plan.handover_word;
    for (const Posted* one : {&interpreted, &by_code}) {
      if (first_ones != 0) std::memcpy(&one->ring[handover], held.data(), 8);
    }
    MUST(interpreted.IsSame(by_code));
  }
}

}  // namespace

void RunRingBurst(const RxProgram& program, const DescriptorBytes& bytes, Input& in) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value()) return;
  RxRingPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = 1;
  plan.slot_bytes = kSlotBytes;
  plan.buffer_count = kBuffers;
  TakeCompletion(in, &plan);
  TakePosting(in, &plan);
  const auto compiled = RxRingBurst::Create(plan, true);
  MustBeCode(compiled->code_status());
  const auto without_code = RxRingBurst::Create(plan, false);
  RxBuffer buffers[kBuffers];
  for (uint32_t i = 0; i < kBuffers; ++i) {
    buffers[i] = {Iova(in.Value()), std::max(1u, static_cast<uint32_t>(in.Value())), i, nullptr};
  }
  const Fence fence = kFences[in.Byte() % 2];
  Input same = in;
  RunPoll(*without_code, bytes, FencedArray<RxBuffer>(buffers, fence), fence, same);
  RunPost(*without_code, fence, same);
  RunPoll(*compiled, bytes, FencedArray<RxBuffer>(buffers, fence), fence, in);
  RunPost(*compiled, fence, in);
}

}  // namespace qsplit::fuzz
