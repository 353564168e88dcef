// Rings: slots, what stands in them, how they change hands.
#include <optional>
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

// First words of statements: a comma before one of them ends a list of descriptors.
constexpr std::string_view kStatements[] = {
    "slots", "slot",     "align", "reserve", "post", "complete", "completes",  "phase",  "sequence",
    "fill",  "consumer", "cell",  "last",    "link", "doorbell", "compressed", "packets"};

class RingParser {
 public:
  explicit RingParser(Cursor& cursor) : cursor_(cursor) {}

  std::optional<ast::Ring> Parse(bool is_table) {
    out_.is_table = is_table;
    const auto name = cursor_.ExpectName(is_table ? "the table's name" : "the ring's name");
    if (!name) return std::nullopt;
    out_.name = *name;
    const uint32_t line = cursor_.Previous().line;
    while (!cursor_.lost() && !cursor_.At("{")) {
      if (cursor_.Take("with")) {
        if (auto choice = ParseFeatureChoice(cursor_)) out_.features.push_back(*choice);
      } else if (cursor_.At("in")) {
        const Span begin = cursor_.Peek().span;
        ParsePosition(cursor_, out_.position);
        out_.position_span = Span::Join(begin, cursor_.Previous().span);
      } else {
        cursor_.Unexpected("`{`");
      }
    }
    if (cursor_.lost() && !cursor_.RecoverToBlock()) return std::nullopt;
    const Span open = cursor_.Peek().span;
    if (!cursor_.Expect("{")) return std::nullopt;
    out_.note = cursor_.TrailingComment(cursor_.Previous().line);
    if (out_.note.empty()) out_.note = cursor_.CommentAbove(line);
    while (!cursor_.AtEnd() && !cursor_.At("}") && !cursor_.AtTopLevelStatement()) {
      const size_t start = cursor_.position();
      if (!cursor_.Take(",")) ParseStatement();
      if (cursor_.lost()) cursor_.Recover(start);
    }
    cursor_.CloseBlock(open);
    return std::move(out_);
  }

 private:
  void ParseStatement() {
    const Span span = cursor_.Peek().span;
    if (cursor_.Take("slots")) {
      if (out_.slots) cursor_.Repeated("slots", span);
      if (auto range = ParseRange(cursor_, "a number of slots")) out_.slots = range;
    } else if (cursor_.Take("slot")) {
      SetNumber(out_.slot_bytes, "slot", span);
      ExpectBytes(cursor_);
    } else if (cursor_.Take("align")) {
      SetNumber(out_.alignment, "align", span);
      cursor_.Take("bytes");
    } else if (cursor_.Take("reserve")) {
      SetNumber(out_.reserved, "reserve", span);
      if (!cursor_.Take("slot")) cursor_.Take("slots");
    } else if (!ParseHandover(span) && !ParseSignal(span) && !ParseLook(span)) {
      cursor_.Unexpected(
          "`slots`, `slot`, `align`, `reserve`, `post`, `complete`, `completes`, `phase`, "
          "`sequence`, `fill`, `cell`, `doorbell`, `consumer doorbell`, `last slot`, `link`, "
          "`compressed`, `packets` or `}`");
    }
  }

  // How slots change hands.
  bool ParseHandover(Span span) {
    if (cursor_.Take("post")) {
      ParsePost(span);
    } else if (cursor_.Take("complete")) {
      ParseCompletion(span);
    } else if (cursor_.Take("completes")) {
      ParseRule(span);
    } else if (cursor_.Take("phase")) {
      ParsePhase(span);
    } else if (cursor_.Take("sequence")) {
      ParseSequence(span);
    } else if (cursor_.Take("fill")) {
      const auto field = cursor_.ExpectDottedName("a field of what the device writes");
      if (!field || !cursor_.Expect("=")) return true;
      const Span at = cursor_.Peek().span;
      if (cursor_.Take("not", "phase")) {
        out_.fills.push_back({*field, {0, at}, true});
      } else if (const auto value = cursor_.ExpectNumber("the value that the driver fills in")) {
        out_.fills.push_back({*field, *value});
      }
    } else {
      return false;
    }
    return true;
  }

  // How one side tells the other.
  bool ParseSignal(Span span) {
    if (cursor_.Take("cell")) {
      if (auto cell = ParseCell(cursor_)) out_.cells.push_back(std::move(*cell));
    } else if (cursor_.Take("doorbell")) {
      if (auto bell = ParseDoorbell(cursor_, span, false)) {
        out_.doorbells.push_back(std::move(*bell));
      }
    } else if (cursor_.Take("consumer", "doorbell")) {
      if (auto bell = ParseDoorbell(cursor_, span, true)) {
        out_.doorbells.push_back(std::move(*bell));
      }
    } else {
      return false;
    }
    return true;
  }

