// A spec's text, with positions. Offsets are in bytes from the start; lines and columns are for
// people: both count from 1, columns count characters, a tab is one character.
//
// The text is hostile: any bytes, up to kMaxSourceBytes. Construction makes it valid UTF-8 by
// replacing what is not, so that everything behind it may put pieces of it into messages.
//
// Immutable after construction; any thread may read it.
#ifndef QSPLIT_DESCRIPTOR_LANG_SOURCE_SOURCE_FILE_H_
#define QSPLIT_DESCRIPTOR_LANG_SOURCE_SOURCE_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qsplit::qdl {

// The longest spec that is read, in bytes.
inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;

// A range of bytes of one source file, [begin, end).
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;

  // The range from the start of `a` to the end of `b`.
  static Span Join(Span a, Span b) { return {a.begin, b.end}; }
  bool empty() const { return end <= begin; }
};

// A position for people.
struct Position {
  // From 1.
  uint32_t line = 1;
  // From 1, in characters.
  uint32_t column = 1;
};

// One file of text and its line index.
class SourceFile {
 public:
  // `name` is what messages call the file. A byte order mark in front, and text
  // beyond kMaxSourceBytes, is dropped.
  SourceFile(std::string name, std::string_view text);

  const std::string& name() const { return name_; }
  // Valid UTF-8, at most kMaxSourceBytes.
  std::string_view text() const { return text_; }
  // The bytes of a span, cut to the text.
  std::string_view Text(Span span) const;

  // True when text was dropped.
  bool truncated() const { return truncated_; }
  // Offset of the first byte that was no UTF-8, if there was one.
  std::optional<uint32_t> first_invalid_byte() const { return first_invalid_byte_; }

  // Number of the line (from 1) that holds the byte at `offset`.
  uint32_t LineOf(uint32_t offset) const;
  Position PositionOf(uint32_t offset) const;
  // The line without its line end; empty when there is no such line.
  std::string_view Line(uint32_t line) const;
  // Offset of the line's first byte.
  uint32_t LineBegin(uint32_t line) const;

 private:
  std::string name_;
  std::string text_;
  bool truncated_ = false;
  std::optional<uint32_t> first_invalid_byte_;
  std::vector<uint32_t> line_begins_;
};

// Length in bytes, 1..4, of the UTF-8 character that `text` begins with; 0 when its first bytes are
// no UTF-8 (overlong forms, surrogates and values past U+10FFFF are none) or there are none.
size_t Utf8Length(std::string_view text);

// Number of characters of valid UTF-8.
size_t CountCharacters(std::string_view text);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_SOURCE_SOURCE_FILE_H_
