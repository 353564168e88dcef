// What a spec says, as the parser read it: names are not resolved, numbers are not checked, groups
// of bits are spread over their fields. Every node has its span.
//
// Views point into the SourceFile, which must outlive the tree. Nothing here recurses: a condition
// is a vector of nodes that name their operands by index.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_AST_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_AST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/source/source_file.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::qdl::ast {

struct Identifier {
  std::string_view text;
  Span span;
};

struct Number {
  uint64_t value = 0;
  Span span;
};

// `left op right`, or a name alone ("is not 0").
struct Comparison {
  Identifier left;
  // OPERATOR_UNSPECIFIED: a name alone.
  v1::Operator op = v1::OPERATOR_UNSPECIFIED;
  // Exactly one, unless the name stands alone.
  std::optional<Number> number;
  // A value of the left field's enumeration, or another field.
  std::optional<Identifier> word;
};

// One node of a condition.
struct ConditionNode {
  enum class Kind : uint8_t { kComparison, kNot, kAnd, kOr };
  Kind kind = Kind::kComparison;
  Comparison comparison;
  // Operands; indices into Condition::nodes, lower than this node's. kNot uses `first` only.
  uint32_t first = 0;
  uint32_t second = 0;
};

// The last node is the root. Never empty.
struct Condition {
  std::vector<ConditionNode> nodes;
  Span span;
};
using ConditionPtr = std::shared_ptr<const Condition>;

// `with Feature = choice`.
struct FeatureChoice {
  Identifier feature;
  Identifier choice;
};

// What may stand behind a field, in any order, each once.
struct Attributes {
  std::optional<Identifier> enumeration;
  std::optional<Identifier> role;
  // `= 3`; `must be zero` and `must be one` leave the number to the field's width.
  enum class Constraint : uint8_t { kNone, kConstant, kZero, kOnes, kIgnored };
  Constraint constraint = Constraint::kNone;
  // Where the constraint stands, and its number, or the value's name in the enumeration.
  Number constant;
  std::optional<Identifier> constant_name;
  // All must hold: the group's and the field's own.
  std::vector<ConditionPtr> when;
  // PACKET_POSITION_UNSPECIFIED: not said.
  v1::PacketPosition position = v1::PACKET_POSITION_UNSPECIFIED;
  std::optional<Number> times;
  std::optional<Number> plus;
  std::optional<Number> minus;
  std::optional<Number> zero_means;
  bool inverted = false;
  bool is_signed = false;
  std::vector<FeatureChoice> features;
};

// One line of a descriptor: a name and its bits. A value in several places has one Field for each
// of them, all with a slice.
struct Field {
  Identifier name;
  Span span;
  // Bits of the value that stand here, high and low: `request_id[15:8]`.
  std::optional<std::pair<Number, Number>> slice;
  // From the start of the descriptor.
  Number byte_offset;
  // A byte array: its length, 0 when `to_end_of_slot`. Otherwise the rest holds.
  std::optional<Number> array_bytes;
  bool to_end_of_slot = false;
  // The word: 1, 2, 3, 4 or 8 bytes.
  uint32_t word_bytes = 0;
  Span word_span;
  // BYTE_ORDER_UNSPECIFIED: the file's.
  v1::ByteOrder byte_order = v1::BYTE_ORDER_UNSPECIFIED;
  // High and low bit in the word as written; absent: the whole word.
  std::optional<std::pair<Number, Number>> bits;
  Attributes attributes;
  // The comment behind it.
  std::string_view note;
};

// `@16 data DataSegment[4] every 16`, `then data DataSegment[1..63] count by segments`: other
// descriptors inside or behind this one.
struct Part {
  Identifier name;
  Identifier form;
  Span span;
  // Absent: behind the descriptor's size and the parts before it.
  std::optional<Number> byte_offset;
  // Fewest and most; absent: one.
  std::optional<std::pair<Number, Number>> count;
  std::optional<Identifier> count_field;
  std::optional<Number> stride;
  std::string_view note;
};

