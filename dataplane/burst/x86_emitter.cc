#include "dataplane/burst/x86_emitter.h"

#include <bit>

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
      can_extract_(which == Instructions::kOfThisProcessor && ExtractsFast()),
      has_pairs_(which == Instructions::kOfThisProcessor &&
                 asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kSSE4_1)),
      can_rotate_(which == Instructions::kOfThisProcessor &&
                  asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kBMI2)),
      can_expect_stores_(which == Instructions::kOfThisProcessor &&
                         asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kPREFETCHW)),
      has_avx_(has_pairs_ && asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kAVX2)) {
  Attach(&cc_);
}

asmjit::FuncNode* Emitter::Begin(Arguments* arguments) {
  asmjit::FuncNode* function =
      cc_.addFunc(asmjit::FuncSignatureT<uint32_t, const void*, const void*, uint32_t, uint32_t,
                                         const void*, const void*>(asmjit::CallConvId::kHost));
  if (has_avx_) function->frame().setAvxEnabled();
  has_upper_halves_ = false;
  uint32_t number = 0;
  for (Reg* reg : {&arguments->slots, &arguments->states, &arguments->first, &arguments->most,
                   &arguments->elements, &arguments->more}) {
    *reg = New();
    const bool word = reg == &arguments->first || reg == &arguments->most;
    function->setArg(number++, word ? reg->r32() : *reg);
  }
  block_ = New();
  cc_.lea(block_, asm86::ptr(block_label()));
  zero_ = cc_.newXmm();
  if (has_avx_) {
    cc_.vxorps(zero_, zero_, zero_);
  } else {
    cc_.xorps(zero_, zero_);
  }
  And(arguments->first, UINT32_MAX);
  And(arguments->most, UINT32_MAX);
  return function;
}

void Emitter::Return(const Reg& result) {
  if (has_upper_halves_) cc_.vzeroupper();
  cc_.ret(result.r32());
}

asm86::Mem Emitter::Mem(const Spot& spot, uint32_t bytes) const {
  if (spot.index.has_value())
    return asm86::Mem(spot.base, *spot.index, spot.shift, spot.offset, bytes);
  return asm86::Mem(spot.base, spot.offset, bytes);
}

asm86::Mem Emitter::Constant(uint64_t value) { return asm86::qword_ptr(block_, ConstantAt(value)); }

void Emitter::Load(const Reg& to, const Spot& from, uint32_t bytes) {
  cc_.mov(bytes == 4 ? to.r32() : to, Mem(from, bytes));
}

void Emitter::Store(const Spot& to, const Reg& from, uint32_t bytes) {
  cc_.mov(Mem(to, bytes), bytes == 4 ? from.r32() : from);
}

void Emitter::StoreConstant(const Spot& to, uint64_t value) {
  if (FitsImmediate(value)) {
    cc_.mov(Mem(to, 8), static_cast<int32_t>(value));
    return;
  }
  const Reg reg = New();
  Set(reg, value);
  Store(to, reg, 8);
}

void Emitter::ExpectStore(const Spot& to) {
  if (can_expect_stores_) {
    cc_.prefetchw(Mem(to, 8));
  } else {
    cc_.prefetcht0(Mem(to, 8));
  }
}

void Emitter::CopyFour(const Spot& to, const Spot& from, uint32_t stride) {
  const asm86::Xmm two = cc_.newXmm();
  const asm86::Xmm others = cc_.newXmm();
  const auto word = [&](uint32_t number) {
    Spot at = from;
    at.offset += static_cast<int32_t>(number * stride) - 4;
    return Mem(at, 8);
  };
  if (has_avx_) {
    cc_.vmovq(two, word(0));
    cc_.vmovhps(two, two, word(1));
    cc_.vmovq(others, word(2));
    cc_.vmovhps(others, others, word(3));
    cc_.vshufps(two, two, others, 0xdd);
    return StorePair(to, two);
  }
  cc_.movq(two, word(0));
  cc_.movhps(two, word(1));
  cc_.movq(others, word(2));
  cc_.movhps(others, word(3));
  cc_.shufps(two, others, 0xdd);  // the second and the fourth of each
  cc_.movups(Mem(to, 16), two);
}

