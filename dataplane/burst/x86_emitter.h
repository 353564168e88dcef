// The steps of bursts as instructions of x86-64. What each does: see emitter.h, assembly.h.
//
// All addresses that emitted code touches are its arguments plus offsets that are constants, or
// looked up in tables of its own by an index as wide as the table.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_
#define QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_

#include <asmjit/x86.h>

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/burst/assembly.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst::x86 {

class Emitter : public Assembly {
 public:
  using Reg = asmjit::x86::Gp;
  using Label = asmjit::Label;
  // Memory at a register's value plus another one's, if there is one, plus an offset.
  struct Spot {
    Reg base;
    int32_t offset = 0;
    std::optional<Reg> index = std::nullopt;
    uint32_t shift = 0;  // of the index, to the left
  };

  explicit Emitter(Instructions which);

  // For steps that only this processor has.
  asmjit::x86::Compiler& compiler() { return cc_; }
  asmjit::x86::Mem Mem(const Spot& spot, uint32_t bytes) const;
  // Memory of the block, at an offset that AddBytes said.
  Spot Block(int32_t at) const { return {block_, at}; }

  struct Arguments {
    Reg slots, states, first, most, elements, more;
  };
  asmjit::FuncNode* Begin(Arguments* arguments);
  void Return(const Reg& result);
  void End() { cc_.endFunc(); }

  Reg New() { return cc_.newUInt64(); }
  void Load(const Reg& to, const Spot& from, uint32_t bytes);
  // As every load is.
  void LoadAcquire(const Reg& to, const Spot& from) { Load(to, from, 8); }
  void Store(const Spot& to, const Reg& from, uint32_t bytes);
  void HandOver(const Spot& to, const Reg& from) { Store(to, from, 8); }
  void StoreConstant(const Spot& to, uint64_t value);
  void ExpectStore(const Spot& to);
  void CopyFour(const Spot& to, const Spot& from, uint32_t stride);
  void StoreZeros(const Reg& base, std::span<const int32_t> offsets);

  void Set(const Reg& to, uint64_t value);
  void Move(const Reg& to, const Reg& from) { cc_.mov(to, from); }
  void And(const Reg& to, uint64_t value);
  void And(const Reg& to, const Spot& from) { cc_.and_(to, Mem(from, 8)); }
  void Or(const Reg& to, uint64_t value);
  void Or(const Reg& to, const Reg& from, uint32_t left = 0);
  void Or(const Reg& to, const Spot& from) { cc_.or_(to, Mem(from, 8)); }
  void Xor(const Reg& to, const Spot& from) { cc_.xor_(to, Mem(from, 8)); }
  void Add(const Reg& to, uint32_t value);
  void Add(const Reg& to, const Reg& from) { cc_.add(to, from); }
  void Sub(const Reg& to, uint64_t value);
  void Sub(const Reg& to, const Reg& from) { cc_.sub(to, from); }
  void AddProduct(const Reg& to, const Reg& from, uint32_t factor);
  void ShiftRight(const Reg& to, uint32_t bits) { cc_.shr(to, bits); }
  void RotateRight(const Reg& to, uint32_t bits) { cc_.ror(to, bits); }
  Reg Times(const Reg& from, uint32_t factor);
  Reg Plus(const Reg& from, uint32_t value);
  Spot Element(const Reg& array, const Reg& number, uint32_t bytes);
  Spot Behind(const Reg& base, const Reg& bytes) { return {base, 0, bytes}; }
  Reg Address(const Spot& spot);
  void Least(const Reg& to, const Reg& other);

  using If = asmjit::x86::CondCode;
  static constexpr If kAbove = If::kA, kNotAbove = If::kBE, kBelow = If::kB, kNotBelow = If::kAE,
                      kZero = If::kZ, kNotZero = If::kNZ;
  void Jump(const Label& to) { cc_.jmp(to); }
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
  std::optional<Reg> Extract(const Reg& word, uint64_t mask);
  Spot Entry(int32_t offsets_at, int32_t entries_at, const std::optional<Reg>& index);

  using Pair = asmjit::x86::Xmm;
  bool has_pairs() const { return has_pairs_; }
  Pair ConstantPair(uint64_t first, uint64_t second);
  Pair LoadPair(const Spot& from);
  void StorePair(const Spot& to, const Pair& pair);
  bool stores_pairs_at_once() const { return has_avx_; }
  void StorePairs(const Spot& to, const Pair& first, const Pair& second);
  Pair Copy(const Pair& from);
  Pair Widen(const Reg& word);
  void Or(const Pair& to, const Pair& from);
  void And(const Pair& to, const Spot& from);
  void Or(const Pair& to, const Spot& from);
  void InsertWord(const Pair& to, const Reg& from);
  void Shuffle(const Pair& pair, int32_t numbers_at);
  Pair Shuffled(const Pair& pair, const Pair& numbers);
  void Add(const Pair& to, const Pair& from);
  void InsertHalf(const Pair& to, const Reg& from, int which);
  Pair WithQuarter(const Pair& pair, const Spot& from, int which);

 private:
  // A constant in memory.
  asmjit::x86::Mem Constant(uint64_t value);
  // Flags of a - b, of word & test.mask - test.value.
  void Compare(const Reg& a, uint64_t b);
  void Compare(const Reg& word, const WordTest& test);

  asmjit::x86::Compiler cc_;
  bool can_extract_ = false;        // pext, and it is fast
  bool has_pairs_ = false;          // pshufb, pinsrq
  bool can_rotate_ = false;         // rorx
  bool can_expect_stores_ = false;  // prefetchw
  // AVX2: then all of it is encoded so, since upper halves that are in use would make each of the
  // older instructions wait for them.
  bool has_avx_ = false;
  bool has_upper_halves_ = false;  // of this function
  Reg block_;
  Pair zero_;
};

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_
