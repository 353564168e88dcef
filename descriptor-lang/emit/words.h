// Words that several emitters use for a layout's enumerations and conditions.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_WORDS_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_WORDS_H_

#include <string>
#include <string_view>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

std::string_view Word(v1::ByteOrder order);           // "little", "big"
std::string_view Word(v1::Direction direction);       // "receive", …
std::string_view Word(v1::Operator op);               // "==", …
std::string_view Word(v1::RingState state);           // "phase", "sequence"
std::string_view Word(v1::RingKind kind);             // "ring", "table"
std::string_view Word(v1::Handover::HowCase how);     // "when", "cell", …
std::string_view Word(v1::PhaseFlip flip);            // "each pass", "by link"
std::string_view Word(v1::DoorbellTarget target);     // "register", …
std::string_view Word(v1::DoorbellSource source);     // "producer index", …
std::string_view Word(v1::Barrier barrier);           // "no barrier", …
std::string_view Word(v1::LengthMeaning meaning);     // "buffer", …
std::string_view Word(v1::ContextLifetime lifetime);  // "sticky", …
std::string_view Word(v1::Span span);                 // "adjacent until last", …
std::string_view Word(v1::PacketPosition position);   // "each", "first", "last", "rest"
std::string_view Word(v1::CompletionKey key);         // "in place", "index", …
std::string_view Word(v1::CellMeaning meaning);       // "producer index", …

// As the language writes it: `rss_type != none and eop`. Fields of other forms than `form` have
// their form's name before them; with `form` past the last form, all have. Empty for an empty
// condition.
std::string ConditionText(const v1::Layout& layout, const v1::Condition& condition, uint32_t form);
// What a field's number may be: "= 3", "RssType", "times 16", ….
std::string ValueText(const v1::Layout& layout, const v1::Field& field);
// "4 of DataSegment, every 16 bytes", "ds, up to 61 of …".
std::string PartText(const v1::Layout& layout, const v1::Form& form, const v1::ContainedForm& part);
// "Form.field".
std::string FieldName(const v1::Layout& layout, const v1::FieldReference& reference);
// The note on a path; empty when there is none.
std::string_view NoteOn(const v1::Layout& layout, std::string_view path);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_WORDS_H_
