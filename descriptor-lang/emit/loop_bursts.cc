// Bursts of completions, read by roles: see ring_emitter.h.
#include <algorithm>
#include <string>
#include <utility>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_emitter.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {

std::string RingEmitter::Name() const { return text::Cat(queue_.name(), "_", ring_.name()); }

void RingEmitter::FindReceived() {
  const std::vector<uint32_t> choices = ChoicesOf(layout_, ring_);
  const v1::PacketRule& packet = queue_.packet();
  if (!TakesWholeSlots(ring_.complete_forms())) {
    why_no_receive_ = "completions reach over several slots";
  } else if (ring_.has_packets()) {
    why_no_receive_ = "packets lie in the slots themselves";
  } else if (ring_.has_compressed()) {
    why_no_receive_ = "a slot may have several small completions";
  }
  if (!why_no_receive_.empty()) return;
  std::optional<FormText> form;
  for (const uint32_t number : ring_.complete_forms()) {
    const FormText candidate(layout_, number, choices);
    if (candidate.FieldOf(Role::kPacketLength) == nullptr &&
        !(packet.has_prefix_form() && ring_.complete_forms_size() == 1)) {
      continue;
    }
    if (form.has_value()) {
      why_no_receive_ = "packets come with completions of several forms";
      return;
    }
    form.emplace(candidate);
  }
  if (!form.has_value()) {
    why_no_receive_ = "its completions say no packet's length";
    return;
  }
  form_.emplace(*form);
  completion_.emplace(*form, queue_, Name() + "_packet", ring_.slot_bytes(), true);
  why_no_receive_ = completion_->why_not();
  if (packet.has_prefix_form() && why_no_receive_.empty()) {
    const FormText prefix(layout_, packet.prefix_form(), choices);
    prefix_.emplace(prefix, queue_, Name() + "_prefix", packet.prefix_bytes(), false);
    why_no_receive_ = prefix_->why_not();
    if (prefix_->SharesMembers(*completion_)) why_no_receive_ = "two places speak of the same";
  }
  if (why_no_receive_.empty() && !completion_->has_length() &&
      !(prefix_.has_value() && prefix_->has_length())) {
    why_no_receive_ = "its completions say no packet's length";
  }
}

void RingEmitter::EmitReceived() {
  if (queue_.direction() != v1::DIRECTION_RECEIVE || ring_.complete_forms().empty()) return;
  FindReceived();
  if (!why_no_receive_.empty()) return;
  out_ += completion_->Declarations();
  if (prefix_.has_value()) out_ += prefix_->Declarations();
}

// Bytes that the device writes beside the ring: read once, each word alone.
void RingEmitter::EmitPrefix(std::string_view indent) {
  const uint32_t bytes = queue_.packet().prefix_bytes();
  const uint32_t word = bytes % 4 == 0 ? 4 : bytes % 2 == 0 ? 2 : 1;
  const std::string type = text::Cat("uint", word * 8, "_t");
  text::Append(out_, indent, "const auto* const front = static_cast<const ", type,
               "*>(static_cast<const void*>(front_of(r)));\n", indent,
               "if (front == nullptr) break;\n", indent, "alignas(8) uint8_t p[", bytes, "];\n",
               indent, "[[maybe_unused]] ", type, " part;\n");
  std::set<uint32_t> parts;
  for (const BitPosition bit : prefix_->bits()) parts.insert(bit / (8 * word));
  for (const uint32_t part : parts) {
    text::Append(out_, indent, "part = __atomic_load_n(front + ", part, ", __ATOMIC_RELAXED);\n",
                 indent, "__builtin_memcpy(p + ", part * word, ", &part, ", word, ");\n");
  }
}

void RingEmitter::EmitDescribe(std::string_view indent) {
  const v1::PacketRule& packet = queue_.packet();
  const bool counted = packet.length_includes_prefix();
  text::Append(out_, indent, "uint64_t offset = ", counted ? 0 : packet.prefix_bytes(), ";\n");
  if (prefix_.has_value()) out_ += prefix_->Statements(indent, "p");
  out_ += completion_->Statements(indent, "d");
  text::Append(
      out_, indent, "if (offset > room) offset = room;\n", indent, "uint64_t length = ",
      completion_->has_length() ? completion_->Length() + "(d)" : prefix_->Length() + "(p)", ";\n");
  if (packet.length_includes_crc_bytes() != 0) {
    text::Append(out_, indent, "length -= length < ", packet.length_includes_crc_bytes(),
                 " ? length : ", packet.length_includes_crc_bytes(), ";\n");
  }
  text::Append(out_, indent, "if (length > room - offset) length = room - offset;\n");
  if (counted) {
    text::Append(out_, indent, "const uint64_t counted = length < ", packet.prefix_bytes(),
                 " ? length : ", packet.prefix_bytes(), ";\n", indent, "length -= counted;\n",
                 indent, "offset += counted;\n");
  }
  text::Append(out_, indent, "r.length = static_cast<uint32_t>(length);\n", indent,
               "r.offset = static_cast<uint32_t>(offset);\n");
}

