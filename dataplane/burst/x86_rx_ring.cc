// Bursts of a receive queue of several rings for x86-64: see generator.h, rx_ring_burst.h.
#include <bit>
#include <cstddef>
#include <optional>
#include <type_traits>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using x86::Gp;
using x86::Mem;
using x86::Walk;

constexpr uint32_t kWord = 8;

// Whether a completion's key is tested along with the first word: both stand in it, apart.
bool KeyIsTested(const RxRingPlan& plan) {
  if (plan.key != RxRingPlan::Key::kNumber || plan.key_pieces.size() != 1) return false;
  const Piece& key = plan.key_pieces.front();
  const uint64_t numbers = plan.buffer_count - 1;
  return key.word == plan.first_word && key.place == 0 && !key.byte_swap &&
         (numbers & ~key.mask) == 0 &&
         (plan.record.tests[key.word].mask & key.mask << key.shift) == 0;
}

// One slot that may be completed.
class Completion {
 public:
  Completion(x86::Emitter* emitter, const RxRingPlan& plan, const Walk& walk, x86::Record* record,
             uint32_t phase)
      : emitter_(emitter), plan_(plan), walk_(walk), record_(record), phase_(phase) {}

  void Emit() {
    asm86::Compiler& cc = emitter_->cc();
    // What decides whether it is of the common case, first; loads are not reordered with earlier
    // ones: the first is the acquire.
    uint32_t loaded = 1u << plan_.first_word;
    const auto load = [&](uint32_t w) {
      if ((loaded >> w & 1) == 0) Load(w);
      loaded |= 1u << w;
    };
    const bool with_key = KeyIsTested(plan_);
    if (with_key) {
      LoadWithKey();
    } else {
      Load(plan_.first_word);
    }
    for (uint32_t w = 0; w < plan_.prefix_word; ++w) {
      if (plan_.record.tests[w].mask != 0) load(w);
    }
    for (const Piece& piece : plan_.key_pieces) load(piece.word);
    for (const Piece& piece : plan_.record.length) load(piece.word);
    for (const Piece& piece : plan_.record.offset) load(piece.word);
    const std::optional<Gp> skip = Skip(with_key);
    const Gp length = Length(skip);
    ReadPrefix();
    for (uint32_t w = 0; w < plan_.prefix_word; ++w) {
      if ((plan_.record.words >> w & 1) != 0) load(w);
    }

    // As one word: fewer stores.
    const Gp head = cc.newUInt64();
    cc.mov(head.r32(), walk_.State(4, offsetof(RxBuffer, cookie)));
    cc.shl(length, 32);
    cc.or_(head, length);
    cc.mov(walk_.Element(8, offsetof(RxCompletion, cookie)), head);
    static_assert(offsetof(RxCompletion, cookie) == 0 && offsetof(RxCompletion, length) == 4 &&
                  offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                  offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
    const Gp marks = cc.newUInt64();
    emitter_->Set(marks, uint64_t{0x101} << 32 | plan_.prefix_bytes);
    if (skip.has_value()) cc.add(marks, *skip);
    cc.mov(walk_.Element(8, offsetof(RxCompletion, offset)), marks);
    record_->Store([&](uint32_t bytes, size_t offset) {
      return walk_.Element(bytes, offsetof(RxCompletion, meta) + offset);
    });
  }

 private:
  void Load(uint32_t w) {
    record_->LoadWord(w, walk_.Slot(kWord, size_t{kWord} * w),
                      phase_ != 0 ? plan_.record_phase[w] : 0, walk_.stop());
  }
  // The first word; with the key's bits lowest, both at once: what must stand there is the buffer's
  // number plus a constant.
  void LoadWithKey() {
    asm86::Compiler& cc = emitter_->cc();
    const Piece& key = plan_.key_pieces.front();
    const WordTest& test = plan_.record.tests[plan_.first_word];
    const uint64_t turn = phase_ != 0 ? plan_.record_phase[plan_.first_word] : 0;
    const Gp word = record_->LoadUntested(plan_.first_word,
                                          walk_.Slot(kWord, size_t{kWord} * plan_.first_word));
    const Gp bits = cc.newUInt64();
    cc.mov(bits, word);
    if (key.shift != 0) cc.ror(bits, key.shift);
    emitter_->And(bits, std::rotr(test.mask | key.mask << key.shift, key.shift));
    emitter_->Sub(bits, std::rotr(test.value ^ turn, key.shift));
    cc.cmp(bits, walk_.Number());
    cc.jne(walk_.stop());
  }
  Gp BufferBytes() {
    asm86::Compiler& cc = emitter_->cc();
    const Gp bytes = cc.newUInt64();
    cc.mov(bytes.r32(), walk_.State(4, offsetof(RxBuffer, bytes)));
    return bytes;
  }
  // Checks the key. How far behind the buffer's first byte the completion says that the packet
  // begins; nullopt: it does not say.
  std::optional<Gp> Skip(bool key_was_tested) {
    asm86::Compiler& cc = emitter_->cc();
    std::optional<Gp> skip;
    if (plan_.key != RxRingPlan::Key::kNone && !key_was_tested) {
      const Gp key = emitter_->Get(plan_.key_pieces, record_->words(), false);
      if (plan_.key == RxRingPlan::Key::kNumber) {
        cc.cmp(key, walk_.Number());
        cc.jne(walk_.stop());
      } else {
        cc.sub(key, walk_.State(8, offsetof(RxBuffer, address)));
        if (plan_.key_inside) {
          cc.cmp(key, BufferBytes());
          cc.jae(walk_.stop());
        } else {
          cc.jnz(walk_.stop());
        }
        skip = key;
      }
    }
    if (plan_.record.offset.empty()) return skip;
    const Gp offset = emitter_->Get(plan_.record.offset, record_->words(), false);
    if (skip.has_value()) cc.add(offset, *skip);
    return offset;
  }
  // packet.length, of the packet alone.
  Gp Length(const std::optional<Gp>& skip) {
    asm86::Compiler& cc = emitter_->cc();
    const Gp length = emitter_->Get(plan_.record.length, record_->words(), false);
    // With the prefix, as far as it is counted.
    const bool counted = plan_.record.length_less >= plan_.prefix_bytes;
    Take(length,
         counted ? plan_.record.length_less - plan_.prefix_bytes : plan_.record.length_less);
    // More than there is room for is not believed: the engine cuts it.
    if (counted && !skip.has_value()) {
      cc.cmp(length.r32(), walk_.State(4, offsetof(RxBuffer, bytes)));
    } else {
      const Gp bytes = BufferBytes();
      if (skip.has_value()) Take(bytes, *skip);
      const Gp whole = cc.newUInt64();
      cc.lea(whole, asm86::ptr(length, counted ? 0 : static_cast<int32_t>(plan_.prefix_bytes)));
      cc.cmp(whole, bytes);
    }
    cc.ja(walk_.stop());
    if (counted) Take(length, plan_.prefix_bytes);
    return length;
  }
  // number -= less; leaves the loop where that is less than 0.
  template <typename Less>
  void Take(const Gp& number, const Less& less) {
    if constexpr (std::is_integral_v<Less>) {
      if (less == 0) return;
    }
    emitter_->cc().sub(number, less);
    emitter_->cc().jb(walk_.stop());
  }
  void ReadPrefix() {
    if (plan_.prefix_word == kMaxWords) return;
    asm86::Compiler& cc = emitter_->cc();
    const Gp memory = cc.newUIntPtr();
    cc.mov(memory, walk_.State(8, offsetof(RxBuffer, memory)));
    for (uint32_t w = plan_.prefix_word; w < kMaxWords; ++w) {
      if ((plan_.record.words >> w & 1) == 0) continue;
      const uint32_t offset = kWord * (w - plan_.prefix_word);
      const uint32_t bytes = offset + kWord <= plan_.prefix_bytes ? kWord : kWord / 2;
      record_->LoadWord(w, Mem(memory, static_cast<int32_t>(offset), bytes), 0, walk_.stop());
    }
  }

  x86::Emitter* emitter_;
  const RxRingPlan& plan_;
  const Walk& walk_;
  x86::Record* record_;
  uint32_t phase_;
};

asmjit::FuncNode* EmitPoll(x86::Emitter* emitter, const RxRingPlan& plan, x86::Record* record,
                           uint32_t phase) {
  Walk walk(emitter, {.slot_count = plan.slot_count,
                      .slot_bytes = plan.slot_bytes,
                      .state_bytes = sizeof(RxBuffer),
                      .element_bytes = sizeof(RxCompletion),
                      .state_count = plan.buffer_count,
                      .numbered = plan.key == RxRingPlan::Key::kNumber});
  walk.Run([&] { Completion(emitter, plan, walk, record, phase).Emit(); });
  return walk.function();
}

// One slot to post a buffer in.
class Posting {
 public:
  enum class How : uint8_t {
    kAll,
    kAgain,  // the slot was posted before with as many bytes
    kHeld,   // the word that hands over goes elsewhere
  };
  Posting(x86::Emitter* emitter, const RxRingPlan& plan, const Walk& walk, uint32_t phase, How how)
      : emitter_(emitter),
        plan_(plan),
        walk_(walk),
        phase_(phase),
        again_(how == How::kAgain),
        held_(how == How::kHeld) {}

