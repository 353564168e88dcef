// Writes one ring's structure of the emitted C++ header: its position, the loops of one descriptor
// at a time (poll, post), the bursts that read roles (receive, refill, transmit), its doorbells.
// What a ring has none of is said in its comment. Private to emit.
//
// Reads one layout, which must outlive it. One thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_RING_EMITTER_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_RING_EMITTER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/emit/form_text.h"
#include "descriptor-lang/emit/received_text.h"
#include "descriptor-lang/emit/slot_words.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

class RingEmitter {
 public:
  RingEmitter(const v1::Layout& layout, const v1::Queue& queue, const v1::Ring& ring);

  std::string Run();

 private:
  // What the driver writes into slots that it has taken, by word.
  struct Filled {
    uint32_t word = 0;
    uint64_t mask = 0;
    uint64_t value[2] = {0, 0};  // by the phase of the slot's next use
  };
  // A field by which the ring's own words say that a slot is posted, and what it takes: an
  // expression over `at`.
  struct Sign {
    const v1::Field* field = nullptr;
    std::string value;
    bool of_slot = false;  // it differs from slot to slot
  };
  // How a form is posted, where one slot and one word at its end do.
  struct Posting {
    std::string image;  // the constants, in braces; empty: zeros
    std::string signs;
    std::set<uint32_t> last;  // the word that hands it over; empty: a doorbell or cell does
  };

  const v1::Form& Form(uint32_t index) const { return layout_.forms(static_cast<int>(index)); }
  const v1::Field& FieldOf(const v1::FieldReference& reference) const {
    return Form(reference.form()).fields(static_cast<int>(reference.field()));
  }
  // "RxRead::length_raw".
  std::string Raw(const v1::FieldReference& reference, std::string_view before = "") const;
  std::string WordType() const;
  uint32_t Words() const { return ring_.slot_bytes() / word_bytes_; }
  bool FlipsEachPass() const {
    return ring_.has_phase() && ring_.phase().flip() == v1::PHASE_FLIP_EACH_PASS;
  }
  bool TakesWholeSlots(const google::protobuf::RepeatedField<uint32_t>& forms) const;
  void AddBytes(const v1::FieldReference& field, std::set<uint32_t>* bytes) const;
  std::set<uint32_t> WordsOfBytes(const std::set<uint32_t>& bytes) const;

  // Completions: emit_loops.cc.
  void EmitPosition();
  void EmitPoll();
  void EmitPrepare();
  std::string Compared(const v1::Comparison& comparison) const;
  // The condition of any form that may stand there; adds the bytes that it reads.
  std::string Completed(std::set<uint32_t>* bytes) const;
  // The word that the device writes last, so far as the condition tells: that of the last
  // comparison with the ring's state, else of the last one. The data plane takes the same
  // (RingForms::FindWords). None without a condition.
  std::optional<uint32_t> DecidingWord() const;
  void LoadWord(uint32_t word, std::string_view order, std::string_view indent);
  // Statements that take the completion at `from` into `d`, and break where there is none; of the
  // words that do not decide that, these or (null) all. in_turn: by `turn_mask` and `turn`.
  void EmitTake(std::string_view indent, const std::set<uint32_t>* rest, bool in_turn = false);
  // Fills in the slot at `from`, which is taken; empty: it needs nothing.
  std::string FillCall() const;
  // Whether a slot that was taken cannot read as completed in the next turn: nothing to fill in.
  bool TellsTurns() const;
  bool FillsTaken() const { return !FilledWords().empty() && !TellsTurns(); }
  std::string NextPhase() const;
  std::vector<Filled> FilledWords() const;

  // Descriptors: loop_posts.cc.
  // Values speak of a Position and of the number of its slot by these names.
  std::optional<std::vector<Sign>> SignsOf(uint32_t form, std::string_view position,
                                           std::string_view slot) const;
  std::vector<uint8_t> ConstantBytes(const v1::Form& form) const;
  std::optional<Posting> PostingOf(uint32_t form) const;
  void EmitPost(uint32_t form);
  void StoreWord(uint32_t word, std::string_view indent, bool hands_over);

  // Bursts of descriptors: loop_refills.cc, loop_transmits.cc.
  void EmitRefill();
  std::string RefillBurst(uint32_t form);  // why there is none; empty: it is written
  void EmitTransmit();
  std::string TransmitBurst(uint32_t form);
  // Puts in how the ring's own words say that a slot is posted. False: not by one word.
  bool PutSigns(uint32_t form, SlotWords* words, std::set<uint32_t>* last) const;
  // Stores of a slot's words w0, w1, … at `to`; of those that are not in `last`.
  void EmitStores(const SlotWords& words, const std::vector<uint32_t>& stored,
                  const std::set<uint32_t>& last, std::string_view indent);

  // What tells in one comparison that a slot has a completion of form_ in this turn of the ring:
  // (deciding word & mask) == value, | phase where that is 1; loop_turns.cc.
  struct TurnTest {
    uint64_t mask = 0, value = 0, phase = 0;
    bool tells_form = false;  // whether nothing else is to be asked of the form's own bits
  };
  // nullopt: other words, or other operators, have a say.
  std::optional<TurnTest> TurnTestOf() const;
  // Whether all of it is in the test; then it is added to it.
  bool AddToTest(const v1::Conjunction& conjunction, uint32_t word, TurnTest* test) const;

  // Bursts: loop_bursts.cc.
  // What completions say, in front of the structure; why_no_receive_ where no burst takes them.
  void EmitReceived();
  void FindReceived();
  void EmitReceive();
  // Loads what stands in front of the packet; the statements that put together what is said.
  void EmitPrefix(std::string_view indent);
  void EmitDescribe(std::string_view indent);
  std::string Name() const;  // of the structure, without "_ring"

  const v1::Layout& layout_;
  const v1::Queue& queue_;
  const v1::Ring& ring_;
  const uint32_t word_bytes_;
  std::optional<FormText> form_;            // of packets' completions
  std::optional<ReceivedText> completion_;  // what one says; none: no burst takes them
  std::optional<ReceivedText> prefix_;      // and what stands in front of the packet
  std::string why_no_receive_;
  std::string out_;
};

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_RING_EMITTER_H_
