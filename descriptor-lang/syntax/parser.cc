#include "descriptor-lang/syntax/parser.h"

#include <algorithm>
#include <utility>

#include "descriptor-lang/syntax/cursor.h"
#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

class FileParser {
 public:
  explicit FileParser(Cursor& cursor) : cursor_(cursor) {}

  ast::File Parse() {
    if (!cursor_.At("layout")) {
      cursor_.diagnostics().Report(Diagnostic::kNoLayout, cursor_.Peek().span, {});
    }
    while (!cursor_.AtEnd()) {
      const size_t start = cursor_.position();
      ParseStatement();
      if (cursor_.At("}") && cursor_.position() == start) cursor_.Advance();
      if (cursor_.lost()) cursor_.Recover(start);
    }
    return std::move(out_);
  }

 private:
  void ParseStatement() {
    const Span span = cursor_.Peek().span;
    if (cursor_.Take("layout")) {
      if (out_.name) cursor_.Repeated("layout", span);
      if (auto name = cursor_.ExpectDottedName("the layout's name")) {
        CheckLayoutName(*name);
        if (!out_.name) out_.name = *name;
      }
    } else if (cursor_.Take("title")) {
      if (out_.title) cursor_.Repeated("title", span);
      if (auto title = cursor_.ExpectString("the title, in quotes")) out_.title = *title;
    } else if (cursor_.Take("source")) {
      if (auto text = cursor_.ExpectString("a document's title, in quotes")) {
        out_.sources.push_back(*text);
      }
    } else if (cursor_.Take("byte-order")) {
      if (out_.byte_order != v1::BYTE_ORDER_UNSPECIFIED) cursor_.Repeated("byte-order", span);
      out_.byte_order = ParseByteOrder(cursor_);
      if (out_.byte_order == v1::BYTE_ORDER_UNSPECIFIED) cursor_.Unexpected("`little` or `big`");
    } else if (cursor_.Take("bit-order")) {
      if (cursor_.Take("msb-first")) {
        out_.first_bit_is_most_significant = true;
      } else if (!cursor_.Take("lsb-first")) {
        cursor_.Unexpected("`lsb-first` or `msb-first`");
      }
    } else if (cursor_.Take("enum")) {
      ParseEnumeration();
    } else if (cursor_.Take("feature")) {
      ParseFeature();
    } else if (cursor_.Take("descriptor")) {
      if (auto descriptor = ParseDescriptor(cursor_)) {
        out_.descriptors.push_back(std::move(*descriptor));
      }
    } else if (cursor_.Take("queue")) {
      if (auto queue = ParseQueue(cursor_)) out_.queues.push_back(std::move(*queue));
    } else {
      cursor_.Unexpected(
          "`layout`, `title`, `source`, `byte-order`, `bit-order`, `enum`, `feature`, `descriptor` "
          "or `queue`");
    }
  }

  void CheckLayoutName(const ast::Identifier& name) {
    const bool bad = std::any_of(name.text.begin(), name.text.end(), [](char c) {
      return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.');
    });
    if (bad) cursor_.diagnostics().Report(Diagnostic::kBadLayoutName, name.span, {name.text});
  }

  // `enum RssType : 4 bits { none 0  tcp4 1 }`
  void ParseEnumeration() {
    ast::Enumeration enumeration;
    const auto name = cursor_.ExpectName("the enumeration's name");
    if (!name) return;
    enumeration.name = *name;
    if (cursor_.Expect(":")) {
      if (const auto bits = cursor_.ExpectNumber("a width in bits")) {
        enumeration.bits = *bits;
        if (!cursor_.Take("bit")) cursor_.Expect("bits");
      }
    }
    if (cursor_.lost() && !cursor_.RecoverToBlock()) return;
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return;
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      const size_t start = cursor_.position();
      const auto value_name = cursor_.ExpectName("a value's name");
      const auto value =
          value_name ? cursor_.ExpectNumber("the value's number") : std::optional<ast::Number>();
      if (value) enumeration.values.push_back({*value_name, *value});
      if (!cursor_.lost()) cursor_.Take(",");
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
    out_.enumerations.push_back(std::move(enumeration));
  }

  // `feature Strip { off, on }`
  void ParseFeature() {
    ast::Feature feature;
    const auto name = cursor_.ExpectName("the feature's name");
    if (!name) return;
    feature.name = *name;
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return;
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      const size_t start = cursor_.position();
      if (const auto choice = cursor_.ExpectName("a choice's name")) {
        feature.choices.push_back(*choice);
        cursor_.Take(",");
      }
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
    out_.features.push_back(std::move(feature));
  }

  Cursor& cursor_;
  ast::File out_;
};

}  // namespace

ast::File Parse(const SourceFile& source, Diagnostics& diagnostics) {
  if (source.truncated()) {
    diagnostics.Report(Diagnostic::kFileTooLarge, {0, 0}, {});
  }
  if (const auto bad = source.first_invalid_byte()) {
    diagnostics.Report(Diagnostic::kNotUtf8, {*bad, *bad + 1}, {});
  }
  const TokenList tokens = Tokenize(source, diagnostics);
  Cursor cursor(tokens, diagnostics);
  return FileParser(cursor).Parse();
}

}  // namespace qsplit::qdl
