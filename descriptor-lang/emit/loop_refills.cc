// Bursts of buffers to receive into, written by roles: see ring_emitter.h.
#include <algorithm>
#include <string>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_emitter.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {

bool RingEmitter::PutSigns(uint32_t form, SlotWords* words, std::set<uint32_t>* last) const {
  // The burst's own position, and in it the slot.
  const std::optional<std::vector<Sign>> signs = SignsOf(form, "here", "slot");
  if (!signs.has_value()) return false;
  std::set<uint32_t> bytes;
  for (const Sign& sign : *signs) {
    words->Clear(*sign.field, 0);
    words->Put(*sign.field, 0, text::Cat("uint64_t{", sign.value, "}"), !sign.of_slot);
    if (sign.field->role() == "ring.last") continue;
    for (const ByteMask& mask : ByteMasks(*sign.field)) bytes.insert(mask.byte);
  }
  *last = WordsOfBytes(bytes);
  return last->size() <= 1;
}

void RingEmitter::EmitStores(const SlotWords& words, const std::vector<uint32_t>& stored,
                             const std::set<uint32_t>& last, std::string_view indent) {
  const bool in_pairs = last.empty() && word_bytes_ == 8 && ring_.slot_bytes() % 16 == 0 &&
                        ring_.alignment_bytes() % 16 == 0;
  for (size_t i = 0; i < stored.size(); ++i) {
    const uint32_t word = stored[i];
    if (last.contains(word)) continue;
    if (in_pairs && word % 2 == 0 && i + 1 < stored.size() && stored[i + 1] == word + 1 &&
        !words.Varies(word + 1)) {
      text::Append(out_, indent, "qsplit_layout::store_two(to + ", word, ", w", word, ", w",
                   word + 1, ");\n");
      ++i;
      continue;
    }
    text::Append(out_, indent, "__atomic_store_n(to + ", word, ", w", word,
                 ", __ATOMIC_RELAXED);\n");
  }
  for (const uint32_t word : last) {
    text::Append(out_, indent, "if (held == nullptr) {\n", indent, "  held = to + ", word, ";\n",
                 indent, "  held_word = w", word, ";\n", indent, "} else {\n", indent,
                 "  __atomic_store_n(to + ", word, ", w", word, ", __ATOMIC_RELAXED);\n", indent,
                 "}\n");
  }
}

