// Bursts of transmit queues of any protocol as code of any processor: see generator.h, tx_ring.h.
// Emitter: the one of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/tx_ring_done_code.h"
#include "dataplane/burst/tx_word_pair.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

// Turns of the loop that writes packets, where there are other ones than packet by packet; cookies:
// where those go that are remembered in order.
template <typename Emitter>
using TxTurns = std::function<typename WalkCode<Emitter>::Turns(
    const WalkCode<Emitter>&, const typename Emitter::Reg& cookies)>;

// The loop that writes packets.
template <typename Emitter>
class TxRingPush {
 public:
  TxRingPush(Emitter* emitter, const TxRingPlan& plan, TxTurns<Emitter> turns);

  asmjit::FuncNode* Emit();

 private:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Label = typename Emitter::Label;
  using Pair = typename Emitter::Pair;

  bool Holds() const { return plan_.held_word != TxRingPlan::kNone; }
  Reg Load(const Spot& from, uint32_t bytes) {
    const Reg reg = emitter_->New();
    emitter_->Load(reg, from, bytes);
    return reg;
  }
  Spot WordAt(uint32_t which) const { return walk_.Slot(plan_.words[which].offset); }
  // What the call says, into registers that stay.
  void LoadCall();
  // Back to the word that hands over the packet that the registers are at.
  void PointHeld(uint32_t packets);
  void Advance(uint32_t packets);

  // Which words are written two at once: pairs_ of the first one.
  void FindPairs();
  // Whether a word is the first packet's that is kept back, or stands beside it: then it is written
  // by itself.
  bool MayBeHeld(uint32_t which) const {
    if (walk_.ahead() != 0 || !Holds()) return false;
    const uint32_t held = plan_.held_word;
    return which == held || (which + 1 == held && pairs_[which].has_value()) ||
           (which == held + 1 && pairs_[held].has_value());
  }

  // Whether words have it otherwise than by shuffles.
  bool Needs(TxSource source) const;

  // What words are made of.
  struct Numbers {
    Reg address, bytes, id;
    int32_t slots = 0;  // of the packet's first slot from count_ on
  };

  void Packet();
  Pair TwoWords(uint32_t which, const Numbers& of);
  // Whether those behind the pair from this word on are a pair too, and stand in the same 32 bytes.
  bool IsFollowed(uint32_t which) const;
  void Word(uint32_t which, const Numbers& of);
  // What a word has of the packet's numbers; it has some.
  Reg Parts(uint32_t which, const Numbers& of);
  Reg NumberOf(const TxWord::Part& part, const Numbers& of);
  void Remember(const Reg& id);
  // What the caller wants to have of the last one; and that once more, with the report: it is not
  // the device's yet.
  void Report();
  Reg LastWord(uint32_t which);

  Emitter* emitter_;
  const TxRingPlan& plan_;
  TxTurns<Emitter> turns_;
  WalkCode<Emitter> walk_;
  bool has_ids_ = false;
  bool has_count_ = false;
  bool has_prefix_iova_ = false;
  bool scales_once_ = false;  // prefixes and what is remembered are as many bytes each
  Reg cookies_, remembered_, number_, ids_, prefixes_, prefix_, prefix_iova_, count_, held_;
  Reg scaled_;                   // of this packet's number, if scales_once_
  Pair remember_now_;            // a TxRemembered without a cookie, if there are pairs
  std::optional<Pair> counter_;  // count of this packet's first slot, if words are counted
  Pair step_;                    // from one packet to the next
  // As many as there are registers for what the image has of them.
  static constexpr uint32_t kMaxPairs = 8;
  std::array<std::optional<TxWordPair>, kMaxPacketWords> pairs_;
  std::array<Pair, kMaxPacketWords> constants_;
  std::array<Pair, kMaxPacketWords> shuffles_;  // where bytes come from
  // Words that are the image's, as far as there are registers for them.
  static constexpr uint32_t kMaxSame = 2;
  std::array<std::optional<Reg>, kMaxPacketWords> same_;
};

