#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "descriptor-lang/emit/byte_slices.h"
#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_loops.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// Bytes of a slot that are loaded and stored at once.
uint32_t WordBytes(const v1::Ring& ring) {
  for (const uint32_t bytes : {8u, 4u, 2u}) {
    if (ring.slot_bytes() % bytes == 0) return bytes;
  }
  return 1;
}

class RingEmitter {
 public:
  RingEmitter(const v1::Layout& layout, const v1::Queue& queue, const v1::Ring& ring)
      : layout_(layout), queue_(queue), ring_(ring), word_bytes_(WordBytes(ring)) {}

  std::string Run() {
    text::Append(out_, "// Ring ", ring_.name(), " of queue ", queue_.name(), ".\n");
    if (ring_.kind() == v1::RING_KIND_TABLE || ring_.wrap().has_link_form()) {
      text::Append(out_, "// No loops: ",
                   ring_.kind() == v1::RING_KIND_TABLE ? "its slots are used in any order"
                                                       : "its last slot is a link",
                   ".\n\n");
      return std::move(out_);
    }
    text::Append(out_, "struct ", queue_.name(), "_", ring_.name(),
                 "_ring {\n  static constexpr uint32_t kSlotBytes = ", ring_.slot_bytes(), ";\n\n");
    EmitPosition();
    EmitPoll();
    EmitPrepare();
    for (const uint32_t form : ring_.post_forms()) EmitPost(form);
    text::Append(out_, DoorbellFunctions(ring_.producer_doorbells(), "producer"),
                 DoorbellFunctions(ring_.consumer_doorbells(), "consumer"));
    out_ += "};\n\n";
    return std::move(out_);
  }

 private:
  const v1::Form& Form(uint32_t index) const { return layout_.forms(static_cast<int>(index)); }
  const v1::Field& FieldOf(const v1::FieldReference& reference) const {
    return Form(reference.form()).fields(static_cast<int>(reference.field()));
  }
  // "RxRead::length_raw".
  std::string Raw(const v1::FieldReference& reference, std::string_view before = "") const {
    return text::Cat(Safe(Form(reference.form()).name()), "::", before, FieldOf(reference).name(),
                     "_raw");
  }
  std::string WordType() const { return text::Cat("uint", word_bytes_ * 8, "_t"); }
  uint32_t Words() const { return ring_.slot_bytes() / word_bytes_; }
  bool FlipsEachPass() const {
    return ring_.has_phase() && ring_.phase().flip() == v1::PHASE_FLIP_EACH_PASS;
  }
  bool TakesWholeSlots(const google::protobuf::RepeatedField<uint32_t>& forms) const {
    return std::all_of(forms.begin(), forms.end(), [&](uint32_t form) {
      return Form(form).size_bytes() <= ring_.slot_bytes();
    });
  }

  void EmitPosition() {
    out_ +=
        "  // Where one side of the ring stands.\n  struct Position {\n"
        "    uint32_t slot = 0;\n    uint64_t count = 0;  // free-running\n";
    if (ring_.has_phase()) {
      text::Append(out_, "    uint32_t phase = ", ring_.phase().initial(), ";  // due here\n");
    }
    if (ring_.has_sequence()) {
      text::Append(out_, "    uint64_t sequence = ", Number(ring_.sequence().initial()),
                   ";  // due here\n");
    }
    out_ +=
        "\n    // Over one descriptor in a ring of so many slots.\n"
        "    constexpr void advance(uint32_t slots) {\n      ++count;\n"
        "      if (++slot == slots) {\n        slot = 0;\n";
    if (FlipsEachPass()) out_ += "        phase ^= 1u;\n";
    out_ += "      }\n";
    if (ring_.has_sequence()) {
      text::Append(out_, "      sequence = sequence == ", Number(ring_.sequence().last()), " ? ",
                   Number(ring_.sequence().first()), " : sequence + 1;\n");
    }
    out_ += "    }\n  };\n\n";
  }

