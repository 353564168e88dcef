// Bursts of transmit queues of any protocol for x86-64: see generator.h, tx_ring.h.
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using asm86::Xmm;
using x86::Gp;
using x86::Mem;
using x86::Walk;

// Two words in a row whose bytes are the packet's own, in any order, or the image's: a shuffle of a
// TxPacket, which has them all.
struct Pair {
  bool shuffles = false;
  std::array<uint8_t, 16> from{};  // bytes of the packet; kZero
  // A number of 16 bits, too: which of the pair's; kNone.
  int id_at = kNone;

  static constexpr uint8_t kZero = 0x80;
  static constexpr int kNone = -1;

  // False: it is more than that.
  bool Add(const TxWord::Part& part, uint32_t word) {
    const Piece& piece = part.piece;
    const auto bits = static_cast<uint32_t>(std::popcount(piece.mask));
    if (piece.shift % 8 != 0 || piece.place % 8 != 0 || (bits % 8 != 0 && !part.whole))
      return false;
    if (part.source == TxSource::kId && !piece.byte_swap && bits == 16 && piece.shift % 16 == 0 &&
        piece.place == 0 && id_at == kNone) {
      id_at = static_cast<int>(4 * word + piece.shift / 16);
      return true;
    }
    uint32_t first = 0;
    if (part.source == TxSource::kBytes) {
      first = offsetof(TxPacket, bytes);
    } else if (part.source != TxSource::kAddress) {
      return false;
    }
    for (uint32_t i = 0; i < (bits + 7) / 8; ++i) {
      const uint32_t at = piece.shift / 8 + i;
      if (at > 7) return false;
      from[8 * word + (piece.byte_swap ? 7 - at : at)] =
          static_cast<uint8_t>(first + piece.place / 8 + i);
    }
    shuffles = true;
    return true;
  }
};
static_assert(sizeof(TxPacket) == 16);

// Emits the loop that writes packets.
class Push {
 public:
  Push(x86::Emitter* emitter, const TxRingPlan& plan)
      : emitter_(*emitter),
        cc_(emitter->cc()),
        plan_(plan),
        walk_(emitter, {plan.slot_count, plan.slot_bytes, 0, sizeof(TxPacket), plan.packet_slots}) {
    for (const TxWord& word : plan.words) {
      for (const TxWord::Part& part : word.parts) {
        has_ids_ = has_ids_ || part.source == TxSource::kId || part.source == TxSource::kPrefix;
        has_prefix_iova_ = has_prefix_iova_ || part.source == TxSource::kPrefix;
        has_count_ = has_count_ || part.source == TxSource::kCount;
      }
    }
    has_ids_ = has_ids_ || plan.memory == TxMemory::kId;
  }

  asmjit::FuncNode* Emit() {
    const auto load = [&](const Gp& to, size_t offset) {
      cc_.mov(to, asm86::qword_ptr(walk_.state(), static_cast<int32_t>(offset)));
    };
    if (plan_.memory == TxMemory::kOrder) load(cookies_ = New(), offsetof(TxRingCall, cookies));
    if (plan_.memory == TxMemory::kId) {
      load(remembered_ = New(), offsetof(TxRingCall, remembered));
      load(number_ = New(), offsetof(TxRingCall, number));
    }
    if (has_ids_) load(ids_ = New(), offsetof(TxRingCall, ids));
    if (has_prefix_iova_) load(prefix_iova_ = New(), offsetof(TxRingCall, prefix_iova));
    if (plan_.has_prefix) {
      load(prefixes_ = New(), offsetof(TxRingCall, prefixes));
      load(prefix_ = New(), offsetof(TxRingCall, prefix));
    }
    if (has_count_) load(count_ = New(), offsetof(TxRingCall, count));
    if (Holds()) {
      const asmjit::Label elsewhere = cc_.newLabel();
      load(held_ = New(), offsetof(TxRingCall, held));
      cc_.test(held_, held_);
      cc_.jnz(elsewhere);
      PointHeld(0);
      cc_.bind(elsewhere);
    }
    FindPairs();
    for (uint32_t w = 0; w < plan_.words.size(); ++w) {
      if ((plan_.report_words >> w & 1) == 0 && w != plan_.kept_word) continue;
      before_[w] = New();
      emitter_.Set(*before_[w], 0);
    }
    walk_.Run([&] { Packet(); }, [&] { Report(); }, [&](uint32_t packets) { Advance(packets); });
    return walk_.function();
  }

