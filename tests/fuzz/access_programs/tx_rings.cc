#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/burst/tx_ring.h"
#include "dataplane/burst/wide_tx.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;         // NOLINT
using namespace dataplane::burst;  // NOLINT

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

constexpr uint32_t kPackets = 6;

// A whole part of a word.
Piece PieceOf(Input& in, uint32_t words) {
  Piece piece;
  piece.word = static_cast<uint8_t>(in.Below(words));
  const auto bits = static_cast<uint32_t>(1 + in.Below(64));
  piece.mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  piece.shift = static_cast<uint8_t>(in.Below(65 - bits));
  piece.place = static_cast<uint8_t>(in.Below(65 - bits));
  piece.byte_swap = in.Byte() % 2 == 0;
  return piece;
}

// As most NICs have it: a slot of 16 bytes, of an address and a length in whole bytes. Several
// packets at once are written by such ones only.
TxRingPlan PlainPlan(Input& in) {
  TxRingPlan plan;
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(9));
  plan.slot_bytes = 16;
  plan.memory = in.Byte() % 2 == 0 ? TxMemory::kOrder : TxMemory::kNothing;
  plan.max_bytes = static_cast<uint32_t>(1 + in.Value() % (1u << 16));
  Piece address;
  address.mask = ~uint64_t{0};
  address.byte_swap = in.Byte() % 4 == 0;
  Piece bytes;
  bytes.mask = (uint64_t{1} << (8 + in.Below(24))) - 1;
  bytes.shift = static_cast<uint8_t>(in.Below(33));
  plan.words.push_back({0, {{TxSource::kAddress, 0, address, true}}});
  plan.words.push_back({8, {{TxSource::kBytes, 0, bytes, true}}});
  plan.max_bytes = static_cast<uint32_t>(std::min<uint64_t>(plan.max_bytes, bytes.mask));
  if (in.Byte() % 2 == 0) plan.report_words = 2;
  const uint8_t how = in.Byte();
  if (how % 2 == 0) plan.kept_word = 1;
  if (how >= 0xc0) plan.address_not = ~uint64_t{0} << 48;
  return plan;
}

TxRingPlan PushPlan(Input& in) {
  TxRingPlan plan;
  if (in.Byte() >= 0xc0) return PlainPlan(in);
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(9));
  plan.packet_slots = static_cast<uint32_t>(1 + in.Below(2));
  plan.slot_bytes = static_cast<uint32_t>(8 * (1 + in.Below(kMaxPacketWords / 2)));
  plan.memory = static_cast<TxMemory>(in.Below(3));
  plan.count_mask = in.Value();
  plan.address_not = in.Value();
  plan.max_bytes = static_cast<uint32_t>(in.Value());
  plan.prefix_stride = static_cast<uint32_t>(in.Below(64));
  plan.has_prefix = in.Byte() % 2 == 0;
  const uint32_t each = plan.slot_bytes / 8;
  for (uint32_t w = 0; w < plan.packet_slots * each; ++w) {
    if (in.Byte() % 4 == 0) continue;
    TxWord word{8 * w, {}};
    for (uint8_t parts = in.Byte() % 3; parts > 0; --parts) {
      TxWord::Part part;
      part.source = static_cast<TxSource>(in.Below(5));
      part.slot = static_cast<uint32_t>(in.Below(plan.packet_slots));
      part.piece = PieceOf(in, 1);
      // All of a count, where its field has as many bits.
      part.whole = part.source == TxSource::kCount && part.piece.place == 0 &&
                   (plan.count_mask & ~part.piece.mask) == 0;
      word.parts.push_back(part);
    }
    plan.words.push_back(std::move(word));
  }
  const auto choose = [&] {
    const uint64_t word = in.Below(plan.words.size() + 1);
    return word == plan.words.size() ? TxRingPlan::kNone : static_cast<uint32_t>(word);
  };
  plan.held_word = choose();
  plan.kept_word = choose();
  if (const uint32_t word = choose(); word != plan.held_word && word != TxRingPlan::kNone) {
    plan.report_words = 1u << word;
  }
  return plan;
}

// All memory that a push writes.
struct Memory {
  Memory(const TxRingPlan& plan, Fence fence)
      : slots(size_t{plan.slot_count} * plan.slot_bytes, fence),
        cookies(kPackets, fence),
        remembered(kPackets, fence),
        held(1, fence) {}
  // Of so many packets; cookies of more may have been written.
  bool IsSame(const Memory& other, uint32_t packets) const {
    return slots.IsSame(other.slots) && held.IsSame(other.held) &&
           cookies.IsSame(other.cookies, packets) && remembered.IsSame(other.remembered);
  }
  FencedArray<std::byte> slots;
  FencedArray<uint32_t> cookies;
  FencedArray<TxRemembered> remembered;
  FencedArray<uint64_t> held;
};

