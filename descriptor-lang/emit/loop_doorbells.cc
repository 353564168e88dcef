// What doorbells take, as functions of a position: see ring_loops.h.
#include <string>
#include <vector>

#include "descriptor-lang/emit/header_names.h"
#include "descriptor-lang/emit/ring_loops.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// A term's value; empty: not a number that a position has.
std::string TermText(const v1::DoorbellTerm& term) {
  std::string value;
  switch (term.source()) {
    case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
    case v1::DOORBELL_SOURCE_CONSUMER_INDEX:
      value = "uint64_t{at.slot}";
      break;
    case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
    case v1::DOORBELL_SOURCE_CONSUMER_COUNT:
      value = "at.count";
      break;
    case v1::DOORBELL_SOURCE_INCREMENT:
      value = "uint64_t{added}";
      break;
    case v1::DOORBELL_SOURCE_QUEUE_NUMBER:
      value = "uint64_t{queue_number}";
      break;
    case v1::DOORBELL_SOURCE_PHASE:
      value = "uint64_t{at.phase}";
      break;
    case v1::DOORBELL_SOURCE_CONSTANT:
      value = Number(term.constant());
      break;
    default:
      return "";
  }
  if (term.mask() != ~uint64_t{0}) value = text::Cat("(", value, " & ", Number(term.mask()), ")");
  if (term.shift() > 0) value = text::Cat("(", value, " << ", term.shift(), ")");
  return value;
}

}  // namespace

std::string DoorbellFunctions(const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
                              std::string_view side) {
  std::string out;
  for (int i = 0; i < doorbells.size(); ++i) {
    const v1::Doorbell& doorbell = doorbells.Get(i);
    std::vector<std::string> terms;
    bool known = doorbell.target() == v1::DOORBELL_TARGET_REGISTER ||
                 doorbell.target() == v1::DOORBELL_TARGET_MEMORY;
    for (const v1::DoorbellTerm& term : doorbell.terms()) {
      terms.push_back(TermText(term));
      known = known && !terms.back().empty();
    }
    if (!known) continue;
    text::Append(out, "  // What ", Word(doorbell.target()), " doorbell ", i, " of the ", side,
                 " takes: ", doorbell.bytes(), " bytes, ", Word(doorbell.byte_order()),
                 " endian; before the store: ", Word(doorbell.barrier()), ".\n  // at: where the ",
                 side,
                 " stands; added: slots since the last time.\n"
                 "  static constexpr uint64_t ",
                 side, "_doorbell_", i,
                 "([[maybe_unused]] const Position& at, [[maybe_unused]] uint32_t added,\n"
                 "      [[maybe_unused]] uint32_t queue_number) {\n    return ",
                 terms.empty() ? "0u" : text::Join(terms, " + "), ";\n  }\n\n");
  }
  return out;
}

}  // namespace qsplit::layout