void Emitter::StoreZeros(const Reg& base, std::span<const int32_t> offsets) {
  if (offsets.empty()) return;
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (i + 1 < offsets.size() && offsets[i + 1] == offsets[i] + 8) {
      StorePair({base, offsets[i]}, zero_);
      ++i;
    } else {
      cc_.emit(has_avx_ ? asm86::Inst::kIdVmovlps : asm86::Inst::kIdMovlps,
               asm86::qword_ptr(base, offsets[i]), zero_);
    }
  }
}

void Emitter::Set(const Reg& to, uint64_t value) {
  if (value == 0) {
    cc_.xor_(to.r32(), to.r32());
  } else if (value <= UINT32_MAX) {
    cc_.mov(to.r32(), static_cast<uint32_t>(value));
  } else {
    cc_.mov(to, value);
  }
}

void Emitter::And(const Reg& to, uint64_t value) {
  if (value == ~uint64_t{0}) return;
  if (value == UINT32_MAX) {
    cc_.mov(to.r32(), to.r32());
  } else if (FitsImmediate(value)) {
    // Not of 32 bits: what lies in memory for lack of registers would keep the others.
    cc_.and_(to, static_cast<int32_t>(value));
  } else {
    cc_.and_(to, Constant(value));
  }
}

void Emitter::Or(const Reg& to, uint64_t value) {
  if (value == 0) return;
  if (FitsImmediate(value)) {
    cc_.or_(to, static_cast<int32_t>(value));
  } else {
    cc_.or_(to, Constant(value));
  }
}

void Emitter::Or(const Reg& to, const Reg& from, uint32_t left) {
  if (left != 0) cc_.shl(from, left);
  cc_.or_(to, from);
}

void Emitter::Add(const Reg& to, uint32_t value) {
  if (value == 0) return;
  if (FitsImmediate(value)) {
    cc_.add(to, static_cast<int32_t>(value));
  } else {
    cc_.add(to, Constant(value));
  }
}

void Emitter::Sub(const Reg& to, uint64_t value) {
  if (value == 0) return;
  if (FitsImmediate(value)) {
    cc_.sub(to, static_cast<int32_t>(value));
  } else {
    cc_.sub(to, Constant(value));
  }
}

void Emitter::AddProduct(const Reg& to, const Reg& from, uint32_t factor) {
  cc_.add(to, Times(from, factor));
}

Emitter::Reg Emitter::Times(const Reg& from, uint32_t factor) {
  const Reg product = New();
  cc_.imul(product, from, factor);
  return product;
}

Emitter::Reg Emitter::Plus(const Reg& from, uint32_t value) {
  const Reg sum = New();
  if (value <= INT32_MAX) {
    cc_.lea(sum, asm86::ptr(from, static_cast<int32_t>(value)));
  } else {
    cc_.mov(sum, from);
    cc_.add(sum, Constant(value));
  }
  return sum;
}

Emitter::Spot Emitter::Element(const Reg& array, const Reg& number, uint32_t bytes) {
  const auto shift = static_cast<uint32_t>(std::countr_zero(bytes));
  if (shift <= 3) return {array, 0, number, shift};
  return {array, 0, Times(number, bytes)};
}

Emitter::Reg Emitter::Address(const Spot& spot) {
  const Reg address = New();
  cc_.lea(address, Mem(spot, 8));
  return address;
}

void Emitter::Least(const Reg& to, const Reg& other) {
  cc_.cmp(to, other);
  cc_.cmova(to, other);
}

void Emitter::Compare(const Reg& a, uint64_t b) {
  if (b == 0) {
    cc_.test(a, a);
  } else if (FitsImmediate(b)) {
    cc_.cmp(a, static_cast<int32_t>(b));
  } else {
    cc_.cmp(a, Constant(b));
  }
}

void Emitter::Compare(const Reg& word, const WordTest& test) {
  if (test.value == 0 && test.mask <= UINT32_MAX) {
    cc_.test(word.r32(), static_cast<int32_t>(test.mask));
    return;
  }
  const Reg bits = New();
  // As 32 bits, if they can be moved there: immediates have no more.
  const int right = can_rotate_ && test.mask > UINT32_MAX ? std::countr_zero(test.mask) : 0;
  const uint64_t mask = test.mask >> right;
  if (mask > UINT32_MAX || (test.value & ~test.mask) != 0) {
    cc_.mov(bits, word);
    And(bits, test.mask);
    Compare(bits, test.value);
    return;
  }
  if (right == 0) {
    cc_.mov(bits.r32(), word.r32());
  } else {
    cc_.rorx(bits, word, right);
  }
  if (mask != UINT32_MAX) cc_.and_(bits.r32(), static_cast<int32_t>(mask));
  cc_.cmp(bits.r32(), static_cast<int32_t>(test.value >> right));
}

