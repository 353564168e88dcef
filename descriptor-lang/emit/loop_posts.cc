// Descriptors that the driver writes, one at a time and in bursts: see ring_emitter.h.
#include <algorithm>
#include <utility>

#include "descriptor-lang/emit/byte_slices.h"
#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_emitter.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {

std::optional<std::vector<RingEmitter::Sign>> RingEmitter::SignsOf(uint32_t form,
                                                                   std::string_view position,
                                                                   std::string_view slot) const {
  std::vector<Sign> signs;
  bool known = !ring_.posted().has_when();
  for (const v1::Conjunction& conjunction : ring_.posted().when().any_of()) {
    if (known || conjunction.all_of(0).field().form() != form) continue;
    known = true;
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      const bool equal = comparison.operator_() == v1::OPERATOR_EQUAL;
      const bool opposite = comparison.operator_() == v1::OPERATOR_NOT_EQUAL &&
                            comparison.state() == v1::RING_STATE_PHASE;
      if (comparison.has_other() || (!equal && !opposite)) return std::nullopt;
      std::string value = !comparison.has_state() ? Number(comparison.constant())
                          : comparison.state() == v1::RING_STATE_SEQUENCE
                              ? text::Cat(position, ".sequence")
                          : opposite ? text::Cat("(", position, ".phase ^ 1u)")
                                     : text::Cat(position, ".phase");
      signs.push_back({&FieldOf(comparison.field()), std::move(value)});
    }
  }
  if (!known) return std::nullopt;
  for (const v1::Field& field : Form(form).fields()) {
    if (field.role() != "ring.last") continue;
    signs.push_back({.field = &field,
                     .value = text::Cat("(", slot, " + 1 == slots ? ",
                                        field.inverted() ? "0u : 1u)" : "1u : 0u)"),
                     .of_slot = true});
  }
  return signs;
}

std::vector<uint8_t> RingEmitter::ConstantBytes(const v1::Form& form) const {
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

std::optional<RingEmitter::Posting> RingEmitter::PostingOf(uint32_t index) const {
  const v1::Form& form = Form(index);
  const bool appends = std::any_of(form.contains().begin(), form.contains().end(),
                                   [](const v1::ContainedForm& part) { return part.appended(); });
  const std::optional<std::vector<Sign>> signs = SignsOf(index, "at", "at.slot");
  if (!signs.has_value() || form.size_bytes() > ring_.slot_bytes() || appends) return std::nullopt;
  Posting posting;
  std::set<uint32_t> bytes;
  for (const Sign& sign : *signs) {
    text::Append(posting.signs, "    ", Safe(form.name()), "::set_", sign.field->name(), "_raw(d, ",
                 sign.value, ");\n");
    if (sign.field->role() == "ring.last") continue;
    for (const ByteSlice& slice : SlicesOf(*sign.field)) bytes.insert(slice.byte);
  }
  posting.last = WordsOfBytes(bytes);
  if (posting.last.size() > 1) return std::nullopt;
  const std::vector<uint8_t> constants = ConstantBytes(form);
  if (std::any_of(constants.begin(), constants.end(), [](uint8_t b) { return b != 0; })) {
    std::vector<std::string> image;
    image.reserve(constants.size());
    for (const uint8_t byte : constants) image.push_back(text::Cat(static_cast<uint32_t>(byte)));
    posting.image = text::Join(image, ", ");
  }
  return posting;
}

void RingEmitter::EmitPost(uint32_t index) {
  const v1::Form& form = Form(index);
  const std::optional<Posting> posting = PostingOf(index);
  if (!posting.has_value()) {
    text::Append(out_, "  // No post_", form.name(),
                 ": it takes several slots, or several words hand it over.\n\n");
    return;
  }
  text::Append(out_, "  // Writes one ", form.name(),
               " at `at`, which moves on: calls fill(d), d: ",
               "private bytes in\n  // which the constants stand. ",
               posting->last.empty() ? "The device sees it by the doorbell or cell that follows."
                                     : "The device owns it from then on.",
               "\n  template <typename Fill>\n  static void post_", form.name(),
               "(void* ring, uint32_t slots, Position& at, Fill&& fill) {\n"
               "    alignas(8) uint8_t d[",
               ring_.slot_bytes(), "] = {", posting->image, "};\n    fill(&d[0]);\n",
               posting->signs, "    ", WordType(), "* const to = static_cast<", WordType(),
               "*>(ring) + uint64_t{at.slot} * ", Words(), ";\n    ", WordType(), " word;\n");
  for (uint32_t word = 0; word < Words(); ++word) {
    if (!posting->last.contains(word)) StoreWord(word, "    ", false);
  }
  for (const uint32_t word : posting->last) StoreWord(word, "    ", true);
  out_ += "    at.advance(slots);\n  }\n\n";
}

void RingEmitter::StoreWord(uint32_t word, std::string_view indent, bool hands_over) {
  text::Append(out_, indent, "__builtin_memcpy(&word, d + ", word * word_bytes_, ", ", word_bytes_,
               ");\n", indent);
  if (hands_over) {
    text::Append(out_, "qsplit_layout::hand_over(to + ", word, ", word);\n");
  } else {
    text::Append(out_, "__atomic_store_n(to + ", word, ", word, __ATOMIC_RELAXED);\n");
  }
}

}  // namespace qsplit::layout
