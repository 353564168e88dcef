#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/wide_rx.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT

using burst::RxBurst;
using burst::RxBurstPlan;
using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

namespace {

constexpr uint32_t kMostSlots = 9;
constexpr uint32_t kMostRounds = 6;

// No longer than they must be: 16 or 32 bytes are taken several at once.
uint32_t SlotBytes(const burst::RecordPlan& record) {
  for (const uint32_t words : {2u, 4u}) {
    if (record.words >> words == 0) return 8 * words;
  }
  return 8 * burst::kMaxWords;
}

// Bits of a number from `place` on.
burst::Piece TakePiece(Input& in, uint32_t words, uint32_t bits, uint32_t place) {
  burst::Piece piece;
  piece.word = static_cast<uint8_t>(in.Below(words));
  piece.shift = static_cast<uint8_t>(in.Below(65 - bits));
  piece.place = static_cast<uint8_t>(place);
  piece.byte_swap = in.Byte() % 4 == 0;
  piece.mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return piece;
}

void TakePosting(Input& in, RxBurstPlan* plan) {
  const uint32_t words = plan->slot_bytes / 8;
  plan->posts = true;
  for (uint32_t w = 0; w < words; ++w) plan->image[w] = in.Value();
  // In one piece or in two.
  const uint8_t how = in.Byte();
  if (how % 2 == 0) {
    plan->address.push_back(TakePiece(in, words, 64, 0));
    plan->max_address = ~uint64_t{0};
  } else {
    plan->address.push_back(TakePiece(in, words, 32, 0));
    plan->address.push_back(TakePiece(in, words, 16, 32));
    plan->max_address = (uint64_t{1} << 48) - 1;
  }
  if (how % 4 < 2) {
    plan->length.push_back(TakePiece(in, words, 16, 0));
    plan->max_length = UINT16_MAX;
  } else {
    plan->buffer_bytes = static_cast<uint32_t>(1 + in.Value() % (1u << 20));
  }
  plan->alignment_mask = how >= 0xc0 ? 0x7f : 0;
  for (const auto* pieces : {&plan->address, &plan->length}) {
    for (const burst::Piece& piece : *pieces) plan->image[piece.word] &= ~piece.Put(~uint64_t{0});
  }
  if (in.Byte() % 2 == 0) return;
  plan->completed.mask = uint64_t{1} << in.Byte() % 64;
  plan->completed.value = in.Byte() % 2 == 0 ? 0 : plan->completed.mask;
}

// One way to carry out the plan, with a ring and what is remembered of it.
struct Way {
  Way(const RxBurstPlan& plan, std::unique_ptr<RxBurst> by, Fence fence)
      : burst(std::move(by)),
        slots(size_t{plan.slot_count} * plan.slot_bytes, fence),
        posted(plan.slot_count, fence) {}
  std::unique_ptr<RxBurst> burst;  // null: column by column
  FencedArray<std::byte> slots;
  FencedArray<burst::PostedSlot> posted;
};

// The same queue in every way, which a device writes alike.
class Ways {
 public:
  Ways(const RxProgram& program, const RxBurstPlan& plan, Fence fence)
      : program_(program), plan_(plan), fence_(fence) {
    const auto add = [&](std::unique_ptr<RxBurst> burst) {
      ways_.push_back(std::make_unique<Way>(plan_, std::move(burst), fence_));
    };
    add(nullptr);
    for (const auto which : {burst::Instructions::kOfThisProcessor, burst::Instructions::kOfAll}) {
      auto compiled = RxBurst::Create(plan_, true, which);
      MustBeCode(compiled->code_status());
      add(std::move(compiled));
    }
    auto without_code = RxBurst::Create(plan_, false);
    rows_ = without_code->PollsInRows();
    wide_ = burst::PlanWidePoll(plan_).has_value();
    add(std::move(without_code));
  }

  // Until the first that cannot be, or there is no room.
  void Post(Input& in) {
    std::vector<RxBuffer> buffers(in.Byte() % (plan_.slot_count + 2u));
    for (RxBuffer& buffer : buffers) {
      buffer.address = Iova(in.Value() & ~plan_.alignment_mask);
      buffer.bytes = static_cast<uint32_t>(std::max(plan_.buffer_bytes, 1u) + in.Value());
      buffer.cookie = cookies_++;
    }
    // A few that are odd.
    if (const uint8_t odd = in.Byte(); odd < 0x40 && !buffers.empty()) {
      RxBuffer& one = buffers[in.Below(buffers.size())];
      if (odd % 2 == 0) one.bytes = static_cast<uint32_t>(in.Value());
      if (odd % 2 == 1) one.address = Iova(in.Value());
    }
    uint32_t done = 0;
    while (true) {
      const auto most =
          std::min(static_cast<uint32_t>(buffers.size()) - done, plan_.slot_count - outstanding_);
      // No more of them can be read than there are.
      const std::span<RxBuffer> left = std::span(buffers).subspan(done, most);
      const FencedArray<RxBuffer> rest(left, fence_);
      const uint32_t count = PostRun(rest);
      done += count;
      if (count == 0 || produce_ != 0) break;
      ReachIf(done < buffers.size(), Reached::kInPlacePostedAroundEnd);
    }
  }

