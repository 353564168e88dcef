// What turns that take several descriptors at once are put together with: registers of 16 and 32
// bytes, and constants for them. For processors with AVX2.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_X86_WIDE_CODE_H_
#define QSPLIT_DATAPLANE_BURST_X86_WIDE_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/burst/byte_moves.h"
#include "dataplane/burst/walk_code.h"
#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

// Whether this processor, and code of such instructions, has such turns.
inline bool HasWideTurns(Instructions which) {
  return which == Instructions::kOfThisProcessor &&
         asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kAVX2);
}

class WideCode {
 protected:
  using Xmm = asmjit::x86::Xmm;
  using Ymm = asmjit::x86::Ymm;
  using Walk = WalkCode<Emitter>;
  using Spot = Emitter::Spot;
  using FourWords = std::array<uint64_t, 4>;

  static constexpr uint32_t kTurn = Walk::kTogether;
  static_assert(kTurn == 4);

  explicit WideCode(Emitter* emitter) : emitter_(emitter), cc_(emitter->compiler()) {}

  asmjit::x86::Mem Wide(const Spot& spot) const { return emitter_->Mem(spot, 32); }
  asmjit::x86::Mem Pair(const Spot& spot) const { return emitter_->Mem(spot, 16); }
  // Constants in the block.
  template <typename Number, size_t kCount>
  Spot Constant(const std::array<Number, kCount>& numbers) {
    return emitter_->Block(emitter_->AddBytes(std::as_bytes(std::span(numbers)), 32));
  }
  // The same word, or pair of words, twice.
  Spot Twice(uint64_t word) { return Constant(WordPair{word, word}); }
  Spot Twice(const WordPair& pair) {
    return Constant(FourWords{pair[0], pair[1], pair[0], pair[1]});
  }
  Xmm Loaded(const Spot& constant) {
    const Xmm reg = cc_.newXmm();
    cc_.vmovdqa(reg, Pair(constant));
    return reg;
  }
  Ymm LoadedWide(const Spot& constant) {
    const Ymm reg = cc_.newYmm();
    cc_.vmovdqa(reg, Wide(constant));
    return reg;
  }

  Emitter* emitter_;
  asmjit::x86::Compiler& cc_;
};

// Turns of a walk that begin(code) and code->Turn(walk) emit. The code lives as long as they do.
template <typename Code, typename Begin>
WalkCode<Emitter>::Turns TurnsOf(Emitter* emitter, const std::shared_ptr<Code>& code,
                                 const WalkCode<Emitter>& walk, Begin begin) {
  const auto first = [=, &walk] {
    // Registers of 32 bytes are kept and moved whole.
    walk.function()->frame().setAvxEnabled();
    begin(code.get());
  };
  // Or all that follows with the older instructions may wait for the upper halves.
  const auto last = [=] { emitter->compiler().vzeroupper(); };
  return {first, [=, &walk] { code->Turn(walk); }, last};
}

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_WIDE_CODE_H_
