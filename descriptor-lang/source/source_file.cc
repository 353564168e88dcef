#include "descriptor-lang/source/source_file.h"

#include <algorithm>
#include <utility>

namespace qsplit::qdl {

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  uint32_t value = 0;
  uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2, value = first & 0x1f, least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, value = first & 0x0f, least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, value = first & 0x07, least = 0x10000;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = (value << 6) | (byte(i) & 0x3f);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
  return length;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

SourceFile::SourceFile(std::string name, std::string_view text) : name_(std::move(name)) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  truncated_ = text.size() > kMaxSourceBytes;
  text_ = std::string(text.substr(0, kMaxSourceBytes));
  for (size_t at = 0; at < text_.size();) {
    size_t length = Utf8Length(std::string_view(text_).substr(at));
    if (length == 0) {
      if (!first_invalid_byte_) first_invalid_byte_ = static_cast<uint32_t>(at);
      text_[at] = '?';
      length = 1;
    }
    at += length;
  }
  line_begins_.push_back(0);
  for (size_t at = 0; at < text_.size(); ++at) {
    if (text_[at] == '\n') line_begins_.push_back(static_cast<uint32_t>(at + 1));
  }
}

std::string_view SourceFile::Text(Span span) const {
  const size_t begin = std::min<size_t>(span.begin, text_.size());
  const size_t end = std::clamp<size_t>(span.end, begin, text_.size());
  return std::string_view(text_).substr(begin, end - begin);
}

uint32_t SourceFile::LineOf(uint32_t offset) const {
  const auto after = std::upper_bound(line_begins_.begin(), line_begins_.end(), offset);
  return static_cast<uint32_t>(after - line_begins_.begin());
}

Position SourceFile::PositionOf(uint32_t offset) const {
  const uint32_t line = LineOf(offset);
  const std::string_view before = Text({line_begins_[line - 1], offset});
  return {line, static_cast<uint32_t>(CountCharacters(before) + 1)};
}

std::string_view SourceFile::Line(uint32_t line) const {
  if (line == 0 || line > line_begins_.size()) return {};
  const size_t begin = line_begins_[line - 1];
  size_t end = line < line_begins_.size() ? line_begins_[line] - 1 : text_.size();
  if (end > begin && text_[end - 1] == '\r') --end;
  return std::string_view(text_).substr(begin, end - begin);
}

uint32_t SourceFile::LineBegin(uint32_t line) const {
  return line == 0 || line > line_begins_.size() ? 0 : line_begins_[line - 1];
}

}  // namespace qsplit::qdl
