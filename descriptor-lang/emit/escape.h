// Text inside of HTML and SVG. A layout's notes come from whoever wrote the spec: nothing in them
// may become markup.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_ESCAPE_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_ESCAPE_H_

#include <string>
#include <string_view>

namespace qsplit::layout {

// For text and for attributes in double quotes. Control characters, which XML has no place for,
// become blanks.
inline std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_ESCAPE_H_
