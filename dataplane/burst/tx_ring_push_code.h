// The loop that writes packets of a transmit ring, as code of any processor: see tx_ring_code.h.
// What it does for each packet is in tx_ring_packet_code.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_PUSH_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_PUSH_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "dataplane/burst/emitter.h"
#include "dataplane/burst/tx_ring.h"
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

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_PUSH_CODE_H_
