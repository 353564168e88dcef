#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dataplane/burst/rx_ring_burst.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT
using burst::RxRingBurst;
using burst::RxRingPlan;
using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

namespace {

constexpr uint32_t kBuffers = 5;
constexpr uint32_t kMostSlots = 7;
constexpr uint32_t kMostRounds = 6;
constexpr uint32_t kSlotBytes = 8 * burst::kMaxWords;
// Where a prefix is read, two words are its.
constexpr uint32_t kPrefixWord = burst::kMaxWords - 2;

burst::Piece TakePiece(Input& in, uint32_t words, uint8_t bits) {
  burst::Piece piece;
  piece.word = static_cast<uint8_t>(in.Below(words));
  piece.shift = static_cast<uint8_t>(in.Byte() % (65 - bits));
  piece.byte_swap = in.Byte() % 2 != 0;
  piece.mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return piece;
}

// What is left to say of completions: a phase in a bit that nothing else looks at, a key.
void TakeCompletion(Input& in, RxRingPlan* plan) {
  const auto words = std::min(plan->slot_bytes / 8, plan->prefix_word);
  const auto word = static_cast<uint32_t>(in.Below(words));
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
  plan->key_pieces.push_back(TakePiece(in, words, plan->key == RxRingPlan::Key::kNumber ? 8 : 64));
  plan->key_inside = in.Byte() % 2 != 0;
  plan->record.words |= 1u << plan->key_pieces.front().word;
}

// A header in front of the packet that says whether it is of the common case, where the record
// leaves room for one.
void TakePrefix(Input& in, RxRingPlan* plan) {
  const uint8_t how = in.Byte();
  if (how % 4 != 0) {
    if (how % 4 == 1) plan->prefix_bytes = how;
    return;
  }
  if (plan->record.words >> kPrefixWord != 0) return;
  plan->slot_bytes = 8 * kPrefixWord;
  plan->prefix_word = kPrefixWord;
  plan->prefix_bytes = how < 0x80 ? 12 : 16;
  plan->needs_memory = true;
  for (uint32_t w = kPrefixWord; w < burst::kMaxWords; ++w) {
    burst::WordTest& test = plan->record.tests[w];
    test.mask = in.Value();
    // Of a word of which half is there.
    if (how < 0x80 && w > kPrefixWord) test.mask &= UINT32_MAX;
    test.value = in.Value() & test.mask;
    plan->record.words |= 1u << w;
  }
}

// Pieces of a descriptor to post: apart from each other, each in a word of its own.
void TakePosting(Input& in, RxRingPlan* plan) {
  plan->posts = true;
  plan->post_slot_bytes = kSlotBytes;
  plan->post_words = burst::kMaxWords;
  plan->address.push_back(TakePiece(in, 1, 48));
  plan->length.push_back(TakePiece(in, 1, 16));
  plan->number.push_back(TakePiece(in, 1, 8));
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

bool Same(const RxBuffer& a, const RxBuffer& b) {
  return a.address == b.address && a.bytes == b.bytes && a.cookie == b.cookie &&
         a.memory == b.memory;
}

// In every way: as the plan is carried out column by column (null), by code and without.
using Bursts = std::vector<std::unique_ptr<RxRingBurst>>;

// Completions of a queue that goes round its ring, with one of posted buffers beside.
class Completions {
 public:
  Completions(const RxProgram& program, const RxRingPlan& plan, const Bursts& bursts, Fence fence,
              Input& in)
      : program_(program),
        plan_(plan),
        bursts_(bursts),
        fence_(fence),
        slots_(size_t{plan.slot_count} * plan.slot_bytes, fence),
        posted_(kBuffers, fence),
        prefixes_(size_t{kBuffers} * plan.prefix_bytes, fence) {
    for (uint32_t i = 0; i < kBuffers; ++i) {
      std::byte* const prefix = prefixes_.data() + size_t{i} * plan.prefix_bytes;
      posted_[i] = {Iova(in.Value()), std::max(1u, static_cast<uint32_t>(in.Value())), i, prefix};
      if (in.Byte() % 4 != 0) posted_[i].bytes |= 1u << 31;
      if (plan.prefix_word == burst::kMaxWords) continue;
      for (uint32_t w = 0; w < 2; ++w) {
        const burst::WordTest& test = plan.record.tests[plan.prefix_word + w];
        uint64_t word = in.Value();
        if (in.Byte() % 8 != 0) word = (word & ~test.mask) | test.value;
        std::memcpy(prefix + size_t{8} * w, &word, std::min(plan.prefix_bytes - 8 * w, 8u));
      }
    }
  }

  // The device writes some, the first of them in the slot that is looked at next.
  void Write(const DescriptorBytes& bytes, Input& in) {
    At at = at_;
    for (auto count = static_cast<uint32_t>(in.Below(plan_.slot_count + 1)); count > 0; --count) {
      DescriptorBytes completion = bytes;
      const uint8_t how = in.Byte();
      for (uint32_t changes = how % 4; changes > 0; --changes) {
        const uint64_t word = in.Value();
        std::memcpy(completion.bytes + 8 * in.Below(plan_.slot_bytes / 8), &word, 8);
      }
      if (how >= 0x20) MakeCommon(at, &completion);
      std::memcpy(&slots_[size_t{at.slot} * plan_.slot_bytes], completion.bytes, plan_.slot_bytes);
      at.Advance(plan_, 1);
    }
  }

  void Poll(Input& in) {
    auto most = static_cast<uint32_t>(in.Below(plan_.slot_count + 2));
    while (most != 0) {
      const At before = at_;
      const uint32_t count = PollRun(most);
      if (count == 0) break;
      most -= count;
      at_.Advance(plan_, count);
      ReachIf(before.phase != at_.phase, Reached::kRingTakenAroundEnd);
    }
  }

  // Behind the last slot and the last buffer there is nothing.
  void NothingBehind() const {
    const FencedArray<RxCompletion> none(0, fence_);
    for (const auto& burst : bursts_) {
      MUST(PollBy(burst.get(), {plan_.slot_count, 0, 0}, 1, none.data()) == 0);
      MUST(PollBy(burst.get(), {0, 0, kBuffers}, 1, none.data()) == 0);
    }
  }

 private:
  struct At {
    uint32_t slot = 0;
    uint32_t phase = 0;
    uint32_t buffer = 0;

    void Advance(const RxRingPlan& plan, uint32_t count) {
      slot += count;
      phase ^= slot / plan.slot_count % 2;
      slot %= plan.slot_count;
      buffer = (buffer + count) % kBuffers;
    }
  };

  uint64_t TestValue(uint32_t word, const At& at) const {
    return plan_.record.tests[word].value ^ (at.phase != 0 ? plan_.record_phase[word] : 0);
  }
  uint64_t KeyOf(const DescriptorBytes& bytes) const {
    uint64_t key = 0;
    for (const burst::Piece& piece : plan_.key_pieces) key |= piece.Get(WordOf(bytes, piece.word));
    return key;
  }
  static uint64_t WordOf(const DescriptorBytes& bytes, uint32_t which) {
    uint64_t word;
    std::memcpy(&word, bytes.bytes + size_t{8} * which, 8);
    return word;
  }

  // One of the buffer that is the oldest there; what its key's bits decide else is left so.
  void MakeCommon(const At& at, DescriptorBytes* completion) const {
    for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
      uint64_t word = WordOf(*completion, w);
      for (const burst::Piece& piece : plan_.key_pieces) {
        if (piece.word != w) continue;
        word &= ~piece.Put(~uint64_t{0});
        word |= piece.Put(plan_.key == RxRingPlan::Key::kNumber ? at.buffer
                                                                : posted_[at.buffer].address.value);
      }
      const uint64_t mask = plan_.record.tests[w].mask;
      word = (word & ~mask) | (TestValue(w, at) & mask);
      std::memcpy(completion->bytes + size_t{8} * w, &word, 8);
    }
  }

  bool HasPrefix(const RxBuffer& buffer) const {
    for (uint32_t w = plan_.prefix_word; w < burst::kMaxWords; ++w) {
      const size_t at = size_t{8} * (w - plan_.prefix_word);
      uint64_t word = 0;
      std::memcpy(&word, buffer.memory + at, std::min<size_t>(plan_.prefix_bytes - at, 8));
      if ((word & plan_.record.tests[w].mask) != plan_.record.tests[w].value) return false;
    }
    return true;
  }

  // What the program says of a slot. nullopt: it is not for bursts.
  std::optional<RxCompletion> Expected(const At& at) const {
    DescriptorBytes bytes{};
    std::memcpy(bytes.bytes, &slots_[size_t{at.slot} * plan_.slot_bytes], plan_.slot_bytes);
    for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
      const uint64_t mask = plan_.record.tests[w].mask;
      if ((WordOf(bytes, w) & mask) != (TestValue(w, at) & mask)) return std::nullopt;
    }
    const RxBuffer& buffer = posted_[at.buffer];
    if (plan_.key == RxRingPlan::Key::kNumber && KeyOf(bytes) != at.buffer) return std::nullopt;
    uint64_t offset = plan_.prefix_bytes;
    if (plan_.key == RxRingPlan::Key::kAddress) {
      const uint64_t behind = KeyOf(bytes) - buffer.address.value;
      if (behind != 0 && (!plan_.key_inside || behind >= buffer.bytes)) return std::nullopt;
      offset += behind;
    }
    if (!plan_.record.offset.empty()) offset += program_.Offset(bytes.bytes);
    const uint64_t length = program_.HasLength() ? program_.Length(bytes.bytes) : 0;
    if (length > UINT32_MAX || length + offset > buffer.bytes || !HasPrefix(buffer)) {
      return std::nullopt;
    }
    RxCompletion out;
    out.cookie = buffer.cookie;
    out.length = static_cast<uint32_t>(length);
    out.offset = static_cast<uint32_t>(offset);
    out.first = out.last = true;
    program_.Decode(bytes.bytes, true, true, &out.meta);
    return out;
  }

