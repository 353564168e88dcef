// Queues: rings, how packets lie in them, limits, contexts.
#include <optional>
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

class QueueParser {
 public:
  explicit QueueParser(Cursor& cursor) : cursor_(cursor) {}

  std::optional<ast::Queue> Parse() {
    const uint32_t line = cursor_.Previous().line;
    out_.name = {cursor_.Peek().text, cursor_.Peek().span};
    if (cursor_.Take("receive")) {
      out_.direction = v1::DIRECTION_RECEIVE;
    } else if (cursor_.Take("transmit")) {
      out_.direction = v1::DIRECTION_TRANSMIT;
    } else if (cursor_.Take("command")) {
      out_.direction = v1::DIRECTION_COMMAND;
    } else {
      cursor_.Unexpected("`receive`, `transmit` or `command`");
      if (!cursor_.RecoverToBlock()) return std::nullopt;
    }
    if (cursor_.Peek().kind == TokenKind::kName) {
      if (const auto name = cursor_.ExpectName("the queue's name")) out_.name = *name;
    }
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return std::nullopt;
    out_.note = cursor_.TrailingComment(cursor_.Previous().line);
    if (out_.note.empty()) out_.note = cursor_.CommentAbove(line);
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      const size_t start = cursor_.position();
      ParseStatement();
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
    return std::move(out_);
  }

 private:
  void ParseStatement() {
    const Span span = cursor_.Peek().span;
    if (cursor_.At("ring") || cursor_.At("table")) {
      const bool is_table = cursor_.At("table");
      cursor_.Advance();
      if (auto ring = ParseRing(cursor_, is_table)) out_.rings.push_back(std::move(*ring));
    } else if (cursor_.Take("packet")) {
      ParsePacket(span);
    } else if (cursor_.Take("length")) {
      ParseLength(span);
    } else if (cursor_.Take("prefix")) {
      ParsePrefix(span);
    } else if (cursor_.Take("buffers")) {
      if (out_.limits.buffer) cursor_.Repeated("buffers", span);
      if (auto range = ParseRange(cursor_, "a size in bytes")) {
        out_.limits.buffer = range;
        cursor_.Take("bytes");
      }
      if (!cursor_.lost() && cursor_.Take("align")) {
        SetNumber(out_.limits.buffer_alignment, "align", span);
      }
    } else if (cursor_.Take("at", "most")) {
      ParseMost(span);
    } else if (cursor_.Take("at", "least")) {
      SetNumber(out_.limits.least_bytes_per_packet, "at least … per packet", span);
      cursor_.Take("bytes");
      cursor_.Expect("per");
      cursor_.Expect("packet");
    } else if (cursor_.Take("context")) {
      ParseContext();
    } else {
      cursor_.Unexpected(
          "`ring`, `table`, `packet`, `length`, `prefix`, `buffers`, `at most`, `at least`, "
          "`context` or "
          "`}`");
    }
  }

  void SetNumber(std::optional<ast::Number>& slot, std::string_view word, Span span) {
    if (slot) cursor_.Repeated(word, span);
    if (const auto number = cursor_.ExpectNumber("a number")) slot = number;
  }

  void ParsePacket(Span begin) {
    if (out_.packet) cursor_.Repeated("packet", begin);
    ast::PacketRule rule;
    if (cursor_.Take("is", "one", "descriptor")) {
      rule.how = v1::SPAN_SINGLE;
    } else if (cursor_.Take("spans", "descriptors")) {
      if (cursor_.At("until")) {
        rule.how = v1::SPAN_ADJACENT_UNTIL_LAST;
        ParseUntil(rule);
      } else {
        rule.how = v1::SPAN_COUNT_IN_FIRST;
        ParseCount(rule);
      }
    } else if (cursor_.Take("spans", "completions")) {
      rule.how = v1::SPAN_COMPLETIONS;
      ParseCount(rule);
    } else if (cursor_.Take("spans", "buffers")) {
      rule.how = v1::SPAN_BY_LENGTH;
      if (!cursor_.Take("by", "length")) cursor_.Unexpected("`by length`");
    } else if (cursor_.Take("chains", "by")) {
      rule.how = v1::SPAN_NEXT_INDEX;
      rule.field = cursor_.ExpectName("the field with the next index");
      if (!cursor_.lost()) ParseUntil(rule);
    } else if (cursor_.At("spans") && cursor_.Peek(1).line == cursor_.Peek().line) {
      cursor_.Advance();
      cursor_.Unexpected("`descriptors`, `completions` or `buffers`");
    } else {
      cursor_.Unexpected(
          "`is one descriptor`, `spans descriptors`, `spans completions`, `spans buffers` or "
          "`chains by`");
    }
    if (cursor_.lost()) return;
    rule.span = Span::Join(begin, cursor_.Previous().span);
    out_.packet = std::move(rule);
  }

  void ParseUntil(ast::PacketRule& rule) {
    if (!cursor_.Expect("until")) return;
    if (auto condition = ParseCondition(cursor_)) rule.until = std::move(condition);
  }

