#include "descriptor-lang/emit/ring_text.h"

#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

class RingWriter {
 public:
  RingWriter(const v1::Layout& layout, const v1::Queue& queue, const v1::Ring& ring)
      : layout_(layout), queue_(queue), ring_(ring) {}

  std::vector<std::string> Run() {
    const v1::SlotRange& slots = ring_.slots();
    Line("slots ", slots.min(), "..", slots.max(),
         slots.step() > 1 ? text::Cat(" step ", slots.step()) : "",
         slots.power_of_two() ? " powers of two" : "", ", each ", ring_.slot_bytes(),
         " bytes, aligned to ", ring_.alignment_bytes(), ", ", ring_.reserved_slots(), " reserved");
    if (!ring_.post_forms().empty()) {
      Line("post ", FormNames(ring_.post_forms()), Handed(ring_.posted()));
    }
    Completed();
    for (const v1::CompletionRule& rule : ring_.completes()) Rule(rule);
    State();
    if (ring_.has_compressed()) Compressed();
    if (ring_.has_packets()) Packets();
    if (ring_.wrap().has_last_slot_field()) {
      Line("last slot sets ", FieldName(layout_, ring_.wrap().last_slot_field()));
    }
    if (ring_.wrap().has_link_form()) {
      Line("link ", FormName(ring_.wrap().link_form()), " in last slot");
    }
    for (const v1::IndexCell& cell : ring_.cells()) Cell(cell);
    for (const v1::Doorbell& bell : ring_.producer_doorbells()) Doorbell("doorbell ", bell);
    for (const v1::Doorbell& bell : ring_.consumer_doorbells()) {
      Doorbell("consumer doorbell ", bell);
    }
    return std::move(lines_);
  }

 private:
  template <typename... Words>
  void Line(const Words&... words) {
    lines_.push_back(text::Cat(words...));
  }

  const std::string& FormName(uint32_t form) const {
    return layout_.forms(static_cast<int>(form)).name();
  }

  template <typename List>
  std::string FormNames(const List& forms) const {
    std::vector<std::string> names;
    for (const uint32_t form : forms) names.push_back(FormName(form));
    return text::Join(names, ", ");
  }

  const std::string& CellName(uint32_t cell) const {
    return ring_.cells(static_cast<int>(cell)).name();
  }

  // Names of fields have no form before them where the condition is over one form only.
  std::string When(const v1::Condition& condition) const {
    if (condition.any_of().empty()) return "";
    uint32_t form = condition.any_of(0).all_of(0).field().form();
    for (const v1::Conjunction& conjunction : condition.any_of()) {
      if (conjunction.all_of(0).field().form() != form) {
        form = static_cast<uint32_t>(layout_.forms_size());
      }
    }
    return text::Cat(" when ", ConditionText(layout_, condition, form));
  }

  std::string Handed(const v1::Handover& handover) const {
    if (handover.has_when()) return When(handover.when());
    if (handover.has_cell()) return text::Cat(" up to ", CellName(handover.cell()));
    return "";
  }

  void Completed() {
    const v1::Handover& completed = ring_.completed();
    if (completed.has_completion()) return;
    bool in_place = false;
    for (const v1::CompletionRule& rule : ring_.completes()) {
      in_place = in_place || rule.key() == v1::COMPLETION_KEY_IN_PLACE;
    }
    std::string line = "complete";
    if (!ring_.complete_forms().empty()) {
      text::Append(line, " ", FormNames(ring_.complete_forms()));
    }
    if (in_place) text::Append(line, " in place");
    text::Append(line, Handed(completed));
    if (completed.only_where_reported()) text::Append(line, ", only where reported");
    Line(line);
  }

  void Rule(const v1::CompletionRule& rule) {
    if (rule.key() == v1::COMPLETION_KEY_IN_PLACE && rule.when().any_of().empty()) return;
    std::string line =
        text::Cat("completes ", queue_.rings(static_cast<int>(rule.ring())).name(), " ");
    if (rule.key() == v1::COMPLETION_KEY_IN_ORDER || rule.key() == v1::COMPLETION_KEY_IN_PLACE) {
      text::Append(line, Word(rule.key()));
    } else {
      text::Append(line, rule.cumulative() ? "up to " : "by ", Word(rule.key()));
    }
    std::vector<std::string> fields;
    for (const v1::FieldReference& field : rule.fields()) {
      fields.push_back(FieldName(layout_, field));
    }
    text::Append(line, fields.empty() ? "" : " ", text::Join(fields, ", "), When(rule.when()));
    if (!rule.features().empty()) {
      text::Append(line, " with ", FeatureText(layout_, rule.features()));
    }
    Line(line);
  }