void Emitter::JumpIf(const Reg& a, If is, uint64_t b, const Label& to) {
  Compare(a, b);
  cc_.j(is, to);
}

void Emitter::JumpIf(const Reg& a, If is, const Reg& b, const Label& to) {
  cc_.cmp(a, b);
  cc_.j(is, to);
}

void Emitter::JumpIf(const Reg& a, If is, const Spot& b, uint32_t bytes, const Label& to) {
  cc_.cmp(bytes == 4 ? a.r32() : a, Mem(b, bytes));
  cc_.j(is, to);
}

void Emitter::JumpIfAny(const Reg& bits, uint64_t mask, const Label& to) {
  if (mask <= INT32_MAX) {
    cc_.test(bits.r32(), static_cast<int32_t>(mask));
  } else {
    cc_.test(Constant(mask), bits);
  }
  cc_.jnz(to);
}

void Emitter::JumpUnlessUpTo(const Reg& number, uint32_t most, const Label& to) {
  if (most == UINT32_MAX) {
    cc_.test(number.r32(), number.r32());
    cc_.jz(to);
    return;
  }
  const Reg less = New();
  cc_.lea(less.r32(), asm86::ptr(number, -1));
  cc_.cmp(less.r32(), static_cast<int32_t>(most));
  cc_.jae(to);
}

void Emitter::JumpUnlessUpTo(const Spot& number, uint32_t most, const Label& to) {
  if (most == INT32_MAX || most == UINT32_MAX) {
    cc_.cmp(Mem(number, 4), 0);
    cc_.j(most == INT32_MAX ? If::kLE : If::kZ, to);  // with sign, others are negative
    return;
  }
  const Reg bytes = New();
  Load(bytes, number, 4);
  JumpUnlessUpTo(bytes, most, to);
}

void Emitter::JumpIfTest(const Reg& word, const WordTest& test, const Label& to) {
  Compare(word, test);
  cc_.je(to);
}

void Emitter::JumpUnless(const Reg& word, const WordTest& test, const Label& to) {
  if (test.mask == 0) return;
  Compare(word, test);
  cc_.jne(to);
}

void Emitter::JumpUnless(const Spot& word, uint32_t bytes, const WordTest& test, const Label& to) {
  if (test.mask == 0) return;
  const auto first = static_cast<uint32_t>(std::countr_zero(test.mask) / 8);
  for (const uint32_t size : {1u, 2u, 4u}) {
    const uint64_t all = (uint64_t{1} << 8 * size) - 1;
    if (test.mask >> 8 * first != all || first + size > bytes || (test.value & ~test.mask) != 0) {
      continue;
    }
    Spot there = word;
    there.offset += static_cast<int32_t>(first);
    const auto value = static_cast<uint32_t>(test.value >> 8 * first);
    const int32_t immediate = size == 1   ? static_cast<int8_t>(value)
                              : size == 2 ? static_cast<int16_t>(value)
                                          : static_cast<int32_t>(value);
    cc_.cmp(Mem(there, size), immediate);
    cc_.jne(to);
    return;
  }
  const Reg loaded = New();
  Load(loaded, word, bytes);
  JumpUnless(loaded, test, to);
}

void Emitter::AddJumpIf(const Reg& a, uint32_t b, If is, const Label& to) {
  if (FitsImmediate(b)) {
    cc_.add(a, static_cast<int32_t>(b));
  } else {
    cc_.add(a, Constant(b));
  }
  cc_.j(is, to);
}

void Emitter::SubJumpIf(const Reg& a, uint32_t b, If is, const Label& to) {
  if (FitsImmediate(b)) {
    cc_.sub(a, static_cast<int32_t>(b));
  } else {
    cc_.sub(a, Constant(b));
  }
  cc_.j(is, to);
}

void Emitter::SubJumpIf(const Reg& a, const Reg& b, If is, const Label& to) {
  cc_.sub(a, b);
  cc_.j(is, to);
}

}  // namespace qsplit::dataplane::burst::x86