  uint32_t PollBy(const RxRingBurst* burst, const At& at, uint32_t most, RxCompletion* out) const {
    const RxRingBurst::Completed from = {slots_.data(),  at.phase,  at.slot,
                                         posted_.data(), at.buffer, most};
    return burst == nullptr ? RxRingBurst::PollByPlan(plan_, from, out) : burst->Poll(from, out);
  }

  // How many were taken up to the end of the ring or the buffers.
  uint32_t PollRun(uint32_t most) const {
    const uint32_t end = std::min({most, plan_.slot_count - at_.slot, kBuffers - at_.buffer});
    std::vector<RxCompletion> expected;
    for (At at = at_; expected.size() < end; at.Advance(plan_, 1)) {
      const auto one = Expected(at);
      if (!one.has_value()) break;
      expected.push_back(*one);
    }
    for (const auto& burst : bursts_) {
      const FencedArray<RxCompletion> out(end, fence_);
      MUST(PollBy(burst.get(), at_, most, out.data()) == expected.size());
      for (size_t i = 0; i < expected.size(); ++i) MUST(IsSame(out[i], expected[i]));
    }
    if (!expected.empty()) Tell();
    return static_cast<uint32_t>(expected.size());
  }

  void Tell() const {
    Reach(plan_.key == RxRingPlan::Key::kNumber    ? Reached::kRingTakenByNumber
          : plan_.key == RxRingPlan::Key::kAddress ? Reached::kRingTakenByAddress
                                                   : Reached::kRingTaken);
    ReachIf(at_.phase != 0 && plan_.has_phase(), Reached::kRingTakenInPhase1);
    ReachIf(plan_.prefix_word != burst::kMaxWords, Reached::kRingTakenByPrefix);
    ReachIf(bursts_.back()->PollsInRows(), Reached::kRingRows);
  }

