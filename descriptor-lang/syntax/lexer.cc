#include "descriptor-lang/syntax/lexer.h"

#include <string_view>

#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using text::IsDigit;

bool StartsName(char c) { return text::IsLetter(c) || c == '_'; }
bool ContinuesName(char c) { return StartsName(c) || IsDigit(c); }

int DigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Longer symbols before their beginnings.
constexpr std::string_view kSymbols[] = {"==", "!=", "<=", ">=", "<<", "..", "{", "}",
                                         "@",  ",",  ":",  "=",  "<",  ">",  "&", "+",
                                         "-",  "(",  ")",  "[",  "]",  "^"};

class Lexer {
 public:
  Lexer(const SourceFile& source, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), text_(source.text()) {}

  TokenList Run() {
    while (at_ < text_.size()) Step();
    Token end;
    end.span = {Offset(at_), Offset(at_)};
    end.line = line_;
    list_.tokens.push_back(end);
    return std::move(list_);
  }

 private:
  static uint32_t Offset(size_t at) { return static_cast<uint32_t>(at); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void Step() {
    const char c = text_[at_];
    if (c == '\n') {
      ++at_, ++line_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '/' && Peek(1) == '/') {
      ReadComment();
    } else if (StartsName(c)) {
      ReadName();
    } else if (IsDigit(c)) {
      ReadNumber();
    } else if (c == '"') {
      ReadString();
    } else if (!ReadSymbol()) {
      ReadGarbage();
    }
  }

  Token& Add(TokenKind kind, size_t begin) {
    Token token;
    token.kind = kind;
    token.span = {Offset(begin), Offset(at_)};
    token.text = text_.substr(begin, at_ - begin);
    token.line = line_;
    return list_.tokens.emplace_back(token);
  }

  void ReadComment() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    Comment comment;
    comment.span = {Offset(begin), Offset(at_)};
    std::string_view words = text_.substr(begin, at_ - begin);
    while (words.starts_with('/')) words.remove_prefix(1);
    comment.text = text::Trim(words);
    comment.line = line_;
    comment.trailing = !list_.tokens.empty() && list_.tokens.back().line == line_;
    list_.comments.push_back(comment);
  }

  void ReadName() {
    const size_t begin = at_;
    while (ContinuesName(Peek())) {
      ++at_;
      const bool joins =
          (Peek() == '.' && ContinuesName(Peek(1))) || (Peek() == '-' && StartsName(Peek(1)));
      if (joins) ++at_;
    }
    Add(TokenKind::kName, begin);
  }

  void ReadNumber() {
    const size_t begin = at_;
    int base = 10;
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'b')) {
      base = Peek(1) == 'x' ? 16 : 2;
      at_ += 2;
    }
    uint64_t value = 0;
    size_t digits = 0;
    bool overflow = false;
    bool bad = false;
    for (; ContinuesName(Peek()); ++at_) {
      if (Peek() == '_') continue;
      const int digit = DigitValue(Peek());
      ++digits;
      if (digit >= base) {
        bad = true;
        continue;
      }
      const auto unsigned_base = static_cast<uint64_t>(base);
      const auto unsigned_digit = static_cast<uint64_t>(digit);
      overflow |= value > (UINT64_MAX - unsigned_digit) / unsigned_base;
      value = value * unsigned_base + unsigned_digit;
    }
    bad |= digits == 0;
    Token& token = Add(TokenKind::kNumber, begin);
    token.value = bad || overflow ? 0 : value;
    if (bad) {
      diagnostics_.Report(Diagnostic::kBadNumber, token.span, {token.text});
    } else if (overflow) {
      diagnostics_.Report(Diagnostic::kNumberTooLarge, token.span, {token.text});
    }
  }

  void ReadString() {
    const size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\n') ++at_;
    const bool closed = at_ < text_.size() && text_[at_] == '"';
    const std::string_view inside = text_.substr(begin + 1, at_ - begin - 1);
    if (closed) ++at_;
    Token& token = Add(TokenKind::kString, begin);
    token.text = text::Trim(inside);
    if (!closed) diagnostics_.Report(Diagnostic::kUnterminatedString, token.span, {});
  }

  bool ReadSymbol() {
    for (const std::string_view symbol : kSymbols) {
      if (text_.substr(at_, symbol.size()) != symbol) continue;
      const size_t begin = at_;
      at_ += symbol.size();
      Add(TokenKind::kSymbol, begin);
      return true;
    }
    return false;
  }

  // One message for a run of characters that begin no token.
  void ReadGarbage() {
    const size_t begin = at_;
    const auto ends = [&](char c) {
      return c == '\n' || c == ' ' || c == '\t' || c == '\r' || c == '"' || StartsName(c) ||
             IsDigit(c) || c == '{' || c == '}' || c == '@' || (c == '/' && Peek(1) == '/');
    };
    do {
      ++at_;
    } while (at_ < text_.size() && !ends(text_[at_]));
    const std::string_view text = text_.substr(begin, at_ - begin);
    diagnostics_.Report(Diagnostic::kUnexpectedCharacter, {Offset(begin), Offset(at_)},
                        {text.size() <= 16 ? text : text.substr(0, Utf8Length(text))});
  }

  Diagnostics& diagnostics_;
  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  TokenList list_;
};

}  // namespace

TokenList Tokenize(const SourceFile& source, Diagnostics& diagnostics) {
  return Lexer(source, diagnostics).Run();
}

}  // namespace qsplit::qdl