  void State() {
    if (ring_.has_phase()) {
      Line("phase starts ", ring_.phase().initial(), ", flips ", Word(ring_.phase().flip()));
    }
    if (ring_.has_sequence()) {
      Line("sequence ", ring_.sequence().first(), "..", ring_.sequence().last(), " starts ",
           ring_.sequence().initial());
    }
    for (const v1::FillValue& fill : ring_.fills()) {
      Line("fill ", FieldName(layout_, fill.field()), " = ",
           fill.opposite_phase() ? "not phase" : text::Cat("0x", text::Hex(fill.value())));
    }
  }

  void Compressed() {
    const v1::CompressedEntries& entries = ring_.compressed();
    Line("compressed ", FormName(entries.title_form()), When(entries.when()), " into ",
         FormName(entries.mini_form()), "[", entries.per_slot(), "] count by ",
         FieldName(layout_, entries.count()));
  }

  void Packets() {
    const v1::SlotPackets& packets = ring_.packets();
    Line("packets in slot behind ", FormName(packets.form()), " first by ",
         FieldName(layout_, packets.first()), " count by ", FieldName(layout_, packets.count()),
         " next by ", FieldName(layout_, packets.next()));
  }

  void Cell(const v1::IndexCell& cell) {
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
    if (!cell.features().empty()) {
      text::Append(line, " with ", FeatureText(layout_, cell.features()));
    }
    Line(line, " is ", Word(cell.meaning()), " from ", cell.device_writes() ? "device" : "driver");
  }

  void Doorbell(std::string_view head, const v1::Doorbell& bell) {
    std::string line = text::Cat(head, Word(bell.target()));
    if (bell.bytes() > 0) text::Append(line, " ", bell.bytes(), " bytes");
    if (bell.bytes() > 1) text::Append(line, " ", Word(bell.byte_order()));
    std::vector<std::string> terms;
    for (const v1::DoorbellTerm& term : bell.terms()) {
      std::string text = term.source() == v1::DOORBELL_SOURCE_CONSTANT
                             ? text::Cat(term.constant())
                             : std::string(Word(term.source()));
      if (term.mask() != LowBits(8 * bell.bytes() - term.shift())) {
        text::Append(text, " & 0x", text::Hex(term.mask()));
      }
      if (term.shift() > 0) text::Append(text, " << ", term.shift());
      terms.push_back(std::move(text));
    }
    if (!terms.empty()) text::Append(line, " = ", text::Join(terms, " + "));
    if (bell.has_suppressed_by_cell()) {
      const v1::CellMeaning meaning =
          ring_.cells(static_cast<int>(bell.suppressed_by_cell())).meaning();
      const std::string_view word = meaning == v1::CELL_MEANING_NEED_WAKEUP   ? " if "
                                    : meaning == v1::CELL_MEANING_EVENT_INDEX ? " past "
                                                                              : " unless ";
      text::Append(line, word, CellName(bell.suppressed_by_cell()));
    }
    if (!bell.features().empty()) {
      text::Append(line, " with ", FeatureText(layout_, bell.features()));
    }
    Line(line, ", after ", Word(bell.barrier()));
  }

  const v1::Layout& layout_;
  const v1::Queue& queue_;
  const v1::Ring& ring_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> RingLines(const v1::Layout& layout, const v1::Queue& queue,
                                   const v1::Ring& ring) {
  return RingWriter(layout, queue, ring).Run();
}

std::string FeatureText(const v1::Layout& layout,
                        const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices) {
  std::string out;
  for (const v1::FeatureChoice& choice : choices) {
    const v1::Feature& feature = layout.features(static_cast<int>(choice.feature()));
    text::Append(out, out.empty() ? "" : ", ", feature.name(), " = ",
                 feature.choices(static_cast<int>(choice.choice())));
  }
  return out;
}

}  // namespace qsplit::layout
