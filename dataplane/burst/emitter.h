// What bursts are made of, as a concept: the steps that each processor's emitter has and that
// walk_code.h, record_code.h, number_code.h and the code of each kind of burst put together. What a
// step does is said here, once; a64_emitter.h and x86_emitter.h say how.
//
// Reg: a register of 64 bits, as many as are asked for. Spot: memory at a register's value plus an
// offset. If: how numbers without sign compare; after sums and differences, what was there with
// what was taken off, or the sum with 0. Pair: two words side by side in a register of 16 bytes.
// When a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_EMITTER_H_
#define QSPLIT_DATAPLANE_BURST_EMITTER_H_

#include <asmjit/core.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/burst/assembly.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

// Functions of (slots, states, first slot, most, elements, more) to a number of slots: their
// arguments in registers, 64 bits each.
template <typename E>
concept EmitsFunctions = requires(E& e, typename E::Arguments* arguments,
                                  const typename E::Reg& r) {
  { e.Begin(arguments) } -> std::same_as<asmjit::FuncNode*>;
  requires std::same_as<decltype(arguments->slots), typename E::Reg>;
  requires std::same_as<decltype(arguments->states), typename E::Reg>;
  requires std::same_as<decltype(arguments->first), typename E::Reg>;
  requires std::same_as<decltype(arguments->most), typename E::Reg>;
  requires std::same_as<decltype(arguments->elements), typename E::Reg>;
  requires std::same_as<decltype(arguments->more), typename E::Reg>;
  e.Return(r);
  e.End();
};

template <typename E>
concept EmitsMemory = requires(E& e, const typename E::Reg& r, const typename E::Spot& spot,
                               uint32_t bytes, uint64_t value, std::span<const int32_t> offsets) {
  { e.New() } -> std::same_as<typename E::Reg>;
  // 4 or 8 bytes; loads fill the rest of the register with zeros.
  e.Load(r, spot, bytes);
  e.Store(spot, r, bytes);
  // 8 bytes, before all that is loaded after it.
  e.LoadAcquire(r, spot);
  // 8 bytes, after all that was loaded and stored before, for devices too: HandOver in barriers.h.
  e.HandOver(spot, r);
  e.StoreConstant(spot, value);
  // That the cache line there will be written soon: changes nothing, whatever is there.
  e.ExpectStore(spot);
  // Four numbers of 4 bytes, which stand so far apart in words of 8 as their upper halves, side by
  // side.
  e.CopyFour(spot, spot, bytes);
  // 8 bytes at each of the offsets, which ascend.
  e.StoreZeros(r, offsets);
  // An element of an array; bytes: of each, a power of two. What lies so many bytes behind another.
  { e.Element(r, r, bytes) } -> std::same_as<typename E::Spot>;
  { e.Behind(r, r) } -> std::same_as<typename E::Spot>;
  { e.Address(spot) } -> std::same_as<typename E::Reg>;
};

// The first register becomes what the step makes of it; or a new one is returned.
template <typename E>
concept EmitsNumbers = requires(E& e, const typename E::Reg& r, const typename E::Spot& spot,
                                uint32_t number, uint64_t value) {
  e.Set(r, value);
  e.Move(r, r);
  e.And(r, value);
  e.And(r, spot);
  e.Or(r, value);
  // The second, shifted to the left, is used up.
  e.Or(r, r, number);
  e.Or(r, spot);
  e.Xor(r, spot);
  e.Add(r, number);
  e.Add(r, r);
  e.Sub(r, value);
  e.Sub(r, r);
  e.AddProduct(r, r, number);
  e.ShiftRight(r, number);
  e.RotateRight(r, number);
  // The lesser of both.
  e.Least(r, r);
  { e.Times(r, number) } -> std::same_as<typename E::Reg>;
  { e.Plus(r, number) } -> std::same_as<typename E::Reg>;
};