  // The device writes over some of what was posted.
  void Complete(const DescriptorBytes& bytes, Input& in) {
    for (auto count = static_cast<uint32_t>(in.Below(plan_.slot_count + 1)); count > 0; --count) {
      const uint64_t slot = in.Below(plan_.slot_count);
      DescriptorBytes completion = bytes;
      const uint8_t how = in.Byte();
      for (uint32_t changes = how % 4; changes > 0; --changes) {
        const uint64_t word = in.Value();
        std::memcpy(completion.bytes + 8 * in.Below(plan_.slot_bytes / 8), &word, 8);
      }
      // Most of the common case.
      if (how >= 0x20) MakeCommon(&completion);
      for (const auto& way : ways_) {
        std::memcpy(&way->slots[slot * plan_.slot_bytes], completion.bytes, plan_.slot_bytes);
      }
    }
  }

  void Poll(Input& in) {
    auto most = static_cast<uint32_t>(in.Below(plan_.slot_count + 2));
    // Whatever a caller says is posted, no slot beyond the last is looked at.
    if (most <= plan_.slot_count) most = std::min(most, outstanding_);
    while (most != 0) {
      const uint32_t count = PollRun(most);
      most -= count;
      outstanding_ -= std::min(count, outstanding_);
      taken_ += count;
      consume_ += count;
      if (consume_ != plan_.slot_count) break;
      consume_ = 0;
      ReachIf(most != 0, Reached::kInPlaceTakenAroundEnd);
    }
  }

  // Behind the ring's last slot there is nothing.
  void NothingBehind() const {
    const FencedArray<RxBuffer> buffers(std::vector<RxBuffer>{{Iova(0), 1, 0, nullptr}}, fence_);
    const FencedArray<RxCompletion> none(0, fence_);
    for (const auto& way : ways_) {
      MUST(PollBy(*way, plan_.slot_count, 1, none.data()) == 0);
      MUST(PostBy(*way, plan_.slot_count, 1, buffers.data()) == 0);
    }
  }

 private:
  uint32_t PollBy(const Way& way, uint32_t slot, uint32_t most, RxCompletion* out) const {
    return way.burst == nullptr
               ? RxBurst::PollByPlan(plan_, way.slots.data(), way.posted.data(), slot, most, out)
               : way.burst->Poll(way.slots.data(), way.posted.data(), slot, most, out);
  }
  uint32_t PostBy(const Way& way, uint32_t slot, uint32_t most, const RxBuffer* buffers) const {
    return way.burst == nullptr
               ? RxBurst::PostByPlan(plan_, way.slots.data(), way.posted.data(), slot, most,
                                     buffers)
               : way.burst->Post(way.slots.data(), way.posted.data(), slot, most, buffers);
  }

  uint32_t PostRun(const FencedArray<RxBuffer>& buffers) {
    const auto most = static_cast<uint32_t>(buffers.size());
    const Way& first = *ways_.front();
    const uint32_t count = PostBy(first, produce_, most, buffers.data());
    MUST(count <= std::min(most, plan_.slot_count - produce_));
    for (const auto& way : ways_) {
      if (way.get() == &first) continue;
      MUST(PostBy(*way, produce_, most, buffers.data()) == count);
      MUST(way->slots.IsSame(first.slots) && way->posted.IsSame(first.posted));
    }
    for (uint32_t i = 0; i < count; ++i) {
      const burst::PostedSlot& kept = first.posted[produce_ + i];
      MUST(kept.cookie == buffers[i].cookie);
      MUST(kept.bytes == (plan_.buffer_bytes != 0 ? plan_.buffer_bytes : buffers[i].bytes));
    }
    if (count < most && produce_ + count < plan_.slot_count) {
      ReachIf(LooksDone(buffers[count]), Reached::kInPlaceLikeDone);
    }
    ReachIf(count != 0, Reached::kInPlacePosted);
    ReachIf(count != 0 && taken_ != 0, Reached::kInPlacePostedAgain);
    ReachIf(count != 0 && plan_.buffer_bytes != 0, Reached::kInPlaceOneSize);
    outstanding_ += count;
    produce_ = produce_ + count == plan_.slot_count ? 0 : produce_ + count;
    return count;
  }

