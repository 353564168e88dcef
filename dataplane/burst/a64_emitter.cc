#include "dataplane/burst/a64_emitter.h"

#include <bit>

namespace qsplit::dataplane::burst::a64 {
namespace {

namespace arm = asmjit::a64;

// Of loads and stores of 8 bytes, and of sums: 12 bits (Arm ARM, C6.2 "LDR (immediate)", "ADD
// (immediate)").
constexpr int32_t kMaxLoadOffset = 4095 * 8;
constexpr uint64_t kMaxSum = 4095;

bool IsLogical(uint64_t value) { return arm::Utils::isLogicalImm(value, 64); }

// Halves of 16 bits that a register must be given one by one.
int HalvesOf(uint64_t value) {
  int zeros = 0;
  int ones = 0;
  for (int shift = 0; shift < 64; shift += 16) {
    const uint64_t half = value >> shift & 0xffff;
    if (half == 0) ++zeros;
    if (half == 0xffff) ++ones;
  }
  return 4 - std::max(zeros, ones);
}

asmjit::Environment Target() {
  asmjit::Environment environment(asmjit::Arch::kAArch64);
  environment.setPlatform(asmjit::Platform::kLinux);
  return environment;
}

}  // namespace

Emitter::Emitter() : Assembly(Target()) { Attach(&cc_); }

asmjit::FuncNode* Emitter::Begin(Arguments* arguments) {
  asmjit::FuncNode* function =
      cc_.addFunc(asmjit::FuncSignatureT<uint32_t, const void*, const void*, uint32_t, uint32_t,
                                         const void*, const void*>(asmjit::CallConvId::kCDecl));
  uint32_t number = 0;
  for (Reg* reg : {&arguments->slots, &arguments->states, &arguments->first, &arguments->most,
                   &arguments->elements, &arguments->more}) {
    *reg = New();
    const bool word = reg == &arguments->first || reg == &arguments->most;
    function->setArg(number++, word ? reg->w() : *reg);
  }
  And(arguments->first, UINT32_MAX);
  And(arguments->most, UINT32_MAX);
  block_ = New();
  cc_.adr(block_, block_label());
  return function;
}

void Emitter::Load(const Reg& to, const Spot& from, uint32_t bytes) {
  cc_.ldr(bytes == 4 ? to.w() : to, Mem(from));
}

void Emitter::LoadAcquire(const Reg& to, const Spot& from) {
  if (from.offset == 0) {
    cc_.ldar(to, Mem(from));
    return;
  }
  const Reg at = New();
  cc_.add(at, from.base, from.offset);
  cc_.ldar(to, arm::ptr(at));
}

void Emitter::Store(const Spot& to, const Reg& from, uint32_t bytes) {
  cc_.str(bytes == 4 ? from.w() : from, Mem(to));
}

void Emitter::HandOver(const Spot& to, const Reg& from) {
  // Not stlr: the assembler makes stllr of it, which few processors have. As HandOver in
  // barriers.h, of the outer domain, where devices are; and of loads too, which stlr orders there.
  cc_.dmb(static_cast<uint32_t>(asmjit::a64::Predicate::DB::kOSH));
  Store(to, from, 8);
}

void Emitter::StoreConstant(const Spot& to, uint64_t value) { Store(to, Constant(value), 8); }

void Emitter::CopyFour(const Spot& to, const Spot& from, uint32_t stride) {
  for (uint32_t i = 0; i < 4; ++i) {
    const Reg number = New();
    Load(number, {from.base, from.offset + static_cast<int32_t>(i * stride)}, 4);
    Store({to.base, to.offset + static_cast<int32_t>(4 * i)}, number, 4);
  }
}

void Emitter::StoreZeros(const Reg& base, std::span<const int32_t> offsets) {
  for (const int32_t offset : offsets) cc_.str(arm::xzr, arm::ptr(base, offset));
}

Emitter::Reg Emitter::Constant(uint64_t value) {
  const Reg reg = New();
  const int32_t at = IsLogical(value) || HalvesOf(value) <= 2 ? -1 : ConstantAt(value);
  if (at >= 0 && at <= kMaxLoadOffset) {
    cc_.ldr(reg, arm::ptr(block_, at));
  } else {
    cc_.mov(reg, value);
  }
  return reg;
}

Emitter::Reg Emitter::Block(int32_t offset) {
  const Reg at = New();
  if (offset >= 1 << 24) {
    cc_.add(at, block_, Constant(static_cast<uint64_t>(offset)));
    return at;
  }
  cc_.add(at, block_, offset & 0xfff);
  if (offset >= 1 << 12) cc_.add(at, at, offset & 0xfff000);
  return at;
}

void Emitter::Set(const Reg& to, uint64_t value) { cc_.mov(to, value); }

void Emitter::And(const Reg& to, uint64_t value) {
  if (value == ~uint64_t{0}) return;
  if (IsLogical(value)) {
    cc_.and_(to, to, value);
  } else {
    cc_.and_(to, to, Constant(value));
  }
}

void Emitter::And(const Reg& to, const Spot& from) {
  const Reg value = New();
  cc_.ldr(value, Mem(from));
  cc_.and_(to, to, value);
}

void Emitter::Or(const Reg& to, uint64_t value) {
  if (value == 0) return;
  if (IsLogical(value)) {
    cc_.orr(to, to, value);
  } else {
    cc_.orr(to, to, Constant(value));
  }
}

void Emitter::Or(const Reg& to, const Reg& from, uint32_t left) {
  cc_.orr(to, to, from, arm::lsl(left));
}

void Emitter::Or(const Reg& to, const Spot& from) {
  const Reg value = New();
  cc_.ldr(value, Mem(from));
  cc_.orr(to, to, value);
}

void Emitter::Add(const Reg& to, uint32_t value) {
  if (value == 0) return;
  if (value <= kMaxSum) {
    cc_.add(to, to, value);
  } else {
    cc_.add(to, to, Constant(value));
  }
}

void Emitter::Sub(const Reg& to, uint64_t value) {
  if (value == 0) return;
  if (value <= kMaxSum) {
    cc_.sub(to, to, value);
  } else {
    cc_.sub(to, to, Constant(value));
  }
}

void Emitter::AddProduct(const Reg& to, const Reg& from, uint32_t factor) {
  if (std::has_single_bit(factor)) {
    cc_.add(to, to, from, arm::lsl(std::countr_zero(factor)));
  } else {
    cc_.madd(to, from, Constant(factor), to);
  }
}

Emitter::Reg Emitter::Times(const Reg& from, uint32_t factor) {
  const Reg product = New();
  if (std::has_single_bit(factor)) {
    cc_.lsl(product, from, std::countr_zero(factor));
  } else {
    cc_.mul(product, from, Constant(factor));
  }
  return product;
}

Emitter::Reg Emitter::Plus(const Reg& from, uint32_t value) {
  const Reg sum = New();
  if (value <= kMaxSum) {
    cc_.add(sum, from, value);
  } else {
    cc_.add(sum, from, Constant(value));
  }
  return sum;
}

Emitter::Spot Emitter::Element(const Reg& array, const Reg& number, uint32_t bytes) {
  const Reg at = New();
  cc_.add(at, array, number, arm::lsl(std::countr_zero(bytes)));
  return {at};
}

void Emitter::Least(const Reg& to, const Reg& other) {
  cc_.cmp(to, other);
  cc_.csel(to, to, other, If::kLO);
}

void Emitter::Compare(const Reg& a, uint64_t b) {
  if (b <= kMaxSum) {
    cc_.cmp(a, b);
  } else {
    cc_.cmp(a, Constant(b));
  }
}

void Emitter::Compare(const Reg& word, const WordTest& test) {
  if (test.value == 0 && IsLogical(test.mask)) {
    cc_.tst(word, test.mask);
    return;
  }
  const Reg bits = New();
  cc_.mov(bits, word);
  And(bits, test.mask);
  Compare(bits, test.value);
}

void Emitter::JumpIf(const Reg& a, If is, uint64_t b, const Label& to) {
  Compare(a, b);
  cc_.b(is, to);
}

void Emitter::JumpIf(const Reg& a, If is, const Reg& b, const Label& to) {
  cc_.cmp(a, b);
  cc_.b(is, to);
}

void Emitter::JumpIf(const Reg& a, If is, const Spot& b, uint32_t bytes, const Label& to) {
  const Reg value = New();
  Load(value, b, bytes);
  JumpIf(a, is, value, to);
}

void Emitter::JumpIfAny(const Reg& bits, uint64_t mask, const Label& to) {
  Compare(bits, WordTest{mask, 0});
  cc_.b(kNotZero, to);
}

void Emitter::JumpUnlessUpTo(const Reg& number, uint32_t most, const Label& to) {
  const Reg less = New();
  cc_.sub(less, number, 1);
  JumpIf(less, kNotBelow, most, to);
}

void Emitter::JumpUnlessUpTo(const Spot& number, uint32_t most, const Label& to) {
  const Reg bytes = New();
  Load(bytes, number, 4);
  JumpUnlessUpTo(bytes, most, to);
}

void Emitter::JumpIfTest(const Reg& word, const WordTest& test, const Label& to) {
  Compare(word, test);
  cc_.b(kZero, to);
}

void Emitter::JumpUnless(const Reg& word, const WordTest& test, const Label& to) {
  if (test.mask == 0) return;
  Compare(word, test);
  cc_.b(kNotZero, to);
}

void Emitter::JumpUnless(const Spot& word, uint32_t bytes, const WordTest& test, const Label& to) {
  if (test.mask == 0) return;
  const Reg loaded = New();
  Load(loaded, word, bytes);
  JumpUnless(loaded, test, to);
}

void Emitter::AddJumpIf(const Reg& a, uint32_t b, If is, const Label& to) {
  cc_.adds(a, a, Constant(b));
  cc_.b(is, to);
}

void Emitter::SubJumpIf(const Reg& a, uint32_t b, If is, const Label& to) {
  if (b <= kMaxSum) {
    cc_.subs(a, a, b);
    cc_.b(is, to);
  } else {
    SubJumpIf(a, Constant(b), is, to);
  }
}

void Emitter::SubJumpIf(const Reg& a, const Reg& b, If is, const Label& to) {
  cc_.subs(a, a, b);
  cc_.b(is, to);
}

Emitter::Reg Emitter::Get(const Piece& piece, const Reg& word, bool, bool) {
  const Reg number = New();
  const auto bits = static_cast<uint32_t>(std::popcount(piece.mask));
  const bool swapped = piece.byte_swap;
  if (swapped) cc_.rev(number, word);
  const Reg& from = swapped ? number : word;
  const bool one_run = std::popcount(piece.mask) == std::countr_one(piece.mask);
  if (one_run && piece.shift == 0 && piece.place > 0) {
    cc_.ubfiz(number, from, piece.place, std::min(bits, 64u - piece.place));
  } else {
    if (one_run) {
      cc_.ubfx(number, from, piece.shift, std::min(bits, 64u - piece.shift));
    } else {
      cc_.lsr(number, from, piece.shift);
      And(number, piece.mask);
    }
    if (piece.place > 0) cc_.lsl(number, number, piece.place);
  }
  return number;
}

Emitter::Reg Emitter::Put(const Piece& piece, const Reg& number, bool alone, bool) {
  const Piece bits{0, piece.place, piece.shift, false, piece.mask};
  const bool whole = alone && piece.place == 0;
  const Reg word = whole ? New() : Get(bits, number, false);
  if (whole) cc_.lsl(word, number, piece.shift);
  if (piece.byte_swap) cc_.rev(word, word);
  return word;
}

Emitter::Reg Emitter::Bit(const Reg& word, const WordTest& test) {
  const Reg bit = New();
  Compare(word, test);
  cc_.cset(bit, kZero);
  return bit;
}

Emitter::Spot Emitter::Entry(int32_t offsets_at, int32_t entries_at,
                             const std::optional<Reg>& index) {
  const Reg offsets = Block(offsets_at);
  const Reg offset = New();
  if (index.has_value()) {
    cc_.ldrh(offset.w(), arm::ptr(offsets, *index, arm::lsl(1)));
  } else {
    cc_.ldrh(offset.w(), arm::ptr(offsets));
  }
  const Reg entry = Block(entries_at);
  cc_.add(entry, entry, offset);
  return {entry, 0};
}

Emitter::Pair Emitter::ConstantPair(uint64_t first, uint64_t second) {
  const uint64_t words[] = {first, second};
  return LoadPair({Block(AddBytes(std::as_bytes(std::span(words)), 16))});
}

Emitter::Pair Emitter::LoadPair(const Spot& from) {
  const Pair pair = cc_.newVecQ();
  cc_.ldr(pair, Mem(from));
  return pair;
}

Emitter::Pair Emitter::Copy(const Pair& from) {
  const Pair pair = cc_.newVecQ();
  cc_.mov(pair.b16(), from.b16());
  return pair;
}

Emitter::Pair Emitter::Widen(const Reg& word) {
  const Pair pair = cc_.newVecQ();
  cc_.fmov(pair.d(), word);
  return pair;
}

void Emitter::Shuffle(const Pair& pair, int32_t numbers_at) {
  const Pair numbers = LoadPair({Block(numbers_at)});
  cc_.tbl(pair.b16(), pair.b16(), numbers.b16());
}

Emitter::Pair Emitter::Shuffled(const Pair& pair, const Pair& numbers) {
  const Pair other = cc_.newVecQ();
  cc_.tbl(other.b16(), pair.b16(), numbers.b16());
  return other;
}

Emitter::Pair Emitter::WithQuarter(const Pair& pair, const Spot& from, int which) {
  const Pair other = Copy(pair);
  const Reg number = New();
  Load(number, from, 4);
  cc_.ins(other.s(static_cast<uint32_t>(which)), number.w());
  return other;
}

}  // namespace qsplit::dataplane::burst::a64
