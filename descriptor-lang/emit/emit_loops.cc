// Completions, one at a time: see ring_emitter.h.
#include <algorithm>
#include <utility>

#include "descriptor-lang/emit/byte_slices.h"
#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_emitter.h"
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

}  // namespace

RingEmitter::RingEmitter(const v1::Layout& layout, const v1::Queue& queue, const v1::Ring& ring)
    : layout_(layout), queue_(queue), ring_(ring), word_bytes_(WordBytes(ring)) {}

std::string RingEmitter::Run() {
  text::Append(out_, "// Ring ", ring_.name(), " of queue ", queue_.name(), ".\n");
  if (ring_.kind() == v1::RING_KIND_TABLE || ring_.wrap().has_link_form()) {
    text::Append(out_, "// No loops: ",
                 ring_.kind() == v1::RING_KIND_TABLE ? "its slots are used in any order"
                                                     : "its last slot is a link",
                 ".\n\n");
    return std::move(out_);
  }
  EmitReceived();
  text::Append(out_, "struct ", queue_.name(), "_", ring_.name(),
               "_ring {\n  static constexpr uint32_t kSlotBytes = ", ring_.slot_bytes(), ";\n\n");
  EmitPosition();
  EmitPoll();
  EmitPrepare();
  EmitReceive();
  for (const uint32_t form : ring_.post_forms()) EmitPost(form);
  EmitRefill();
  EmitTransmit();
  text::Append(out_, DoorbellFunctions(ring_, "producer"), DoorbellFunctions(ring_, "consumer"));
  out_ += "};\n\n";
  return std::move(out_);
}

std::string RingEmitter::Raw(const v1::FieldReference& reference, std::string_view before) const {
  return text::Cat(Safe(Form(reference.form()).name()), "::", before, FieldOf(reference).name(),
                   "_raw");
}
std::string RingEmitter::WordType() const { return text::Cat("uint", word_bytes_ * 8, "_t"); }
bool RingEmitter::TakesWholeSlots(const google::protobuf::RepeatedField<uint32_t>& forms) const {
  return std::all_of(forms.begin(), forms.end(),
                     [&](uint32_t form) { return Form(form).size_bytes() <= ring_.slot_bytes(); });
}
void RingEmitter::AddBytes(const v1::FieldReference& field, std::set<uint32_t>* bytes) const {
  for (const ByteSlice& slice : SlicesOf(FieldOf(field))) bytes->insert(slice.byte);
}
std::set<uint32_t> RingEmitter::WordsOfBytes(const std::set<uint32_t>& bytes) const {
  std::set<uint32_t> words;
  for (const uint32_t byte : bytes) words.insert(byte / word_bytes_);
  return words;
}

void RingEmitter::EmitPosition() {
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
  out_ += "    }\n";
  if (!ring_.has_sequence()) {
    text::Append(out_,
                 "    // Over so many, of which none is beyond the ring's last.\n"
                 "    constexpr void skip(uint32_t n, uint32_t slots) {\n      count += n;\n"
                 "      slot += n;\n      if (slot == slots) {\n        slot = 0;\n",
                 FlipsEachPass() ? "        phase ^= 1u;\n" : "", "      }\n    }\n");
  }
  text::Append(
      out_,
      "    // To another one; as members, which loops have in registers: all of them read at "
      "once\n    // would wait for each of their stores.\n"
      "    constexpr void set(const Position& to) {\n"
      "      slot = to.slot;\n      count = to.count;\n",
      ring_.has_phase() ? "      phase = to.phase;\n" : "",
      ring_.has_sequence() ? "      sequence = to.sequence;\n" : "", "    }\n  };\n\n");
}

