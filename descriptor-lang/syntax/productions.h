// The parser's parts, one for each kind of statement; parser.cc puts them together. Each begins at
// its first token and leaves the cursor behind its last one, or lost. Conditions: `vp`,
// `not eop and (kind == tcp or kind == udp)`, `flags & 0x6`.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_PRODUCTIONS_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_PRODUCTIONS_H_

#include <optional>

#include "descriptor-lang/syntax/ast.h"
#include "descriptor-lang/syntax/cursor.h"

namespace qsplit::qdl {

// A condition; null when there is none here (reported).
ast::ConditionPtr ParseCondition(Cursor& cursor);
// `bytes` behind a number, or `byte`; need not stand behind one with KiB or MiB.
bool ExpectBytes(Cursor& cursor);
// `little` or `big`, if it stands here.
v1::ByteOrder ParseByteOrder(Cursor& cursor);
// `Feature = choice`, behind `with`.
std::optional<ast::FeatureChoice> ParseFeatureChoice(Cursor& cursor);
// `in first`, `in last` or `in rest`.
void ParsePosition(Cursor& cursor, v1::PacketPosition& out);
// Behind the word `descriptor`.
std::optional<ast::Descriptor> ParseDescriptor(Cursor& cursor);
// Behind the word `queue`.
std::optional<ast::Queue> ParseQueue(Cursor& cursor);
// Behind the word `ring` or `table`.
std::optional<ast::Ring> ParseRing(Cursor& cursor, bool is_table);
// Behind the word `cell`.
std::optional<ast::Cell> ParseCell(Cursor& cursor);
// Behind the word `doorbell`; `begin` is where the statement began.
std::optional<ast::Doorbell> ParseDoorbell(Cursor& cursor, Span begin, bool consumer);
// A word with a number of bits (`u32`): its bytes, 0 when there is none here. Widths that do not
// exist are reported and taken for 8 bytes.
uint32_t ParseWord(Cursor& cursor);
// `64..4096 step 8`.
std::optional<ast::Range> ParseRange(Cursor& cursor, std::string_view what);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_PRODUCTIONS_H_
