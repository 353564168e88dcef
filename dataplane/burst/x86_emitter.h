// Pieces of machine code for x86-64 that all generators are put together from: constants and tables
// beside the code, moving numbers, decoding a record.
//
// All addresses that emitted code touches are its arguments plus offsets that are constants, or
// looked up in tables of its own by an index as wide as the table.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_
#define QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_

#include <asmjit/x86.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "dataplane/burst/assembly.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst::x86 {

using asmjit::Label;
using asmjit::x86::Gp;
using asmjit::x86::Mem;

// One piece of code with one block of constants behind it.
class Emitter : public Assembly {
 public:
  explicit Emitter(Instructions which);

  asmjit::x86::Compiler& cc() { return cc_; }

  // Call in each function, before it uses constants: the block's address in a register.
  void BeginConstants();
  // A constant in memory; equal ones share their place.
  Mem Constant(uint64_t value) { return asmjit::x86::qword_ptr(block_, ConstantAt(value)); }
  // Memory in the block, at an offset plus a register's value times 1 << scale.
  Mem Block(int32_t offset) const { return asmjit::x86::ptr(block_, offset); }
  Mem Block(int32_t offset, const Gp& index, uint32_t scale = 0) const {
    return asmjit::x86::ptr(block_, index, scale, offset);
  }

  // reg &= value, reg = value, by the shortest way.
  void And(const Gp& reg, uint64_t value);
  void Set(const Gp& reg, uint64_t value);
  void Sub(const Gp& reg, uint64_t value);
  // Goes to `otherwise` unless (word & test.mask) == test.value.
  void Test(const Gp& word, const WordTest& test, const Label& otherwise);
  // The sum of pieces of words, shifted to the left. mask_later: bits around them need not be 0.
  Gp Get(std::span<const Piece> pieces, std::span<const Gp> words, bool mask_later);
  // bits = what the word has of a number in one piece; masked: the number has bits beside it.
  void Put(const Piece& piece, bool masked, const Gp& number, const Gp& bits);
  // A number that is written into words by these pieces, and has no bits beside theirs.
  struct Number {
    const std::vector<Piece>& pieces;
    const Gp& value;
  };
  // word = the pieces of word `which` that carry numbers | constant.
  void Sum(std::initializer_list<Number> numbers, uint32_t which, uint64_t constant,
           const Gp& word);
  void Sum(std::initializer_list<Number> numbers, uint32_t which, const Mem& constant,
           const Gp& word);
  // Bits of an index.
  Gp Gather(const Gp& word, const Table::Gather& gather);

 private:
  bool SumPieces(std::initializer_list<Number> numbers, uint32_t which, const Gp& word);
  Gp GetOne(const Piece& piece, const Gp& word, bool mask_later);

  asmjit::x86::Compiler cc_;
  bool can_extract_ = false;  // pext, and it is fast
  Gp block_;
};

// Decodes records: the tables of one plan, in an emitter's block.
class Record {
 public:
  Record(Emitter* emitter, const RecordPlan& plan);

  // Loads the words that the plan looks at, `first_word` first; goes to `otherwise` where a test
  // fails.
  void Load(const std::function<Mem(uint32_t word)>& at, uint32_t first_word,
            const Label& otherwise);
  // The same for one word; phase_bits: of its test, that must be the other way round. `from` of 4
  // bytes: the rest of the word is 0.
  void LoadWord(uint32_t word, const Mem& from, uint64_t phase_bits, const Label& otherwise);
  // The same without the test.
  const Gp& LoadUntested(uint32_t word, const Mem& from);
  const Gp& word(uint32_t index) const { return words_[index]; }
  std::span<const Gp> words() const { return words_; }
  // packet.length less what is to be taken off, as 64 bits; goes to `otherwise` where it says less.
  Gp Length(const Label& otherwise);
  // Writes the metadata; to: where so many bytes of it stand.
  using Place = std::function<Mem(uint32_t bytes, size_t offset)>;
  void Store(const Place& to);

 private:
  struct Placed {
    int32_t index_at = 0;
    int32_t entries_at = 0;
  };
  Gp EntryOf(const Table& table, const Placed& placed);
  void StoreConstants(const Place& to);

  Emitter* emitter_;
  const RecordPlan& plan_;
  std::vector<Placed> placed_;
  std::array<Gp, kMaxWords> words_;
};

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_EMITTER_H_