  // What else stands in slots.
  bool ParseLook(Span span) {
    if (cursor_.Take("last", "slot", "sets")) {
      if (out_.last_slot_field) cursor_.Repeated("last slot sets", span);
      out_.last_slot_field = cursor_.ExpectName("a field's name");
    } else if (cursor_.Take("link")) {
      if (out_.link_form) cursor_.Repeated("link", span);
      out_.link_form = cursor_.ExpectName("a descriptor's name");
      if (!cursor_.lost() && !cursor_.Take("in", "last", "slot")) {
        cursor_.Unexpected("`in last slot`");
      }
    } else if (cursor_.Take("compressed")) {
      ParseCompressed(span);
    } else if (cursor_.Take("packets", "in", "slot")) {
      ParsePackets(span);
    } else {
      return false;
    }
    return true;
  }

  void SetNumber(std::optional<ast::Number>& slot, std::string_view word, Span span) {
    if (slot) cursor_.Repeated(word, span);
    if (const auto number = cursor_.ExpectNumber("a number")) slot = number;
  }

  // `A, B, C`: a comma before another statement's first word belongs to the ring.
  void ParseForms(std::vector<ast::Identifier>& out) {
    do {
      const auto form = cursor_.ExpectName("a descriptor's name");
      if (!form) return;
      out.push_back(*form);
    } while (cursor_.At(",") && !NextIsStatement() && cursor_.Take(","));
  }

  bool NextIsStatement() const {
    for (const std::string_view word : kStatements) {
      if (cursor_.Peek(1).Is(word)) return true;
    }
    return cursor_.Peek(1).kind != TokenKind::kName;
  }

  std::optional<ast::ConditionPtr> TakeWhen() {
    if (!cursor_.Take("when")) return std::nullopt;
    auto condition = ParseCondition(cursor_);
    if (!condition) return std::nullopt;
    return condition;
  }

  // `when COND`, `up to CELL`; both at once are reported by a pass.
  void ParseHow(ast::Handover& out) {
    while (!cursor_.lost()) {
      const Span span = cursor_.Peek().span;
      if (cursor_.At("when")) {
        if (out.when) cursor_.Repeated("when", span);
        out.when = TakeWhen();
      } else if (cursor_.Take("up", "to")) {
        if (out.up_to) cursor_.Repeated("up to", span);
        out.up_to = cursor_.ExpectName("a cell's name");
      } else {
        return;
      }
    }
  }

  void ParsePost(Span begin) {
    ast::Handover post;
    ParseForms(post.forms);
    ParseHow(post);
    if (post.forms.empty()) return;
    post.span = Span::Join(begin, cursor_.Previous().span);
    out_.posts.push_back(std::move(post));
  }

  void ParseCompletion(Span begin) {
    ast::Handover completion;
    if (!(cursor_.At("up") && cursor_.Peek(1).Is("to"))) ParseForms(completion.forms);
    if (cursor_.lost()) return;
    completion.in_place = cursor_.Take("in", "place");
    ParseHow(completion);
    if (cursor_.lost()) return;
    if (!completion.when && !completion.up_to) {
      cursor_.Unexpected(completion.in_place ? "`when` or `up to`"
                                             : "`in place`, `when` or `up to`");
      return;
    }
    if (cursor_.Take("only", "where", "reported")) completion.only_where_reported = true;
    completion.span = Span::Join(begin, cursor_.Previous().span);
    out_.completions.push_back(std::move(completion));
  }

  // `completes work up to index wqe_counter when opcode == 0`.
  void ParseRule(Span begin) {
    ast::CompletionRule rule;
    const auto ring = cursor_.ExpectName("a ring's name");
    if (!ring) return;
    rule.ring = *ring;
    if (cursor_.Take("in", "order")) {
      rule.key = v1::COMPLETION_KEY_IN_ORDER;
    } else {
      rule.cumulative = cursor_.Take("up", "to");
      if (!rule.cumulative && !cursor_.Take("by")) {
        cursor_.Unexpected("`in order`, `by` or `up to`");
        return;
      }
      if (cursor_.Take("index")) {
        rule.key = v1::COMPLETION_KEY_INDEX;
      } else if (cursor_.Take("tag")) {
        rule.key = v1::COMPLETION_KEY_TAG;
      } else if (!rule.cumulative && cursor_.Take("address")) {
        rule.key = v1::COMPLETION_KEY_ADDRESS;
      } else {
        cursor_.Unexpected(rule.cumulative ? "`index` or `tag`" : "`index`, `tag` or `address`");
        return;
      }
      rule.field = cursor_.ExpectName("a field's name");
      if (!rule.field) return;
    }
    while (!cursor_.lost()) {
      const Span span = cursor_.Peek().span;
      if (cursor_.At("when")) {
        if (rule.when) cursor_.Repeated("when", span);
        rule.when = TakeWhen();
      } else if (cursor_.Take("with")) {
        if (auto choice = ParseFeatureChoice(cursor_)) rule.features.push_back(*choice);
      } else {
        break;
      }
    }
    if (cursor_.lost()) return;
    rule.span = Span::Join(begin, cursor_.Previous().span);
    out_.completes.push_back(std::move(rule));
  }