  const RxProgram& program_;
  const RxRingPlan& plan_;
  const Bursts& bursts_;
  const Fence fence_;
  const FencedArray<std::byte> slots_;
  const FencedArray<RxBuffer> posted_;
  const FencedArray<std::byte> prefixes_;
  At at_;
};

// A ring of posted buffers, twice: one that is written column by column, one in another way.
struct Posted {
  Posted(Fence fence, std::byte* memory)
      : ring(size_t{kBuffers} * kSlotBytes, fence), kept(kBuffers, fence) {
    // Every slot once, as those that `were_posted` speaks of.
    std::ranges::fill(kept, RxBuffer{Iova(0), 1, 0, memory});
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
  std::byte anywhere{};
  for (RxBuffer& buffer : buffers) {
    buffer = {Iova(in.Value()), static_cast<uint32_t>(in.Value()), in.Byte(), &anywhere};
  }
  if (in.Byte() < 0x10) buffers[in.Below(buffers.size())].memory = nullptr;
  const Posted interpreted(fence, &anywhere);
  const Posted by_code(fence, &anywhere);
  const std::vector<RxBuffer> plain(interpreted.kept.begin(), interpreted.kept.end());
  for (const Posted* one : {&interpreted, &by_code}) {
    RxRingBurst::Free all = one->From(0, 0, kBuffers);
    RxRingBurst::PostByPlan(plan, all, plain.data());
  }
  for (uint32_t turn = 0; turn < 4; ++turn) {
    const uint32_t slot = in.Byte() % (kBuffers + 1u);
    const uint32_t most = in.Byte() % (kBuffers + 2u);
    const RxRingBurst::Free to = interpreted.From(turn, slot, most);
    const RxRingBurst::Free same = by_code.From(turn, slot, most);
    const uint32_t count = RxRingBurst::PostByPlan(plan, to, buffers.data());
    MUST(burst.Post(same, buffers.data()) == count);
    MUST(interpreted.IsSame(by_code));
    ReachIf(count != 0, turn > 1 ? Reached::kRingPostedAgain : Reached::kRingPosted);
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
    ReachIf(first_ones != 0, Reached::kRingPostedHeld);
  }
}

}  // namespace

void RunRingBurst(const RxProgram& program, const DescriptorBytes& bytes, Input& in) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value()) return;
  RxRingPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(kMostSlots));
  plan.slot_bytes = kSlotBytes;
  plan.buffer_count = kBuffers;
  TakePrefix(in, &plan);
  TakeCompletion(in, &plan);
  TakePosting(in, &plan);
  Bursts bursts;
  bursts.push_back(nullptr);
  for (const auto which : {burst::Instructions::kOfThisProcessor, burst::Instructions::kOfAll}) {
    bursts.push_back(RxRingBurst::Create(plan, true, which));
    MustBeCode(bursts.back()->code_status());
  }
  bursts.push_back(RxRingBurst::Create(plan, false));
  const Fence fence = kFences[in.Byte() % 2];
  Completions completions(program, plan, bursts, fence, in);
  completions.NothingBehind();
  for (uint32_t rounds = 1 + in.Byte() % kMostRounds; rounds > 0; --rounds) {
    completions.Write(bytes, in);
    completions.Poll(in);
  }
  const Input from = in;
  for (const auto& burst : bursts) {
    if (burst == nullptr) continue;
    in = from;
    RunPost(*burst, fence, in);
  }
}

}  // namespace qsplit::fuzz