 private:
  bool Holds() const { return plan_.held_word != TxRingPlan::kNone; }
  Gp New() { return cc_.newUInt64(); }
  Mem WordAt(uint32_t which) const { return walk_.Slot(8, plan_.words[which].offset); }
  Mem ImageAt(size_t offset, uint32_t which) const {
    return asm86::qword_ptr(walk_.more(), static_cast<int32_t>(offset + size_t{8} * which));
  }
  // The word that hands over the packet that the registers are at.
  void PointHeld(uint32_t packets) {
    Mem at = WordAt(plan_.held_word);
    at.addOffset(int64_t{packets} * plan_.packet_slots * plan_.slot_bytes);
    cc_.lea(held_, at);
  }
  void Advance(uint32_t packets) {
    if (plan_.memory == TxMemory::kOrder) cc_.add(cookies_, packets * sizeof(uint32_t));
    if (has_ids_) cc_.sub(ids_, packets * sizeof(uint32_t));
    if (has_count_) cc_.add(count_, packets * plan_.packet_slots);
    if (Holds()) PointHeld(packets);  // the slots are not advanced yet
  }

  // Whether anything is asked of this word by itself.
  bool IsOwn(uint32_t which) const {
    return which == plan_.held_word || which == plan_.kept_word ||
           (plan_.report_words >> which & 1) != 0;
  }
  // Which words are written two at once: pairs_ of the first one.
  void FindPairs() {
    // pshufb, and as many registers as are left for what the image has of a pair.
    if (!asmjit::CpuInfo::host().hasFeature(asmjit::CpuFeatures::X86::kSSSE3)) return;
    uint32_t count = 0;
    for (uint32_t w = 0; w + 1 < plan_.words.size() && count < kMaxPairs; ++w) {
      const TxWord* const words = &plan_.words[w];
      if (IsOwn(w) || IsOwn(w + 1) || words[0].offset % 16 != 0 ||
          words[1].offset != words[0].offset + 8) {
        continue;
      }
      Pair pair;
      pair.from.fill(Pair::kZero);
      bool all = true;
      for (uint32_t i = 0; i < 2; ++i) {
        for (const TxWord::Part& part : words[i].parts) all = all && pair.Add(part, i);
      }
      if (!all) continue;
      constants_[w] = cc_.newXmm();
      cc_.movups(
          constants_[w],
          asm86::xmmword_ptr(walk_.more(),
                             static_cast<int32_t>(offsetof(TxRingImage, words) + size_t{8} * w)));
      if (pair.shuffles) {
        shuffles_[w] = emitter_.AddBytes(std::as_bytes(std::span(pair.from)), 16);
      }
      pairs_[w++] = pair;
      ++count;
    }
  }
  // Whether it is looked at beside pairs.
  bool NeedsAddress() const {
    for (uint32_t w = 0; w < plan_.words.size(); ++w) {
      if (pairs_[w].has_value()) {
        ++w;
        continue;
      }
      for (const TxWord::Part& part : plan_.words[w].parts) {
        if (part.source == TxSource::kAddress) return true;
      }
    }
    return plan_.address_not != 0;
  }
  void TwoWords(uint32_t which, const Gp& id) {
    const Pair& pair = *pairs_[which];
    const Mem to = walk_.Slot(16, plan_.words[which].offset);
    if (!pair.shuffles && pair.id_at == Pair::kNone) {
      cc_.movups(to, constants_[which]);
      return;
    }
    const Xmm words = cc_.newXmm();
    if (pair.shuffles) {
      cc_.movups(words, walk_.Element(16, 0));
      cc_.pshufb(words, emitter_.Block(shuffles_[which]));
      cc_.por(words, constants_[which]);
    } else {
      cc_.movaps(words, constants_[which]);
    }
    if (pair.id_at != Pair::kNone) cc_.pinsrw(words, id.r32(), pair.id_at);
    cc_.movups(to, words);
  }

