#include "dataplane/burst/x86_emitter.h"

#include <bit>
#include <optional>

namespace qsplit::dataplane::burst::x86 {
namespace {

namespace asm86 = asmjit::x86;

bool FitsImmediate(uint64_t value) {
  return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value))) == value;
}

// Of the processors that have sse4a, those without vaes do pext in microcode, one bit after the
// other (Agner Fog, Instruction tables, "Zen 1", "Zen 2": up to 289 cycles; "Zen 3": 3).
bool ExtractsFast() {
  using Feature = asmjit::CpuFeatures::X86::Id;
  const asmjit::CpuInfo& cpu = asmjit::CpuInfo::host();
  return cpu.hasFeature(Feature::kBMI2) &&
         (!cpu.hasFeature(Feature::kSSE4A) || cpu.hasFeature(Feature::kVAES));
}

}  // namespace

Emitter::Emitter(Instructions which)
    : Assembly(asmjit::Environment::host()),
      can_extract_(which == Instructions::kOfThisProcessor && ExtractsFast()) {
  Attach(&cc_);
}

void Emitter::BeginConstants() {
  block_ = cc_.newUIntPtr("block");
  cc_.lea(block_, asm86::ptr(block_label()));
}

void Emitter::And(const Gp& reg, uint64_t value) {
  if (value == ~uint64_t{0}) return;
  if (value <= INT32_MAX) {
    cc_.and_(reg.r32(), static_cast<int32_t>(value));  // clears the upper half
  } else if (value == UINT32_MAX) {
    cc_.mov(reg.r32(), reg.r32());
  } else if (FitsImmediate(value)) {
    cc_.and_(reg, static_cast<int32_t>(value));
  } else {
    cc_.and_(reg, Constant(value));
  }
}

void Emitter::Set(const Gp& reg, uint64_t value) {
  if (value == 0) {
    cc_.xor_(reg.r32(), reg.r32());
  } else if (value <= UINT32_MAX) {
    cc_.mov(reg.r32(), static_cast<uint32_t>(value));
  } else {
    cc_.mov(reg, value);
  }
}

void Emitter::Sub(const Gp& reg, uint64_t value) {
  if (value == 0) return;
  if (FitsImmediate(value)) {
    cc_.sub(reg, static_cast<int32_t>(value));
  } else {
    cc_.sub(reg, Constant(value));
  }
}

void Emitter::Test(const Gp& word, const WordTest& test, const Label& otherwise) {
  if (test.mask == 0) return;
  const Gp bits = cc_.newUInt64();
  cc_.mov(bits, word);
  And(bits, test.mask);
  if (FitsImmediate(test.value)) {
    cc_.cmp(bits, static_cast<int32_t>(test.value));
  } else {
    cc_.cmp(bits, Constant(test.value));
  }
  cc_.jne(otherwise);
}

Gp Emitter::GetOne(const Piece& piece, const Gp& word, bool mask_later) {
  const Gp number = cc_.newUInt64();
  cc_.mov(number, word);
  if (piece.byte_swap) cc_.bswap(number);
  const int bits = std::popcount(piece.mask);
  bool clean = false;  // no bits beside the piece's
  if (piece.shift > piece.place) {
    cc_.shr(number, piece.shift - piece.place);
    clean = piece.place == 0 && piece.shift + bits == 64;
  } else if (piece.shift < piece.place) {
    cc_.shl(number, piece.place - piece.shift);
    clean = piece.shift == 0 && piece.place + bits == 64;
  }
  if (!clean && !mask_later) And(number, piece.mask << piece.place);
  return number;
}

Gp Emitter::Get(std::span<const Piece> pieces, std::span<const Gp> words, bool mask_later) {
  std::optional<Gp> sum;
  for (const Piece& piece : pieces) {
    const Gp one = GetOne(piece, words[piece.word], mask_later && pieces.size() == 1);
    if (!sum.has_value()) {
      sum = one;
    } else {
      cc_.or_(*sum, one);
    }
  }
  if (sum.has_value()) return *sum;
  const Gp zero = cc_.newUInt64();
  Set(zero, 0);
  return zero;
}

void Emitter::Put(const Piece& piece, bool masked, const Gp& number, const Gp& bits) {
  cc_.mov(bits, number);
  if (masked) {
    if (piece.place > 0) cc_.shr(bits, piece.place);
    And(bits, piece.mask);
  }
  if (piece.shift > 0) cc_.shl(bits, piece.shift);
  if (piece.byte_swap) cc_.bswap(bits);
}

bool Emitter::SumPieces(std::initializer_list<Number> numbers, uint32_t which, const Gp& word) {
  bool is_first = true;
  for (const Number& number : numbers) {
    for (const Piece& piece : number.pieces) {
      if (piece.word != which) continue;
      const Gp bits = is_first ? word : cc_.newUInt64();
      Put(piece, number.pieces.size() > 1, number.value, bits);
      if (!is_first) cc_.or_(word, bits);
      is_first = false;
    }
  }
  return !is_first;
}

void Emitter::Sum(std::initializer_list<Number> numbers, uint32_t which, uint64_t constant,
                  const Gp& word) {
  if (!SumPieces(numbers, which, word)) {
    Set(word, constant);
  } else if (FitsImmediate(constant)) {
    if (constant != 0) cc_.or_(word, static_cast<int32_t>(constant));
  } else {
    cc_.or_(word, Constant(constant));
  }
}

void Emitter::Sum(std::initializer_list<Number> numbers, uint32_t which, const Mem& constant,
                  const Gp& word) {
  if (SumPieces(numbers, which, word)) {
    cc_.or_(word, constant);
  } else {
    cc_.mov(word, constant);
  }
}

Gp Emitter::Gather(const Gp& word, const Table::Gather& gather) {
  uint64_t mask = gather.mask;
  if (gather.is_test) {
    const Gp bit = cc_.newUInt64();
    Set(bit, 0);
    const Gp bits = cc_.newUInt64();
    cc_.mov(bits, word);
    And(bits, mask);
    if (FitsImmediate(gather.value)) {
      cc_.cmp(bits, static_cast<int32_t>(gather.value));
    } else {
      cc_.cmp(bits, Constant(gather.value));
    }
    cc_.sete(bit.r8());
    return bit;
  }
  uint32_t place = 0;
  const auto shift = static_cast<uint32_t>(std::countr_zero(mask));
  const bool one_run = std::popcount(mask) == std::countr_one(mask >> shift);
  if (can_extract_ && !one_run) {
    const Gp bits = cc_.newUInt64();
    cc_.pext(bits, word, Constant(mask));
    return bits;
  }
  std::optional<Gp> sum;
  while (mask != 0) {
    const auto from = static_cast<uint32_t>(std::countr_zero(mask));
    const auto run = static_cast<uint32_t>(std::countr_one(mask >> from));
    const uint64_t bits = (uint64_t{1} << run) - 1;
    const Piece piece{0, static_cast<uint8_t>(from), static_cast<uint8_t>(place), false, bits};
    const Gp one = GetOne(piece, word, false);
    if (!sum.has_value()) {
      sum = one;
    } else {
      cc_.or_(*sum, one);
    }
    place += run;
    mask &= ~(bits << from);
  }
  return sum.has_value() ? *sum : word;
}

}  // namespace qsplit::dataplane::burst::x86
