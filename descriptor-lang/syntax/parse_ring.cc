// Rings: slots, forms, completion, doorbells.
#include <optional>
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

struct SourceWords {
  std::string_view first;
  std::string_view second;
  v1::DoorbellSource source;
};
constexpr SourceWords kSources[] = {
    {"producer", "index", v1::DOORBELL_SOURCE_PRODUCER_INDEX},
    {"producer", "count", v1::DOORBELL_SOURCE_PRODUCER_COUNT},
    {"consumer", "index", v1::DOORBELL_SOURCE_CONSUMER_INDEX},
    {"consumer", "count", v1::DOORBELL_SOURCE_CONSUMER_COUNT},
    {"queue", "number", v1::DOORBELL_SOURCE_QUEUE_NUMBER},
    {"increment", "", v1::DOORBELL_SOURCE_INCREMENT},
    {"address", "", v1::DOORBELL_SOURCE_ADDRESS},
    {"wrap", "", v1::DOORBELL_SOURCE_WRAP},
};

class RingParser {
 public:
  explicit RingParser(Cursor& cursor) : cursor_(cursor) {}

  std::optional<ast::Ring> Parse() {
    const auto name = cursor_.ExpectName("the ring's name");
    if (!name) return std::nullopt;
    out_.name = *name;
    const uint32_t line = cursor_.Previous().line;
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
      cursor_.Expect("bytes");
    } else if (cursor_.Take("align")) {
      SetNumber(out_.alignment, "align", span);
      cursor_.Take("bytes");
    } else if (cursor_.Take("reserve")) {
      SetNumber(out_.reserved, "reserve", span);
      if (!cursor_.Take("slot")) cursor_.Take("slots");
    } else if (cursor_.Take("post")) {
      if (!out_.posts.empty()) cursor_.Repeated("post", span);
      ParseForms(out_.posts);
    } else if (cursor_.Take("complete")) {
      ParseCompletion(span);
    } else if (cursor_.Take("doorbell")) {
      ParseDoorbell(span, false);
    } else if (cursor_.Take("consumer", "doorbell")) {
      ParseDoorbell(span, true);
    } else {
      cursor_.Unexpected(
          "`slots`, `slot`, `align`, `reserve`, `post`, `complete`, `doorbell` or `}`");
    }
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
    for (const std::string_view word :
         {"slots", "slot", "align", "reserve", "post", "complete", "doorbell", "consumer"}) {
      if (cursor_.Peek(1).Is(word)) return true;
    }
    return cursor_.Peek(1).kind != TokenKind::kName;
  }

  void ParseCompletion(Span begin) {
    if (out_.completion) cursor_.Repeated("complete", begin);
    ast::Completion completion;
    ParseForms(completion.forms);
    if (cursor_.lost()) return;
    if (!cursor_.Take("in", "place")) {
      cursor_.Unexpected("`in place`");
      return;
    }
    completion.in_place = true;
    if (!cursor_.Expect("when")) return;
    if (auto condition = ParseCondition(cursor_)) completion.when = std::move(condition);
    if (cursor_.lost()) return;
    if (cursor_.Take("only", "where", "reported")) completion.only_where_reported = true;
    completion.span = Span::Join(begin, cursor_.Previous().span);
    out_.completion = std::move(completion);
  }

  // `doorbell register 4 bytes big = producer index & 0xffff << 8 + queue number after full
  // barrier`
  void ParseDoorbell(Span begin, bool consumer) {
    ast::Doorbell bell;
    bell.consumer = consumer;
    if (cursor_.Take("register")) {
      bell.target = v1::DOORBELL_TARGET_REGISTER;
    } else if (cursor_.Take("memory")) {
      bell.target = v1::DOORBELL_TARGET_MEMORY;
    } else if (cursor_.Take("descriptor")) {
      bell.target = v1::DOORBELL_TARGET_DESCRIPTOR;
    } else if (cursor_.Take("wakeup")) {
      bell.target = v1::DOORBELL_TARGET_WAKEUP;
    } else {
      cursor_.Unexpected("`register`, `memory`, `descriptor` or `wakeup`");
      return;
    }
    if (bell.target != v1::DOORBELL_TARGET_WAKEUP) {
      bell.bytes = cursor_.ExpectNumber("the doorbell's width in bytes");
      if (!bell.bytes || !cursor_.Expect("bytes")) return;
      bell.byte_order = ParseByteOrder(cursor_);
    }
    const bool store =
        bell.target == v1::DOORBELL_TARGET_REGISTER || bell.target == v1::DOORBELL_TARGET_MEMORY;
    if (store && cursor_.Take("=") && !cursor_.Take("anything")) ParseTerms(bell);
    if (!cursor_.lost() && cursor_.Take("after")) ParseBarrier(bell);
    if (cursor_.lost()) return;
    bell.span = Span::Join(begin, cursor_.Previous().span);
    out_.doorbells.push_back(std::move(bell));
  }

  void ParseTerms(ast::Doorbell& bell) {
    do {
      ast::DoorbellTerm term;
      for (const SourceWords& words : kSources) {
        const bool here = words.second.empty() ? cursor_.Take(words.first)
                                               : cursor_.Take(words.first, words.second);
        if (!here) continue;
        term.source = words.source;
        break;
      }
      if (term.source == v1::DOORBELL_SOURCE_UNSPECIFIED) {
        const auto number = cursor_.ExpectNumber(
            "`producer index`, `producer count`, `consumer index`, `consumer count`, "
            "`queue number`, `increment`, `address`, `wrap`, `anything` or a number");
        if (!number) return;
        term.source = v1::DOORBELL_SOURCE_CONSTANT;
        term.constant = *number;
      }
      if (cursor_.Take("&")) term.mask = cursor_.ExpectNumber("a mask");
      if (cursor_.Take("<<")) term.shift = cursor_.ExpectNumber("a number of bits");
      if (cursor_.lost()) return;
      bell.terms.push_back(term);
    } while (cursor_.Take("+"));
  }

  void ParseBarrier(ast::Doorbell& bell) {
    if (cursor_.Take("no", "barrier")) {
      bell.barrier = v1::BARRIER_NONE;
    } else if (cursor_.Take("device", "barrier")) {
      bell.barrier = v1::BARRIER_MEMORY_BEFORE_DEVICE;
    } else if (cursor_.Take("memory", "barrier")) {
      bell.barrier = v1::BARRIER_MEMORY_BEFORE_MEMORY;
    } else if (cursor_.Take("full", "barrier")) {
      bell.barrier = v1::BARRIER_FULL;
    } else {
      cursor_.Unexpected("`no barrier`, `device barrier`, `memory barrier` or `full barrier`");
    }
  }

  Cursor& cursor_;
  ast::Ring out_;
};

}  // namespace

std::optional<ast::Ring> ParseRing(Cursor& cursor) { return RingParser(cursor).Parse(); }

std::optional<ast::Range> ParseRange(Cursor& cursor, std::string_view what) {
  ast::Range range;
  const auto first = cursor.ExpectNumber(what);
  if (!first) return std::nullopt;
  range.first = range.last = *first;
  if (cursor.Take("..")) {
    const auto last = cursor.ExpectNumber("the range's end");
    if (!last) return std::nullopt;
    range.last = *last;
  }
  if (cursor.Take("step")) {
    range.step = cursor.ExpectNumber("the range's step");
    if (!range.step) return std::nullopt;
  }
  range.power_of_two = cursor.Take("powers", "of", "two");
  return range;
}

}  // namespace qsplit::qdl
