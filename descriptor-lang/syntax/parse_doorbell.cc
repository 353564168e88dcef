// Doorbells: what is stored where, behind which barrier, and when it may be left out.
#include <optional>
#include <string_view>

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
    {"phase", "", v1::DOORBELL_SOURCE_PHASE},
};

class DoorbellParser {
 public:
  explicit DoorbellParser(Cursor& cursor) : cursor_(cursor) {}

  // `doorbell register 4 bytes big = producer index & 0xffff << 8 + queue number after full
  // barrier`
  std::optional<ast::Doorbell> Parse(Span begin, bool consumer) {
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
      return std::nullopt;
    }
    if (bell.target != v1::DOORBELL_TARGET_WAKEUP) {
      bell.bytes = cursor_.ExpectNumber("the doorbell's width in bytes");
      if (!bell.bytes || !ExpectBytes(cursor_)) return std::nullopt;
      bell.byte_order = ParseByteOrder(cursor_);
    }
    const bool store =
        bell.target == v1::DOORBELL_TARGET_REGISTER || bell.target == v1::DOORBELL_TARGET_MEMORY;
    if (store && cursor_.Take("=") && !cursor_.Take("anything")) ParseTerms(bell);
    while (!cursor_.lost()) {
      const Span span = cursor_.Peek().span;
      if (cursor_.Take("after")) {
        if (bell.barrier != v1::BARRIER_UNSPECIFIED) cursor_.Repeated("after", span);
        ParseBarrier(bell);
      } else if (cursor_.Take("with")) {
        if (auto choice = ParseFeatureChoice(cursor_)) bell.features.push_back(*choice);
      } else if (!ParseSuppression(bell, span)) {
        break;
      }
    }
    if (cursor_.lost()) return std::nullopt;
    bell.span = Span::Join(begin, cursor_.Previous().span);
    return bell;
  }

 private:
  // `if flags`, `unless no_notify`, `past used_event`.
  bool ParseSuppression(ast::Doorbell& bell, Span span) {
    v1::CellMeaning meaning;
    if (cursor_.Take("if")) {
      meaning = v1::CELL_MEANING_NEED_WAKEUP;
    } else if (cursor_.Take("unless")) {
      meaning = v1::CELL_MEANING_NO_NOTIFICATION;
    } else if (cursor_.Take("past")) {
      meaning = v1::CELL_MEANING_EVENT_INDEX;
    } else {
      return false;
    }
    if (bell.cell) cursor_.Repeated(cursor_.Previous().text, span);
    bell.cell = cursor_.ExpectName("a cell's name");
    bell.cell_meaning = meaning;
    return true;
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
            "`queue number`, `increment`, `address`, `phase`, `anything` or a number");
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
};

}  // namespace

std::optional<ast::Doorbell> ParseDoorbell(Cursor& cursor, Span begin, bool consumer) {
  return DoorbellParser(cursor).Parse(begin, consumer);
}

}  // namespace qsplit::qdl
