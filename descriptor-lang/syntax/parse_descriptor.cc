// Descriptors: lines of `@offset …`, each a whole word, a word cut into bits, or a byte array.
#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/productions.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using ast::Attributes;

// Words with a meaning behind a field; they cannot name an enumeration.
constexpr std::string_view kAttributeWords[] = {
    "is", "must", "ignored", "when", "in", "times", "plus", "minus", "zero", "signed", "with"};

bool IsAttributeWord(std::string_view word) {
  return std::find(std::begin(kAttributeWords), std::end(kAttributeWords), word) !=
         std::end(kAttributeWords);
}

class DescriptorParser {
 public:
  explicit DescriptorParser(Cursor& cursor) : cursor_(cursor) {}

  std::optional<ast::Descriptor> Parse() {
    const auto name = cursor_.ExpectName("the descriptor's name");
    if (!name) return std::nullopt;
    out_.name = *name;
    const uint32_t line = cursor_.Previous().line;
    ParseHeader();
    if (cursor_.lost() && !cursor_.RecoverToBlock()) return std::nullopt;
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return std::nullopt;
    out_.note = cursor_.TrailingComment(cursor_.Previous().line);
    if (out_.note.empty()) out_.note = cursor_.CommentAbove(line);
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      const size_t start = cursor_.position();
      ParseLine();
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
    return std::move(out_);
  }

 private:
  void ParseHeader() {
    const auto size = cursor_.ExpectNumber("the descriptor's size in bytes");
    if (!size || !cursor_.Expect("bytes")) return;
    out_.size_bytes = *size;
    while (!cursor_.lost() && !cursor_.At("{")) {
      if (cursor_.Take("takes")) {
        out_.slots = cursor_.ExpectNumber("a number of slots");
        if (out_.slots) cursor_.Expect("slots");
      } else if (cursor_.Take("when")) {
        if (auto condition = ParseCondition(cursor_)) out_.selector = std::move(condition);
      } else if (cursor_.Take("with")) {
        if (auto choice = ParseFeatureChoice(cursor_)) out_.features.push_back(*choice);
      } else {
        cursor_.Unexpected("`{`");
      }
    }
  }

  // `@12 name u16 …`, `@8 u32 { … }`, `@2 name 6 bytes …`.
  void ParseLine() {
    const Span begin = cursor_.Peek().span;
    if (!cursor_.Expect("@")) return;
    ast::Field field;
    field.span = begin;
    const auto offset = cursor_.ExpectNumber("an offset in bytes");
    if (!offset) return;
    field.byte_offset = *offset;
    if (AtWordType()) {
      if (ParseWordType(field)) ParseGroup(std::move(field));
      return;
    }
    if (!ParseFieldName(field)) return;
    if (cursor_.Peek().kind == TokenKind::kNumber) {
      field.array_bytes = cursor_.ExpectNumber("a length in bytes");
      cursor_.Expect("bytes");
    } else if (AtWordType()) {
      ParseWordType(field);
    } else {
      cursor_.Unexpected("a word (`u8`, `u16`, `u24`, `u32`, `u64`) or a length in bytes");
    }
    if (cursor_.lost()) return;
    FinishField(std::move(field));
  }

  // `name` or `name[15:8]`.
  bool ParseFieldName(ast::Field& field) {
    const auto name = cursor_.ExpectName("a field's name");
    if (!name) return false;
    field.name = *name;
    if (cursor_.Take("[")) {
      const auto high = cursor_.ExpectNumber("the value's highest bit that stands here");
      if (!high) return false;
      field.slice = {*high, *high};
      if (cursor_.Take(":")) {
        const auto low = cursor_.ExpectNumber("the value's lowest bit that stands here");
        if (!low) return false;
        field.slice->second = *low;
      }
      if (!cursor_.Expect("]")) return false;
    }
    return true;
  }

  bool AtWordType() const {
    const Token& token = cursor_.Peek();
    if (token.kind != TokenKind::kName || token.text.size() < 2 || token.text[0] != 'u') {
      return false;
    }
    return token.text.find_first_not_of("0123456789", 1) == std::string_view::npos;
  }

  bool ParseWordType(ast::Field& field) {
    const Token& token = cursor_.Peek();
    const std::string_view bits = token.text.substr(1);
    field.word_span = token.span;
    cursor_.Advance();
    if (bits == "8" || bits == "16" || bits == "24" || bits == "32" || bits == "64") {
      field.word_bytes = bits == "8"    ? 1
                         : bits == "16" ? 2
                         : bits == "24" ? 3
                         : bits == "32" ? 4
                                        : 8;
    } else {
      cursor_.diagnostics().Report(Diagnostic::kBadWord, token.span, {token.text});
      field.word_bytes = 8;
    }
    field.byte_order = ParseByteOrder(cursor_);
    return true;
  }

  // `{ name hi:lo …  name bit … }`, behind the word.
  void ParseGroup(ast::Field word) {
    while (!cursor_.lost() && !cursor_.At("{")) {
      if (!ParseGroupAttribute(word.attributes)) cursor_.Unexpected("`{`");
    }
    if (cursor_.lost() && !cursor_.RecoverToBlock()) return;
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return;
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      if (cursor_.At("@")) break;
      const size_t start = cursor_.position();
      ast::Field field = word;
      ParseBits(field);
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
  }

  void ParseBits(ast::Field& field) {
    field.span = cursor_.Peek().span;
    if (!ParseFieldName(field)) return;
    const auto high = cursor_.ExpectNumber("the field's bits, `high:low` or one bit");
    if (!high) return;
    field.bits = {*high, *high};
    if (cursor_.Take(":")) {
      const auto low = cursor_.ExpectNumber("the field's lowest bit");
      if (!low) return;
      field.bits->second = *low;
    }
    FinishField(std::move(field));
  }