  void Packet() {
    const Gp address = New();
    const Gp bytes = New();
    if (NeedsAddress()) cc_.mov(address, walk_.Element(8, offsetof(TxPacket, address)));
    cc_.mov(bytes.r32(), walk_.Element(4, offsetof(TxPacket, bytes)));
    if (plan_.address_not != 0) {
      if (plan_.address_not <= INT32_MAX) {
        cc_.test(address.r32(), static_cast<int32_t>(plan_.address_not));
      } else {
        cc_.test(emitter_.Constant(plan_.address_not), address);
      }
      cc_.jnz(walk_.stop());
    }
    const Gp less = cc_.newUInt32();
    cc_.lea(less, asm86::ptr(bytes, -1));
    cc_.cmp(less, plan_.max_bytes);
    cc_.jae(walk_.stop());
    Gp id = address;  // if there are none
    if (has_ids_) {
      id = New();
      cc_.mov(id.r32(), asm86::dword_ptr(ids_, -static_cast<int32_t>(sizeof(uint32_t)) *
                                                   static_cast<int32_t>(walk_.ahead() + 1)));
    }
    if (plan_.has_prefix) {
      cc_.cmp(asm86::dword_ptr(prefixes_, id, 2), prefix_.r32());
      cc_.jne(walk_.stop());
    }
    for (uint32_t w = 0; w < plan_.words.size(); ++w) {
      if (pairs_[w].has_value()) {
        TwoWords(w++, id);
      } else {
        Word(w, address, bytes, id);
      }
    }
    Remember(id);
  }

  void Word(uint32_t which, const Gp& address, const Gp& bytes, const Gp& id) {
    const Gp word = New();
    bool is_first = true;
    for (const TxWord::Part& part : plan_.words[which].parts) {
      const Gp bits = is_first ? word : New();
      const Gp number = NumberOf(part, address, bytes, id);
      emitter_.Put(part.piece, !part.whole, number, bits);
      if (!is_first) cc_.or_(word, bits);
      is_first = false;
    }
    const Mem constant = ImageAt(offsetof(TxRingImage, words), which);
    if (is_first) {
      cc_.mov(word, constant);
    } else {
      cc_.or_(word, constant);
    }
    const bool redirected = which == plan_.held_word && walk_.ahead() == 0;
    cc_.mov(redirected ? asm86::qword_ptr(held_) : WordAt(which), word);
    if (before_[which].has_value() && walk_.may_be_last()) cc_.mov(*before_[which], word);
  }

  Gp NumberOf(const TxWord::Part& part, const Gp& address, const Gp& bytes, const Gp& id) {
    switch (part.source) {
      case TxSource::kAddress:
        return address;
      case TxSource::kBytes:
        return bytes;
      case TxSource::kId:
        return id;
      case TxSource::kPrefix: {
        const Gp prefix = New();
        cc_.imul(prefix, id, static_cast<int32_t>(plan_.prefix_stride));
        cc_.add(prefix, prefix_iova_);
        return prefix;
      }
      default: {
        const Gp count = New();
        cc_.lea(count, asm86::ptr(count_, static_cast<int32_t>(walk_.ahead() * plan_.packet_slots +
                                                               part.slot)));
        emitter_.And(count, plan_.count_mask);
        return count;
      }
    }
  }

  void Remember(const Gp& id) {
    if (plan_.memory == TxMemory::kNothing) return;
    if (plan_.memory == TxMemory::kOrder && walk_.together()) {
      if (walk_.ahead() == 0) RememberFour();
      return;
    }
    const Gp cookie = cc_.newUInt32();
    cc_.mov(cookie, walk_.Element(4, offsetof(TxPacket, cookie)));
    if (plan_.memory == TxMemory::kOrder) {
      cc_.mov(asm86::dword_ptr(cookies_), cookie);
      return;
    }
    const Gp at = New();
    cc_.mov(at, id);
    cc_.shl(at, 4);
    static_assert(sizeof(TxRemembered) == 1 << 4);
    cc_.mov(asm86::qword_ptr(remembered_, at, 0, offsetof(TxRemembered, burst)), number_);
    cc_.mov(asm86::dword_ptr(remembered_, at, 0, offsetof(TxRemembered, cookie)), cookie);
  }

