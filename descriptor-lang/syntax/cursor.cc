#include "descriptor-lang/syntax/cursor.h"

#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

constexpr size_t kMaxNameBytes = 64;

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the file";
    case TokenKind::kString:
      return text::Cat("\"", token.text, "\"");
    default:
      return text::Cat("`", token.text, "`");
  }
}

// The word, of those in backquotes, that the token may have been meant to be.
std::string Guess(std::string_view expected, const Token& token) {
  if (token.kind != TokenKind::kName) return "";
  std::vector<std::string_view> words;
  for (size_t at = 0; (at = expected.find('`', at)) != std::string_view::npos;) {
    const size_t end = expected.find('`', at + 1);
    if (end == std::string_view::npos) break;
    words.push_back(expected.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  const std::string_view best = text::Nearest(token.text, words);
  return best.empty() ? "" : text::Cat("did you mean `", best, "`?");
}

}  // namespace

const Token& Cursor::Peek(size_t ahead) const {
  return list_.tokens[std::min(at_ + ahead, list_.tokens.size() - 1)];
}

bool Cursor::Take(std::string_view word) {
  if (!At(word)) return false;
  Advance();
  return true;
}

bool Cursor::Take(std::string_view first, std::string_view second, std::string_view third) {
  if (!At(first) || !Peek(1).Is(second)) return false;
  if (!third.empty() && !Peek(2).Is(third)) return false;
  at_ += third.empty() ? 2 : 3;
  return true;
}

bool Cursor::Expect(std::string_view word) {
  if (Take(word)) return true;
  Unexpected(text::Cat("`", word, "`"));
  return false;
}

void Cursor::Unexpected(std::string_view what) {
  if (!lost_) {
    const Token& token = Peek();
    // At the end of a file the last token tells more than the empty line behind it.
    const Span span =
        AtEnd() && at_ > 0 ? Span{Previous().span.end, Previous().span.end} : token.span;
    diagnostics_.Report(Diagnostic::kExpected, span, {what, Describe(token), Guess(what, token)});
  }
  lost_ = true;
}

std::optional<ast::Identifier> Cursor::ExpectDottedName(std::string_view what) {
  const Token& token = Peek();
  if (token.kind != TokenKind::kName) {
    Unexpected(what);
    return std::nullopt;
  }
  Advance();
  if (token.text.size() > kMaxNameBytes) {
    diagnostics_.Report(Diagnostic::kBadName, token.span, {token.text});
  }
  return ast::Identifier{token.text.substr(0, kMaxNameBytes), token.span};
}

std::optional<ast::Identifier> Cursor::ExpectName(std::string_view what) {
  auto name = ExpectDottedName(what);
  if (name && name->text.find_first_of(".-") != std::string_view::npos) {
    diagnostics_.Report(Diagnostic::kBadName, name->span, {name->text});
  }
  return name;
}

std::optional<ast::Number> Cursor::ExpectNumber(std::string_view what) {
  const Token& token = Peek();
  if (token.kind != TokenKind::kNumber) {
    Unexpected(what);
    return std::nullopt;
  }
  Advance();
  ast::Number number{token.value, token.span};
  const int shift = At("KiB") ? 10 : At("MiB") ? 20 : 0;
  if (shift > 0) {
    number.span.end = Peek().span.end;
    if (number.value > UINT64_MAX >> shift) {
      diagnostics_.Report(Diagnostic::kNumberTooLarge, number.span, {token.text});
      number.value = 0;
    }
    number.value <<= shift;
    Advance();
  }
  return number;
}

std::optional<ast::Identifier> Cursor::ExpectString(std::string_view what) {
  const Token& token = Peek();
  if (token.kind != TokenKind::kString) {
    Unexpected(what);
    return std::nullopt;
  }
  Advance();
  return ast::Identifier{token.text, token.span};
}

void Cursor::Recover(size_t start) {
  lost_ = false;
  const uint32_t line = at_ == start ? Peek().line : Previous().line;
  int depth = 0;
  while (!AtEnd()) {
    if (depth == 0 && (At("}") || Peek().line > line)) return;
    if (At("{")) ++depth;
    if (At("}") && --depth == 0) {
      Advance();
      return;
    }
    if (depth > 0 && AtTopLevelStatement()) return;
    Advance();
  }
}

bool Cursor::RecoverToBlock() {
  const uint32_t line = Previous().line;
  size_t ahead = 0;
  while (!Peek(ahead).Is("{")) {
    if (Peek(ahead).kind == TokenKind::kEnd || Peek(ahead).line > line || Peek(ahead).Is("}")) {
      return false;
    }
    ++ahead;
  }
  at_ += ahead;
  lost_ = false;
  return true;
}

bool Cursor::AtTopLevelStatement() const {
  const Token& name = Peek(1);
  if (name.kind != TokenKind::kName) return false;
  if (At("descriptor")) return Peek(2).kind == TokenKind::kNumber;
  if (At("enum")) return Peek(2).Is(":");
  return At("queue") && (name.Is("receive") || name.Is("transmit") || name.Is("command"));
}

void Cursor::CloseBlock(Span open) {
  if (Take("}")) return;
  diagnostics_.Report(Diagnostic::kUnclosedBlock, open, {});
}

const Comment* Cursor::CommentOn(uint32_t line) const {
  const auto it =
      std::lower_bound(list_.comments.begin(), list_.comments.end(), line,
                       [](const Comment& c, uint32_t wanted) { return c.line < wanted; });
  return it != list_.comments.end() && it->line == line ? &*it : nullptr;
}

std::string_view Cursor::TrailingComment(uint32_t line) const {
  const Comment* comment = CommentOn(line);
  return comment != nullptr && comment->trailing ? comment->text : std::string_view();
}

std::string_view Cursor::CommentAbove(uint32_t line) const {
  const Comment* comment = line > 1 ? CommentOn(line - 1) : nullptr;
  return comment != nullptr && !comment->trailing ? comment->text : std::string_view();
}

}  // namespace qsplit::qdl
