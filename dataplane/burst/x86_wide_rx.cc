#include "dataplane/burst/x86_wide_rx.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/burst/number_code.h"
#include "dataplane/burst/walk_code.h"
#include "dataplane/burst/wide_rx.h"
#include "dataplane/burst/x86_wide_code.h"

namespace qsplit::dataplane::burst::x86 {
namespace {

namespace asm86 = asmjit::x86;
using asm86::Xmm;
using asm86::Ymm;
using Walk = WalkCode<Emitter>;
using Spot = Emitter::Spot;

class WidePollCode : public WideCode {
 public:
  WidePollCode(Emitter* emitter, const RxBurstPlan& plan, WidePoll wide)
      : WideCode(emitter), plan_(plan), wide_(std::move(wide)) {
    for (const WidePoll::Lookup& lookup : wide_.lookups) {
      lookups_at_.push_back({emitter->AddBytes(std::as_bytes(std::span(lookup.entry_of_index)), 64),
                             emitter->AddBytes(std::as_bytes(std::span(lookup.entries)), 64)});
    }
  }

  void Begin(const Walk& walk);
  void Turn(const Walk& walk);

 private:
  static constexpr uint32_t kPairs = 2;  // of words of a slot, at most
  struct LookupAt {
    int32_t offsets = 0;
    int32_t entries = 0;
  };

  // Bits of the pairs that must be read before it is known whether the turn can be done.
  uint32_t CheckedPairs() const;
  void LoadPair(const Walk& walk, uint32_t slot, uint32_t pair);
  // Word w of two slots, side by side.
  Xmm Column(uint32_t slot, uint32_t word);
  void Differs(const Xmm& difference);
  // Whether there is room for the lengths.
  void CheckLengths(const Walk& walk);
  // The metadata's first pair.
  Xmm Metadata(const Walk& walk, uint32_t slot);

