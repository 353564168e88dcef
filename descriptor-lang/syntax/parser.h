// Reads tokens into a tree. Never fails: what it does not understand it reports and skips, up to
// the next line or the end of the block, so that one run reports every error of a file. The grammar
// is in docs/language.md.
//
// Memory: a constant times the file's size; depth: conditions nest at most kMaxNesting deep.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_PARSER_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_PARSER_H_

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/source/source_file.h"
#include "descriptor-lang/syntax/ast.h"

namespace qsplit::qdl {

// Deepest nesting of parentheses and `not` in a condition.
inline constexpr int kMaxNesting = 32;

// The tree holds views into `source`.
ast::File Parse(const SourceFile& source, Diagnostics& diagnostics);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_PARSER_H_
