// Queues and rings in the words of the language.
#include <string>
#include <vector>

#include "descriptor-lang/emit/qdl_text.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

class QdlQueueEmitter {
 public:
  QdlQueueEmitter(const v1::Layout& layout, const v1::Queue& queue)
      : layout_(layout), queue_(queue) {}

  std::string Run() {
    text::Append(out_, "queue ", Word(queue_.direction()),
                 queue_.name() == Word(queue_.direction()) ? "" : text::Cat(" ", queue_.name()),
                 " {", QdlNote(layout_, queue_.name()), "\n");
    for (const v1::Ring& ring : queue_.rings()) EmitRing(ring);
    EmitPacket();
    EmitLimits();
    for (const v1::ContextRule& rule : queue_.contexts()) {
      Line(1, "context ", FormName(rule.form()), " ", Word(rule.lifetime()),
           rule.contexts() > 0 ? text::Cat(" ", rule.contexts()) : "",
           rule.after_first() ? " after first" : "", rule.before_bytes() ? " before bytes" : "",
           rule.has_done_form() ? text::Cat(" answered by ", FormName(rule.done_form())) : "");
    }
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  template <typename... Words>
  void Line(size_t depth, const Words&... words) {
    text::Append(out_, std::string(2 * depth, ' '), words..., "\n");
  }
  const std::string& FormName(uint32_t form) const {
    return layout_.forms(static_cast<int>(form)).name();
  }
  // Statements speak of fields by their names alone: those of several forms have the same.
  const std::string& FieldOf(const v1::FieldReference& reference) const {
    return layout_.forms(static_cast<int>(reference.form()))
        .fields(static_cast<int>(reference.field()))
        .name();
  }
  template <typename List>
  std::string FormNames(const List& forms) const {
    std::vector<std::string> names;
    for (const uint32_t form : forms) names.push_back(FormName(form));
    return text::Join(names, ", ");
  }

  // The alternatives of a condition that are over one form.
  std::string WhenOf(const v1::Condition& condition, uint32_t form) const {
    v1::Condition own;
    for (const v1::Conjunction& one : condition.any_of()) {
      if (one.all_of(0).field().form() == form) *own.add_any_of() = one;
    }
    return ConditionText(layout_, own, form);
  }
  // A condition that was written once, for each form that has its fields.
  std::string SharedWhen(const v1::Condition& condition) const {
    if (condition.any_of().empty()) return "";
    return WhenOf(condition, condition.any_of(0).all_of(0).field().form());
  }

  void EmitRing(const v1::Ring& ring) {
    Line(1, Word(ring.kind()), " ", ring.name(), QdlFeatures(layout_, ring.features()),
         QdlPosition(ring.position()), " {",
         QdlNote(layout_, text::Cat(queue_.name(), ".", ring.name())));
    const v1::SlotRange& slots = ring.slots();
    Line(2, "slots ", slots.min(), "..", slots.max(),
         slots.step() > 1 ? text::Cat(" step ", slots.step()) : "",
         slots.power_of_two() ? " powers of two" : "");
    Line(2, "slot ", ring.slot_bytes(), " bytes");
    Line(2, "align ", ring.alignment_bytes());
    if (ring.reserved_slots() > 0) Line(2, "reserve ", ring.reserved_slots());
    for (const v1::IndexCell& cell : ring.cells()) EmitCell(cell);
    if (ring.has_phase()) {
      Line(2, "phase starts ", ring.phase().initial(), ", flips ", Word(ring.phase().flip()));
    }
    if (ring.has_sequence()) {
      Line(2, "sequence ", ring.sequence().first(), "..", ring.sequence().last(), " starts ",
           ring.sequence().initial());
    }
    EmitPosts(ring);
    EmitCompletions(ring);
    for (const v1::CompletionRule& rule : ring.completes()) EmitRule(rule);
    for (const v1::FillValue& fill : ring.fills()) {
      Line(2, "fill ", FieldName(layout_, fill.field()), " = ",
           fill.opposite_phase() ? "not phase" : text::Cat(fill.value()));
    }
    EmitLook(ring);
    for (const v1::Doorbell& bell : ring.producer_doorbells()) EmitDoorbell(ring, "", bell);
    for (const v1::Doorbell& bell : ring.consumer_doorbells()) {
      EmitDoorbell(ring, "consumer ", bell);
    }
    Line(1, "}");
  }

  void EmitPosts(const v1::Ring& ring) {
    if (ring.post_forms().empty()) return;
    if (ring.posted().has_when()) {
      for (const uint32_t form : ring.post_forms()) {
        Line(2, "post ", FormName(form), " when ", WhenOf(ring.posted().when(), form));
      }
      return;
    }
    Line(2, "post ", FormNames(ring.post_forms()),
         ring.posted().has_cell() ? UpTo(ring, ring.posted()) : "");
  }
  static std::string UpTo(const v1::Ring& ring, const v1::Handover& handover) {
    return text::Cat(" up to ", ring.cells(static_cast<int>(handover.cell())).name());
  }

  void EmitCompletions(const v1::Ring& ring) {
    const v1::Handover& completed = ring.completed();
    std::string_view in_place;
    for (const v1::CompletionRule& rule : ring.completes()) {
      if (rule.key() == v1::COMPLETION_KEY_IN_PLACE) in_place = " in place";
    }
    const std::string_view reported = completed.only_where_reported() ? " only where reported" : "";
    if (completed.has_when()) {
      for (const uint32_t form : ring.complete_forms()) {
        Line(2, "complete ", FormName(form), in_place, " when ", WhenOf(completed.when(), form),
             reported);
      }
    } else if (completed.has_cell()) {
      const std::string forms = FormNames(ring.complete_forms());
      Line(2, "complete", forms.empty() ? "" : " ", forms, in_place, UpTo(ring, completed),
           reported);
    }
  }

  void EmitRule(const v1::CompletionRule& rule) {
    if (rule.key() == v1::COMPLETION_KEY_IN_PLACE) return;
    const std::string when = SharedWhen(rule.when());
    const bool in_order = rule.key() == v1::COMPLETION_KEY_IN_ORDER;
    Line(2, "completes ", queue_.rings(static_cast<int>(rule.ring())).name(),
         in_order            ? " "
         : rule.cumulative() ? " up to "
                             : " by ",
         Word(rule.key()), in_order ? "" : " ", in_order ? "" : FieldOf(rule.fields(0)),
         when.empty() ? "" : " when ", when, QdlFeatures(layout_, rule.features()));
  }

  void EmitLook(const v1::Ring& ring) {
    if (ring.has_compressed()) {
      const v1::CompressedEntries& entries = ring.compressed();
      Line(2, "compressed ", FormName(entries.title_form()), " when ",
           WhenOf(entries.when(), entries.title_form()), " into ", FormName(entries.mini_form()),
           "[", entries.per_slot(), "] count by ", FieldOf(entries.count()));
    }
    if (ring.has_packets()) {
      const v1::SlotPackets& packets = ring.packets();
      Line(2, "packets in slot behind ", FormName(packets.form()), " first by ",
           FieldOf(packets.first()), " count by ", FieldOf(packets.count()), " next by ",
           FieldOf(packets.next()));
    }
    if (ring.wrap().has_last_slot_field()) {
      Line(2, "last slot sets ", FieldOf(ring.wrap().last_slot_field()));
    }
    if (ring.wrap().has_link_form()) {
      Line(2, "link ", FormName(ring.wrap().link_form()), " in last slot");
    }
  }

  void EmitCell(const v1::IndexCell& cell) {
    std::string line = text::Cat("cell ", cell.name(), " u", 8 * cell.bytes());
    if (cell.bytes() > 1) text::Append(line, " ", Word(cell.byte_order()));
    if (cell.mask() != LowBits(8 * cell.bytes())) {
      text::Append(line, " & 0x", text::Hex(cell.mask()));
    }
    if (cell.is_register()) text::Append(line, " register");
    if (cell.has_offset_bytes()) {
      text::Append(line, cell.behind_slots() ? " at end + " : " at ", cell.offset_bytes());
    }
    if (cell.index_plus() > 0) text::Append(line, " plus ", cell.index_plus());
    if (cell.index_plus() < 0) text::Append(line, " minus ", -cell.index_plus());
    // Of the others the meaning says who writes them.
    const bool either = cell.meaning() == v1::CELL_MEANING_EVENT_INDEX ||
                        cell.meaning() == v1::CELL_MEANING_NO_NOTIFICATION;
    Line(2, line, QdlFeatures(layout_, cell.features()), " is ", Word(cell.meaning()),
         !either                ? ""
         : cell.device_writes() ? " from device"
                                : " from driver");
  }

  void EmitDoorbell(const v1::Ring& ring, std::string_view whose, const v1::Doorbell& bell) {
    std::string line = text::Cat(whose, "doorbell ", Word(bell.target()));
    const bool store = bell.target() == v1::DOORBELL_TARGET_REGISTER ||
                       bell.target() == v1::DOORBELL_TARGET_MEMORY;
    if (bell.target() != v1::DOORBELL_TARGET_WAKEUP)
      text::Append(line, " ", bell.bytes(), " bytes");
    if (store && bell.bytes() > 1) text::Append(line, " ", Word(bell.byte_order()));
    std::vector<std::string> terms;
    for (const v1::DoorbellTerm& term : bell.terms()) {
      std::string words = term.source() == v1::DOORBELL_SOURCE_CONSTANT
                              ? text::Cat(term.constant())
                              : std::string(Word(term.source()));
      if (term.mask() != LowBits(8 * bell.bytes() - term.shift())) {
        text::Append(words, " & 0x", text::Hex(term.mask()));
      }
      if (term.shift() > 0) text::Append(words, " << ", term.shift());
      terms.push_back(std::move(words));
    }
    if (store) text::Append(line, " = ", terms.empty() ? "anything" : text::Join(terms, " + "));
    if (bell.has_suppressed_by_cell()) {
      const v1::IndexCell& cell = ring.cells(static_cast<int>(bell.suppressed_by_cell()));
      text::Append(line,
                   cell.meaning() == v1::CELL_MEANING_NEED_WAKEUP   ? " if "
                   : cell.meaning() == v1::CELL_MEANING_EVENT_INDEX ? " past "
                                                                    : " unless ",
                   cell.name());
    }
    Line(2, line, QdlFeatures(layout_, bell.features()), " after ", Word(bell.barrier()));
  }

  void EmitPacket() {
    const v1::PacketRule& rule = queue_.packet();
    const std::string field = rule.fields().empty() ? "" : FieldOf(rule.fields(0));
    switch (rule.span()) {
      case v1::SPAN_ADJACENT_UNTIL_LAST:
        Line(1, "packet spans descriptors until ", SharedWhen(rule.last_when()));
        break;
      case v1::SPAN_COUNT_IN_FIRST:
        Line(1, "packet spans descriptors, count in ", field);
        break;
      case v1::SPAN_NEXT_INDEX:
        Line(1, "packet chains by ", field, " until ", SharedWhen(rule.last_when()));
        break;
      case v1::SPAN_COMPLETIONS:
        Line(1, "packet spans completions, count in ", field);
        break;
      case v1::SPAN_BY_LENGTH:
        Line(1, "packet spans buffers by length");
        break;
      default:
        Line(1, "packet is one descriptor");
    }
    Line(1, "length counts ", Word(rule.length()));
    if (rule.length_includes_crc_bytes() > 0) {
      Line(1, "length includes ", rule.length_includes_crc_bytes(), " bytes of crc");
    }
    if (rule.has_prefix_form()) {
      Line(1, "prefix ", FormName(rule.prefix_form()));
    } else if (rule.prefix_bytes() > 0) {
      Line(1, "prefix ", rule.prefix_bytes(), " bytes");
    }
    if (rule.length_includes_prefix()) Line(1, "length includes prefix");
  }

  void EmitLimits() {
    const v1::Limits& limits = queue_.limits();
    const v1::BufferRange& buffer = limits.buffer();
    if (buffer.max_bytes() != UINT32_MAX || buffer.min_bytes() > 1 ||
        limits.buffer_alignment_bytes() > 1) {
      Line(1, "buffers ", buffer.min_bytes(), "..", buffer.max_bytes(),
           buffer.step_bytes() > 1 ? text::Cat(" step ", buffer.step_bytes()) : "",
           buffer.power_of_two() ? " powers of two" : "", " align ",
           limits.buffer_alignment_bytes());
    }
    const auto most = [&](uint32_t number, std::string_view what) {
      if (number > 0) Line(1, "at most ", number, " ", what);
    };
    most(limits.max_descriptors_per_packet(), "descriptors per packet");
    if (queue_.packet().buffers_per_descriptor() > 1) {
      most(queue_.packet().buffers_per_descriptor(), "buffers per descriptor");
    }
    most(limits.max_bytes_per_descriptor(), "bytes per descriptor");
    most(limits.max_bytes_per_packet(), "bytes per packet");
    if (limits.min_bytes_per_packet() > 0) {
      Line(1, "at least ", limits.min_bytes_per_packet(), " bytes per packet");
    }
  }

  const v1::Layout& layout_;
  const v1::Queue& queue_;
  std::string out_;
};

}  // namespace

std::string QdlQueue(const v1::Layout& layout, const v1::Queue& queue) {
  return QdlQueueEmitter(layout, queue).Run();
}

}  // namespace qsplit::layout