  std::string Compared(const v1::Comparison& comparison) const {
    const std::string left = Raw(comparison.field()) + "(d)";
    std::string right;
    if (comparison.has_other()) {
      right = Raw(comparison.other()) + "(d)";
    } else if (comparison.has_state()) {
      right = comparison.state() == v1::RING_STATE_PHASE ? "at.phase" : "at.sequence";
    } else {
      right = Number(comparison.constant());
    }
    switch (comparison.operator_()) {
      case v1::OPERATOR_ANY_BITS:
        return text::Cat("(", left, " & ", right, ") != 0");
      case v1::OPERATOR_NO_BITS:
        return text::Cat("(", left, " & ", right, ") == 0");
      default:
        return text::Cat(left, " ", Word(comparison.operator_()), " ", right);
    }
  }
  // The condition of any form that may stand there; adds the bytes that it reads.
  std::string Completed(std::set<uint32_t>* bytes) const {
    std::vector<std::string> any;
    for (const v1::Conjunction& conjunction : ring_.completed().when().any_of()) {
      std::vector<std::string> all;
      for (const v1::Comparison& comparison : conjunction.all_of()) {
        all.push_back(Compared(comparison));
        AddBytes(comparison.field(), bytes);
        if (comparison.has_other()) AddBytes(comparison.other(), bytes);
      }
      const std::string one = text::Join(all, " && ");
      any.push_back(all.size() > 1 ? text::Cat("(", one, ")") : one);
    }
    return text::Join(any, " || ");
  }
  // The word that the device writes last, so far as the condition tells: that of the last
  // comparison with the ring's state, else of the last one. The data plane takes the same
  // (RingForms::FindWords). None without a condition.
  std::optional<uint32_t> DecidingWord() const {
    const v1::Comparison* chosen = nullptr;
    for (const v1::Conjunction& conjunction : ring_.completed().when().any_of()) {
      for (const v1::Comparison& comparison : conjunction.all_of()) {
        if (chosen == nullptr || comparison.has_state() || !chosen->has_state()) {
          chosen = &comparison;
        }
      }
    }
    if (chosen == nullptr) return std::nullopt;
    const v1::FieldReference& field = chosen->has_other() ? chosen->other() : chosen->field();
    return SlicesOf(FieldOf(field)).front().byte / word_bytes_;
  }
  void AddBytes(const v1::FieldReference& field, std::set<uint32_t>* bytes) const {
    for (const ByteSlice& slice : SlicesOf(FieldOf(field))) bytes->insert(slice.byte);
  }
  std::set<uint32_t> WordsOfBytes(const std::set<uint32_t>& bytes) const {
    std::set<uint32_t> words;
    for (const uint32_t byte : bytes) words.insert(byte / word_bytes_);
    return words;
  }

  void LoadWord(uint32_t word, std::string_view order) {
    text::Append(out_, "      word = __atomic_load_n(from + ", word, ", __ATOMIC_", order,
                 ");\n      __builtin_memcpy(d + ", word * word_bytes_, ", &word, ", word_bytes_,
                 ");\n");
  }

  void EmitPoll() {
    if (ring_.complete_forms().empty()) return;
    if (!TakesWholeSlots(ring_.complete_forms())) {
      out_ += "  // No poll: completions reach over several slots.\n\n";
      return;
    }
    std::set<uint32_t> bytes;
    const std::string completed = Completed(&bytes);
    if (!completed.empty()) {
      text::Append(out_,
                   "  // Whether the slot at `at`, whose bytes are d, has a completion.\n"
                   "  static constexpr bool completed(const uint8_t* d, const Position& at) {\n"
                   "    static_cast<void>(at);\n    return ",
                   completed, ";\n  }\n\n");
    }
    const bool fills = !FilledWords().empty() && !TellsTurns();
    text::Append(out_, "  // Takes completions, `most` at the most",
                 completed.empty() ? " (so many as the device said that there are)" : "",
                 ":\n  // calls take(at, d) for each, d: the slot's bytes in private memory. "
                 "Returns how many.\n"
                 "  // The ring begins at a multiple of ",
                 word_bytes_, " bytes.\n  template <typename Take>\n  static uint32_t poll(",
                 fills ? "" : "const ",
                 "void* ring, uint32_t slots, uint32_t most, Position& at,\n"
                 "                       Take&& take) {\n"
                 "    Position here = at;\n    uint32_t taken = 0;\n"
                 "    for (; taken < most; ++taken) {\n      ",
                 fills ? "" : "const ", WordType(), "* const from = static_cast<",
                 fills ? "" : "const ", WordType(), "*>(ring) + uint64_t{here.slot} * ", Words(),
                 ";\n      alignas(8) uint8_t d[", ring_.slot_bytes(), "];\n      ", WordType(),
                 " word;\n");
    const std::set<uint32_t> first = WordsOfBytes(bytes);
    // What the device wrote before it is there once that word is: behind it, all others are new.
    const std::optional<uint32_t> deciding = DecidingWord();
    if (deciding.has_value()) LoadWord(*deciding, "ACQUIRE");
    for (const uint32_t word : first) {
      if (word != deciding) LoadWord(word, "ACQUIRE");
    }
    if (!completed.empty()) out_ += "      if (!completed(d, here)) break;\n";
    for (uint32_t word = 0; word < Words(); ++word) {
      if (!first.contains(word)) LoadWord(word, "RELAXED");
    }
    out_ += "      take(static_cast<const Position&>(here), static_cast<const uint8_t*>(d));\n";
    if (fills) {
      text::Append(out_, "      fill(from, ", FlipsEachPass() ? "here.phase ^ 1u" : NextPhase(),
                   ");\n");
    }
    out_ += "      here.advance(slots);\n    }\n    at = here;\n    return taken;\n  }\n\n";
  }
  // Whether a slot that was taken cannot read as completed in the next turn: nothing to fill in.
  bool TellsTurns() const {
    const auto by_phase = [](const v1::Comparison& comparison) {
      return comparison.has_state() && comparison.state() == v1::RING_STATE_PHASE &&
             (comparison.operator_() == v1::OPERATOR_EQUAL ||
              comparison.operator_() == v1::OPERATOR_NOT_EQUAL);
    };
    const auto& any = ring_.completed().when().any_of();
    return FlipsEachPass() && !any.empty() &&
           std::all_of(any.begin(), any.end(), [&](const v1::Conjunction& conjunction) {
             return std::any_of(conjunction.all_of().begin(), conjunction.all_of().end(), by_phase);
           });
  }
  std::string NextPhase() const { return ring_.has_phase() ? "here.phase" : "0u"; }

