// Cells beside a ring: `used_event u16 at end + 2 with EventIndex = on is event index from driver`.
#include <optional>
#include <string_view>
#include <utility>

#include "descriptor-lang/syntax/productions.h"

namespace qsplit::qdl {
namespace {

struct MeaningWords {
  std::string_view first;
  std::string_view second;
  v1::CellMeaning meaning;
};
constexpr MeaningWords kMeanings[] = {
    {"producer", "index", v1::CELL_MEANING_PRODUCER_INDEX},
    {"producer", "count", v1::CELL_MEANING_PRODUCER_COUNT},
    {"consumer", "index", v1::CELL_MEANING_CONSUMER_INDEX},
    {"consumer", "count", v1::CELL_MEANING_CONSUMER_COUNT},
    {"pending", "count", v1::CELL_MEANING_PENDING_COUNT},
    {"event", "index", v1::CELL_MEANING_EVENT_INDEX},
    {"need", "wakeup", v1::CELL_MEANING_NEED_WAKEUP},
    {"no", "notification", v1::CELL_MEANING_NO_NOTIFICATION},
};

void ParsePlace(Cursor& cursor, ast::Cell& out) {
  if (cursor.Take("end")) {
    out.behind_slots = true;
    out.offset = ast::Number{0, cursor.Previous().span};
    if (cursor.Take("+")) out.offset = cursor.ExpectNumber("an offset in bytes");
    return;
  }
  out.negative = cursor.Take("-");
  out.offset = cursor.ExpectNumber("an offset in bytes, or `end`");
}

void ParseMeaning(Cursor& cursor, ast::Cell& out) {
  for (const MeaningWords& words : kMeanings) {
    if (!cursor.Take(words.first, words.second)) continue;
    out.meaning = words.meaning;
    break;
  }
  if (out.meaning == v1::CELL_MEANING_UNSPECIFIED) {
    cursor.Unexpected(
        "`producer index`, `producer count`, `consumer index`, `consumer count`, `pending count`, "
        "`event index`, `need wakeup` or `no notification`");
    return;
  }
  if (!cursor.Take("from")) return;
  if (cursor.Take("device")) {
    out.device_writes = true;
  } else if (cursor.Take("driver")) {
    out.device_writes = false;
  } else {
    cursor.Unexpected("`driver` or `device`");
  }
}

}  // namespace

std::optional<ast::Cell> ParseCell(Cursor& cursor) {
  ast::Cell out;
  const auto name = cursor.ExpectName("the cell's name");
  if (!name) return std::nullopt;
  out.name = *name;
  out.word_span = cursor.Peek().span;
  out.bytes = ParseWord(cursor);
  if (out.bytes == 0) {
    cursor.Unexpected("a word (`u8`, `u16`, `u32`, `u64`)");
    return std::nullopt;
  }
  out.byte_order = ParseByteOrder(cursor);
  bool placed = false;
  while (!cursor.lost() && !cursor.At("is")) {
    const Span span = cursor.Peek().span;
    if (cursor.Take("&")) {
      if (out.mask) cursor.Repeated("&", span);
      out.mask = cursor.ExpectNumber("a mask");
    } else if (cursor.At("plus") || cursor.At("minus")) {
      if (out.plus || out.minus) cursor.Repeated(cursor.Peek().text, span);
      auto& number = cursor.Take("plus") ? out.plus : (cursor.Take("minus"), out.minus);
      number = cursor.ExpectNumber("a number of slots");
    } else if (cursor.Take("with")) {
      if (auto choice = ParseFeatureChoice(cursor)) out.features.push_back(*choice);
    } else if (cursor.At("at") || cursor.At("register")) {
      if (placed) cursor.Repeated(cursor.Peek().text, span);
      placed = true;
      if (cursor.Take("register")) {
        out.is_register = true;
      } else if (cursor.Take("at")) {
        ParsePlace(cursor, out);
      }
    } else {
      cursor.Unexpected("`is` and what the cell means");
    }
  }
  if (!cursor.lost() && cursor.Take("is")) ParseMeaning(cursor, out);
  if (cursor.lost()) return std::nullopt;
  return out;
}

}  // namespace qsplit::qdl