  const RxBurstPlan& plan_;
  WidePoll wide_;
  std::vector<LookupAt> lookups_at_;
  Xmm marks_;
  Xmm length_moves_;
  Ymm rest_;
  std::vector<Xmm> moves_;
  // Of this turn; not valid where there is none.
  std::array<std::array<Xmm, kPairs>, kTurn> slots_;
  std::array<Xmm, kTurn / 2> lengths_;  // [0, length, 0, length]
  Xmm differs_;
};

void WidePollCode::Begin(const Walk& walk) {
  // Not aligned: no pair is read at once.
  const Spot first = walk.Slot(size_t{8} * plan_.first_word);
  emitter_->JumpIfAny(emitter_->Address(walk.Slot()), 15, walk.rest());
  // Nothing completed: a quick look is all that it costs.
  const Emitter::Reg word = emitter_->New();
  emitter_->Load(word, first, 8);
  emitter_->JumpUnless(word, plan_.record.tests[plan_.first_word], walk.rest());
  marks_ = Loaded(Twice(uint64_t{0x101} << 32 | plan_.prefix_bytes));
  length_moves_ = Loaded(Constant(wide_.length));
  static_assert(kMetaWords == 5);
  rest_ = LoadedWide(Constant(std::array<uint64_t, 4>{
      0, plan_.record.constant[2], plan_.record.constant[3], plan_.record.constant[4]}));
  for (const WidePoll::Move& move : wide_.moves) moves_.push_back(Loaded(Constant(move.bytes)));
}

uint32_t WidePollCode::CheckedPairs() const {
  uint32_t pairs = 1u << wide_.length_word / 2;
  for (uint32_t w = 0; w < 2 * kPairs; ++w) {
    if (plan_.record.tests[w].mask != 0) pairs |= 1u << w / 2;
  }
  return pairs;
}

void WidePollCode::LoadPair(const Walk& walk, uint32_t slot, uint32_t pair) {
  Xmm& reg = slots_[slot][pair];
  if (reg.isValid()) return;
  reg = cc_.newXmm();
  cc_.vmovdqa(reg, Pair(walk.Slot(size_t{slot} * plan_.slot_bytes + size_t{16} * pair)));
}

Xmm WidePollCode::Column(uint32_t slot, uint32_t word) {
  const Xmm column = cc_.newXmm();
  const Xmm& one = slots_[slot][word / 2];
  const Xmm& other = slots_[slot + 1][word / 2];
  if (word % 2 == 0) {
    cc_.vpunpcklqdq(column, one, other);
  } else {
    cc_.vpunpckhqdq(column, one, other);
  }
  return column;
}

void WidePollCode::Differs(const Xmm& difference) {
  if (differs_.isValid()) {
    cc_.vpor(differs_, differs_, difference);
  } else {
    differs_ = difference;
  }
}

void WidePollCode::CheckLengths(const Walk& walk) {
  for (uint32_t pair = 0; pair < kTurn / 2; ++pair) {
    const Xmm most = cc_.newXmm();
    const Spot room = plan_.buffer_bytes != 0
                          ? Twice(uint64_t{plan_.buffer_bytes - plan_.prefix_bytes} << 32)
                          : walk.State(size_t{2} * pair * sizeof(PostedSlot));
    cc_.vmovdqu(most, Pair(room));
    const Xmm over = cc_.newXmm();
    cc_.vpmaxud(over, lengths_[pair], most);
    cc_.vpxor(over, over, most);
    Differs(over);
  }
}

Xmm WidePollCode::Metadata(const Walk& walk, uint32_t slot) {
  std::array<Emitter::Reg, kMaxWords> words;
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    if ((plan_.record.words >> (2 * pair) & 3) != 0) LoadPair(walk, slot, pair);
  }
  for (const Table& table : plan_.record.tables) {
    for (const Table::Gather& gather : table.gathers) {
      Emitter::Reg& word = words[gather.word];
      if (word.isValid()) continue;
      word = emitter_->New();
      const Xmm& pair = slots_[slot][gather.word / 2];
      if (gather.word % 2 == 0) {
        cc_.vmovq(word, pair);
      } else {
        cc_.vpextrq(word, pair, 1);
      }
    }
  }
  std::vector<Xmm> moved;
  for (size_t m = 0; m < wide_.moves.size(); ++m) {
    const Xmm bytes = cc_.newXmm();
    cc_.vpshufb(bytes, slots_[slot][wide_.moves[m].from], moves_[m]);
    if (!wide_.IsMasked(m)) cc_.vpand(bytes, bytes, Pair(Constant(wide_.moves[m].bits)));
    moved.push_back(bytes);
  }
  std::optional<Xmm> meta;
  for (size_t t = 0; t < wide_.lookups.size(); ++t) {
    const WidePoll::Lookup& lookup = wide_.lookups[t];
    Spot entry = emitter_->Entry(
        lookups_at_[t].offsets, lookups_at_[t].entries,
        GatherIndex(emitter_, plan_.record.tables[t], std::span<const Emitter::Reg>(words)));
    for (size_t m = 0; m < moved.size(); ++m) {
      if ((lookup.masks >> m & 1) == 0) continue;
      cc_.vpand(moved[m], moved[m], Pair(entry));
      entry.offset += 16;
    }
    if (!lookup.has_values) continue;
    if (meta.has_value()) {
      cc_.vpor(*meta, *meta, Pair(entry));
    } else {
      meta = cc_.newXmm();
      cc_.vmovdqu(*meta, Pair(entry));
    }
  }
  for (const Xmm& bytes : moved) {
    if (meta.has_value()) {
      cc_.vpor(*meta, *meta, bytes);
    } else {
      meta = bytes;
    }
  }
  if (!meta.has_value()) return Loaded(Constant(wide_.values));
  if (wide_.values != WordPair{}) cc_.vpor(*meta, *meta, Pair(Constant(wide_.values)));
  return *meta;
}

void WidePollCode::Turn(const Walk& walk) {
  slots_ = {};
  differs_ = Xmm();
  const uint32_t pairs = CheckedPairs() | 1u << plan_.first_word / 2;
  for (uint32_t slot = 0; slot < kTurn; ++slot) {
    LoadPair(walk, slot, plan_.first_word / 2);
    for (uint32_t pair = 0; pair < kPairs; ++pair) {
      if ((pairs >> pair & 1) != 0) LoadPair(walk, slot, pair);
    }
  }
  for (uint32_t slot = 0; slot < kTurn; slot += 2) {
    for (uint32_t word = 0; word < 2 * kPairs; ++word) {
      const WordTest& test = plan_.record.tests[word];
      const bool is_length = word == wide_.length_word;
      if (test.mask == 0 && !is_length) continue;
      const Xmm column = Column(slot, word);
      if (is_length) {
        lengths_[slot / 2] = cc_.newXmm();
        cc_.vpshufb(lengths_[slot / 2], column, length_moves_);
        cc_.vpand(lengths_[slot / 2], lengths_[slot / 2],
                  Pair(Twice(uint64_t{wide_.length_mask} << 32)));
      }
      if (test.mask == 0) continue;
      cc_.vpand(column, column, Pair(Twice(test.mask)));
      cc_.vpxor(column, column, Pair(Twice(test.value)));
      Differs(column);
    }
  }
  CheckLengths(walk);
  cc_.vptest(differs_, differs_);
  cc_.jnz(walk.rest());

  for (uint32_t slot = 0; slot < kTurn; ++slot) {
    const Xmm head = cc_.newXmm();
    if (slot % 2 == 0) {
      // Cookies beside the lengths.
      cc_.vpblendd(lengths_[slot / 2], lengths_[slot / 2],
                   Pair(walk.State(size_t{slot} * sizeof(PostedSlot))), 0x5);
      cc_.vpunpcklqdq(head, lengths_[slot / 2], marks_);
    } else {
      cc_.vpunpckhqdq(head, lengths_[slot / 2], marks_);
    }
    const Xmm meta = Metadata(walk, slot);
    const size_t at = size_t{slot} * sizeof(RxCompletion);
    // The end first: it begins before the completion's first half ends.
    static_assert(sizeof(RxCompletion) == 56 && offsetof(RxCompletion, meta) == 16);
    cc_.vmovdqu(Wide(walk.Element(at + 24)), rest_);
    const Ymm front = cc_.newYmm();
    cc_.vinserti128(front, head.ymm(), meta, 1);
    cc_.vmovdqu(Wide(walk.Element(at)), front);
  }
}

class WidePostCode : public WideCode {
 public:
  WidePostCode(Emitter* emitter, const RxBurstPlan& plan, uint32_t address_word)
      : WideCode(emitter), plan_(plan), address_word_(address_word) {}

