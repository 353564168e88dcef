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
    if (field.has_bytes()) {
      out["byte_offset"] = field.bytes().byte_offset();
      out["bytes"] = field.bytes().length();
    } else if (field.parts_size() == 1) {
      out.update(Place(field.parts(0)));
    } else {
      out["bits"] = BitWidth(field);
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
    Json ownership = {{"protocol", Word(ring.ownership().protocol_case())}};
    if (ring.ownership().has_in_place()) {
      ownership["when"] = Condition(ring.ownership().in_place().when());
      ownership["only_where_reported"] = ring.ownership().in_place().only_where_reported();
    }
    out["ownership"] = std::move(ownership);
    out["completes"] = {{"key", Word(ring.completes().key())},
                        {"ring", queue.rings(static_cast<int>(ring.completes().ring())).name()}};
    out["doorbells"] = Json::array();
    for (const v1::Doorbell& bell : ring.producer_doorbells()) {
      out["doorbells"].push_back(Doorbell(bell, "producer"));
    }
    for (const v1::Doorbell& bell : ring.consumer_doorbells()) {
      out["doorbells"].push_back(Doorbell(bell, "consumer"));
    }
    out["cells"] = Json::array();
    for (const v1::IndexCell& cell : ring.cells()) {
      out["cells"].push_back({{"name", cell.name()},
                              {"bytes", cell.bytes()},
                              {"endian", Word(cell.byte_order())},
                              {"meaning", Word(cell.meaning())},
                              {"mask", Integer(cell.mask())}});
    }
    return out;
  }

  static Json Doorbell(const v1::Doorbell& bell, std::string_view side) {
    Json out = {{"side", side},           {"target", Word(bell.target())},
                {"bytes", bell.bytes()},  {"endian", Word(bell.byte_order())},
                {"terms", Json::array()}, {"barrier", Word(bell.barrier())}};
    for (const v1::DoorbellTerm& term : bell.terms()) {
      Json one = {
          {"source", Word(term.source())}, {"mask", Integer(term.mask())}, {"shift", term.shift()}};
      if (term.source() == v1::DOORBELL_SOURCE_CONSTANT) one["constant"] = Integer(term.constant());
      out["terms"].push_back(std::move(one));
    }
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
    if (rule.has_field()) out["field"] = FieldName(layout_, rule.field());
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
