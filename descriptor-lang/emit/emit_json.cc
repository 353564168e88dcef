// JSON for programs.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

using Json = nlohmann::ordered_json;

// Readers in many languages hold numbers as doubles.
Json Integer(uint64_t value) {
  constexpr uint64_t kExact = uint64_t{1} << 53;
  if (value > kExact) return text::Cat(value);
  return value;
}

class JsonEmitter {
 public:
  explicit JsonEmitter(const VerifiedLayout& layout)
      : verified_(layout), layout_(layout.message()) {}

  std::string Run() {
    Json out;
    out["layout"] = layout_.name();
    out["title"] = layout_.documentation().title();
    out["digest"] = verified_.digest_hex();
    out["sources"] = Json::array();
    for (const std::string& source : layout_.documentation().sources()) {
      out["sources"].push_back(source);
    }
    out["enumerations"] = Enumerations();
    out["features"] = Json::array();
    for (const v1::Feature& feature : layout_.features()) {
      Json choices = Json::array();
      for (const std::string& choice : feature.choices()) choices.push_back(choice);
      out["features"].push_back({{"name", feature.name()}, {"choices", choices}});
    }
    out["forms"] = Json::array();
    for (int i = 0; i < layout_.forms_size(); ++i) {
      out["forms"].push_back(Form(static_cast<uint32_t>(i)));
    }
    out["queues"] = Json::array();
    for (const v1::Queue& queue : layout_.queues()) out["queues"].push_back(Queue(queue));
    return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  Json Enumerations() {
    Json all = Json::array();
    for (const v1::Enumeration& known : layout_.enumerations()) {
      Json values = Json::array();
      for (const v1::EnumerationValue& value : known.values()) {
        values.push_back({{"name", value.name()}, {"value", Integer(value.value())}});
      }
      all.push_back({{"name", known.name()}, {"bits", known.bits()}, {"values", values}});
    }
    return all;
  }

  template <typename List>
  Json Features(const List& choices) {
    Json out = Json::object();
    for (const v1::FeatureChoice& choice : choices) {
      const v1::Feature& feature = layout_.features(static_cast<int>(choice.feature()));
      out[feature.name()] = feature.choices(static_cast<int>(choice.choice()));
    }
    return out;
  }

  void AddNote(Json& to, const std::string& path) {
    const std::string_view note = NoteOn(layout_, path);
    if (!note.empty()) to["note"] = note;
  }

  Json Form(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    Json out;
    out["name"] = form.name();
    out["size_bytes"] = form.size_bytes();
    out["slots"] = form.slots();
    if (form.position() != v1::PACKET_POSITION_EACH) out["in"] = Word(form.position());
    const std::string selector = ConditionText(layout_, form.selector(), index);
    if (!selector.empty()) out["when"] = selector;
    if (!form.features().empty()) out["with"] = Features(form.features());
    AddNote(out, form.name());
    out["fields"] = Json::array();
    for (const v1::Field& field : form.fields()) out["fields"].push_back(Field(form, index, field));
    if (form.contains().empty()) return out;
    out["contains"] = Json::array();
    for (const v1::ContainedForm& part : form.contains()) {
      Json one = {{"name", part.name()},
                  {"form", FormName(part.form())},
                  {"byte_offset", part.byte_offset()},
                  {"stride_bytes", part.stride_bytes()},
                  {"max_count", part.max_count()},
                  {"appended", part.appended()}};
      if (part.has_count_field()) {
        one["count"] = form.fields(static_cast<int>(part.count_field())).name();
      }
      out["contains"].push_back(std::move(one));
    }
    return out;
  }

  static Json Place(const v1::Bits& part) {
    return {{"byte_offset", part.byte_offset()},
            {"word_bytes", part.word_bytes()},
            {"endian", Word(part.byte_order())},
            {"lsb", part.lsb()},
            {"bits", part.bits()}};
  }

  Json Field(const v1::Form& form, uint32_t index, const v1::Field& field) {
    Json out;
    out["name"] = field.name();
    out["role"] = field.role();
    if (field.parts_size() == 1) {
      out.update(Place(field.parts(0)));
    } else {
      // The keys are there all the same, for readers that ask for them: what has no single word has
      // no byte order.
      out.update({{"byte_offset", nullptr},
                  {"word_bytes", nullptr},
                  {"endian", nullptr},
                  {"lsb", nullptr},
                  {"bits", BitWidth(field)}});
    }
    if (field.has_bytes()) {
      out["byte_offset"] = field.bytes().byte_offset();
      out["bits"] = 8 * uint64_t{field.bytes().length()};
      out["bytes"] = field.bytes().length();
    }
    out["byte_masks"] = Json::array();
    for (const ByteMask& mask : ByteMasks(field)) {
      out["byte_masks"].push_back({mask.byte, mask.mask});
    }
    out["parts"] = Json::array();
    for (const v1::Bits& part : field.parts()) out["parts"].push_back(Place(part));
    AddMeaning(out, index, field);
    AddNote(out, text::Cat(form.name(), ".", field.name()));
    return out;
  }

  // What is not said by most fields is left out.
  void AddMeaning(Json& out, uint32_t index, const v1::Field& field) {
    if (field.has_enumeration()) {
      out["enumeration"] = layout_.enumerations(static_cast<int>(field.enumeration())).name();
    }
    if (field.constraint() == v1::CONSTRAINT_CONSTANT) out["constant"] = Integer(field.constant());
    if (field.constraint() == v1::CONSTRAINT_IGNORED) out["ignored"] = true;
    if (field.scale().multiplier() > 1) out["times"] = Integer(field.scale().multiplier());
    if (field.scale().bias() != 0) out["plus"] = field.scale().bias();
    if (field.scale().has_zero_value()) out["zero_means"] = Integer(field.scale().zero_value());
    if (field.inverted()) out["inverted"] = true;
    if (field.is_signed()) out["signed"] = true;
    if (field.position() != v1::PACKET_POSITION_EACH) out["in"] = Word(field.position());
    const std::string when = ConditionText(layout_, field.valid_when(), index);
    if (!when.empty()) out["when"] = when;
    if (!field.features().empty()) out["with"] = Features(field.features());
  }

  const std::string& FormName(uint32_t form) const {
    return layout_.forms(static_cast<int>(form)).name();
  }

  template <typename List>
  Json FormNames(const List& forms) {
    Json out = Json::array();
    for (const uint32_t form : forms) out.push_back(FormName(form));
    return out;
  }

  Json Queue(const v1::Queue& queue) {
    Json out;
    out["name"] = queue.name();
    out["direction"] = Word(queue.direction());
    AddNote(out, queue.name());
    out["rings"] = Json::array();
    for (const v1::Ring& ring : queue.rings()) out["rings"].push_back(Ring(queue, ring));
    out["packet"] = Packet(queue.packet());
    out["limits"] = Limits(queue.limits());
    out["contexts"] = Json::array();
    for (const v1::ContextRule& rule : queue.contexts()) {
      Json one = {{"form", FormName(rule.form())}, {"lifetime", Word(rule.lifetime())}};
      if (rule.contexts() > 0) one["contexts"] = rule.contexts();
      if (rule.after_first()) one["after_first"] = true;
      if (rule.before_bytes()) one["before_bytes"] = true;
      if (rule.has_done_form()) one["answered_by"] = FormName(rule.done_form());
      out["contexts"].push_back(std::move(one));
    }
    return out;
  }

  std::string Condition(const v1::Condition& condition) {
    return ConditionText(layout_, condition, static_cast<uint32_t>(layout_.forms_size()));
  }

  Json Ring(const v1::Queue& queue, const v1::Ring& ring) {
    Json out;
    out["name"] = ring.name();
    out["kind"] = Word(ring.kind());
    if (ring.position() != v1::PACKET_POSITION_EACH) out["in"] = Word(ring.position());
    if (!ring.features().empty()) out["with"] = Features(ring.features());
    AddNote(out, text::Cat(queue.name(), ".", ring.name()));
    out["slot_bytes"] = ring.slot_bytes();
    out["slots"] = {{"min", ring.slots().min()},
                    {"max", ring.slots().max()},
                    {"step", ring.slots().step()},
                    {"power_of_two", ring.slots().power_of_two()}};
    out["alignment_bytes"] = ring.alignment_bytes();
    out["reserved_slots"] = ring.reserved_slots();
    out["post"] = FormNames(ring.post_forms());
    out["complete"] = FormNames(ring.complete_forms());
    if (ring.has_posted()) out["posted"] = Handover(ring, ring.posted());
    out["completed"] = Handover(ring, ring.completed());
    out["completes"] = Json::array();
    for (const v1::CompletionRule& rule : ring.completes()) {
      Json one = {{"ring", queue.rings(static_cast<int>(rule.ring())).name()},
                  {"key", Word(rule.key())},
                  {"cumulative", rule.cumulative()},
                  {"fields", FieldNames(rule.fields())}};
      const std::string when = Condition(rule.when());
      if (!when.empty()) one["when"] = when;
      if (!rule.features().empty()) one["with"] = Features(rule.features());
      out["completes"].push_back(std::move(one));
    }
    AddState(out, ring);
    AddEntries(out, ring);
    out["doorbells"] = Json::array();
    for (const v1::Doorbell& bell : ring.producer_doorbells()) {
      out["doorbells"].push_back(Doorbell(ring, bell, "producer"));
    }
    for (const v1::Doorbell& bell : ring.consumer_doorbells()) {
      out["doorbells"].push_back(Doorbell(ring, bell, "consumer"));
    }
    out["cells"] = Json::array();
    for (const v1::IndexCell& cell : ring.cells()) {
      Json one = {{"name", cell.name()},
                  {"bytes", cell.bytes()},
                  {"endian", Word(cell.byte_order())},
                  {"meaning", Word(cell.meaning())},
                  {"mask", Integer(cell.mask())},
                  {"writer", cell.device_writes() ? "device" : "driver"},
                  {"register", cell.is_register()}};
      if (cell.has_offset_bytes()) {
        one["offset_bytes"] = cell.offset_bytes();
        one["behind_slots"] = cell.behind_slots();
      }
      if (cell.index_plus() != 0) one["index_plus"] = cell.index_plus();
      if (!cell.features().empty()) one["with"] = Features(cell.features());
      out["cells"].push_back(std::move(one));
    }
    return out;
  }

  Json Handover(const v1::Ring& ring, const v1::Handover& handover) {
    Json out = {{"how", Word(handover.how_case())}};
    if (handover.has_when()) out["when"] = Condition(handover.when());
    if (handover.has_cell()) {
      out["cell"] = ring.cells(static_cast<int>(handover.cell())).name();
    }
    if (handover.only_where_reported()) out["only_where_reported"] = true;
    return out;
  }

  template <typename List>
  Json FieldNames(const List& fields) {
    Json out = Json::array();
    for (const v1::FieldReference& field : fields) out.push_back(FieldName(layout_, field));
    return out;
  }

  void AddState(Json& out, const v1::Ring& ring) {
    if (ring.has_phase()) {
      out["phase"] = {{"initial", ring.phase().initial()}, {"flips", Word(ring.phase().flip())}};
    }
    if (ring.has_sequence()) {
      out["sequence"] = {{"initial", Integer(ring.sequence().initial())},
                         {"first", Integer(ring.sequence().first())},
                         {"last", Integer(ring.sequence().last())}};
    }
    for (const v1::FillValue& fill : ring.fills()) {
      Json one = {{"field", FieldName(layout_, fill.field())}};
      if (fill.opposite_phase()) {
        one["value"] = "not phase";
      } else {
        one["value"] = Integer(fill.value());
      }
      out["fills"].push_back(std::move(one));
    }
    if (ring.wrap().has_last_slot_field()) {
      out["last_slot_sets"] = FieldName(layout_, ring.wrap().last_slot_field());
    }
    if (ring.wrap().has_link_form()) out["link"] = FormName(ring.wrap().link_form());
  }

  void AddEntries(Json& out, const v1::Ring& ring) {
    if (ring.has_compressed()) {
      const v1::CompressedEntries& entries = ring.compressed();
      out["compressed"] = {{"title", FormName(entries.title_form())},
                           {"mini", FormName(entries.mini_form())},
                           {"per_slot", entries.per_slot()},
                           {"count", FieldName(layout_, entries.count())},
                           {"when", Condition(entries.when())}};
    }
    if (ring.has_packets()) {
      const v1::SlotPackets& packets = ring.packets();
      out["packets"] = {{"form", FormName(packets.form())},
                        {"first", FieldName(layout_, packets.first())},
                        {"count", FieldName(layout_, packets.count())},
                        {"next", FieldName(layout_, packets.next())}};
    }
  }

  Json Doorbell(const v1::Ring& ring, const v1::Doorbell& bell, std::string_view side) {
    Json out = {{"side", side},           {"target", Word(bell.target())},
                {"bytes", bell.bytes()},  {"endian", Word(bell.byte_order())},
                {"terms", Json::array()}, {"barrier", Word(bell.barrier())}};
    if (bell.has_suppressed_by_cell()) {
      out["suppressed_by"] = ring.cells(static_cast<int>(bell.suppressed_by_cell())).name();
    }
    for (const v1::DoorbellTerm& term : bell.terms()) {
      Json one = {
          {"source", Word(term.source())}, {"mask", Integer(term.mask())}, {"shift", term.shift()}};
      if (term.source() == v1::DOORBELL_SOURCE_CONSTANT) one["constant"] = Integer(term.constant());
      out["terms"].push_back(std::move(one));
    }
    if (!bell.features().empty()) out["with"] = Features(bell.features());
    return out;
  }

  Json Packet(const v1::PacketRule& rule) {
    Json out = {{"span", Word(rule.span())},
                {"length", Word(rule.length())},
                {"length_includes_crc_bytes", rule.length_includes_crc_bytes()},
                {"prefix_bytes", rule.prefix_bytes()},
                {"buffers_per_descriptor", rule.buffers_per_descriptor()}};
    const std::string last = Condition(rule.last_when());
    if (!last.empty()) out["last_when"] = last;
    if (!rule.fields().empty()) out["fields"] = FieldNames(rule.fields());
    if (rule.has_prefix_form()) out["prefix"] = FormName(rule.prefix_form());
    out["length_includes_prefix"] = rule.length_includes_prefix();
    return out;
  }

  static Json Limits(const v1::Limits& limits) {
    const v1::BufferRange& buffer = limits.buffer();
    return {{"buffer",
             {{"min_bytes", buffer.min_bytes()},
              {"max_bytes", buffer.max_bytes()},
              {"step_bytes", buffer.step_bytes()},
              {"power_of_two", buffer.power_of_two()}}},
            {"buffer_alignment_bytes", limits.buffer_alignment_bytes()},
            {"max_descriptors_per_packet", limits.max_descriptors_per_packet()},
            {"max_bytes_per_descriptor", limits.max_bytes_per_descriptor()},
            {"max_bytes_per_packet", limits.max_bytes_per_packet()},
            {"min_bytes_per_packet", limits.min_bytes_per_packet()}};
  }

  const VerifiedLayout& verified_;
  const v1::Layout& layout_;
};

}  // namespace

std::string EmitJson(const VerifiedLayout& layout) { return JsonEmitter(layout).Run(); }

}  // namespace qsplit::layout