void TellPushed(const TxRingPlan& plan, bool held, const TxRingCall& call) {
  Reach(plan.memory == TxMemory::kOrder ? Reached::kTxPushedInOrder
        : plan.memory == TxMemory::kId  ? Reached::kTxPushedById
                                        : Reached::kTxPushed);
  ReachIf(plan.packet_slots == 2, Reached::kTxPushedTwoSlots);
  ReachIf(plan.has_prefix, Reached::kTxPushedPrefix);
  ReachIf(held, Reached::kTxPushedHeld);
  ReachIf(call.has_kept != 0, Reached::kTxPushedKept);
  ReachIf(plan.report_words != 0 && call.report != 0, Reached::kTxPushedReport);
  ReachIf(PlanWidePush(plan).has_value(), Reached::kTxPushedWide);
}

// Of so many that were pushed, the next one has an address that cannot be said, and stands in a
// turn of four that would go at once.
bool IsStoppedInWideTurn(const TxRingPlan& plan, const FencedArray<TxPacket>& packets,
                         uint32_t slot, uint32_t count) {
  constexpr uint32_t kTurn = 4;
  const uint32_t end = count / kTurn * kTurn + kTurn;
  return PlanWidePush(plan).has_value() && packets.size() >= end && slot + end <= plan.slot_count &&
         packets[count].bytes - 1 < plan.max_bytes &&
         (packets[count].address.value & plan.address_not) != 0;
}

void RunPush(const TxRingBurst& burst, Input& in) {
  const TxRingPlan& plan = burst.plan();
  const Fence fence = kFences[in.Byte() % 2];
  const FencedArray<TxPacket> packets(in.Below(kPackets + 1), fence);
  for (TxPacket& packet : packets) {
    packet = {Iova(in.Value()), static_cast<uint32_t>(in.Value()), in.Byte()};
    // Most can be said.
    if (packet.cookie < 0x10 || plan.max_bytes == 0) continue;
    packet.address.value &= ~plan.address_not;
    packet.bytes = 1 + packet.bytes % plan.max_bytes;
  }
  const FencedArray<TxRingImage> images(1, fence);
  TxRingImage& image = images.front();
  for (size_t w = 0; w < plan.words.size(); ++w) {
    image.words[w] = in.Value();
    if ((plan.report_words >> w & 1) != 0) image.report[w] = in.Value();
  }
  const FencedArray<uint32_t> ids(std::to_array<uint32_t>({3, 0, 5, 1, 4, 2}), fence);
  const FencedArray<uint32_t> prefixes(std::vector<uint32_t>(kPackets, 1), fence);
  prefixes[in.Below(kPackets)] = in.Byte() % 2;
  const auto slot = static_cast<uint32_t>(in.Below(plan.slot_count + 2));
  const FencedArray<TxRingCall> calls(1, fence);
  TxRingCall& call = calls.front();
  call.ids = ids.data() + ids.size();
  call.prefixes = prefixes.data();
  call.prefix = 1;
  call.number = in.Value();
  call.prefix_iova = in.Value();
  call.count = in.Value();
  call.report = in.Byte() % 2;
  const bool holds = plan.held_word != TxRingPlan::kNone && in.Byte() % 2 == 0;
  const auto run = [&](const Memory& memory, auto&& push) {
    call.cookies = memory.cookies.data();
    call.remembered = memory.remembered.data();
    call.held = holds ? memory.held.data() : nullptr;
    return push(memory.slots.data(), call, slot, static_cast<uint32_t>(packets.size()),
                packets.data());
  };
  const Memory interpreted(plan, fence);
  const Memory compiled(plan, fence);
  const uint32_t count = run(interpreted, [&](std::byte* slots, TxRingCall& with, auto... rest) {
    return TxRingBurst::PushByPlan(plan, slots, with, rest..., image);
  });
  MUST(run(compiled, [&](std::byte* slots, TxRingCall& with, auto... rest) {
         return burst.Push(slots, with, rest..., image);
       }) == count);
  MUST(interpreted.IsSame(compiled, count));
  if (count != 0) TellPushed(plan, holds, call);
  ReachIf(IsStoppedInWideTurn(plan, packets, slot, count), Reached::kTxNotPushedWide);
  if (call.has_kept == 0) return;
  // All of them, or as many as there are up to the ring's end.
  MUST(count > 0 &&
       count == std::min<size_t>(packets.size(), (plan.slot_count - slot) / plan.packet_slots));
  const uint64_t kept = call.kept;
  call.ids -= count - 1;
  call.count += uint64_t{count - 1} * plan.packet_slots;
  MUST(kept == TxRingBurst::Word(plan, plan.kept_word, packets[count - 1], call, image));
}

