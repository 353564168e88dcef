#include "descriptor-lang/emit/words.h"

#include <algorithm>

#include "descriptor-lang/emit/ring_text.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

const v1::Form& FormAt(const v1::Layout& layout, uint32_t form) {
  return layout.forms(static_cast<int>(form));
}
const v1::Field& FieldAt(const v1::Layout& layout, const v1::FieldReference& reference) {
  return FormAt(layout, reference.form()).fields(static_cast<int>(reference.field()));
}

std::string NameIn(const v1::Layout& layout, const v1::FieldReference& reference, uint32_t form) {
  if (reference.form() == form) return FieldAt(layout, reference).name();
  return FieldName(layout, reference);
}

std::string ComparisonText(const v1::Layout& layout, const v1::Comparison& comparison,
                           uint32_t form) {
  const v1::Field& field = FieldAt(layout, comparison.field());
  const std::string left = NameIn(layout, comparison.field(), form);
  const std::string_view op = Word(comparison.operator_());
  if (comparison.has_other()) {
    return text::Cat(left, " ", op, " ", NameIn(layout, comparison.other(), form));
  }
  if (comparison.has_state()) return text::Cat(left, " ", op, " ", Word(comparison.state()));
  const uint64_t constant = comparison.constant();
  const bool no_bits = comparison.operator_() == v1::OPERATOR_NO_BITS;
  if (no_bits || comparison.operator_() == v1::OPERATOR_ANY_BITS) {
    return text::Cat(no_bits ? "not " : "", left, " & 0x", text::Hex(constant));
  }
  if (BitWidth(field) == 1 && comparison.operator_() == v1::OPERATOR_EQUAL) {
    return text::Cat(constant == 0 ? "not " : "", left);
  }
  if (field.has_enumeration()) {
    for (const v1::EnumerationValue& value :
         layout.enumerations(static_cast<int>(field.enumeration())).values()) {
      if (value.value() == constant) return text::Cat(left, " ", op, " ", value.name());
    }
  }
  return text::Cat(left, " ", op, " ", constant);
}

}  // namespace

std::string_view Word(v1::ByteOrder order) {
  return order == v1::BYTE_ORDER_BIG ? "big" : "little";
}

std::string_view Word(v1::Direction direction) {
  switch (direction) {
    case v1::DIRECTION_RECEIVE:
      return "receive";
    case v1::DIRECTION_TRANSMIT:
      return "transmit";
    default:
      return "command";
  }
}

std::string_view Word(v1::Operator op) {
  switch (op) {
    case v1::OPERATOR_EQUAL:
      return "==";
    case v1::OPERATOR_NOT_EQUAL:
      return "!=";
    case v1::OPERATOR_LESS:
      return "<";
    case v1::OPERATOR_LESS_OR_EQUAL:
      return "<=";
    case v1::OPERATOR_GREATER:
      return ">";
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return ">=";
    default:
      return "&";
  }
}

std::string_view Word(v1::RingState state) {
  return state == v1::RING_STATE_PHASE ? "phase" : "sequence";
}

std::string_view Word(v1::DoorbellTarget target) {
  switch (target) {
    case v1::DOORBELL_TARGET_REGISTER:
      return "register";
    case v1::DOORBELL_TARGET_MEMORY:
      return "memory";
    case v1::DOORBELL_TARGET_DESCRIPTOR:
      return "descriptor";
    default:
      return "wakeup";
  }
}

std::string_view Word(v1::DoorbellSource source) {
  switch (source) {
    case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
      return "producer index";
    case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
      return "producer count";
    case v1::DOORBELL_SOURCE_INCREMENT:
      return "increment";
    case v1::DOORBELL_SOURCE_CONSUMER_INDEX:
      return "consumer index";
    case v1::DOORBELL_SOURCE_CONSUMER_COUNT:
      return "consumer count";
    case v1::DOORBELL_SOURCE_QUEUE_NUMBER:
      return "queue number";
    case v1::DOORBELL_SOURCE_ADDRESS:
      return "address";
    case v1::DOORBELL_SOURCE_PHASE:
      return "phase";
    default:
      return "constant";
  }
}

std::string_view Word(v1::Barrier barrier) {
  switch (barrier) {
    case v1::BARRIER_MEMORY_BEFORE_DEVICE:
      return "device barrier";
    case v1::BARRIER_MEMORY_BEFORE_MEMORY:
      return "memory barrier";
    case v1::BARRIER_FULL:
      return "full barrier";
    default:
      return "no barrier";
  }
}

std::string_view Word(v1::LengthMeaning meaning) {
  switch (meaning) {
    case v1::LENGTH_MEANING_PACKET_IN_LAST:
      return "packet in last";
    case v1::LENGTH_MEANING_PACKET_IN_FIRST:
      return "packet in first";
    case v1::LENGTH_MEANING_RESIDUE:
      return "residue";
    default:
      return "buffer";
  }
}

std::string_view Word(v1::ContextLifetime lifetime) {
  switch (lifetime) {
    case v1::CONTEXT_LIFETIME_STICKY:
      return "sticky";
    case v1::CONTEXT_LIFETIME_INDEXED:
      return "indexed";
    case v1::CONTEXT_LIFETIME_CACHED:
      return "cached";
    default:
      return "per packet";
  }
}