  void ParsePhase(Span begin) {
    if (out_.phase) cursor_.Repeated("phase", begin);
    if (!cursor_.Expect("starts")) return;
    ast::PhaseRule rule;
    const auto initial = cursor_.ExpectNumber("the phase in the first pass, 0 or 1");
    if (!initial) return;
    rule.initial = *initial;
    cursor_.Take(",");
    if (!cursor_.Expect("flips")) return;
    if (cursor_.Take("each", "pass")) {
      rule.flip = v1::PHASE_FLIP_EACH_PASS;
    } else if (cursor_.Take("by", "link")) {
      rule.flip = v1::PHASE_FLIP_BY_LINK;
    } else {
      cursor_.Unexpected("`each pass` or `by link`");
      return;
    }
    rule.span = Span::Join(begin, cursor_.Previous().span);
    out_.phase = rule;
  }

  void ParseSequence(Span begin) {
    if (out_.sequence) cursor_.Repeated("sequence", begin);
    ast::SequenceRule rule;
    const auto first = cursor_.ExpectNumber("the first number");
    if (!first || !cursor_.Expect("..")) return;
    const auto last = cursor_.ExpectNumber("the last number");
    if (!last) return;
    rule.first = *first;
    rule.last = *last;
    if (cursor_.Take("starts")) rule.initial = cursor_.ExpectNumber("the number that begins");
    rule.span = Span::Join(begin, cursor_.Previous().span);
    out_.sequence = rule;
  }

  void ParseCompressed(Span begin) {
    if (out_.compressed) cursor_.Repeated("compressed", begin);
    ast::Compressed rule;
    const auto title = cursor_.ExpectName("the title's descriptor");
    if (!title) return;
    rule.title = *title;
    if (!cursor_.At("when")) cursor_.Unexpected("`when`");
    rule.when = TakeWhen();
    if (cursor_.lost() || !cursor_.Expect("into")) return;
    const auto mini = cursor_.ExpectName("the small descriptor");
    if (!mini || !cursor_.Expect("[")) return;
    const auto per_slot = cursor_.ExpectNumber("how many stand in a slot");
    if (!per_slot || !cursor_.Expect("]")) return;
    const auto count = ExpectFieldBy("count");
    if (!count) return;
    rule.mini = *mini;
    rule.per_slot = *per_slot;
    rule.count = *count;
    rule.span = Span::Join(begin, cursor_.Previous().span);
    out_.compressed = std::move(rule);
  }

  void ParsePackets(Span begin) {
    if (out_.packets) cursor_.Repeated("packets in slot", begin);
    if (!cursor_.Expect("behind")) return;
    const auto form = cursor_.ExpectName("a descriptor's name");
    if (!form) return;
    const auto first = ExpectFieldBy("first");
    const auto count = first ? ExpectFieldBy("count") : std::nullopt;
    const auto next = count ? ExpectFieldBy("next") : std::nullopt;
    if (!next) return;
    out_.packets =
        ast::SlotPackets{Span::Join(begin, cursor_.Previous().span), *form, *first, *count, *next};
  }

  // `count by FIELD`.
  std::optional<ast::Identifier> ExpectFieldBy(std::string_view word) {
    if (!cursor_.Expect(word) || !cursor_.Expect("by")) return std::nullopt;
    return cursor_.ExpectName("a field's name");
  }

  Cursor& cursor_;
  ast::Ring out_;
};

}  // namespace

std::optional<ast::Ring> ParseRing(Cursor& cursor, bool is_table) {
  return RingParser(cursor).Parse(is_table);
}

std::optional<ast::Range> ParseRange(Cursor& cursor, std::string_view what) {
  ast::Range range;
  const auto first = cursor.ExpectNumber(what);
  if (!first) return std::nullopt;
  range.first = range.last = *first;
  if (cursor.Take("..")) {
    const auto last = cursor.ExpectNumber("the range's end");
    if (!last) return std::nullopt;
    range.last = *last;
  } else if (cursor.At("-")) {
    cursor.Unexpected("`..` and the range's end");
    return std::nullopt;
  }
  if (cursor.Take("step")) {
    range.step = cursor.ExpectNumber("the range's step");
    if (!range.step) return std::nullopt;
  }
  range.power_of_two = cursor.Take("powers", "of", "two");
  if (!range.power_of_two && cursor.Peek().text.starts_with("power")) {
    cursor.Unexpected("`powers of two`");
    return std::nullopt;
  }
  return range;
}

}  // namespace qsplit::qdl