  // What the driver writes into slots that it has taken, by word.
  struct Filled {
    uint32_t word = 0;
    uint64_t mask = 0;
    uint64_t value[2] = {0, 0};  // by the phase of the slot's next use
  };
  std::vector<Filled> FilledWords() const {
    std::vector<Filled> words(Words());
    for (const v1::FillValue& fill : ring_.fills()) {
      const uint32_t form = fill.field().form();
      const auto& forms = ring_.complete_forms();
      if (std::find(forms.begin(), forms.end(), form) == forms.end()) continue;
      for (const ByteSlice& slice : SlicesOf(FieldOf(fill.field()))) {
        Filled& word = words[slice.byte / word_bytes_];
        const uint32_t up = slice.byte % word_bytes_ * 8 + slice.shift;
        const uint64_t mask = uint64_t{slice.mask} << up;
        word.mask |= mask;
        for (uint64_t phase = 0; phase < 2; ++phase) {
          const uint64_t value = fill.opposite_phase() ? phase ^ 1 : fill.value();
          word.value[phase] &= ~mask;
          word.value[phase] |= (value >> slice.place & slice.mask) << up;
        }
      }
    }
    for (uint32_t i = 0; i < words.size(); ++i) words[i].word = i;
    std::erase_if(words, [](const Filled& word) { return word.mask == 0; });
    return words;
  }

  // Little-endian words: those of the machines that the header is for.
  void EmitPrepare() {
    const std::vector<Filled> words = FilledWords();
    if (words.empty() || !TakesWholeSlots(ring_.complete_forms())) return;
    text::Append(out_,
                 "  // Makes one slot read as not completed; phase: that of its next use.\n"
                 "  static void fill(",
                 WordType(),
                 "* slot, uint32_t phase) {\n"
                 "    static_assert(std::endian::native == std::endian::little);\n"
                 "    static_cast<void>(phase);\n");
    for (const Filled& word : words) {
      const std::string value = word.value[0] == word.value[1]
                                    ? Number(word.value[0])
                                    : text::Cat("((phase & 1u) != 0 ? ", Number(word.value[1]),
                                                " : ", Number(word.value[0]), ")");
      text::Append(out_, "    __atomic_store_n(slot + ", word.word, ", static_cast<", WordType(),
                   ">((__atomic_load_n(slot + ", word.word, ", __ATOMIC_RELAXED) & ",
                   Number(~word.mask &
                          (word_bytes_ == 8 ? ~uint64_t{0} : (uint64_t{1} << word_bytes_ * 8) - 1)),
                   ") | ", value, "), __ATOMIC_RELEASE);\n");
    }
    text::Append(
        out_,
        "  }\n  // The same of all slots, before the device looks there for the first time.\n"
        "  static void prepare(void* ring, uint32_t slots) {\n"
        "    for (uint32_t i = 0; i < slots; ++i) {\n      fill(static_cast<",
        WordType(), "*>(ring) + uint64_t{i} * ", Words(), ", ",
        ring_.has_phase() ? "Position{}.phase" : "0u", ");\n    }\n  }\n\n");
  }

  // Stores that make the ring's own words say that the slot is posted; false: not known how.
  bool Signs(uint32_t form, std::string* stores, std::set<uint32_t>* bytes) const {
    if (!ring_.posted().has_when()) return true;
    for (const v1::Conjunction& conjunction : ring_.posted().when().any_of()) {
      if (conjunction.all_of(0).field().form() != form) continue;
      for (const v1::Comparison& comparison : conjunction.all_of()) {
        const bool equal = comparison.operator_() == v1::OPERATOR_EQUAL;
        const bool opposite = comparison.operator_() == v1::OPERATOR_NOT_EQUAL &&
                              comparison.state() == v1::RING_STATE_PHASE;
        if (comparison.has_other() || (!equal && !opposite)) return false;
        const std::string value = !comparison.has_state() ? Number(comparison.constant())
                                  : comparison.state() == v1::RING_STATE_SEQUENCE ? "at.sequence"
                                  : opposite                                      ? "at.phase ^ 1u"
                                                                                  : "at.phase";
        text::Append(*stores, "    ", Raw(comparison.field(), "set_"), "(d, ", value, ");\n");
        AddBytes(comparison.field(), bytes);
      }
      return true;
    }
    return false;
  }

