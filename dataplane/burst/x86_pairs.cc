// Pairs of words of x86_emitter.h: 16 bytes in a register, or 32 for two of them.
#include <span>

#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Emitter::Pair Emitter::ConstantPair(uint64_t first, uint64_t second) {
  const uint64_t words[] = {first, second};
  return LoadPair(Block(AddBytes(std::as_bytes(std::span(words)), 16)));
}

Emitter::Pair Emitter::LoadPair(const Spot& from) {
  const Pair pair = cc_.newXmm();
  cc_.emit(has_avx_ ? asm86::Inst::kIdVmovups : asm86::Inst::kIdMovups, pair, Mem(from, 16));
  return pair;
}

void Emitter::StorePair(const Spot& to, const Pair& pair) {
  cc_.emit(has_avx_ ? asm86::Inst::kIdVmovups : asm86::Inst::kIdMovups, Mem(to, 16), pair);
}

void Emitter::StorePairs(const Spot& to, const Pair& first, const Pair& second) {
  const asm86::Ymm both = cc_.newYmm();
  cc_.vinserti128(both, first.ymm(), second, 1);
  cc_.vmovdqu(Mem(to, 32), both);
  has_upper_halves_ = true;
}

void Emitter::Or(const Pair& to, const Pair& from) {
  if (has_avx_) {
    cc_.vpor(to, to, from);
  } else {
    cc_.por(to, from);
  }
}

void Emitter::And(const Pair& to, const Spot& from) {
  if (has_avx_) {
    cc_.vpand(to, to, Mem(from, 16));
  } else {
    cc_.pand(to, Mem(from, 16));
  }
}

void Emitter::Or(const Pair& to, const Spot& from) {
  if (has_avx_) {
    cc_.vpor(to, to, Mem(from, 16));
  } else {
    cc_.por(to, Mem(from, 16));
  }
}

void Emitter::InsertWord(const Pair& to, const Reg& from) {
  if (has_avx_) {
    cc_.vpinsrq(to, to, from, 1);
  } else {
    cc_.pinsrq(to, from, 1);
  }
}

void Emitter::InsertHalf(const Pair& to, const Reg& from, int which) {
  if (has_avx_) {
    cc_.vpinsrw(to, to, from.r32(), which);
  } else {
    cc_.pinsrw(to, from.r32(), which);
  }
}

Emitter::Pair Emitter::Copy(const Pair& from) {
  const Pair pair = cc_.newXmm();
  cc_.emit(has_avx_ ? asm86::Inst::kIdVmovaps : asm86::Inst::kIdMovaps, pair, from);
  return pair;
}

Emitter::Pair Emitter::Widen(const Reg& word) {
  const Pair pair = cc_.newXmm();
  cc_.emit(has_avx_ ? asm86::Inst::kIdVmovq : asm86::Inst::kIdMovq, pair, word);
  return pair;
}

Emitter::Pair Emitter::WithQuarter(const Pair& pair, const Spot& from, int which) {
  const Pair other = cc_.newXmm();
  if (has_avx_) {
    cc_.vpinsrd(other, pair, Mem(from, 4), which);
  } else {
    cc_.movaps(other, pair);
    cc_.pinsrd(other, Mem(from, 4), which);
  }
  return other;
}

Emitter::Pair Emitter::Shuffled(const Pair& pair, const Pair& numbers) {
  const Pair other = cc_.newXmm();
  if (has_avx_) {
    cc_.vpshufb(other, pair, numbers);
  } else {
    cc_.movaps(other, pair);
    cc_.pshufb(other, numbers);
  }
  return other;
}

void Emitter::Add(const Pair& to, const Pair& from) {
  if (has_avx_) {
    cc_.vpaddq(to, to, from);
  } else {
    cc_.paddq(to, from);
  }
}

void Emitter::Shuffle(const Pair& pair, int32_t numbers_at) {
  const asm86::Mem numbers = asm86::xmmword_ptr(block_, numbers_at);
  if (has_avx_) {
    cc_.vpshufb(pair, pair, numbers);
  } else {
    cc_.pshufb(pair, numbers);
  }
}

}  // namespace qsplit::dataplane::burst::x86