struct Descriptor {
  Identifier name;
  Number size_bytes;
  std::optional<Number> slots;
  // PACKET_POSITION_UNSPECIFIED: not said.
  v1::PacketPosition position = v1::PACKET_POSITION_UNSPECIFIED;
  std::optional<ConditionPtr> selector;
  // `beside the rings`: no ring has it.
  bool beside_rings = false;
  std::vector<FeatureChoice> features;
  std::vector<Field> fields;
  std::vector<Part> parts;
  std::string_view note;
};

struct EnumerationValue {
  Identifier name;
  Number value;
};

struct Enumeration {
  Identifier name;
  Number bits;
  std::vector<EnumerationValue> values;
};

struct Feature {
  Identifier name;
  std::vector<Identifier> choices;
};

// `64..4096 step 8`, `64..4096 power of two`; a single number is both ends.
struct Range {
  Number first;
  Number last;
  std::optional<Number> step;
  bool power_of_two = false;
};

// `cell index u16 at -2 is producer count`.
struct Cell {
  Identifier name;
  Span word_span;
  // 1, 2, 4 or 8; 3 is reported by the lowering.
  uint32_t bytes = 0;
  v1::ByteOrder byte_order = v1::BYTE_ORDER_UNSPECIFIED;
  std::optional<Number> mask;
  // Where: `register`, `at 4`, `at -4`, `at end + 2`; nothing of these when the grant says it.
  bool is_register = false;
  bool behind_slots = false;
  bool negative = false;
  std::optional<Number> offset;
  // `plus 1`, `minus 1`: the cell holds the index plus this.
  std::optional<Number> plus;
  std::optional<Number> minus;
  std::vector<FeatureChoice> features;
  v1::CellMeaning meaning = v1::CELL_MEANING_UNSPECIFIED;
  // Behind `from`; absent: the meaning tells.
  std::optional<bool> device_writes;
};

struct DoorbellTerm {
  v1::DoorbellSource source = v1::DOORBELL_SOURCE_UNSPECIFIED;
  Number constant;
  std::optional<Number> mask;
  std::optional<Number> shift;
};

struct Doorbell {
  Span span;
  v1::DoorbellTarget target = v1::DOORBELL_TARGET_UNSPECIFIED;
  std::optional<Number> bytes;
  v1::ByteOrder byte_order = v1::BYTE_ORDER_UNSPECIFIED;
  std::vector<DoorbellTerm> terms;
  v1::Barrier barrier = v1::BARRIER_UNSPECIFIED;
  // `if CELL`, `unless CELL`, `past CELL`: what the cell must mean.
  std::optional<Identifier> cell;
  v1::CellMeaning cell_meaning = v1::CELL_MEANING_UNSPECIFIED;
  std::vector<FeatureChoice> features;
  // True for `consumer doorbell`.
  bool consumer = false;
};

// `post A, B when COND`, `complete A in place when dd only where reported`, `complete up to head`.
struct Handover {
  Span span;
  std::vector<Identifier> forms;
  bool in_place = false;
  // At most one of the two.
  std::optional<ConditionPtr> when;
  std::optional<Identifier> up_to;
  bool only_where_reported = false;
};

// The descriptors that all of them name.
inline std::vector<Identifier> FormsOf(const std::vector<Handover>& handovers) {
  std::vector<Identifier> forms;
  for (const Handover& one : handovers) {
    forms.insert(forms.end(), one.forms.begin(), one.forms.end());
  }
  return forms;
}

// `completes work by index wqe_counter when opcode == 2`.
struct CompletionRule {
  Span span;
  Identifier ring;
  v1::CompletionKey key = v1::COMPLETION_KEY_UNSPECIFIED;
  std::optional<Identifier> field;
  bool cumulative = false;
  std::optional<ConditionPtr> when;
  std::vector<FeatureChoice> features;
};

// `phase starts 1, flips each pass`.
struct PhaseRule {
  Span span;
  Number initial;
  v1::PhaseFlip flip = v1::PHASE_FLIP_UNSPECIFIED;
};