  void FinishField(ast::Field field) {
    ParseAttributes(field.attributes);
    field.span = Span::Join(field.span, cursor_.Previous().span);
    field.note = cursor_.TrailingComment(cursor_.Previous().line);
    CheckEnd(field);
    out_.fields.push_back(std::move(field));
  }

  // What follows on the line begins another field or ends the block.
  void CheckEnd(const ast::Field& field) {
    const Token& next = cursor_.Peek();
    if (cursor_.lost() || next.line != cursor_.Previous().line) return;
    const bool begins = field.bits ? next.kind == TokenKind::kName : next.Is("@");
    if (begins || next.Is("}") || cursor_.AtEnd()) return;
    cursor_.Unexpected("an attribute such as `is` or `when`, or the next field");
  }

  // `when`, `in` and `with`, which a whole word may have as well.
  bool ParseGroupAttribute(Attributes& out) {
    const Span span = cursor_.Peek().span;
    if (cursor_.Take("when")) {
      if (auto condition = ParseCondition(cursor_)) out.when.push_back(std::move(condition));
    } else if (cursor_.Take("in")) {
      if (out.position != v1::PACKET_POSITION_UNSPECIFIED) cursor_.Repeated("in", span);
      if (cursor_.Take("first")) {
        out.position = v1::PACKET_POSITION_FIRST;
      } else if (cursor_.Take("last")) {
        out.position = v1::PACKET_POSITION_LAST;
      } else {
        cursor_.Unexpected("`first` or `last`");
      }
    } else if (cursor_.Take("with")) {
      if (auto choice = ParseFeatureChoice(cursor_)) out.features.push_back(*choice);
    } else {
      return false;
    }
    return true;
  }

  void ParseAttributes(Attributes& out) {
    if (AtEnumerationName()) out.enumeration = cursor_.ExpectName("an enumeration's name");
    const size_t group_conditions = out.when.size();
    while (!cursor_.lost()) {
      const Span span = cursor_.Peek().span;
      if (cursor_.At("when") && out.when.size() > group_conditions) cursor_.Repeated("when", span);
      if (!ParseGroupAttribute(out) && !ParseFieldAttribute(out, span)) return;
    }
  }

  bool AtEnumerationName() const {
    const Token& token = cursor_.Peek();
    const Token& next = cursor_.Peek(1);
    return token.kind == TokenKind::kName && token.line == cursor_.Previous().line &&
           next.kind != TokenKind::kNumber && !next.Is("[") && !IsAttributeWord(token.text);
  }

  void SetNumber(std::optional<ast::Number>& slot, std::string_view word, Span span) {
    if (slot) cursor_.Repeated(word, span);
    const auto number = cursor_.ExpectNumber("a number");
    if (number) slot = number;
  }

  void SetConstraint(Attributes& out, Attributes::Constraint constraint, Span span) {
    if (out.constraint != Attributes::Constraint::kNone) {
      cursor_.diagnostics().Report(Diagnostic::kTwoConstraints, span, {});
    }
    out.constraint = constraint;
    out.constant.span = span;
  }

  bool ParseFieldAttribute(Attributes& out, Span span) {
    if (cursor_.Take("is")) {
      if (out.role) cursor_.Repeated("is", span);
      const bool inverted = cursor_.Take("not");
      if (const auto role = cursor_.ExpectDottedName("a role, such as packet.length")) {
        out.role = role;
        out.inverted = inverted;
      }
    } else if (cursor_.Take("=")) {
      SetConstraint(out, Attributes::Constraint::kConstant, span);
      if (const auto number = cursor_.ExpectNumber("the constant")) out.constant = *number;
    } else if (cursor_.Take("must")) {
      if (!cursor_.Expect("be")) return true;
      if (cursor_.Take("zero")) {
        SetConstraint(out, Attributes::Constraint::kZero, span);
      } else if (cursor_.Take("one")) {
        SetConstraint(out, Attributes::Constraint::kOnes, span);
      } else {
        cursor_.Unexpected("`zero` or `one`");
      }
    } else if (cursor_.Take("ignored")) {
      SetConstraint(out, Attributes::Constraint::kIgnored, span);
    } else if (cursor_.Take("times")) {
      SetNumber(out.times, "times", span);
    } else if (cursor_.Take("plus")) {
      SetNumber(out.plus, "plus", span);
    } else if (cursor_.Take("minus")) {
      SetNumber(out.minus, "minus", span);
    } else if (cursor_.Take("zero", "means")) {
      SetNumber(out.zero_means, "zero means", span);
    } else if (cursor_.Take("signed")) {
      if (out.is_signed) cursor_.Repeated("signed", span);
      out.is_signed = true;
    } else {
      return false;
    }
    return true;
  }

  Cursor& cursor_;
  ast::Descriptor out_;
};

}  // namespace

v1::ByteOrder ParseByteOrder(Cursor& cursor) {
  if (cursor.Take("little")) return v1::BYTE_ORDER_LITTLE;
  if (cursor.Take("big")) return v1::BYTE_ORDER_BIG;
  return v1::BYTE_ORDER_UNSPECIFIED;
}

std::optional<ast::FeatureChoice> ParseFeatureChoice(Cursor& cursor) {
  const auto feature = cursor.ExpectName("a feature's name");
  if (!feature || !cursor.Expect("=")) return std::nullopt;
  const auto choice = cursor.ExpectName("one of the feature's choices");
  if (!choice) return std::nullopt;
  return ast::FeatureChoice{*feature, *choice};
}

std::optional<ast::Descriptor> ParseDescriptor(Cursor& cursor) {
  return DescriptorParser(cursor).Parse();
}

}  // namespace qsplit::qdl