  void Emit() {
    asm86::Compiler& cc = emitter_->cc();
    const Gp address = cc.newUInt64("address");
    cc.mov(address, walk_.Element(8, offsetof(RxBuffer, address)));
    CheckAddress(address);
    const Gp bytes = CheckBytes();
    const Gp memory = cc.newUIntPtr();
    if (plan_.keeps_memory) cc.mov(memory, walk_.Element(8, offsetof(RxBuffer, memory)));
    if (plan_.needs_memory) {
      cc.test(memory, memory);
      cc.jz(walk_.stop());
    }
    const Gp number = plan_.number.empty() ? Gp() : walk_.Number();
    for (uint32_t w = 0; w < plan_.post_words; ++w) {
      if (again_ && !plan_.Varies(w)) continue;
      const Gp word = cc.newUInt64();
      const uint64_t image = plan_.image[w] ^ (phase_ != 0 ? plan_.image_phase[w] : 0);
      emitter_->Sum({{plan_.address, address}, {plan_.length, bytes}, {plan_.number, number}}, w,
                    image, word);
      const bool elsewhere = held_ && w == plan_.handover_word;
      cc.mov(elsewhere ? asm86::qword_ptr(walk_.more()) : walk_.Slot(kWord, size_t{kWord} * w),
             word);
    }
    Keep(bytes, address);
    if (plan_.keeps_memory) cc.mov(walk_.State(8, offsetof(RxBuffer, memory)), memory);
  }