std::string RingEmitter::RefillBurst(uint32_t number) {
  const std::vector<uint32_t> choices = ChoicesOf(layout_, ring_);
  const FormText form(layout_, number, choices);
  if (form.form().size_bytes() > ring_.slot_bytes()) return "it takes several slots";
  if (ring_.has_sequence()) return "its descriptors count";
  // The first part has the buffer where the form itself has none.
  uint32_t held_by = number;
  uint32_t base = 0;
  for (const v1::ContainedForm& part : form.form().contains()) {
    if (part.appended()) return "it grows with its buffers";
    if (queue_.packet().span() == v1::SPAN_BY_LENGTH) return "it has several buffers";
    if (form.FieldOf(Role::kBufferAddress) != nullptr) return "it has parts beside its buffer";
    held_by = part.form();
    base = part.byte_offset();
    break;
  }
  const FormText holder(layout_, held_by, choices);
  struct {
    Role role;
    const char* value;
    uint32_t bits;
  } const values[] = {
      {Role::kBufferAddress, "b.address", 64},   {Role::kBufferLength, "uint64_t{b.bytes}", 32},
      {Role::kBufferTag, "uint64_t{b.tag}", 32}, {Role::kTag, "uint64_t{b.tag}", 32},
      {Role::kBufferKey, "uint64_t{b.key}", 32}, {Role::kReportRequest, "uint64_t{1}", 1}};
  SlotWords words(ring_.slot_bytes(), word_bytes_);
  words.Begin(ConstantBytes(form.form()));
  for (const auto& [role, value, bits] : values) {
    std::vector<const v1::Field*> fields = holder.FieldsOf(role);
    if (fields.empty()) fields = form.FieldsOf(role);
    if (fields.empty() && role == Role::kBufferAddress)
      return "no field of it is a buffer's address";
    if (fields.size() > 1) return "it has several buffers";
    const uint32_t at = holder.FieldOf(role) != nullptr ? base : 0;
    for (const v1::Field* const field : fields) {
      std::string raw = value;
      if (field->scale().has_zero_value()) {
        raw =
            text::Cat("(", raw, " == ", Number(field->scale().zero_value()), " ? 0u : ", raw, ")");
      }
      if (field->scale().bias() != 0 || field->is_signed() || field->inverted()) {
        return text::Cat(field->name(), " is not a plain number");
      }
      if (field->scale().multiplier() > 1) {
        raw = text::Cat("(", raw, " / ", field->scale().multiplier(), "u)");
      }
      if (BitWidth(*field) < bits) {
        raw = text::Cat("(", raw, " & ", Number(LowBits(BitWidth(*field))), ")");
      }
      words.Clear(*field, at);
      words.Put(*field, at, raw);
    }
  }
  std::set<uint32_t> last;
  if (!PutSigns(number, &words, &last)) return "several words hand it over";
  // Where nobody else writes, what does not vary needs to stand there once.
  const bool once = ring_.complete_forms().empty() && last.empty();
  std::vector<uint32_t> stored;
  for (uint32_t word = 0; word < words.size(); ++word) {
    if (!once || words.Varies(word)) stored.push_back(word);
  }
  const bool lays_out = stored.size() < words.size();
  if (lays_out) {
    // Parts that no buffer uses have the key too.
    SlotWords all = words;
    const v1::Field* const key = holder.FieldOf(Role::kBufferKey);
    if (key != nullptr && held_by != number) {
      const v1::ContainedForm& part = form.form().contains(0);
      for (uint32_t i = 1; i < part.max_count(); ++i) {
        all.Put(*key, base + i * part.stride_bytes(), "uint64_t{key}");
      }
    }
    text::Append(
        out_,
        "  // What no buffer changes, in all slots: before the first refill. key: of their "
        "memory.\n  static void lay_out(void* ring, uint32_t slots, [[maybe_unused]] "
        "uint32_t key) {\n    auto* to = static_cast<",
        WordType(), "*>(ring);\n    for (uint32_t i = 0; i < slots; ++i, to += ", Words(), ") {\n");
    for (uint32_t word = 0; word < words.size(); ++word) {
      text::Append(out_, "      __atomic_store_n(to + ", word, ", static_cast<", WordType(), ">(",
                   words.Varies(word) ? Number(words.Constant(word)) : all.Text(word),
                   "), __ATOMIC_RELAXED);\n");
    }
    out_ += "    }\n  }\n";
  }
  text::Append(
      out_, "  // Posts buffers as ", form.form().name(),
      ", `count` at the most, into slots that are free: buffer_of(i, slot, b) says which\n"
      "  // one is the i-th, which goes into that slot, in b, a Buffer; false: no more. ",
      lays_out ? "Behind lay_out.\n  // " : "",
      last.empty() ? "The device sees\n  // them by the doorbell or cell that follows"
                   : "The device owns\n  // them from then on, the first one last",
      ". Returns how many.\n  template <typename BufferOf>\n"
      "  [[gnu::always_inline]] static inline uint32_t refill(void* ring, uint32_t slots, uint32_t "
      "count, Position& at,\n"
      "                         BufferOf&& buffer_of) {\n    Position here = at;\n",
      last.empty() ? ""
                   : text::Cat("    ", WordType(), "* held = nullptr;\n    ", WordType(),
                               " held_word = 0;\n"),
      "    uint32_t done = 0;\n    while (done < count) {\n"
      "      const uint32_t most = count - done < slots - here.slot ? count - done : slots - "
      "here.slot;\n      auto* to = static_cast<",
      WordType(), "*>(ring) + uint64_t{here.slot} * ", Words(),
      ";\n      size_t n = 0;\n      for (; n < most; ++n, to += ", Words(),
      ") {\n        const size_t slot = size_t{here.slot} + n;\n        qsplit_layout::Buffer b;\n"
      "        if (!buffer_of(size_t{done} + n, slot, b)) break;\n");
  for (const uint32_t word : stored) {
    text::Append(out_, "        const auto w", word, " = static_cast<", WordType(), ">(",
                 words.Text(word), ");\n");
  }
  EmitStores(words, stored, last, "        ");
  text::Append(
      out_,
      "      }\n      done += static_cast<uint32_t>(n);\n      here.skip(static_cast<uint32_t>(n), "
      "slots);\n      if (n < most) break;\n"
      "    }\n",
      last.empty() ? "" : "    if (held != nullptr) qsplit_layout::hand_over(held, held_word);\n",
      "    at.set(here);\n    return done;\n  }\n\n");
  return "";
}

void RingEmitter::EmitRefill() {
  if (queue_.direction() != v1::DIRECTION_RECEIVE || ring_.post_forms().empty()) return;
  std::string why;
  for (const uint32_t form : ring_.post_forms()) {
    const std::string one = RefillBurst(form);
    if (one.empty()) return;
    if (why.empty()) why = one;
  }
  text::Append(out_, "  // No refill: ", why, ".\n\n");
}

}  // namespace qsplit::layout
