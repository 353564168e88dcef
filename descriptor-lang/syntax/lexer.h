// Cuts a source file into tokens and comments. Never fails: what is no token is reported and
// skipped, and the last token is always kEnd. Memory: a constant times the file's size.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_LEXER_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_LEXER_H_

#include <vector>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/source/source_file.h"
#include "descriptor-lang/syntax/token.h"

namespace qsplit::qdl {

struct TokenList {
  // In order; the last one is kEnd.
  std::vector<Token> tokens;
  // In order of their lines, at most one each.
  std::vector<Comment> comments;
};

TokenList Tokenize(const SourceFile& source, Diagnostics& diagnostics);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_LEXER_H_