 private:
  void CheckAddress(const Gp& address) {
    asm86::Compiler& cc = emitter_->cc();
    if (plan_.alignment_mask != 0) {
      cc.test(emitter_->Constant(plan_.alignment_mask), address);
      cc.jnz(walk_.stop());
    }
    if (plan_.max_address != UINT64_MAX) {
      cc.cmp(address, emitter_->Constant(plan_.max_address));
      cc.ja(walk_.stop());
    }
  }
  Gp CheckBytes() {
    asm86::Compiler& cc = emitter_->cc();
    const Gp bytes = cc.newUInt64("bytes");
    if (plan_.buffer_bytes != 0) {
      cc.cmp(walk_.Element(4, offsetof(RxBuffer, bytes)), plan_.buffer_bytes);
      cc.jb(walk_.stop());
      emitter_->Set(bytes, plan_.buffer_bytes);
      return bytes;
    }
    if (again_) {
      cc.mov(bytes.r32(), walk_.Element(4, offsetof(RxBuffer, bytes)));
      cc.cmp(bytes.r32(), walk_.State(4, offsetof(RxBuffer, bytes)));
      cc.jne(walk_.stop());
      return bytes;
    }
    // With the cookie: one word to remember.
    static_assert(offsetof(RxBuffer, bytes) % 8 == 0 &&
                  offsetof(RxBuffer, cookie) == offsetof(RxBuffer, bytes) + 4);
    both_ = cc.newUInt64("both");
    cc.mov(both_, walk_.Element(8, offsetof(RxBuffer, bytes)));
    cc.mov(bytes.r32(), both_.r32());
    const Gp less = cc.newUInt32();
    cc.lea(less, asm86::ptr(bytes, -1));
    cc.cmp(less, plan_.max_length);
    cc.jae(walk_.stop());
    return bytes;
  }
  void Keep(const Gp& bytes, const Gp& address) {
    asm86::Compiler& cc = emitter_->cc();
    if (!again_ && plan_.buffer_bytes == 0) {
      cc.mov(walk_.State(8, offsetof(RxBuffer, bytes)), both_);
    } else {
      const Gp cookie = cc.newUInt32();
      cc.mov(cookie, walk_.Element(4, offsetof(RxBuffer, cookie)));
      cc.mov(walk_.State(4, offsetof(RxBuffer, cookie)), cookie);
      if (!again_) cc.mov(walk_.State(4, offsetof(RxBuffer, bytes)), bytes.r32());
    }
    if (plan_.keeps_address) cc.mov(walk_.State(8, offsetof(RxBuffer, address)), address);
  }