std::string_view Word(v1::Span span) {
  switch (span) {
    case v1::SPAN_ADJACENT_UNTIL_LAST:
      return "adjacent until last";
    case v1::SPAN_COUNT_IN_FIRST:
      return "count in first";
    case v1::SPAN_NEXT_INDEX:
      return "next index";
    case v1::SPAN_COMPLETIONS:
      return "completions";
    case v1::SPAN_BY_LENGTH:
      return "by length";
    default:
      return "single";
  }
}

std::string_view Word(v1::PacketPosition position) {
  switch (position) {
    case v1::PACKET_POSITION_FIRST:
      return "first";
    case v1::PACKET_POSITION_LAST:
      return "last";
    case v1::PACKET_POSITION_REST:
      return "rest";
    default:
      return "each";
  }
}

std::string_view Word(v1::RingKind kind) { return kind == v1::RING_KIND_TABLE ? "table" : "ring"; }

std::string_view Word(v1::PhaseFlip flip) {
  return flip == v1::PHASE_FLIP_BY_LINK ? "by link" : "each pass";
}

std::string_view Word(v1::Handover::HowCase how) {
  switch (how) {
    case v1::Handover::kWhen:
      return "when";
    case v1::Handover::kCell:
      return "cell";
    case v1::Handover::kDoorbell:
      return "doorbell";
    case v1::Handover::kCompletion:
      return "completion";
    default:
      return "none";
  }
}

std::string_view Word(v1::CompletionKey key) {
  switch (key) {
    case v1::COMPLETION_KEY_IN_PLACE:
      return "in place";
    case v1::COMPLETION_KEY_IN_ORDER:
      return "in order";
    case v1::COMPLETION_KEY_INDEX:
      return "index";
    case v1::COMPLETION_KEY_TAG:
      return "tag";
    case v1::COMPLETION_KEY_ADDRESS:
      return "address";
    default:
      return "none";
  }
}

std::string_view Word(v1::CellMeaning meaning) {
  switch (meaning) {
    case v1::CELL_MEANING_PRODUCER_INDEX:
      return "producer index";
    case v1::CELL_MEANING_PRODUCER_COUNT:
      return "producer count";
    case v1::CELL_MEANING_CONSUMER_INDEX:
      return "consumer index";
    case v1::CELL_MEANING_CONSUMER_COUNT:
      return "consumer count";
    case v1::CELL_MEANING_PENDING_COUNT:
      return "pending count";
    case v1::CELL_MEANING_EVENT_INDEX:
      return "event index";
    case v1::CELL_MEANING_NEED_WAKEUP:
      return "need wakeup";
    default:
      return "no notification";
  }
}

std::string ConditionText(const v1::Layout& layout, const v1::Condition& condition, uint32_t form) {
  std::string out;
  for (const v1::Conjunction& alternative : condition.any_of()) {
    if (!out.empty()) out += " or ";
    std::string all;
    for (const v1::Comparison& comparison : alternative.all_of()) {
      if (!all.empty()) all += " and ";
      all += ComparisonText(layout, comparison, form);
    }
    out += all;
  }
  return out;
}

std::string PartText(const v1::Layout& layout, const v1::Form& form,
                     const v1::ContainedForm& part) {
  std::string count;
  if (part.has_count_field()) {
    count = text::Cat(form.fields(static_cast<int>(part.count_field())).name(), ", up to ");
  }
  return text::Cat(count, part.max_count(), " of ",
                   layout.forms(static_cast<int>(part.form())).name(), ", every ",
                   part.stride_bytes(), " bytes", part.appended() ? ", behind the descriptor" : "");
}

std::string FieldName(const v1::Layout& layout, const v1::FieldReference& reference) {
  return text::Cat(FormAt(layout, reference.form()).name(), ".", FieldAt(layout, reference).name());
}

std::string_view NoteOn(const v1::Layout& layout, std::string_view path) {
  const auto& notes = layout.documentation().notes();
  const auto at = std::lower_bound(
      notes.begin(), notes.end(), path,
      [](const v1::Note& note, std::string_view wanted) { return note.path() < wanted; });
  return at != notes.end() && at->path() == path ? std::string_view(at->text())
                                                 : std::string_view();
}

std::string ValueText(const v1::Layout& layout, const v1::Field& field) {
  std::vector<std::string> words;
  if (field.constraint() == v1::CONSTRAINT_CONSTANT) {
    words.push_back(field.constant() == 0 ? "must be zero" : text::Cat("= ", field.constant()));
  } else if (field.constraint() == v1::CONSTRAINT_IGNORED) {
    words.push_back("ignored");
  }
  if (field.has_enumeration()) {
    words.push_back(layout.enumerations(static_cast<int>(field.enumeration())).name());
  }
  if (field.is_signed()) words.push_back("signed");
  if (field.scale().multiplier() > 1) {
    words.push_back(text::Cat("times ", field.scale().multiplier()));
  }
  if (field.scale().bias() > 0) words.push_back(text::Cat("plus ", field.scale().bias()));
  if (field.scale().bias() < 0) words.push_back(text::Cat("minus ", -field.scale().bias()));
  if (field.scale().has_zero_value()) {
    words.push_back(text::Cat("zero means ", field.scale().zero_value()));
  }
  if (!field.features().empty()) {
    words.push_back(text::Cat("with ", FeatureText(layout, field.features())));
  }
  return text::Join(words, ", ");
}

}  // namespace qsplit::layout