std::string RingEmitter::Compared(const v1::Comparison& comparison) const {
  const std::string left = Raw(comparison.field()) + "(d)";
  std::string right;
  if (comparison.has_other()) {
    right = Raw(comparison.other()) + "(d)";
  } else if (comparison.has_state()) {
    right = comparison.state() == v1::RING_STATE_PHASE ? "at.phase" : "at.sequence";
  } else {
    right = Number(comparison.constant());
  }
  return ComparedText(comparison.operator_(), left, right);
}
std::string RingEmitter::Completed(std::set<uint32_t>* bytes) const {
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
std::optional<uint32_t> RingEmitter::DecidingWord() const {
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

void RingEmitter::LoadWord(uint32_t word, std::string_view order, std::string_view indent) {
  text::Append(out_, indent, "word = __atomic_load_n(from + ", word, ", __ATOMIC_", order, ");\n",
               indent, "__builtin_memcpy(d + ", word * word_bytes_, ", &word, ", word_bytes_,
               ");\n");
}

void RingEmitter::EmitTake(std::string_view indent, const std::set<uint32_t>* rest, bool in_turn) {
  std::set<uint32_t> bytes;
  const std::string completed = Completed(&bytes);
  const std::set<uint32_t> first = WordsOfBytes(bytes);
  // What the device wrote before it is there once that word is: behind it, all others are new.
  const std::optional<uint32_t> deciding = DecidingWord();
  text::Append(out_, indent, "alignas(8) uint8_t d[", ring_.slot_bytes(), "];\n", indent,
               WordType(), " word;\n");
  if (deciding.has_value()) LoadWord(*deciding, "ACQUIRE", indent);
  for (const uint32_t word : first) {
    if (word != deciding && !in_turn) LoadWord(word, "ACQUIRE", indent);
  }
  if (in_turn) {
    text::Append(out_, indent, "if ((word & turn_mask) != turn) break;\n");
  } else if (!completed.empty()) {
    text::Append(out_, indent, "if (!completed(d, here)) break;\n");
  }
  for (uint32_t word = 0; word < Words(); ++word) {
    if ((in_turn ? word == deciding : first.contains(word)) ||
        (rest != nullptr && !rest->contains(word)))
      continue;
    LoadWord(word, "RELAXED", indent);
  }
}

std::string RingEmitter::FillCall() const {
  if (!FillsTaken()) return "";
  return text::Cat("fill(from, ", FlipsEachPass() ? "here.phase ^ 1u" : NextPhase(), ");\n");
}

void RingEmitter::EmitPoll() {
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
  const std::string_view constant = FillsTaken() ? "" : "const ";
  text::Append(out_, "  // Takes completions, `most` at the most",
               completed.empty() ? " (so many as the device said that there are)" : "",
               ":\n  // calls take(at, d) for each, d: the slot's bytes in private memory. "
               "Returns how many.\n"
               "  // The ring begins at a multiple of ",
               word_bytes_, " bytes.\n  template <typename Take>\n  static uint32_t poll(",
               constant,
               "void* ring, uint32_t slots, uint32_t most, Position& at,\n"
               "                       Take&& take) {\n"
               "    Position here = at;\n    uint32_t taken = 0;\n"
               "    for (; taken < most; ++taken) {\n      ",
               constant, WordType(), "* const from = static_cast<", constant, WordType(),
               "*>(ring) + uint64_t{here.slot} * ", Words(), ";\n");
  EmitTake("      ", nullptr);
  text::Append(out_,
               "      take(static_cast<const Position&>(here), static_cast<const uint8_t*>(d));\n");
  if (const std::string fill = FillCall(); !fill.empty()) text::Append(out_, "      ", fill);
  out_ += "      here.advance(slots);\n    }\n    at = here;\n    return taken;\n  }\n\n";
}

bool RingEmitter::TellsTurns() const {
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
std::string RingEmitter::NextPhase() const { return ring_.has_phase() ? "here.phase" : "0u"; }

std::vector<RingEmitter::Filled> RingEmitter::FilledWords() const {
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
void RingEmitter::EmitPrepare() {
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
                                  : text::Cat("((phase & 1u) != 0 ? ", Number(word.value[1]), " : ",
                                              Number(word.value[0]), ")");
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

std::string RingLoops(const v1::Layout& layout) {
  std::string out;
  for (const v1::Queue& queue : layout.queues()) {
    for (const v1::Ring& ring : queue.rings()) out += RingEmitter(layout, queue, ring).Run();
  }
  return out;
}

}  // namespace qsplit::layout