  bool LooksDone(const RxBuffer& buffer) const {
    uint64_t word = plan_.image[plan_.first_word];
    for (const burst::Piece& piece : plan_.address) {
      if (piece.word == plan_.first_word) word |= piece.Put(buffer.address.value);
    }
    for (const burst::Piece& piece : plan_.length) {
      if (piece.word == plan_.first_word) word |= piece.Put(buffer.bytes);
    }
    return plan_.completed.mask != 0 && (word & plan_.completed.mask) == plan_.completed.value;
  }

  void MakeCommon(DescriptorBytes* completion) const {
    for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
      const burst::WordTest& test = plan_.record.tests[w];
      uint64_t word;
      std::memcpy(&word, completion->bytes + size_t{8} * w, 8);
      word = (word & ~test.mask) | test.value;
      std::memcpy(completion->bytes + size_t{8} * w, &word, 8);
    }
  }

  DescriptorBytes At(uint32_t slot) const {
    DescriptorBytes bytes{};
    std::memcpy(bytes.bytes, &ways_.front()->slots[size_t{slot} * plan_.slot_bytes],
                plan_.slot_bytes);
    return bytes;
  }

  bool IsCommon(const DescriptorBytes& bytes) const {
    DescriptorBytes common = bytes;
    MakeCommon(&common);
    return std::memcmp(common.bytes, bytes.bytes, plan_.slot_bytes) == 0;
  }

  // What the program says of a slot. nullopt: it is not for bursts.
  std::optional<RxCompletion> Expected(uint32_t slot) const {
    const DescriptorBytes bytes = At(slot);
    const burst::PostedSlot& posted = ways_.front()->posted[slot];
    if (!IsCommon(bytes)) return std::nullopt;
    MUST(program_.IsLast(bytes.bytes));
    const uint64_t room = plan_.buffer_bytes != 0 ? plan_.buffer_bytes : posted.bytes;
    uint64_t length = 0;
    if (program_.HasLength()) length = program_.Length(bytes.bytes) - plan_.record.length_less;
    if (length > room || length + plan_.prefix_bytes > room) {
      Reach(Reached::kInPlaceTooLong);
      return std::nullopt;
    }
    RxCompletion out;
    out.cookie = posted.cookie;
    out.length = static_cast<uint32_t>(length);
    out.offset = plan_.prefix_bytes;
    out.first = out.last = true;
    program_.Decode(bytes.bytes, true, true, &out.meta);
    return out;
  }

  // How many were taken up to the ring's end.
  uint32_t PollRun(uint32_t most) const {
    std::vector<RxCompletion> expected;
    while (expected.size() < most && consume_ + expected.size() < plan_.slot_count) {
      const auto one = Expected(consume_ + static_cast<uint32_t>(expected.size()));
      if (!one.has_value()) {
        ReachIf(!expected.empty(), Reached::kInPlaceNotCommon);
        break;
      }
      expected.push_back(*one);
    }
    for (const auto& way : ways_) {
      const FencedArray<RxCompletion> out(std::min(most, plan_.slot_count - consume_), fence_);
      MUST(PollBy(*way, consume_, most, out.data()) == expected.size());
      for (size_t i = 0; i < expected.size(); ++i) MUST(IsSame(out[i], expected[i]));
    }
    ReachIf(!expected.empty(), Reached::kInPlaceTaken);
    ReachIf(!expected.empty() && wide_, Reached::kInPlaceWide);
    ReachIf(!expected.empty() && rows_, Reached::kInPlaceRows);
    return static_cast<uint32_t>(expected.size());
  }

  const RxProgram& program_;
  const RxBurstPlan& plan_;
  const Fence fence_;
  bool rows_ = false;
  bool wide_ = false;
  std::vector<std::unique_ptr<Way>> ways_;
  uint32_t produce_ = 0;
  uint32_t consume_ = 0;
  uint32_t outstanding_ = 0;
  uint32_t cookies_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace

bool IsSame(const RxCompletion& a, const RxCompletion& b) {
  return a.cookie == b.cookie && a.length == b.length && a.offset == b.offset &&
         a.first == b.first && a.last == b.last && a.meta == b.meta;
}

void RunBurst(const RxProgram& program, const DescriptorBytes& bytes, Input& in) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value() || !record->offset.empty()) return;
  RxBurstPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(kMostSlots));
  plan.slot_bytes = SlotBytes(plan.record);
  plan.first_word = static_cast<uint32_t>(in.Below(plan.slot_bytes / 8));
  const uint8_t how = in.Byte();
  if (how % 4 == 1) plan.prefix_bytes = how;
  if (how % 8 == 2 && program.HasLength()) plan.record.length_less = 4;
  TakePosting(in, &plan);
  const Fence fence = kFences[how >> 7];
  Ways ways(program, plan, fence);
  ways.NothingBehind();
  for (uint32_t rounds = 1 + in.Byte() % kMostRounds; rounds > 0; --rounds) {
    ways.Post(in);
    ways.Complete(bytes, in);
    ways.Poll(in);
  }
}

}  // namespace qsplit::fuzz