  // Constants in place, all else zero; flags of negative logic say no.
  std::vector<uint8_t> ConstantBytes(const v1::Form& form) const {
    std::vector<uint8_t> bytes(ring_.slot_bytes());
    for (const v1::Field& field : form.fields()) {
      const bool constant = field.constraint() == v1::CONSTRAINT_CONSTANT;
      if (!field.features().empty() || (!constant && !field.inverted())) continue;
      const uint64_t value = constant ? field.constant() : 1;
      for (const ByteSlice& slice : SlicesOf(field)) {
        uint8_t& byte = bytes[slice.byte];
        byte = static_cast<uint8_t>((byte & ~(slice.mask << slice.shift)) |
                                    (value >> slice.place & slice.mask) << slice.shift);
      }
      for (uint32_t i = 0; field.parts().empty() && i < field.bytes().length(); ++i) {
        bytes[field.bytes().byte_offset() + i] = static_cast<uint8_t>(value);
      }
    }
    return bytes;
  }

  void EmitPost(uint32_t index) {
    const v1::Form& form = Form(index);
    const bool appends = std::any_of(form.contains().begin(), form.contains().end(),
                                     [](const v1::ContainedForm& part) { return part.appended(); });
    std::string signs;
    std::set<uint32_t> bytes;
    const bool known = Signs(index, &signs, &bytes);
    for (const v1::Field& field : form.fields()) {
      if (field.role() != "ring.last") continue;
      text::Append(signs, "    ", Safe(form.name()), "::set_", field.name(),
                   "_raw(d, at.slot + 1 == slots ? ", field.inverted() ? "0u : 1u" : "1u : 0u",
                   ");\n");
    }
    const std::set<uint32_t> last = WordsOfBytes(bytes);
    if (form.size_bytes() > ring_.slot_bytes() || appends || !known || last.size() > 1) {
      text::Append(out_, "  // No post_", form.name(),
                   ": it takes several slots, or several words ", "hand it over.\n\n");
      return;
    }
    std::vector<std::string> image;
    const std::vector<uint8_t> constants = ConstantBytes(form);
    if (std::any_of(constants.begin(), constants.end(), [](uint8_t b) { return b != 0; })) {
      for (const uint8_t byte : constants) image.push_back(text::Cat(static_cast<uint32_t>(byte)));
    }
    text::Append(out_, "  // Writes one ", form.name(),
                 " at `at`, which moves on: calls fill(d), d: ",
                 "private bytes in\n  // which the constants stand. ",
                 bytes.empty() ? "The device sees it by the doorbell or cell that follows."
                               : "The device owns it from then on.",
                 "\n  template <typename Fill>\n  static void post_", form.name(),
                 "(void* ring, uint32_t slots, Position& at, Fill&& fill) {\n"
                 "    alignas(8) uint8_t d[",
                 ring_.slot_bytes(), "] = {", text::Join(image, ", "), "};\n    fill(&d[0]);\n",
                 signs, "    ", WordType(), "* const to = static_cast<", WordType(),
                 "*>(ring) + uint64_t{at.slot} * ", Words(), ";\n    ", WordType(), " word;\n");
    for (uint32_t word = 0; word < Words(); ++word) {
      if (!last.contains(word)) StoreWord(word, "RELAXED");
    }
    for (const uint32_t word : last) StoreWord(word, "RELEASE");
    out_ += "    at.advance(slots);\n  }\n\n";
  }
  void StoreWord(uint32_t word, std::string_view order) {
    text::Append(out_, "    __builtin_memcpy(&word, d + ", word * word_bytes_, ", ", word_bytes_,
                 ");\n    __atomic_store_n(to + ", word, ", word, __ATOMIC_", order, ");\n");
  }

  const v1::Layout& layout_;
  const v1::Queue& queue_;
  const v1::Ring& ring_;
  const uint32_t word_bytes_;
  std::string out_;
};

}  // namespace

std::string RingLoops(const v1::Layout& layout) {
  std::string out;
  for (const v1::Queue& queue : layout.queues()) {
    for (const v1::Ring& ring : queue.rings()) out += RingEmitter(layout, queue, ring).Run();
  }
  return out;
}

}  // namespace qsplit::layout