template <typename Emitter>
TxRingPush<Emitter>::TxRingPush(Emitter* emitter, const TxRingPlan& plan, TxTurns<Emitter> turns)
    : emitter_(emitter),
      plan_(plan),
      turns_(std::move(turns)),
      walk_(emitter, {.slot_count = plan.slot_count,
                      .slot_bytes = plan.slot_bytes,
                      .element_bytes = sizeof(TxPacket),
                      .slots_each = plan.packet_slots}) {
  has_ids_ = plan.memory == TxMemory::kId || plan.has_prefix;
  for (const TxWord& word : plan.words) {
    for (const TxWord::Part& part : word.parts) {
      has_ids_ = has_ids_ || part.source == TxSource::kId || part.source == TxSource::kPrefix;
      has_prefix_iova_ = has_prefix_iova_ || part.source == TxSource::kPrefix;
      has_count_ = has_count_ || part.source == TxSource::kCount;
    }
  }
  scales_once_ = has_prefix_iova_ && plan.memory == TxMemory::kId &&
                 plan.prefix_stride == sizeof(TxRemembered);
}

template <typename Emitter>
asmjit::FuncNode* TxRingPush<Emitter>::Emit() {
  LoadCall();
  FindPairs();
  walk_.Run([&] { Packet(); }, [&] { Report(); }, [&](uint32_t packets) { Advance(packets); },
            turns_ ? turns_(walk_, cookies_) : typename WalkCode<Emitter>::Turns());
  return walk_.function();
}

template <typename Emitter>
void TxRingPush<Emitter>::LoadCall() {
  const auto load = [&](size_t offset) { return Load(walk_.Other(offset), 8); };
  if (plan_.memory == TxMemory::kOrder) cookies_ = load(offsetof(TxRingCall, cookies));
  if (plan_.memory == TxMemory::kId) {
    remembered_ = load(offsetof(TxRingCall, remembered));
    number_ = load(offsetof(TxRingCall, number));
    if (emitter_->has_pairs()) remember_now_ = emitter_->Widen(number_);
  }
  if (has_ids_) ids_ = load(offsetof(TxRingCall, ids));
  if (has_prefix_iova_) prefix_iova_ = load(offsetof(TxRingCall, prefix_iova));
  if (plan_.has_prefix) {
    prefixes_ = load(offsetof(TxRingCall, prefixes));
    prefix_ = load(offsetof(TxRingCall, prefix));
  }
  if (has_count_) count_ = load(offsetof(TxRingCall, count));
  if (!Holds()) return;
  const Label elsewhere = emitter_->NewLabel();
  held_ = load(offsetof(TxRingCall, held));
  emitter_->JumpIf(held_, Emitter::kNotZero, 0, elsewhere);
  PointHeld(0);
  emitter_->Bind(elsewhere);
}

template <typename Emitter>
void TxRingPush<Emitter>::PointHeld(uint32_t packets) {
  Spot at = WordAt(plan_.held_word);
  at.offset += static_cast<int32_t>(packets * plan_.packet_slots * plan_.slot_bytes);
  emitter_->Move(held_, emitter_->Address(at));
}

template <typename Emitter>
void TxRingPush<Emitter>::Advance(uint32_t packets) {
  if (plan_.memory == TxMemory::kOrder) emitter_->Add(cookies_, packets * sizeof(uint32_t));
  if (has_ids_) emitter_->Sub(ids_, packets * sizeof(uint32_t));
  if (has_count_) emitter_->Add(count_, packets * plan_.packet_slots);
  if (Holds()) PointHeld(packets);  // the slots are not advanced yet
}

