// Completions of transmit rings as code of any processor: see generator.h, tx_ring.h. Emitter: the
// one of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_DONE_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_DONE_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

// The loops that read completions.
template <typename Emitter>
class TxRingDone {
 public:
  TxRingDone(Emitter* emitter, const TxDonePlan& plan) : emitter_(emitter), done_(plan) {}

  // Keys; cookies of those that are expected; of those that are remembered.
  asmjit::FuncNode* EmitTake();
  asmjit::FuncNode* EmitTakeExpected();
  asmjit::FuncNode* EmitTakeRemembered();

 private:
  using Reg = typename Emitter::Reg;
  using Walk = WalkCode<Emitter>;

  // Of one completion, each read once.
  struct Words {
    Words(TxRingDone* to, const Walk& from) : maker(to), walk(from) {}
    void Load(uint32_t word) {
      if ((loaded >> word & 1) != 0) return;
      at[word] = maker->emitter_->New();
      maker->emitter_->LoadAcquire(at[word], walk.Slot(size_t{8} * word));
      loaded |= 1u << word;
    }
    Reg Key() {
      const Piece& only = maker->done_.key.front();
      if (maker->done_.key.size() == 1 && !only.byte_swap && only.place == 0 && only.shift != 0) {
        const auto bits = maker->emitter_->Extract(at[only.word], only.mask << only.shift);
        if (bits.has_value()) return *bits;
      }
      return GetNumber(maker->emitter_, std::span(maker->done_.key), std::span<const Reg>(at),
                       false);
    }

    TxRingDone* maker;
    const Walk& walk;
    std::array<Reg, kMaxWords> at;
    uint32_t loaded = 0;
  };
  // The key of one completion.
  Reg EmitKey(const Walk& walk) {
    Words words(this, walk);
    for (size_t i = 0; i < done_.tests.size(); ++i) {
      const TxDonePlan::Test& test = done_.tests[i];
      words.Load(test.word);
      if (IsApart(test)) {
        // Its bits become what they differ by; those of the key stay as they are.
        emitter_->Xor(words.at[test.word], walk.More(8 * i));
        emitter_->JumpIfAny(words.at[test.word], test.mask, walk.stop());
        continue;
      }
      const Reg bits = emitter_->New();
      emitter_->Move(bits, words.at[test.word]);
      emitter_->And(bits, test.mask);
      emitter_->JumpIf(bits, Emitter::kNotZero, walk.More(8 * i), 8, walk.stop());
    }
    for (const Piece& piece : done_.key) words.Load(piece.word);
    return words.Key();
  }
  // Whether nobody else looks at the bits that it compares, and it has no others.
  bool IsApart(const TxDonePlan::Test& test) const {
    uint64_t others = 0;
    for (const TxDonePlan::Test& other : done_.tests) {
      if (&other != &test && other.word == test.word) return false;
    }
    for (const Piece& piece : done_.key) {
      if (piece.word == test.word) others |= piece.Put(~uint64_t{0});
    }
    return (others & test.mask) == 0 && ((test.value[0] | test.value[1]) & ~test.mask) == 0;
  }

  Emitter* emitter_;
  const TxDonePlan& done_;
};

template <typename Emitter>
asmjit::FuncNode* TxRingDone<Emitter>::EmitTake() {
  Walk walk(emitter_, {.slot_count = done_.slot_count,
                       .slot_bytes = done_.slot_bytes,
                       .element_bytes = sizeof(uint64_t),
                       .slots_each = done_.step_slots});
  walk.Run([&] { emitter_->Store(walk.Element(), EmitKey(walk), 8); });
  return walk.function();
}

template <typename Emitter>
asmjit::FuncNode* TxRingDone<Emitter>::EmitTakeRemembered() {
  Walk walk(emitter_, {.slot_count = done_.slot_count,
                       .slot_bytes = done_.slot_bytes,
                       .element_bytes = sizeof(uint32_t),
                       .slots_each = done_.step_slots});
  const auto load = [&](size_t offset) {
    const Reg reg = emitter_->New();
    emitter_->Load(reg, walk.Other(offset), 8);
    return reg;
  };
  const Reg remembered = load(offsetof(TxNumbers, remembered));
  const Reg count = load(offsetof(TxNumbers, count));
  const Reg published = load(offsetof(TxNumbers, published));
  const Reg free = load(offsetof(TxNumbers, free));
  const auto take = [&] {
    const Reg id = EmitKey(walk);
    emitter_->JumpIf(id, Emitter::kNotBelow, count, walk.stop());
    auto packet = emitter_->Element(remembered, id, sizeof(TxRemembered));
    packet.offset = offsetof(TxRemembered, burst);
    emitter_->JumpIf(published, Emitter::kNotAbove, packet, 8, walk.stop());
    emitter_->StoreConstant(packet, TxRemembered::kNever);
    packet.offset = offsetof(TxRemembered, cookie);
    const Reg cookie = emitter_->New();
    emitter_->Load(cookie, packet, 4);
    emitter_->Store(walk.Element(), cookie, 4);
    emitter_->Store({free, static_cast<int32_t>(walk.ahead() * sizeof(uint32_t))}, id, 4);
  };
  walk.Run(take, nullptr, [&](uint32_t packets) {
    emitter_->Add(free, packets * static_cast<uint32_t>(sizeof(uint32_t)));
  });
  return walk.function();
}

template <typename Emitter>
asmjit::FuncNode* TxRingDone<Emitter>::EmitTakeExpected() {
  Walk walk(emitter_, {.slot_count = done_.slot_count,
                       .slot_bytes = done_.slot_bytes,
                       .state_bytes = sizeof(TxExpected),
                       .element_bytes = sizeof(uint32_t),
                       .slots_each = done_.step_slots,
                       .state_count = done_.expected_count});
  const Reg packets = emitter_->New();
  emitter_->Set(packets, TxExpected::kNotPackets);
  walk.Run([&] {
    Words words(this, walk);
    for (const Piece& piece : done_.key) words.Load(piece.word);
    const Piece& only = done_.key.front();
    const bool is_word = done_.key.size() == 1 && only.IsWord();
    emitter_->JumpIf(is_word ? words.at[only.word] : words.Key(), Emitter::kNotZero,
                     walk.State(offsetof(TxExpected, address)), 8, walk.stop());
    emitter_->JumpIf(packets, Emitter::kNotAbove, walk.State(offsetof(TxExpected, id)), 4,
                     walk.stop());
    const auto cookie = walk.State(offsetof(TxExpected, cookie));
    if (!walk.together()) {
      const Reg one = emitter_->New();
      emitter_->Load(one, cookie, 4);
      emitter_->Store(walk.Element(), one, 4);
    } else if (walk.ahead() == 0) {
      // Those of all that this turn is for, even if it ends before the last of them.
      static_assert(Walk::kTogether == 4 && offsetof(TxExpected, cookie) % 8 == 4);
      emitter_->CopyFour(walk.Element(), cookie, sizeof(TxExpected));
    }
  });
  return walk.function();
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_DONE_CODE_H_