// `sequence 1..7 starts 1`.
struct SequenceRule {
  Span span;
  Number first;
  Number last;
  std::optional<Number> initial;
};

// `fill owner = 1`, `fill Cqe.owner = 1`.
struct Fill {
  Identifier field;
  // Unused with `not phase`.
  Number value;
  bool not_phase = false;
};

// `compressed TITLE when COND into MINI[8] count by FIELD`.
struct Compressed {
  Span span;
  Identifier title;
  std::optional<ConditionPtr> when;
  Identifier mini;
  Number per_slot;
  Identifier count;
};

// `packets in slot behind FORM first by F1 count by F2 next by F3`.
struct SlotPackets {
  Span span;
  Identifier form;
  Identifier first;
  Identifier count;
  Identifier next;
};

struct Ring {
  Identifier name;
  bool is_table = false;
  std::vector<FeatureChoice> features;
  // PACKET_POSITION_UNSPECIFIED: not said.
  v1::PacketPosition position = v1::PACKET_POSITION_UNSPECIFIED;
  Span position_span;
  std::optional<Range> slots;
  std::optional<Number> slot_bytes;
  std::optional<Number> alignment;
  std::optional<Number> reserved;
  // Several only where each has a condition of its own.
  std::vector<Handover> posts;
  std::vector<Handover> completions;
  std::vector<CompletionRule> completes;
  std::optional<PhaseRule> phase;
  std::optional<SequenceRule> sequence;
  std::vector<Fill> fills;
  std::vector<Cell> cells;
  std::vector<Doorbell> doorbells;
  std::optional<Identifier> last_slot_field;
  std::optional<Identifier> link_form;
  std::optional<Compressed> compressed;
  std::optional<SlotPackets> packets;
  std::string_view note;
};

// `packet spans descriptors until eop`, `packet chains by next until not more`.
struct PacketRule {
  Span span;
  v1::Span how = v1::SPAN_UNSPECIFIED;
  std::optional<ConditionPtr> until;
  std::optional<Identifier> field;
};

struct ContextRule {
  Identifier form;
  v1::ContextLifetime lifetime = v1::CONTEXT_LIFETIME_UNSPECIFIED;
  std::optional<Number> contexts;
  bool after_first = false;
  bool before_bytes = false;
  std::optional<Identifier> done_form;  // `answered by FORM`
};

// `at most 40 descriptors per packet`, `buffers 1 KiB..16 KiB`, ….
struct Limits {
  std::optional<Range> buffer;
  std::optional<Number> buffer_alignment;
  std::optional<Number> descriptors_per_packet;
  std::optional<Number> bytes_per_descriptor;
  std::optional<Number> bytes_per_packet;
  std::optional<Number> least_bytes_per_packet;
};

struct Queue {
  // The direction's word, unless the spec names it.
  Identifier name;
  v1::Direction direction = v1::DIRECTION_UNSPECIFIED;
  std::vector<Ring> rings;
  std::optional<PacketRule> packet;
  v1::LengthMeaning length = v1::LENGTH_MEANING_UNSPECIFIED;
  std::optional<Number> crc_bytes;
  // At most one of the two.
  std::optional<Number> prefix_bytes;
  std::optional<Identifier> prefix_form;
  // Where `length includes prefix` stands.
  std::optional<Span> length_includes_prefix;
  std::optional<Number> buffers_per_descriptor;
  Limits limits;
  std::vector<ContextRule> contexts;
  std::string_view note;
};

struct File {
  std::optional<Identifier> name;
  std::optional<Identifier> title;
  std::vector<Identifier> sources;
  v1::ByteOrder byte_order = v1::BYTE_ORDER_UNSPECIFIED;
  // True when bit 0 is a word's most significant bit in this file.
  bool first_bit_is_most_significant = false;
  std::vector<Enumeration> enumerations;
  std::vector<Feature> features;
  std::vector<Descriptor> descriptors;
  std::vector<Queue> queues;
};

}  // namespace qsplit::qdl::ast

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_AST_H_
