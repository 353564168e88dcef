// The steps of bursts as instructions of aarch64. What each does: see emitter.h, assembly.h.
//
// All addresses that emitted code touches are its arguments plus offsets that are constants, or
// looked up in tables of its own by an index as wide as the table.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_A64_EMITTER_H_
#define QSPLIT_DATAPLANE_BURST_A64_EMITTER_H_

// Debian has no asmjit/a64.h.
#include <asmjit/arm/a64compiler.h>
#include <asmjit/arm/a64utils.h>

#include <cstdint>
#include <initializer_list>
#include <optional>

#include "dataplane/burst/assembly.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst::a64 {

class Emitter : public Assembly {
 public:
  using Reg = asmjit::a64::Gp;
  using Label = asmjit::Label;
  // Memory at a register's value plus an offset.
  struct Spot {
    Reg base;
    int32_t offset = 0;
  };

  Emitter();

  struct Arguments {
    Reg slots, states, first, most, elements, more;
  };
  asmjit::FuncNode* Begin(Arguments* arguments);
  void Return(const Reg& result) { cc_.ret(result.w()); }
  void End() { cc_.endFunc(); }

  Reg New() { return cc_.newUInt64(); }
  void Load(const Reg& to, const Spot& from, uint32_t bytes);
  void LoadAcquire(const Reg& to, const Spot& from);
  void Store(const Spot& to, const Reg& from, uint32_t bytes);
  void HandOver(const Spot& to, const Reg& from);
  void StoreConstant(const Spot& to, uint64_t value);
  // The assembler has no prfm.
  void ExpectStore(const Spot&) {}
  void CopyFour(const Spot& to, const Spot& from, uint32_t stride);
  void StoreZeros(const Reg& base, std::span<const int32_t> offsets);

  void Set(const Reg& to, uint64_t value);
  void Move(const Reg& to, const Reg& from) { cc_.mov(to, from); }
  void And(const Reg& to, uint64_t value);
  void And(const Reg& to, const Spot& from);
  void Or(const Reg& to, uint64_t value);
  void Or(const Reg& to, const Reg& from, uint32_t left = 0);
  void Or(const Reg& to, const Spot& from);
  void Xor(const Reg& to, const Spot& from);
  void Add(const Reg& to, uint32_t value);
  void Add(const Reg& to, const Reg& from) { cc_.add(to, to, from); }
  void Sub(const Reg& to, uint64_t value);
  void Sub(const Reg& to, const Reg& from) { cc_.sub(to, to, from); }
  void AddProduct(const Reg& to, const Reg& from, uint32_t factor);
  void ShiftRight(const Reg& to, uint32_t bits) { cc_.lsr(to, to, bits); }
  void RotateRight(const Reg& to, uint32_t bits) { cc_.ror(to, to, bits); }
  Reg Times(const Reg& from, uint32_t factor);
  Reg Plus(const Reg& from, uint32_t value);
  Spot Element(const Reg& array, const Reg& number, uint32_t bytes);
  Spot Behind(const Reg& base, const Reg& bytes) {
    const Reg at = New();
    cc_.add(at, base, bytes);
    return {at};
  }
  Reg Address(const Spot& spot) { return Plus(spot.base, static_cast<uint32_t>(spot.offset)); }
  void Least(const Reg& to, const Reg& other);

  using If = asmjit::a64::CondCode;
  static constexpr If kAbove = If::kHI, kNotAbove = If::kLS, kBelow = If::kLO, kNotBelow = If::kHS,
                      kZero = If::kEQ, kNotZero = If::kNE;
  void Jump(const Label& to) { cc_.b(to); }
  void JumpIf(const Reg& a, If is, uint64_t b, const Label& to);
  void JumpIf(const Reg& a, If is, const Reg& b, const Label& to);
  void JumpIf(const Reg& a, If is, const Spot& b, uint32_t bytes, const Label& to);
  void JumpIfAny(const Reg& bits, uint64_t mask, const Label& to);
  void JumpUnlessUpTo(const Reg& number, uint32_t most, const Label& to);
  void JumpUnlessUpTo(const Spot& number, uint32_t most, const Label& to);
  void JumpIfTest(const Reg& word, const WordTest& test, const Label& to);
  void JumpUnless(const Reg& word, const WordTest& test, const Label& to);
  void JumpUnless(const Spot& word, uint32_t bytes, const WordTest& test, const Label& to);
  void AddJumpIf(const Reg& a, uint32_t b, If is, const Label& to);
  void SubJumpIf(const Reg& a, uint32_t b, If is, const Label& to);
  void SubJumpIf(const Reg& a, const Reg& b, If is, const Label& to);

  Reg Get(const Piece& piece, const Reg& word, bool mask_later, bool last = false);
  Reg Put(const Piece& piece, const Reg& number, bool alone, bool last = false);
  Reg Bit(const Reg& word, const WordTest& test);
  std::optional<Reg> Extract(const Reg&, uint64_t) { return std::nullopt; }
  Spot Entry(int32_t offsets_at, int32_t entries_at, const std::optional<Reg>& index);

  using Pair = asmjit::a64::Vec;
  bool has_pairs() const { return true; }
  Pair ConstantPair(uint64_t first, uint64_t second);
  Pair LoadPair(const Spot& from);
  void StorePair(const Spot& to, const Pair& pair) { cc_.str(pair, Mem(to)); }
  bool stores_pairs_at_once() const { return true; }
  void StorePairs(const Spot& to, const Pair& first, const Pair& second) {
    cc_.stp(first, second, Mem(to));
  }
  Pair Copy(const Pair& from);
  Pair Widen(const Reg& word);
  void Or(const Pair& to, const Pair& from) { cc_.orr(to.b16(), to.b16(), from.b16()); }
  void And(const Pair& to, const Spot& from) { cc_.and_(to.b16(), to.b16(), LoadPair(from).b16()); }
  void Or(const Pair& to, const Spot& from) { Or(to, LoadPair(from)); }
  void InsertWord(const Pair& to, const Reg& from) { cc_.ins(to.d(1), from); }
  void Shuffle(const Pair& pair, int32_t numbers_at);
  Pair Shuffled(const Pair& pair, const Pair& numbers);
  void Add(const Pair& to, const Pair& from) { cc_.add(to.d2(), to.d2(), from.d2()); }
  void InsertHalf(const Pair& to, const Reg& from, int which) {
    cc_.ins(to.h(static_cast<uint32_t>(which)), from.w());
  }
  Pair WithQuarter(const Pair& pair, const Spot& from, int which);

 private:
  asmjit::a64::Mem Mem(const Spot& spot) const { return asmjit::a64::ptr(spot.base, spot.offset); }
  // A register with this value.
  Reg Constant(uint64_t value);
  // Flags of a - b, of word & test.mask - test.value.
  void Compare(const Reg& a, uint64_t b);
  void Compare(const Reg& word, const WordTest& test);
  // The address of something in the block.
  Reg Block(int32_t offset);

  asmjit::a64::Compiler cc_;
  Reg block_;
};

}  // namespace qsplit::dataplane::burst::a64

#endif  // QSPLIT_DATAPLANE_BURST_A64_EMITTER_H_
