// Bursts of packets of one descriptor, written by roles: see ring_emitter.h.
#include <algorithm>
#include <string>
#include <utility>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_emitter.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// What a descriptor of a packet may have of which the burst knows nothing.
constexpr Role kUnknown[] = {Role::kBufferKey,
                             Role::kPacketBuffers,
                             Role::kPacketDescriptors,
                             Role::kPacketInlineLength,
                             Role::kDescriptorBytes,
                             Role::kSlotCount,
                             Role::kNextIndex,
                             Role::kTag,
                             Role::kOwn};

void SetBits(const v1::Field& field, uint64_t raw, std::vector<uint8_t>* bytes) {
  const std::vector<BitPosition> bits = BitPositions(field);
  for (size_t i = 0; i < bits.size(); ++i) {
    uint8_t& byte = (*bytes)[bits[i] / 8];
    const auto mask = static_cast<uint8_t>(1u << bits[i] % 8);
    byte = static_cast<uint8_t>((raw >> i & 1) != 0 ? byte | mask : byte & ~mask);
  }
}

}  // namespace

std::string RingEmitter::TransmitBurst(uint32_t number) {
  const FormText form(layout_, number, ChoicesOf(layout_, ring_));
  const v1::PacketRule& packet = queue_.packet();
  if (form.form().size_bytes() > ring_.slot_bytes()) return "it takes several slots";
  if (!form.form().contains().empty()) return "it has parts";
  if (ring_.has_sequence()) return "its descriptors count";
  if (packet.prefix_bytes() != 0) return "something stands in front of each packet";
  const v1::Field* const address = form.FieldOf(Role::kBufferAddress);
  const v1::Field* length = form.FieldOf(Role::kBufferLength);
  if (length == nullptr) length = form.FieldOf(Role::kPacketLength);
  if (address == nullptr || length == nullptr)
    return "no field of it is a buffer's address or size";
  for (const Role role : kUnknown) {
    if (const v1::Field* const field = form.FieldOf(role); field != nullptr) {
      return text::Cat("it has ", field->name(), ", which is ", field->role());
    }
  }
  // What each says that is a packet of its own.
  std::vector<uint8_t> image = ConstantBytes(form.form());
  const v1::Field* const end = form.FieldOf(Role::kPacketLast);
  if (end != nullptr) {
    SetBits(*end, end->inverted() ? 0 : 1, &image);
  } else if (packet.span() != v1::SPAN_SINGLE) {
    return "no flag of it says that a packet ends there";
  }
  for (const Role role : {Role::kPacketFirst, Role::kCrcInsert}) {
    for (const v1::Field* const field : form.FieldsOf(role)) {
      if (field->position() == v1::PACKET_POSITION_REST) continue;
      SetBits(*field, field->inverted() ? 0 : 1, &image);
    }
  }
  SlotWords words(ring_.slot_bytes(), word_bytes_);
  SlotWords cleared(ring_.slot_bytes(), word_bytes_);
  cleared.Begin(std::vector<uint8_t>(ring_.slot_bytes(), 0xff));
  const auto put = [&](const v1::Field& field, std::string value, uint32_t bits) {
    if (BitWidth(field) < bits) {
      value = text::Cat("(", value, " & ", Number(LowBits(BitWidth(field))), ")");
    }
    words.Put(field, 0, value);
    cleared.Clear(field, 0);
    return SlotWords::IsPlain(field);
  };
  bool plain = put(*address, "p.address", 64);
  if (length->scale().has_zero_value()) return "its size is not a plain number";
  plain = put(*length, "uint64_t{p.bytes}", 32) && plain;
  const v1::Field* const total = form.FieldOf(Role::kPacketTotalLength);
  std::string has_total;
  if (total != nullptr && total->position() != v1::PACKET_POSITION_REST) {
    BitSet bits;
    const auto when = form.Holds(total->valid_when(), &bits);
    if (!when.has_value()) return "the packet's size depends on the ring's state";
    has_total = when->empty() ? "true" : *when;
    plain = put(*total, "(uint64_t{p.bytes} & has_total)", 32) && plain;
  }
  if (!plain) return "a number in it is scaled";
  SlotWords signs(ring_.slot_bytes(), word_bytes_);
  std::set<uint32_t> last;
  if (!PutSigns(number, &signs, &last)) return "several words hand it over";
  const v1::Field* const report = form.FieldOf(Role::kReportRequest);
  if (report != nullptr && !last.empty())
    return "it is the device's before its report is asked for";
  const std::optional<std::vector<Sign>> own = SignsOf(number, "here", "slot");
  for (const Sign& sign : own.value()) cleared.Clear(*sign.field, 0);
  SlotWords reports(ring_.slot_bytes(), word_bytes_);
  std::vector<uint8_t> report_bits(ring_.slot_bytes());
  if (report != nullptr) SetBits(*report, 1, &report_bits);
  reports.Begin(report_bits);

  uint64_t most = LowBits(BitWidth(*length));
  if (queue_.limits().max_bytes_per_descriptor() != 0) {
    most = std::min<uint64_t>(most, queue_.limits().max_bytes_per_descriptor());
  }
  if (queue_.limits().max_bytes_per_packet() != 0) {
    most = std::min<uint64_t>(most, queue_.limits().max_bytes_per_packet());
  }
  most = std::min<uint64_t>(most, UINT32_MAX);
  std::vector<std::string> bytes;
  bytes.reserve(image.size());
  for (const uint8_t byte : image) bytes.push_back(text::Cat(static_cast<uint32_t>(byte)));
  text::Append(
      out_, "  // Writes packets of one ", form.form().name(),
      " each, `count` at the most, into slots that are free. ask(d) is called\n"
      "  // once, d: bytes of a descriptor that asks for nothing, in which it sets what is asked "
      "for\n"
      "  // all of them, but not that they be cut. packet_of(i, slot, p) says which one is the "
      "i-th, in p, a Packet; false: "
      "no\n"
      "  // more. None is empty or has more than ",
      most, " bytes.", report != nullptr ? " The last one is reported when it is sent." : "",
      last.empty() ? "" : " The device owns them\n  // from then on, the first one last.",
      " Returns how\n  // many.\n  template <typename Ask, typename PacketOf>\n"
      "  [[gnu::always_inline]] static inline uint32_t transmit(void* ring, uint32_t slots, "
      "uint32_t count, Position& at, Ask&& "
      "ask,\n                           PacketOf&& packet_of) {\n"
      "    alignas(8) uint8_t d[",
      ring_.slot_bytes(), "] = {", text::Join(bytes, ", "), "};\n    ask(&d[0]);\n");
  for (uint32_t word = 0; word < words.size(); ++word) {
    text::Append(out_, "    const ", WordType(), " i", word, " = qsplit_load<", WordType(),
                 ", false>(d + ", word * word_bytes_, ") & ", Number(cleared.Constant(word)),
                 ";\n");
  }
  if (!has_total.empty()) {
    text::Append(out_, "    const uint64_t has_total = ",
                 has_total == "true" ? "~uint64_t{0}" : has_total + " ? ~uint64_t{0} : 0", ";\n");
  }
  text::Append(out_, "    Position here = at;\n",
               last.empty() ? ""
                            : text::Cat("    ", WordType(), "* held = nullptr;\n    ", WordType(),
                                        " held_word = 0;\n"));
  std::vector<uint32_t> reported;
  for (uint32_t word = 0; word < words.size(); ++word) {
    if (reports.Constant(word) != 0) reported.push_back(word);
  }
  if (!reported.empty()) text::Append(out_, "    ", WordType(), "* ended = nullptr;\n");
  for (const uint32_t word : reported) {
    text::Append(out_, "    ", WordType(), " r", word, " = 0;\n");
  }
  text::Append(
      out_,
      "    uint32_t done = 0;\n    while (done < count) {\n"
      "      const uint32_t most = count - done < slots - here.slot ? count - done : slots - "
      "here.slot;\n      auto* to = static_cast<",
      WordType(), "*>(ring) + uint64_t{here.slot} * ", Words(),
      ";\n      size_t n = 0;\n      for (; n < most; ++n, to += ", Words(),
      ") {\n        const size_t slot = size_t{here.slot} + n;\n        qsplit_layout::Packet p;\n"
      "        if (!packet_of(size_t{done} + n, slot, p) || p.bytes - 1u >= ",
      Number(most), ") break;\n");
  std::vector<uint32_t> stored;
  for (uint32_t word = 0; word < words.size(); ++word) {
    std::vector<std::string> terms = {text::Cat("i", word)};
    for (const SlotWords* const from : {&words, &signs}) {
      terms.insert(terms.end(), from->Terms(word).begin(), from->Terms(word).end());
    }
    text::Append(out_, "        const auto w", word, " = static_cast<", WordType(), ">(",
                 text::Join(terms, " | "), ");\n");
    stored.push_back(word);
  }
  EmitStores(words, stored, last, "        ");
  if (!reported.empty()) out_ += "        ended = to;\n";
  for (const uint32_t word : reported) text::Append(out_, "        r", word, " = w", word, ";\n");
  out_ +=
      "      }\n      done += static_cast<uint32_t>(n);\n      here.skip(static_cast<uint32_t>(n), "
      "slots);\n      if (n < most) break;\n    }\n";
  if (!last.empty()) {
    out_ += "    if (held != nullptr) qsplit_layout::hand_over(held, held_word);\n";
  }
  if (!reported.empty()) out_ += "    if (ended != nullptr) {\n";
  for (const uint32_t word : reported) {
    const uint64_t bits = reports.Constant(word);
    text::Append(
        out_, "      __atomic_store_n(ended + ", word, ", static_cast<", WordType(), ">(r", word,
        report->inverted() ? text::Cat(" & ~", Number(bits)) : text::Cat(" | ", Number(bits)),
        "), __ATOMIC_RELAXED);\n");
  }
  if (!reported.empty()) out_ += "    }\n";
  out_ += "    at.set(here);\n    return done;\n  }\n\n";
  return "";
}

void RingEmitter::EmitTransmit() {
  if (queue_.direction() != v1::DIRECTION_TRANSMIT || ring_.post_forms().empty()) return;
  std::string why;
  for (const uint32_t form : ring_.post_forms()) {
    const bool is_context = std::ranges::any_of(
        queue_.contexts(), [&](const v1::ContextRule& rule) { return rule.form() == form; });
    if (is_context) continue;
    // The first one is tried first by others too.
    why = TransmitBurst(form);
    if (why.empty()) return;
    break;
  }
  text::Append(out_, "  // No transmit: ", why.empty() ? "no descriptor of it is a packet" : why,
               ".\n\n");
}

}  // namespace qsplit::layout
