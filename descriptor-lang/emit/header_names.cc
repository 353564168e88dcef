#include "descriptor-lang/emit/header_names.h"

#include <algorithm>
#include <set>

#include "descriptor-lang/text.h"

namespace qsplit::layout {

std::string Underscored(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

std::string Snake(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool upper = name[i] >= 'A' && name[i] <= 'Z';
    if (upper && i > 0 && !(name[i - 1] >= 'A' && name[i - 1] <= 'Z') && name[i - 1] != '_') {
      out += '_';
    }
    out += upper ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return out;
}

std::string Upper(std::string name) {
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

std::string Safe(const std::string& name) {
  static const std::set<std::string> kWords = {
      "alignas",  "alignof",  "and",      "asm",      "auto",    "bool",      "break",
      "case",     "catch",    "char",     "class",    "const",   "continue",  "default",
      "delete",   "do",       "double",   "else",     "enum",    "explicit",  "export",
      "extern",   "false",    "float",    "for",      "friend",  "goto",      "if",
      "inline",   "int",      "is",       "kBytes",   "long",    "mutable",   "namespace",
      "new",      "not",      "operator", "or",       "private", "protected", "public",
      "register", "requires", "return",   "short",    "signed",  "sizeof",    "static",
      "struct",   "switch",   "template", "this",     "throw",   "true",      "try",
      "typedef",  "typename", "union",    "unsigned", "using",   "virtual",   "void",
      "volatile", "while",    "xor",      "concept",  "compl",   "bitand",    "bitor"};
  const bool digit = !name.empty() && name[0] >= '0' && name[0] <= '9';
  return digit ? "_" + name : kWords.contains(name) ? name + "_" : name;
}

std::string Number(uint64_t value) {
  return value > INT32_MAX ? text::Cat("0x", text::Hex(value), "ull") : text::Cat(value, "u");
}

}  // namespace qsplit::layout
