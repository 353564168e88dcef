// One packet in the loop of tx_ring_push_code.h, as code of any processor: its checks, its
// descriptor's words, what is remembered of it.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_PACKET_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_PACKET_CODE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/burst/emitter.h"
#include "dataplane/burst/tx_ring_push_code.h"

namespace qsplit::dataplane::burst {

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

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_PACKET_CODE_H_