template <typename Emitter>
void TxRingPush<Emitter>::FindPairs() {
  uint32_t count = 0;
  uint32_t same = 0;
  for (uint32_t w = 0; w < plan_.words.size(); ++w) {
    const Spot constant = walk_.More(offsetof(TxRingImage, words) + size_t{8} * w);
    if (emitter_->has_pairs() && count < kMaxPairs) pairs_[w] = TxWordPair::At(plan_, w);
    if (pairs_[w].has_value()) {
      const TxWordPair& pair = *pairs_[w];
      constants_[w] = emitter_->LoadPair(constant);
      if (pair.shuffles) {
        const auto numbers = std::bit_cast<std::array<uint64_t, 2>>(pair.from);
        shuffles_[w] = emitter_->ConstantPair(numbers[0], numbers[1]);
      }
      if (pair.counts && !counter_.has_value()) {
        counter_ = emitter_->Widen(count_);
        step_ = emitter_->ConstantPair(plan_.packet_slots, 0);
      }
      ++w;
      ++count;
    } else if (plan_.words[w].parts.empty() && same < kMaxSame) {
      same_[w] = Load(constant, 8);
      ++same;
    }
  }
}

template <typename Emitter>
bool TxRingPush<Emitter>::Needs(TxSource source) const {
  bool shuffles = false;  // with the word before it
  for (uint32_t w = 0; w < plan_.words.size(); ++w) {
    const bool is_pair = pairs_[w].has_value() && !pairs_[w]->one_word;
    const bool by_itself = (!is_pair && !shuffles) || MayBeHeld(w);
    for (const TxWord::Part& part : plan_.words[w].parts) {
      if (part.source == source && by_itself) return true;
    }
    shuffles = is_pair;
  }
  return false;
}

template <typename Emitter>
typename Emitter::Pair TxRingPush<Emitter>::TwoWords(uint32_t which, const Numbers& of) {
  const TxWordPair& pair = *pairs_[which];
  if (pair.one_word) {
    const Pair words = emitter_->Widen(Parts(which, of));
    emitter_->Or(words, constants_[which]);
    if (pair.id_at != TxWordPair::kNone) emitter_->InsertHalf(words, of.id, pair.id_at);
    return words;
  }
  if (!pair.shuffles && pair.id_at == TxWordPair::kNone) return constants_[which];
  Pair words;
  if (pair.shuffles) {
    const Pair from = pair.counts ? *counter_ : emitter_->LoadPair(walk_.Element());
    words = emitter_->Shuffled(from, shuffles_[which]);
    emitter_->Or(words, constants_[which]);
  } else {
    words = emitter_->Copy(constants_[which]);
  }
  if (pair.id_at != TxWordPair::kNone) emitter_->InsertHalf(words, of.id, pair.id_at);
  return words;
}

template <typename Emitter>
bool TxRingPush<Emitter>::IsFollowed(uint32_t which) const {
  return emitter_->stores_pairs_at_once() && which + 2 < plan_.words.size() &&
         pairs_[which + 2].has_value() && !MayBeHeld(which + 2) &&
         plan_.packet_slots * plan_.slot_bytes % 32 == 0 && plan_.words[which].offset % 32 == 0 &&
         plan_.words[which + 2].offset == plan_.words[which].offset + 16;
}

template <typename Emitter>
void TxRingPush<Emitter>::Packet() {
  Numbers of;
  of.slots = static_cast<int32_t>(walk_.ahead() * plan_.packet_slots);
  if (plan_.address_not != 0 || Needs(TxSource::kAddress)) {
    of.address = Load(walk_.Element(offsetof(TxPacket, address)), 8);
  }
  if (plan_.address_not != 0) emitter_->JumpIfAny(of.address, plan_.address_not, walk_.stop());
  const Spot bytes_at = walk_.Element(offsetof(TxPacket, bytes));
  if (Needs(TxSource::kBytes)) {
    of.bytes = Load(bytes_at, 4);
    emitter_->JumpUnlessUpTo(of.bytes, plan_.max_bytes, walk_.stop());
  } else {
    emitter_->JumpUnlessUpTo(bytes_at, plan_.max_bytes, walk_.stop());
  }
  if (has_ids_) {
    const auto before = static_cast<int32_t>((walk_.ahead() + 1) * sizeof(uint32_t));
    of.id = Load({ids_, -before}, 4);
    if (scales_once_) scaled_ = emitter_->Times(of.id, sizeof(TxRemembered));
  }
  if (plan_.has_prefix) {
    emitter_->JumpIf(prefix_, Emitter::kNotZero,
                     emitter_->Element(prefixes_, of.id, sizeof(uint32_t)), 4, walk_.stop());
  }
  for (uint32_t w = 0; w < plan_.words.size(); ++w) {
    if (MayBeHeld(w)) {
      Word(w, of);
    } else if (pairs_[w].has_value() && IsFollowed(w)) {
      const Pair first = TwoWords(w, of);
      emitter_->StorePairs(WordAt(w), first, TwoWords(w + 2, of));
      w += 3;
    } else if (pairs_[w].has_value()) {
      emitter_->StorePair(WordAt(w), TwoWords(w, of));
      ++w;
    } else {
      Word(w, of);
    }
  }
  if (counter_.has_value()) emitter_->Add(*counter_, step_);
  Remember(of.id);
}

