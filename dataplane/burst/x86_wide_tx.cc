#include "dataplane/burst/x86_wide_tx.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dataplane/burst/wide_tx.h"
#include "dataplane/burst/x86_wide_code.h"

namespace qsplit::dataplane::burst::x86 {
namespace {

class WidePushCode : public WideCode {
 public:
  WidePushCode(Emitter* emitter, const TxRingPlan& plan, WidePush wide)
      : WideCode(emitter), plan_(plan), wide_(std::move(wide)) {}

  void Begin(const Walk& walk, const Emitter::Reg& cookies);
  void Turn(const Walk& walk);

 private:
  // Goes to rest() if an address or a number of bytes is none that the descriptors take. front,
  // back: two packets each; counts: their bytes and cookies.
  void Check(const Walk& walk, const Ymm& front, const Ymm& back, const Ymm& counts);
  // That packet and the one behind it; their descriptors.
  Ymm Two(const Walk& walk, uint32_t number);
  Ymm Descriptors(const Ymm& packets);

  const TxRingPlan& plan_;
  WidePush wide_;
  Emitter::Reg cookies_;
  Ymm image_, less_, most_, cookie_order_;
  std::vector<Ymm> bytes_, left_;  // of moves
};

void WidePushCode::Begin(const Walk& walk, const Emitter::Reg& cookies) {
  static_assert(offsetof(TxRingImage, words) == 0);
  image_ = cc_.newYmm();
  cc_.vbroadcasti128(image_, Pair(walk.More(0)));
  less_ = LoadedWide(Twice(WordPair{UINT32_MAX, UINT32_MAX}));
  const uint64_t most = uint64_t{UINT32_MAX} << 32 | (plan_.max_bytes - 1);
  most_ = LoadedWide(Twice(WordPair{most, most}));
  for (const WidePush::Move& move : wide_.moves) {
    const Ymm bytes = cc_.newYmm();
    cc_.vbroadcasti128(bytes, Pair(Constant(move.bytes)));
    bytes_.push_back(bytes);
    left_.push_back(move.Shifts() ? LoadedWide(Twice(move.left)) : Ymm());
  }
  if (plan_.memory != TxMemory::kOrder) return;
  cookies_ = cookies;
  cookie_order_ = LoadedWide(Constant(std::array<uint32_t, 8>{1, 5, 3, 7}));
}

void WidePushCode::Check(const Walk& walk, const Ymm& front, const Ymm& back, const Ymm& counts) {
  const Ymm over = cc_.newYmm();
  cc_.vpaddd(over, counts, less_);  // none at all becomes the most there is
  cc_.vpmaxud(over, over, most_);
  cc_.vpxor(over, over, most_);
  if (plan_.address_not != 0) {
    const Ymm addresses = cc_.newYmm();
    cc_.vpor(addresses, front, back);
    cc_.vpand(addresses, addresses, Wide(Twice(WordPair{plan_.address_not, 0})));
    cc_.vpor(over, over, addresses);
  }
  cc_.vptest(over, over);
  cc_.jnz(walk.rest());
}

WideCode::Ymm WidePushCode::Two(const Walk& walk, uint32_t number) {
  static_assert(sizeof(TxPacket) == 16 && offsetof(TxPacket, address) == 0 &&
                offsetof(TxPacket, bytes) == 8 && offsetof(TxPacket, cookie) == 12);
  // One by one, as they were written a moment ago: a load that needs several stores waits for them.
  const Ymm two = cc_.newYmm();
  cc_.vmovdqu(two.xmm(), Pair(walk.Element(size_t{number} * sizeof(TxPacket))));
  cc_.vinserti128(two, two, Pair(walk.Element(size_t{number + 1} * sizeof(TxPacket))), 1);
  return two;
}

WideCode::Ymm WidePushCode::Descriptors(const Ymm& packets) {
  Ymm words = image_;
  for (size_t m = 0; m < wide_.moves.size(); ++m) {
    const Ymm moved = cc_.newYmm();
    cc_.vpshufb(moved, packets, bytes_[m]);
    if (left_[m].isValid()) cc_.vpsllvq(moved, moved, left_[m]);
    if (wide_.moves[m].has_others) cc_.vpand(moved, moved, Wide(Twice(wide_.moves[m].bits)));
    cc_.vpor(moved, moved, words);
    words = moved;
  }
  return words;
}

void WidePushCode::Turn(const Walk& walk) {
  const Ymm front = Two(walk, 0);
  const Ymm back = Two(walk, 2);
  const Ymm counts = cc_.newYmm();
  cc_.vpunpckhqdq(counts, front, back);  // of packets 0, 2, 1, 3
  Check(walk, front, back, counts);
  cc_.vmovdqu(Wide(walk.Slot()), Descriptors(front));
  cc_.vmovdqu(Wide(walk.Slot(size_t{2} * plan_.slot_bytes)), Descriptors(back));
  if (plan_.memory != TxMemory::kOrder) return;
  cc_.vpermd(counts, cookie_order_, counts);
  cc_.vmovdqu(Pair({cookies_}), counts.xmm());
}

}  // namespace

TxTurns<Emitter> WideTurns(Emitter* emitter, const TxRingPlan& plan, Instructions which) {
  if (!HasWideTurns(which)) return nullptr;
  std::optional<WidePush> wide = PlanWidePush(plan);
  if (!wide.has_value()) return nullptr;
  const auto code = std::make_shared<WidePushCode>(emitter, plan, *std::move(wide));
  return [=](const WalkCode<Emitter>& walk, const Emitter::Reg& cookies) {
    return TurnsOf(emitter, code, walk,
                   [&walk, cookies](WidePushCode* push) { push->Begin(walk, cookies); });
  };
}

}  // namespace qsplit::dataplane::burst::x86