void RingEmitter::EmitReceive() {
  if (queue_.direction() != v1::DIRECTION_RECEIVE || ring_.complete_forms().empty()) return;
  if (!why_no_receive_.empty()) {
    text::Append(out_, "  // No receive: ", why_no_receive_, ".\n\n");
    return;
  }
  // What names the buffer, and what a completion must be.
  const v1::CompletionRule* rule = nullptr;
  const v1::Field* key = nullptr;
  for (const v1::CompletionRule& candidate : ring_.completes()) {
    for (const v1::FieldReference& field : candidate.fields()) {
      if (field.form() == form_->number() && key == nullptr) {
        rule = &candidate;
        key = &FieldOf(field);
      }
    }
  }
  const bool may_be_other = ring_.complete_forms_size() > 1 || rule != nullptr ||
                            ring_.completes_size() != 1 ||
                            ring_.completes(0).key() != v1::COMPLETION_KEY_IN_PLACE;
  BitSet bits = completion_->bits();
  if (key != nullptr) FormText::AddBits(*key, &bits);
  if (may_be_other) {
    form_->Holds(form_->form().selector(), &bits);
    for (const v1::Field& field : form_->form().fields()) {
      if (field.constraint() != v1::CONSTRAINT_CONSTANT || !field.features().empty()) continue;
      FormText::AddBits(field, &bits);
      form_->Holds(field.valid_when(), &bits);
    }
  }
  std::set<uint32_t> words;
  for (const BitPosition bit : bits) words.insert(bit / (8 * word_bytes_));
  const std::string_view constant = FillsTaken() ? "" : "const ";
  const bool in_runs = !ring_.has_sequence();
  const bool of_slot = key == nullptr;
  const std::optional<TurnTest> test = TurnTestOf();
  text::Append(
      out_, "  // Takes completions, `most` at the most",
      ring_.completed().has_when() ? "" : " (so many as the device said that there are)",
      ", of packets that have one buffer each, of\n"
      "  // `room` bytes; stops in front of any other, which poll takes. Calls take(r) for each, "
      "r:\n"
      "  // what it says, a Received; r.buffer: ",
      of_slot ? "the number of its slot" : text::Cat(key->name(), ", whatever the device wrote"),
      ". Returns how many.\n",
      prefix_.has_value() ? "  // front_of(r): the memory of that buffer, at a multiple of 4 "
                            "bytes; null: stop there.\n"
                          : "",
      "  template <", prefix_.has_value() ? "typename Front, " : "",
      "typename Take>\n  [[gnu::always_inline]] static inline uint32_t receive(", constant,
      "void* ring, uint32_t slots, uint32_t most, Position& at, uint32_t room,\n"
      "                          ",
      prefix_.has_value() ? "Front&& front_of, " : "",
      "Take&& take) {\n    Position here = at;\n    uint32_t taken = 0;\n"
      "    while (taken < most) {\n      const uint32_t end = ",
      in_runs ? "most - taken < slots - here.slot ? most - taken : slots - here.slot" : "1", ";\n",
      "      ", constant, WordType(), "* from = static_cast<", constant, WordType(),
      "*>(ring) + uint64_t{here.slot} * ", Words(), ";\n",
      test.has_value() ? text::Cat("      const uint64_t turn_mask = ", Number(test->mask),
                                   ";\n      const uint64_t turn = ", Number(test->value),
                                   " | (here.phase != 0 ? ", Number(test->phase), " : 0);\n")
                       : "",
      "      size_t n = 0;\n"
      "      for (; n < end; ++n, from += ",
      Words(), ") {\n");
  EmitTake("        ", &words, test.has_value());
  std::vector<std::string> stops;
  if (may_be_other && !(test.has_value() && test->tells_form))
    stops.push_back(text::Cat("!", Safe(form_->form().name()), "::is(d)"));
  stops.push_back(text::Cat("!", completion_->IsWhole(), "(d)"));
  text::Append(out_, "        if (", text::Join(stops, " || "), ") break;\n",
               "        qsplit_layout::Received r;\n        r.buffer = ",
               of_slot ? "size_t{here.slot} + n" : form_->Value(*key), ";\n");
  if (prefix_.has_value()) {
    EmitPrefix("        ");
    text::Append(out_, "        if (!", prefix_->IsWhole(), "(p)) break;\n");
  }
  EmitDescribe("        ");
  out_ += "        take(static_cast<const qsplit_layout::Received&>(r));\n";
  if (const std::string fill = FillCall(); !fill.empty()) text::Append(out_, "        ", fill);
  text::Append(
      out_, "      }\n      taken += static_cast<uint32_t>(n);\n      ",
      in_runs ? "here.skip(static_cast<uint32_t>(n), slots);" : "if (n != 0) here.advance(slots);",
      "\n      if (n < end) break;\n    }\n    at.set(here);\n    return taken;\n  }\n\n");
}

}  // namespace qsplit::layout