template <typename Emitter>
void TxRingPush<Emitter>::Word(uint32_t which, const Numbers& of) {
  const Spot constant = walk_.More(offsetof(TxRingImage, words) + size_t{8} * which);
  Reg word;
  if (!plan_.words[which].parts.empty()) {
    word = Parts(which, of);
    emitter_->Or(word, constant);
  } else {
    word = same_[which].has_value() ? *same_[which] : Load(constant, 8);
  }
  const bool redirected = which == plan_.held_word && walk_.ahead() == 0;
  emitter_->Store(redirected ? Spot{held_} : WordAt(which), word, 8);
}

template <typename Emitter>
typename Emitter::Reg TxRingPush<Emitter>::Parts(uint32_t which, const Numbers& of) {
  std::optional<Reg> word;
  for (const TxWord::Part& part : plan_.words[which].parts) {
    const Reg bits = emitter_->Put(part.piece, NumberOf(part, of), part.whole);
    if (word.has_value()) {
      emitter_->Or(*word, bits);
    } else {
      word = bits;
    }
  }
  return *word;
}

template <typename Emitter>
typename Emitter::Reg TxRingPush<Emitter>::NumberOf(const TxWord::Part& part, const Numbers& of) {
  switch (part.source) {
    case TxSource::kAddress:
      return of.address;
    case TxSource::kBytes:
      return of.bytes;
    case TxSource::kId:
      return of.id;
    case TxSource::kPrefix: {
      if (scales_once_) return emitter_->Address(emitter_->Behind(prefix_iova_, scaled_));
      const Reg prefix = emitter_->Times(of.id, plan_.prefix_stride);
      emitter_->Add(prefix, prefix_iova_);
      return prefix;
    }
    default: {
      const int32_t slots = of.slots + static_cast<int32_t>(part.slot);
      const Reg count = emitter_->Plus(count_, static_cast<uint32_t>(std::max(slots, 0)));
      if (slots < 0) emitter_->Sub(count, static_cast<uint64_t>(-slots));
      emitter_->And(count, plan_.count_mask);
      return count;
    }
  }
}

template <typename Emitter>
void TxRingPush<Emitter>::Remember(const Reg& id) {
  if (plan_.memory == TxMemory::kNothing) return;
  const Spot from = walk_.Element(offsetof(TxPacket, cookie));
  if (plan_.memory == TxMemory::kOrder && walk_.together()) {
    // The cookies of all that this turn is for, even if it ends before the last of them.
    static_assert(WalkCode<Emitter>::kTogether == 4 && offsetof(TxPacket, cookie) % 8 == 4);
    if (walk_.ahead() == 0) emitter_->CopyFour({cookies_}, from, sizeof(TxPacket));
    return;
  }
  if (plan_.memory == TxMemory::kOrder) {
    emitter_->Store({cookies_}, Load(from, 4), 4);
    return;
  }
  Spot at = scales_once_ ? emitter_->Behind(remembered_, scaled_)
                         : emitter_->Element(remembered_, id, sizeof(TxRemembered));
  if (emitter_->has_pairs()) {
    static_assert(offsetof(TxRemembered, burst) == 0 && offsetof(TxRemembered, cookie) == 8);
    emitter_->StorePair(at, emitter_->WithQuarter(remember_now_, from, 2));
    return;
  }
  const Reg cookie = Load(from, 4);
  at.offset = offsetof(TxRemembered, burst);
  emitter_->Store(at, number_, 8);
  at.offset = offsetof(TxRemembered, cookie);
  emitter_->Store(at, cookie, 4);
}

