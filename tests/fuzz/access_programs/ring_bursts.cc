#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "tests/fuzz/access_programs/programs.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT
using burst::RxRingBurst;
using burst::RxRingPlan;

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

  // Everything on the heap, so that a sanitizer sees what is beside it.
  const auto slot = std::make_unique<std::array<uint64_t, burst::kMaxWords>>();
  std::memcpy(slot->data(), bytes.bytes, kSlotBytes);
  const auto posted = std::make_unique<std::array<RxBuffer, kBuffers>>();
  for (uint32_t i = 0; i < kBuffers; ++i) {
    (*posted)[i] = {Iova(in.Value()), std::max(1u, static_cast<uint32_t>(in.Value())), i, nullptr};
  }
  for (uint32_t phase = 0; phase < 2; ++phase) {
    const RxRingBurst::Completed from = {reinterpret_cast<const std::byte*>(slot->data()),
                                         phase,
                                         0,
                                         posted->data(),
                                         in.Byte() % (kBuffers + 1),
                                         2};
    const auto interpreted = std::make_unique<RxCompletion>();
    const auto by_code = std::make_unique<RxCompletion>();
    const uint32_t count = RxRingBurst::PollByPlan(plan, from, interpreted.get());
    MUST(compiled->Poll(from, by_code.get()) == count);
    MUST(count <= 1 && (count == 0 || Same(*interpreted, *by_code)));
    if (count == 0) continue;
    const RxBuffer& buffer = (*posted)[from.buffer];
    MUST(interpreted->cookie == buffer.cookie);
    MUST(uint64_t{interpreted->offset} + interpreted->length <= buffer.bytes);
  }

  const auto ring = std::make_unique<std::array<uint64_t, kBuffers * burst::kMaxWords>>();
  const auto other = std::make_unique<std::array<uint64_t, kBuffers * burst::kMaxWords>>();
  const auto kept = std::make_unique<std::array<RxBuffer, kBuffers>>(*posted);
  const auto other_kept = std::make_unique<std::array<RxBuffer, kBuffers>>(*posted);
  std::vector<RxBuffer> buffers(kBuffers + 1);
  for (RxBuffer& buffer : buffers) {
    buffer = {Iova(in.Value()), static_cast<uint32_t>(in.Value()), in.Byte(), nullptr};
  }
  // Every slot once, as those that `were_posted` speaks of.
  const std::vector<RxBuffer> plain(kBuffers, RxBuffer{Iova(0), 1, 0, nullptr});
  RxRingBurst::PostByPlan(
      plan, {reinterpret_cast<std::byte*>(ring->data()), 0, 0, kept->data(), kBuffers, false},
      plain.data());
  *other = *ring;
  *other_kept = *kept;
  for (uint32_t turn = 0; turn < 4; ++turn) {
    RxRingBurst::Free to = {reinterpret_cast<std::byte*>(ring->data()),
                            turn,
                            in.Byte() % 6u,
                            kept->data(),
                            in.Byte() % (kBuffers + 2u),
                            turn > 1};
    const uint32_t done = RxRingBurst::PostByPlan(plan, to, buffers.data());
    uint64_t held = 0;
    const bool has_held = RxRingBurst::PostHeldByPlan(plan, to, buffers.front(), &held);
    const size_t handover = size_t{to.slot} * burst::kMaxWords + plan.handover_word;
    if (has_held) (*ring)[handover] = held;
    to.slots = reinterpret_cast<std::byte*>(other->data());
    to.buffers = other_kept->data();
    MUST(compiled->Post(to, buffers.data()) == done);
    uint64_t other_held = 0;
    MUST(compiled->PostHeld(to, buffers.front(), &other_held) == has_held && held == other_held);
    if (has_held) (*other)[handover] = held;
    MUST(*ring == *other);
    MUST(std::equal(kept->begin(), kept->end(), other_kept->begin(),
                    [](const RxBuffer& a, const RxBuffer& b) { return Same(a, b); }));
  }
}

}  // namespace qsplit::fuzz