template <typename E>
concept EmitsJumps = requires(E& e, const typename E::Reg& r, const typename E::Spot& spot,
                              typename E::If is, const typename E::Label& to, const WordTest& test,
                              uint32_t number, uint64_t value) {
  requires std::same_as<decltype(E::kAbove), const typename E::If>;
  requires std::same_as<decltype(E::kNotAbove), const typename E::If>;
  requires std::same_as<decltype(E::kBelow), const typename E::If>;
  requires std::same_as<decltype(E::kNotBelow), const typename E::If>;
  requires std::same_as<decltype(E::kZero), const typename E::If>;
  requires std::same_as<decltype(E::kNotZero), const typename E::If>;
  e.Jump(to);
  e.JumpIf(r, is, value, to);
  e.JumpIf(r, is, r, to);
  // By memory of 8 bytes, or of 4: the register has no more either.
  e.JumpIf(r, is, spot, number, to);
  // If any bit of the mask is set.
  e.JumpIfAny(r, value, to);
  // Unless it, of 32 bits, is 1 to this.
  e.JumpUnlessUpTo(r, number, to);
  // The same for 4 bytes of memory that are not needed beside that.
  e.JumpUnlessUpTo(spot, number, to);
  e.JumpIfTest(r, test, to);
  e.JumpUnless(r, test, to);
  // Of a word in memory, of 4 or 8 bytes, that is not looked at otherwise.
  e.JumpUnless(spot, number, test, to);
  e.AddJumpIf(r, number, is, to);
  e.SubJumpIf(r, number, is, to);
  e.SubJumpIf(r, r, is, to);
};

// Steps of plans, each with a new register.
template <typename E>
concept EmitsPlans = requires(E& e, const typename E::Reg& word, const Piece& piece,
                              const WordTest& test, bool is, uint64_t mask, int32_t at,
                              const std::optional<typename E::Reg>& index) {
  // The piece of a word; is: bits around it need not be 0. Last: the word is used up.
  { e.Get(piece, word, is, is) } -> std::same_as<typename E::Reg>;
  // The word's bits that carry a piece of a number; is: it has no bits beside the piece's. Last:
  // the number is used up.
  { e.Put(piece, word, is, is) } -> std::same_as<typename E::Reg>;
  // 1 if the test holds, else 0.
  { e.Bit(word, test) } -> std::same_as<typename E::Reg>;
  // A word's bits of a mask, side by side; none: there is no instruction for it.
  { e.Extract(word, mask) } -> std::same_as<std::optional<typename E::Reg>>;
  // The entry of a table that the index, if there is one, leads to by offsets of 16 bits.
  { e.Entry(at, at, index) } -> std::same_as<typename E::Spot>;
};

template <typename E>
concept EmitsPairs = requires(E& e, const typename E::Pair& pair, const typename E::Spot& spot,
                              const typename E::Reg& r, int32_t at, int which, uint64_t value) {
  { e.ConstantPair(value, value) } -> std::same_as<typename E::Pair>;
  // Whether this processor has what follows.
  { e.has_pairs() } -> std::same_as<bool>;
  { e.LoadPair(spot) } -> std::same_as<typename E::Pair>;
  { e.Copy(pair) } -> std::same_as<typename E::Pair>;
  // A word, and zero.
  { e.Widen(r) } -> std::same_as<typename E::Pair>;
  e.StorePair(spot, pair);
  // Two of them, side by side, where stores_pairs_at_once().
  { e.stores_pairs_at_once() } -> std::same_as<bool>;
  e.StorePairs(spot, pair, pair);
  e.Or(pair, pair);
  // By memory at a multiple of 16 bytes.
  e.And(pair, spot);
  e.Or(pair, spot);
  // A word, in place of the second.
  e.InsertWord(pair, r);
  // Each byte becomes the one whose number stands in the block in its place, or 0; the same by the
  // numbers in another pair, in a register of its own.
  e.Shuffle(pair, at);
  { e.Shuffled(pair, pair) } -> std::same_as<typename E::Pair>;
  // Word by word.
  e.Add(pair, pair);
  // The lowest 16 bits of a number, in place of 16 of the pair's.
  e.InsertHalf(pair, r, which);
  // The same, with 4 bytes of memory in place of a quarter of it.
  { e.WithQuarter(pair, spot, which) } -> std::same_as<typename E::Pair>;
};

template <typename E>
concept EmitsBursts = std::derived_from<E, Assembly> && EmitsFunctions<E> && EmitsMemory<E> &&
    EmitsNumbers<E> && EmitsJumps<E> && EmitsPlans<E> && EmitsPairs<E>;

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_EMITTER_H_