  void Begin();
  void Turn(const Walk& walk);

 private:
  static constexpr uint32_t kSmallSlot = 16;
  // Buffers `number` and the one behind it: address, bytes and cookie of each.
  Ymm Two(const Walk& walk, uint32_t number);

  const RxBurstPlan& plan_;
  uint32_t address_word_;
  Ymm image_;
  Ymm room_;  // bytes of a buffer, in the upper half of each word
};

void WidePostCode::Begin() {
  const bool small = plan_.slot_bytes == kSmallSlot;
  image_ = LoadedWide(Constant(std::array<uint64_t, 4>{
      plan_.image[0], plan_.image[1], plan_.image[small ? 0 : 2], plan_.image[small ? 1 : 3]}));
  const uint64_t room = uint64_t{plan_.buffer_bytes} << 32;
  room_ = LoadedWide(Constant(std::array<uint64_t, 4>{room, room, room, room}));
}

Ymm WidePostCode::Two(const Walk& walk, uint32_t number) {
  static_assert(offsetof(RxBuffer, address) == 0 && offsetof(RxBuffer, bytes) == 8 &&
                offsetof(RxBuffer, cookie) == 12);
  const Ymm two = cc_.newYmm();
  cc_.vmovdqu(two.xmm(), Pair(walk.Element(size_t{number} * sizeof(RxBuffer))));
  cc_.vinserti128(two, two, Pair(walk.Element(size_t{number + 1} * sizeof(RxBuffer))), 1);
  return two;
}

void WidePostCode::Turn(const Walk& walk) {
  const Ymm front = Two(walk, 0);
  const Ymm back = Two(walk, 2);
  const Ymm states = cc_.newYmm();
  cc_.vpunpckhqdq(states, front, back);
  cc_.vpermq(states, states, 0xd8);
  cc_.vpshufd(states, states, 0xb1);  // cookie, bytes of each in order
  // Too small?
  const Ymm small = cc_.newYmm();
  cc_.vpmaxud(small, states, room_);
  cc_.vpxor(small, small, states);
  if (plan_.alignment_mask != 0) {
    const Ymm low = cc_.newYmm();
    cc_.vpor(low, front, back);
    cc_.vpand(
        low, low,
        Wide(Constant(std::array<uint64_t, 4>{plan_.alignment_mask, 0, plan_.alignment_mask, 0})));
    cc_.vpor(small, small, low);
  }
  cc_.vptest(small, small);
  cc_.jnz(walk.rest());
  cc_.vpblendd(states, states, room_, 0xaa);
  cc_.vmovdqu(Wide(walk.State()), states);
  if (plan_.slot_bytes == kSmallSlot) {
    for (const Ymm& two : {front, back}) {
      if (address_word_ == 0) {
        cc_.vpblendd(two, two, image_, 0xcc);
      } else {
        cc_.vpunpcklqdq(two, image_, two);
      }
    }
    cc_.vmovdqu(Wide(walk.Slot()), front);
    cc_.vmovdqu(Wide(walk.Slot(size_t{2} * kSmallSlot)), back);
    return;
  }
  for (uint32_t slot = 0; slot < kTurn; ++slot) {
    const Ymm all = cc_.newYmm();
    cc_.vpbroadcastq(all, emitter_->Mem(walk.Element(size_t{slot} * sizeof(RxBuffer)), 8));
    cc_.vpblendd(all, image_, all, 0x3u << 2 * address_word_);
    cc_.vmovdqu(Wide(walk.Slot(size_t{slot} * plan_.slot_bytes)), all);
  }
}

}  // namespace

RxTurns<Emitter> WideTurns(Emitter* emitter, const RxBurstPlan& plan, Instructions which) {
  RxTurns<Emitter> turns;
  if (!HasWideTurns(which)) return turns;
  if (std::optional<WidePoll> wide = PlanWidePoll(plan)) {
    const auto code = std::make_shared<WidePollCode>(emitter, plan, *std::move(wide));
    turns.poll = [=](const Walk& walk) {
      return TurnsOf(emitter, code, walk, [&walk](WidePollCode* poll) { poll->Begin(walk); });
    };
  }
  if (const std::optional<uint32_t> word = PlanWidePost(plan)) {
    const auto code = std::make_shared<WidePostCode>(emitter, plan, *word);
    turns.post = [=](const Walk& walk) {
      return TurnsOf(emitter, code, walk, [](WidePostCode* post) { post->Begin(); });
    };
  }
  return turns;
}

}  // namespace qsplit::dataplane::burst::x86