TxDonePlan TakePlan(Input& in) {
  TxDonePlan plan;
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(9));
  plan.step_slots = static_cast<uint32_t>(1 + in.Below(2));
  plan.slot_bytes = static_cast<uint32_t>(8 * (1 + in.Below(kMaxWords)));
  const uint32_t words = plan.slot_bytes / 8;
  for (uint8_t tests = in.Byte() % 3; tests > 0; --tests) {
    TxDonePlan::Test test;
    test.word = static_cast<uint32_t>(in.Below(words));
    test.mask = in.Value();
    test.value = {in.Value() & test.mask, in.Value() & test.mask};
    plan.tests.push_back(test);
  }
  for (uint8_t pieces = 1 + in.Byte() % 2; pieces > 0; --pieces) {
    plan.key.push_back(PieceOf(in, words));
  }
  plan.remembers = !plan.tests.empty();
  if (plan.tests.empty()) plan.expected_count = static_cast<uint32_t>(1 + in.Below(9));
  return plan;
}

// Numbers below 256 are remembered, half of them by packets that are published. keys: what the
// completions name.
void RunTakeRemembered(const TxRingBurst& burst, const std::byte* at, uint32_t slot, uint32_t most,
                       uint32_t phase, std::span<const uint64_t> keys, Fence fence, Input& in) {
  const FencedArray<TxRemembered> interpreted(256, fence);
  const FencedArray<TxRemembered> compiled(256, fence);
  const uint8_t salt = in.Byte();
  for (uint32_t i = 0; i < interpreted.size(); ++i) {
    interpreted[i] = compiled[i] = {(i ^ salt) % 4, i * 7 + salt};
  }
  const FencedArray<uint32_t> cookies(most, fence);
  const FencedArray<uint32_t> same_cookies(most, fence);
  const FencedArray<uint32_t> free(most, fence);
  const FencedArray<uint32_t> same_free(most, fence);
  constexpr uint64_t kPublished = 2;
  const uint32_t count = TxRingBurst::TakeRememberedByPlan(
      burst.done(), at, slot, most, phase,
      {interpreted.data(), interpreted.size(), kPublished, free.data()}, cookies.data());
  MUST(burst.TakeRemembered(at, slot, most, phase,
                            {compiled.data(), compiled.size(), kPublished, same_free.data()},
                            same_cookies.data()) == count);
  MUST(compiled.IsSame(interpreted));
  ReachIf(count != 0, Reached::kTxTakenRemembered);
  ReachIf(count < keys.size() && keys[count] >= interpreted.size(), Reached::kTxNamedBeyond);
  MUST(same_cookies.IsSame(cookies, count));
  MUST(same_free.IsSame(free, count));
}

void RunTake(const TxRingBurst& burst, Input& in) {
  const TxDonePlan& plan = burst.done();
  const Fence fence = kFences[in.Byte() % 2];
  const FencedArray<uint64_t> slots(size_t{plan.slot_count} * plan.slot_bytes / 8, fence);
  for (uint64_t& word : slots) word = in.Value();
  const std::byte* const at = slots.bytes().data();
  const auto slot = static_cast<uint32_t>(in.Below(plan.slot_count + 2));
  const auto most = static_cast<uint32_t>(in.Below(10));
  const uint32_t phase = in.Byte() % 2;
  const FencedArray<uint64_t> interpreted(most, fence);
  const FencedArray<uint64_t> compiled(most, fence);
  const uint32_t count = TxRingBurst::TakeByPlan(plan, at, slot, most, phase, interpreted.data());
  MUST(burst.Take(at, slot, most, phase, compiled.data()) == count);
  MUST(compiled.IsSame(interpreted));
  ReachIf(count != 0, Reached::kTxTaken);
  if (plan.remembers) {
    RunTakeRemembered(burst, at, slot, most, phase, std::span(interpreted.data(), count), fence,
                      in);
  }
  if (plan.expected_count == 0) return;
  // Most are those that are expected.
  const FencedArray<TxExpected> expected(plan.expected_count, fence);
  const auto first = static_cast<uint32_t>(in.Below(plan.expected_count + 2));
  for (uint32_t i = 0; i < expected.size(); ++i) {
    expected[i] = {in.Value(), static_cast<uint32_t>(in.Value()), in.Byte()};
    if (i >= first && i - first < count && in.Byte() % 8 != 0) {
      expected[i].address = interpreted[i - first];
    }
  }
  const FencedArray<uint32_t> cookies(most, fence);
  const FencedArray<uint32_t> same(most, fence);
  const uint32_t taken =
      TxRingBurst::TakeExpectedByPlan(plan, at, slot, most, expected.data(), first, cookies.data());
  MUST(burst.TakeExpected(at, slot, most, expected.data(), first, same.data()) == taken);
  MUST(same.IsSame(cookies, taken));
  ReachIf(taken != 0, Reached::kTxTakenExpected);
}

}  // namespace

void RunTxRing(Input& in) {
  const TxDonePlan done = TakePlan(in);
  const auto burst = TxRingBurst::Create(PushPlan(in), &done, true);
  MustBeCode(burst->code_status());
  RunPush(*burst, in);
  RunTake(*burst, in);
}

}  // namespace qsplit::fuzz
