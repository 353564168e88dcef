// Bursts of transmit queues of any protocol for x86-64: see generator.h, tx_ring.h.
#include <cstddef>
#include <optional>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using x86::Gp;
using x86::Mem;
using x86::Walk;

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
    if (has_count_) load(count_ = New(), offsetof(TxRingCall, count));
    if (Holds()) {
      const asmjit::Label elsewhere = cc_.newLabel();
      load(held_ = New(), offsetof(TxRingCall, held));
      cc_.test(held_, held_);
      cc_.jnz(elsewhere);
      PointHeld(0);
      cc_.bind(elsewhere);
    }
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

  void Packet() {
    const Gp address = New();
    const Gp bytes = New();
    cc_.mov(address, walk_.Element(8, offsetof(TxPacket, address)));
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
    Gp id;
    if (has_ids_) {
      id = New();
      cc_.mov(id.r32(), asm86::dword_ptr(ids_, -static_cast<int32_t>(sizeof(uint32_t)) *
                                                   static_cast<int32_t>(walk_.ahead() + 1)));
    }
    for (uint32_t w = 0; w < plan_.words.size(); ++w) Word(w, address, bytes, id);
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
        cc_.add(prefix, emitter_.Constant(plan_.prefix_iova));
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
    const Gp cookie = cc_.newUInt32();
    cc_.mov(cookie, walk_.Element(4, offsetof(TxPacket, cookie)));
    if (plan_.memory == TxMemory::kOrder) {
      cc_.mov(asm86::dword_ptr(cookies_, static_cast<int32_t>(walk_.ahead() * sizeof(uint32_t))),
              cookie);
      return;
    }
    const Gp at = New();
    cc_.mov(at, id);
    cc_.shl(at, 4);
    static_assert(sizeof(TxRemembered) == 1 << 4);
    cc_.mov(asm86::qword_ptr(remembered_, at, 0, offsetof(TxRemembered, burst)), number_);
    cc_.mov(asm86::dword_ptr(remembered_, at, 0, offsetof(TxRemembered, cookie)), cookie);
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
  Gp cookies_, remembered_, number_, ids_, count_, held_;
  // Words that a report may be asked for in, of the packet before.
  std::array<std::optional<Gp>, kMaxPacketWords> before_;
};

asmjit::FuncNode* EmitTake(x86::Emitter* emitter, const TxDonePlan& plan) {
  asm86::Compiler& cc = emitter->cc();
  Walk walk(emitter, {plan.slot_count, plan.slot_bytes, 0, sizeof(uint64_t), plan.step_slots});
  walk.Run([&] {
    std::array<Gp, kMaxWords> words;
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
