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
  // Where the constraint stands, and its number.
  Number constant;
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
  // A byte array: its length. Otherwise the rest holds.
  std::optional<Number> array_bytes;
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

struct Descriptor {
  Identifier name;
  Number size_bytes;
  std::optional<Number> slots;
  std::optional<ConditionPtr> selector;
  std::vector<FeatureChoice> features;
  std::vector<Field> fields;
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
  // True for `consumer doorbell`.
  bool consumer = false;
};

// `complete A in place when dd only where reported`.
struct Completion {
  Span span;
  std::vector<Identifier> forms;
  bool in_place = false;
  std::optional<ConditionPtr> when;
  bool only_where_reported = false;
};

struct Ring {
  Identifier name;
  std::optional<Range> slots;
  std::optional<Number> slot_bytes;
  std::optional<Number> alignment;
  std::optional<Number> reserved;
  std::vector<Identifier> posts;
  std::optional<Completion> completion;
  std::vector<Doorbell> doorbells;
  std::string_view note;
};

// `packet spans descriptors until eop`.
struct PacketRule {
  Span span;
  v1::Span how = v1::SPAN_UNSPECIFIED;
  std::optional<ConditionPtr> until;
};

struct ContextRule {
  Identifier form;
  v1::ContextLifetime lifetime = v1::CONTEXT_LIFETIME_UNSPECIFIED;
  std::optional<Number> contexts;
};

// `length counts buffer`, `prefix 14 bytes`, ….
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
  std::optional<Number> prefix_bytes;
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