template <typename Emitter>
typename Emitter::Reg TxRingPush<Emitter>::LastWord(uint32_t which) {
  const Reg word = Load(walk_.More(offsetof(TxRingImage, words) + size_t{8} * which), 8);
  if (plan_.words[which].parts.empty()) return word;
  // Of the packet that the registers are behind.
  const auto before = [&](size_t offset) {
    Spot at = walk_.Element(offset);
    at.offset -= static_cast<int32_t>(sizeof(TxPacket));
    return at;
  };
  Numbers of;
  of.slots = -static_cast<int32_t>(plan_.packet_slots);
  const auto has = [&](TxSource source) {
    return std::ranges::any_of(plan_.words[which].parts,
                               [&](const TxWord::Part& part) { return part.source == source; });
  };
  if (has(TxSource::kAddress)) of.address = Load(before(offsetof(TxPacket, address)), 8);
  if (has(TxSource::kBytes)) of.bytes = Load(before(offsetof(TxPacket, bytes)), 4);
  if (has(TxSource::kId) || has(TxSource::kPrefix)) of.id = Load({ids_}, 4);
  if (has(TxSource::kPrefix) && scales_once_) {
    scaled_ = emitter_->Times(of.id, sizeof(TxRemembered));
  }
  emitter_->Or(word, Parts(which, of));
  return word;
}

template <typename Emitter>
void TxRingPush<Emitter>::Report() {
  if (plan_.kept_word != TxRingPlan::kNone) {
    const Reg has = emitter_->New();
    emitter_->Set(has, 1);
    emitter_->Store(walk_.Other(offsetof(TxRingCall, kept)), LastWord(plan_.kept_word), 8);
    emitter_->Store(walk_.Other(offsetof(TxRingCall, has_kept)), has, 8);
  }
  if (plan_.report_words == 0) return;
  const Label none = emitter_->NewLabel();
  const Reg wanted = Load(walk_.Other(offsetof(TxRingCall, report)), 8);
  emitter_->JumpIf(wanted, Emitter::kZero, 0, none);
  for (uint32_t w = 0; w < plan_.words.size(); ++w) {
    if ((plan_.report_words >> w & 1) == 0) continue;
    const Reg word = LastWord(w);
    emitter_->Or(word, walk_.More(offsetof(TxRingImage, report) + size_t{8} * w));
    Spot last = WordAt(w);
    last.offset -= static_cast<int32_t>(plan_.packet_slots * plan_.slot_bytes);
    emitter_->Store(last, word, 8);
  }
  emitter_->Bind(none);
}

template <typename Emitter>
class TxRingCodeMaker {
 public:
  TxRingCodeMaker(Emitter* emitter, const TxRingPlan& plan, const TxDonePlan& done,
                  TxTurns<Emitter> turns = nullptr)
      : emitter_(emitter), plan_(plan), done_(done), turns_(std::move(turns)) {}

  absl::StatusOr<TxRingCode> Make() {
    std::vector<asmjit::FuncNode*> functions{TxRingPush<Emitter>(emitter_, plan_, turns_).Emit()};
    TxRingDone<Emitter> done(emitter_, done_);
    if (done_.slot_count != 0) functions.push_back(done.EmitTake());
    if (done_.expected_count != 0) functions.push_back(done.EmitTakeExpected());
    if (done_.remembers) functions.push_back(done.EmitTakeRemembered());
    size_t offsets[4] = {};
    absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, offsets);
    if (!bytes.ok()) return bytes.status();
    TxRingCode code{*std::move(bytes), offsets[0]};
    size_t next = 1;
    if (done_.slot_count != 0) code.take = offsets[next++];
    if (done_.expected_count != 0) code.take_expected = offsets[next++];
    if (done_.remembers) code.take_remembered = offsets[next++];
    return code;
  }

 private:
  Emitter* emitter_;
  const TxRingPlan& plan_;
  const TxDonePlan& done_;
  TxTurns<Emitter> turns_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_