  x86::Emitter* emitter_;
  const RxRingPlan& plan_;
  const Walk& walk_;
  uint32_t phase_;
  bool again_;
  bool held_;
  Gp both_;  // bytes and cookie
};

asmjit::FuncNode* EmitPost(x86::Emitter* emitter, const RxRingPlan& plan, uint32_t phase,
                           Posting::How how) {
  Walk walk(emitter, {.slot_count = plan.buffer_count,
                      .slot_bytes = plan.post_slot_bytes,
                      .state_bytes = sizeof(RxBuffer),
                      .element_bytes = sizeof(RxBuffer),
                      .numbered = !plan.number.empty()});
  walk.Run([&] {
    if (plan.posts) {
      Posting(emitter, plan, walk, phase, how).Emit();
    } else {
      emitter->cc().jmp(walk.stop());
    }
  });
  return walk.function();
}

bool LeavesOut(const RxRingPlan& plan) {
  if (!plan.posts || !plan.words_stay) return false;
  for (uint32_t w = 0; w < plan.post_words; ++w) {
    if (!plan.Varies(w)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  x86::Record record(&emitter, plan.record);
  RxRingCode code;
  std::vector<asmjit::FuncNode*> functions;
  const uint32_t phases = plan.has_phase() ? 2 : 1;
  const bool again = LeavesOut(plan);
  for (uint32_t phase = 0; phase < phases; ++phase) {
    functions.push_back(EmitPoll(&emitter, plan, &record, phase));
    functions.push_back(EmitPost(&emitter, plan, phase, Posting::How::kAll));
    if (again) functions.push_back(EmitPost(&emitter, plan, phase, Posting::How::kAgain));
    if (plan.holds) functions.push_back(EmitPost(&emitter, plan, phase, Posting::How::kHeld));
  }
  std::vector<size_t> offsets(functions.size());
  absl::StatusOr<std::vector<std::byte>> bytes = emitter.Finish(functions, offsets);
  if (!bytes.ok()) return bytes.status();
  code.bytes = *std::move(bytes);
  for (uint32_t phase = 0; phase < 2; ++phase) {
    const size_t* of = &offsets[phase % phases * (functions.size() / phases)];
    code.poll[phase] = of[0];
    code.post[phase] = of[1];
    if (again) code.again[phase] = of[2];
    if (plan.holds) code.held[phase] = of[again ? 3 : 2];
  }
  return code;
}

}  // namespace qsplit::dataplane::burst
