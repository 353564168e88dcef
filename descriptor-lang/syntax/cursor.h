// Walks over a file's tokens: what every part of the parser shares. Expectations that fail are
// reported once, then the cursor is `lost` until someone recovers it.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_CURSOR_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_CURSOR_H_

#include <optional>
#include <string>
#include <string_view>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/syntax/ast.h"
#include "descriptor-lang/syntax/lexer.h"

namespace qsplit::qdl {

class Cursor {
 public:
  Cursor(const TokenList& list, Diagnostics& diagnostics)
      : list_(list), diagnostics_(diagnostics) {}

  const Token& Peek(size_t ahead = 0) const;
  // The token before the current one; the current one at the start of the file.
  const Token& Previous() const { return list_.tokens[at_ > 0 ? at_ - 1 : 0]; }
  bool AtEnd() const { return Peek().kind == TokenKind::kEnd; }
  bool At(std::string_view word) const { return Peek().Is(word); }
  void Advance() {
    if (!AtEnd()) ++at_;
  }

  // Takes the word if it stands here.
  bool Take(std::string_view word);
  // Takes the words if they all stand here, one behind the other.
  bool Take(std::string_view first, std::string_view second, std::string_view third = "");
  // Takes the word; else reports that it is missing and loses the way.
  bool Expect(std::string_view word);
  // The same for a name (without '.' and '-', at most 64 bytes), a number (with its unit, KiB or
  // MiB) and a string; nullopt when lost. `what` is what the message says: "a field's name".
  std::optional<ast::Identifier> ExpectName(std::string_view what);
  std::optional<ast::Identifier> ExpectDottedName(std::string_view what);
  std::optional<ast::Number> ExpectNumber(std::string_view what);
  std::optional<ast::Identifier> ExpectString(std::string_view what);
  // Reports that `what` was expected here.
  void Unexpected(std::string_view what);
  // Reports a statement or attribute that was said before.
  void Repeated(std::string_view what, Span span) {
    diagnostics_.Report(Diagnostic::kRepeated, span, {what});
  }

  bool lost() const { return lost_; }
  // Tokens taken so far.
  size_t position() const { return at_; }
  // Skips to the next line of the same block, or to the '}' that ends it, and is not lost any more.
  // Skips whole blocks. `start` is the position at which the lost statement began: advances at
  // least once past it, unless at a '}'.
  void Recover(size_t start);
  // Skips to a '{' on this line and is not lost any more; false, and still lost, if there is none.
  bool RecoverToBlock();
  // True where a descriptor, an enumeration or a queue begins: no block goes on past this.
  bool AtTopLevelStatement() const;
  // Takes the '}' of the block that `open` began; else reports that the block is not closed.
  void CloseBlock(Span open);

  // The comment behind the tokens of this line; empty when there is none.
  std::string_view TrailingComment(uint32_t line) const;
  // The comment on its own line just above this line; empty when there is none.
  std::string_view CommentAbove(uint32_t line) const;

  Diagnostics& diagnostics() { return diagnostics_; }

 private:
  const Comment* CommentOn(uint32_t line) const;

  const TokenList& list_;
  Diagnostics& diagnostics_;
  size_t at_ = 0;
  bool lost_ = false;
};

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_CURSOR_H_
