// The tokens of qdl. Tokens point into the source file, which must outlive them.
#ifndef QSPLIT_DESCRIPTOR_LANG_SYNTAX_TOKEN_H_
#define QSPLIT_DESCRIPTOR_LANG_SYNTAX_TOKEN_H_

#include <cstdint>
#include <string_view>

#include "descriptor-lang/source/source_file.h"

namespace qsplit::qdl {

enum class TokenKind : uint8_t {
  // The end of the file.
  kEnd,
  // Letters, digits and '_'; '.' and '-' join parts: packet.length, byte-order, u32.
  kName,
  // Decimal, 0x… or 0b…; '_' may separate digits.
  kNumber,
  // "…" on one line; the text is between the quotes.
  kString,
  // One of { } @ , : = == != < <= > >= & + - << .. ( ) [ ] ^
  kSymbol,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Span span;
  // The name, the symbol, the digits as written, or the string's inside.
  std::string_view text;
  // The number's value.
  uint64_t value = 0;
  // Line of the first byte, from 1.
  uint32_t line = 1;

  bool Is(std::string_view word) const {
    return (kind == TokenKind::kName || kind == TokenKind::kSymbol) && text == word;
  }
};

// A comment: `// …` up to the end of its line.
struct Comment {
  Span span;
  // Without the slashes and the blanks around it.
  std::string_view text;
  uint32_t line = 1;
  // True when a token stands before it on its line.
  bool trailing = false;
};

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SYNTAX_TOKEN_H_
