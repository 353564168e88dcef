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

bool AtWord(const Cursor& cursor) {
  const Token& token = cursor.Peek();
  return token.kind == TokenKind::kName && token.text.size() >= 2 && token.text[0] == 'u' &&
         token.text.find_first_not_of("0123456789", 1) == std::string_view::npos;
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
    if (!size || !ExpectBytes(cursor_)) return;
    out_.size_bytes = *size;
    while (!cursor_.lost() && !cursor_.At("{")) {
      if (cursor_.Take("takes")) {
        out_.slots = cursor_.ExpectNumber("a number of slots");
        if (out_.slots) cursor_.Expect("slots");
      } else if (cursor_.Take("beside")) {
        if (cursor_.Expect("the")) cursor_.Expect("rings");
        out_.beside_rings = true;
      } else if (cursor_.Take("when")) {
        if (auto condition = ParseCondition(cursor_)) out_.selector = std::move(condition);
      } else if (cursor_.Take("with")) {
        if (auto choice = ParseFeatureChoice(cursor_)) out_.features.push_back(*choice);
      } else if (cursor_.At("in")) {
        ParsePosition(cursor_, out_.position);
      } else {
        cursor_.Unexpected("`{`");
      }
    }
  }

  // `@12 name u16 …`, `@8 u32 { … }`, `@2 name 6 bytes …`, `@16 name Form[4]`, `then name Form`.
  void ParseLine() {
    const Span begin = cursor_.Peek().span;
    if (cursor_.Take("then")) {
      if (const auto name = cursor_.ExpectName("the part's name")) ParsePart(begin, *name, {});
      return;
    }
    if (!cursor_.Take("@")) {
      cursor_.Unexpected("`@`, `then` or `}`");
      return;
    }
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
      ExpectBytes(cursor_);
    } else if (AtWordType()) {
      ParseWordType(field);
    } else if (cursor_.Take("bytes", "to", "end")) {
      field.array_bytes = ast::Number{0, cursor_.Previous().span};
      field.to_end_of_slot = true;
      if (cursor_.Expect("of")) cursor_.Expect("slot");
    } else if (cursor_.Peek().kind == TokenKind::kName && !field.slice) {
      ParsePart(begin, field.name, field.byte_offset);
      return;
    } else {
      cursor_.Unexpected(
          "a word (`u8`, `u16`, `u24`, `u32`, `u64`), a length in bytes or a descriptor's name");
    }
    if (cursor_.lost()) return;
    FinishField(std::move(field));
  }

  // `DataSegment[1..63] every 16 count by segments`, behind the part's name.
  void ParsePart(Span begin, ast::Identifier name, std::optional<ast::Number> offset) {
    ast::Part part;
    part.name = name;
    part.byte_offset = offset;
    const auto form = cursor_.ExpectName("the name of the part's descriptor");
    if (!form) return;
    part.form = *form;
    if (cursor_.Take("[")) {
      const auto most = cursor_.ExpectNumber("how many there are");
      if (!most) return;
      part.count = {*most, *most};
      if (cursor_.Take("..")) {
        const auto last = cursor_.ExpectNumber("the most that there are");
        if (!last) return;
        part.count->second = *last;
      }
      if (!cursor_.Expect("]")) return;
    }
    while (!cursor_.lost()) {
      const Span span = cursor_.Peek().span;
      if (cursor_.Take("every")) {
        SetNumber(part.stride, "every", span);
        cursor_.Take("bytes");
      } else if (cursor_.Take("count", "by")) {
        if (part.count_field) cursor_.Repeated("count by", span);
        part.count_field = cursor_.ExpectName("a field's name");
      } else {
        break;
      }
    }
    if (cursor_.lost()) return;
    part.span = Span::Join(begin, cursor_.Previous().span);
    part.note = cursor_.TrailingComment(cursor_.Previous().line);
    const Token& next = cursor_.Peek();
    const bool ends = next.line != cursor_.Previous().line || next.Is("@") || next.Is("then") ||
                      next.Is("}") || cursor_.AtEnd();
    if (!ends) cursor_.Unexpected("`every`, `count by` or the next line");
    out_.parts.push_back(std::move(part));
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

  bool AtWordType() const { return AtWord(cursor_); }

  bool ParseWordType(ast::Field& field) {
    field.word_span = cursor_.Peek().span;
    field.word_bytes = ParseWord(cursor_);
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
    const bool begins =
        field.bits ? next.kind == TokenKind::kName : next.Is("@") || next.Is("then");
    if (begins || next.Is("}") || cursor_.AtEnd()) return;
    cursor_.Unexpected("an attribute such as `is` or `when`, or the next field");
  }

  // `when`, `in` and `with`, which a whole word may have as well.
  bool ParseGroupAttribute(Attributes& out) {
    if (cursor_.Take("when")) {
      if (auto condition = ParseCondition(cursor_)) out.when.push_back(std::move(condition));
    } else if (cursor_.At("in")) {
      ParsePosition(cursor_, out.position);
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
           next.kind != TokenKind::kNumber && !next.Is("[") && !IsAttributeWord(token.text) &&
           token.text != "then";
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
      if (cursor_.Peek().kind == TokenKind::kName) {
        out.constant_name = cursor_.ExpectName("the constant");
        if (out.constant_name) out.constant.span = out.constant_name->span;
      } else if (const auto number = cursor_.ExpectNumber("the constant")) {
        out.constant = *number;
      }
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

uint32_t ParseWord(Cursor& cursor) {
  if (!AtWord(cursor)) return 0;
  const Token& token = cursor.Peek();
  cursor.Advance();
  constexpr std::pair<std::string_view, uint32_t> kWords[] = {
      {"u8", 1}, {"u16", 2}, {"u24", 3}, {"u32", 4}, {"u64", 8}};
  for (const auto& [word, bytes] : kWords) {
    if (token.text == word) return bytes;
  }
  cursor.diagnostics().Report(Diagnostic::kBadWord, token.span, {token.text});
  return 8;
}

bool ExpectBytes(Cursor& cursor) {
  const std::string_view before = cursor.Previous().text;
  if (cursor.Take("bytes") || cursor.Take("byte") || before == "KiB" || before == "MiB") {
    return !cursor.lost();
  }
  return cursor.Expect("bytes");
}

v1::ByteOrder ParseByteOrder(Cursor& cursor) {
  if (cursor.Take("little")) return v1::BYTE_ORDER_LITTLE;
  if (cursor.Take("big")) return v1::BYTE_ORDER_BIG;
  return v1::BYTE_ORDER_UNSPECIFIED;
}

void ParsePosition(Cursor& cursor, v1::PacketPosition& out) {
  const Span span = cursor.Peek().span;
  if (!cursor.Expect("in")) return;
  if (out != v1::PACKET_POSITION_UNSPECIFIED) cursor.Repeated("in", span);
  if (cursor.Take("first")) {
    out = v1::PACKET_POSITION_FIRST;
  } else if (cursor.Take("last")) {
    out = v1::PACKET_POSITION_LAST;
  } else if (cursor.Take("rest")) {
    out = v1::PACKET_POSITION_REST;
  } else {
    cursor.Unexpected("`first`, `last` or `rest`");
  }
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