  // The cookies of all that this turn is for, even if it ends before the last of them.
  void RememberFour() {
    static_assert(Walk::kTogether == 4 && offsetof(TxPacket, bytes) == 8 &&
                  offsetof(TxPacket, cookie) == 12);
    const Xmm two = cc_.newXmm();
    const Xmm others = cc_.newXmm();
    const auto half = [&](uint32_t packet) {
      return walk_.Element(8, packet * sizeof(TxPacket) + offsetof(TxPacket, bytes));
    };
    cc_.movq(two, half(0));
    cc_.movhps(two, half(1));
    cc_.movq(others, half(2));
    cc_.movhps(others, half(3));
    cc_.shufps(two, others, 0xdd);  // the second and the fourth of each
    cc_.movups(asm86::xmmword_ptr(cookies_), two);
  }

  // The last one once more, with the report: it is not the device's yet.
  void Report() {
    if (plan_.kept_word != TxRingPlan::kNone) {
      cc_.mov(asm86::qword_ptr(walk_.state(), offsetof(TxRingCall, kept)),
              *before_[plan_.kept_word]);
      cc_.mov(asm86::qword_ptr(walk_.state(), offsetof(TxRingCall, has_kept)), 1);
    }
    if (plan_.report_words == 0) return;
    const asmjit::Label none = cc_.newLabel();
    cc_.cmp(asm86::qword_ptr(walk_.state(), offsetof(TxRingCall, report)), 0);
    cc_.je(none);
    for (uint32_t w = 0; w < plan_.words.size(); ++w) {
      if ((plan_.report_words >> w & 1) == 0) continue;
      cc_.or_(*before_[w], ImageAt(offsetof(TxRingImage, report), w));
      Mem last = WordAt(w);
      last.addOffset(-int64_t{plan_.packet_slots} * plan_.slot_bytes);
      cc_.mov(last, *before_[w]);
    }
    cc_.bind(none);
  }

  x86::Emitter& emitter_;
  asm86::Compiler& cc_;
  const TxRingPlan& plan_;
  Walk walk_;
  bool has_ids_ = false;
  bool has_count_ = false;
  bool has_prefix_iova_ = false;
  Gp cookies_, remembered_, number_, ids_, prefixes_, prefix_, prefix_iova_, count_, held_;
  static constexpr uint32_t kMaxPairs = 8;
  std::array<std::optional<Pair>, kMaxPacketWords> pairs_;
  std::array<Xmm, kMaxPacketWords> constants_;  // that the image has of them
  std::array<int32_t, kMaxPacketWords> shuffles_{};
  // Words that are written once more, or given back, of the packet before.
  std::array<std::optional<Gp>, kMaxPacketWords> before_;
};

asmjit::FuncNode* EmitTake(x86::Emitter* emitter, const TxDonePlan& plan) {
  asm86::Compiler& cc = emitter->cc();
  Walk walk(emitter, {plan.slot_count, plan.slot_bytes, 0, sizeof(uint64_t), plan.step_slots});
  walk.Run([&] {
    std::array<Gp, kMaxWords> words{};
    uint32_t loaded = 0;
    const auto load = [&](uint32_t word) {
      if ((loaded >> word & 1) != 0) return;
      words[word] = cc.newUInt64();
      cc.mov(words[word], walk.Slot(8, size_t{8} * word));
      loaded |= 1u << word;
    };
    for (size_t i = 0; i < plan.tests.size(); ++i) {
      load(plan.tests[i].word);
      const Gp bits = cc.newUInt64();
      cc.mov(bits, words[plan.tests[i].word]);
      emitter->And(bits, plan.tests[i].mask);
      cc.cmp(bits, asm86::qword_ptr(walk.more(), static_cast<int32_t>(8 * i)));
      cc.jne(walk.stop());
    }
    for (const Piece& piece : plan.key) load(piece.word);
    cc.mov(walk.Element(8, 0), emitter->Get(plan.key, words, false));
  });
  return walk.function();
}

}  // namespace

absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done) {
  x86::Emitter emitter(Instructions::kOfThisProcessor);
  std::vector<asmjit::FuncNode*> functions{Push(&emitter, plan).Emit()};
  if (done.slot_count != 0) functions.push_back(EmitTake(&emitter, done));
  size_t offsets[2] = {};
  absl::StatusOr<std::vector<std::byte>> bytes = emitter.Finish(functions, offsets);
  if (!bytes.ok()) return bytes.status();
  return TxRingCode{*std::move(bytes), offsets[0], offsets[1]};
}

}  // namespace qsplit::dataplane::burst