  // `, count in FIELD`.
  void ParseCount(ast::PacketRule& rule) {
    cursor_.Take(",");
    if (!cursor_.Take("count", "in")) {
      cursor_.Unexpected(rule.how == v1::SPAN_COUNT_IN_FIRST ? "`until` or `count in`"
                                                             : "`count in`");
      return;
    }
    rule.field = cursor_.ExpectName("the field with the number");
  }

  // `prefix 2 bytes`, `prefix NetHeader`.
  void ParsePrefix(Span span) {
    if (out_.prefix_bytes || out_.prefix_form) cursor_.Repeated("prefix", span);
    if (cursor_.Peek().kind == TokenKind::kName) {
      out_.prefix_form = cursor_.ExpectName("a descriptor's name");
    } else if (const auto number = cursor_.ExpectNumber("a number of bytes or a descriptor")) {
      out_.prefix_bytes = number;
      ExpectBytes(cursor_);
    }
  }

  void ParseLength(Span span) {
    if (cursor_.Take("includes", "prefix")) {
      if (out_.length_includes_prefix) cursor_.Repeated("length includes prefix", span);
      out_.length_includes_prefix = Span::Join(span, cursor_.Previous().span);
      return;
    }
    if (cursor_.Take("includes")) {
      SetNumber(out_.crc_bytes, "length includes", span);
      ExpectBytes(cursor_);
      cursor_.Expect("of");
      cursor_.Expect("crc");
      return;
    }
    if (out_.length != v1::LENGTH_MEANING_UNSPECIFIED) cursor_.Repeated("length", span);
    if (!cursor_.Expect("counts")) return;
    if (cursor_.Take("buffer")) {
      out_.length = v1::LENGTH_MEANING_BUFFER;
    } else if (cursor_.Take("packet", "in", "last")) {
      out_.length = v1::LENGTH_MEANING_PACKET_IN_LAST;
    } else if (cursor_.Take("packet", "in", "first")) {
      out_.length = v1::LENGTH_MEANING_PACKET_IN_FIRST;
    } else if (cursor_.Take("residue")) {
      out_.length = v1::LENGTH_MEANING_RESIDUE;
    } else {
      cursor_.Unexpected("`buffer`, `packet in last`, `packet in first` or `residue`");
    }
  }

  // `at most 40 descriptors per packet`, `at most 16 KiB per descriptor`, ….
  void ParseMost(Span span) {
    const auto number = cursor_.ExpectNumber("a number");
    if (!number) return;
    std::optional<ast::Number>* slot = nullptr;
    if (cursor_.Take("descriptors", "per", "packet")) {
      slot = &out_.limits.descriptors_per_packet;
    } else if (cursor_.Take("buffers", "per", "descriptor")) {
      slot = &out_.buffers_per_descriptor;
    } else {
      cursor_.Take("bytes");
      if (cursor_.Take("per", "packet")) slot = &out_.limits.bytes_per_packet;
      if (cursor_.Take("per", "descriptor")) slot = &out_.limits.bytes_per_descriptor;
    }
    if (slot == nullptr) {
      cursor_.Unexpected(
          "`descriptors per packet`, `buffers per descriptor`, `bytes per packet` or "
          "`bytes per descriptor`");
      return;
    }
    if (*slot) cursor_.Repeated("at most", span);
    *slot = number;
  }

  void ParseContext() {
    ast::ContextRule rule;
    const auto form = cursor_.ExpectName("a descriptor's name");
    if (!form) return;
    rule.form = *form;
    if (cursor_.Take("sticky")) {
      rule.lifetime = v1::CONTEXT_LIFETIME_STICKY;
    } else if (cursor_.Take("indexed")) {
      rule.lifetime = v1::CONTEXT_LIFETIME_INDEXED;
      rule.contexts = cursor_.ExpectNumber("how many contexts the queue keeps");
    } else if (cursor_.Take("cached")) {
      rule.lifetime = v1::CONTEXT_LIFETIME_CACHED;
    } else if (cursor_.Take("per", "packet")) {
      rule.lifetime = v1::CONTEXT_LIFETIME_PACKET;
    } else {
      cursor_.Unexpected("`sticky`, `indexed`, `cached` or `per packet`");
    }
    if (!cursor_.lost()) rule.after_first = cursor_.Take("after", "first");
    if (!cursor_.lost()) rule.before_bytes = cursor_.Take("before", "bytes");
    if (!cursor_.lost() && cursor_.Take("answered", "by")) {
      rule.done_form = cursor_.ExpectName("a descriptor's name");
    }
    if (!cursor_.lost()) out_.contexts.push_back(rule);
  }

  Cursor& cursor_;
  ast::Queue out_;
};

}  // namespace

std::optional<ast::Queue> ParseQueue(Cursor& cursor) { return QueueParser(cursor).Parse(); }

}  // namespace qsplit::qdl
