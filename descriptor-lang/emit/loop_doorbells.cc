// What doorbells take, as functions of a position: see ring_loops.h.
#include <bit>
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

// The barrier that stands in front of its store.
std::string_view BarrierCall(v1::Barrier barrier) {
  switch (barrier) {
    case v1::BARRIER_MEMORY_BEFORE_DEVICE:
      return "qsplit_layout::before_register();";
    case v1::BARRIER_MEMORY_BEFORE_MEMORY:
      return "qsplit_layout::before_memory();";
    case v1::BARRIER_FULL:
      return "__atomic_thread_fence(__ATOMIC_SEQ_CST);";
    default:
      return "";
  }
}

// `value` in that byte order, as an unsigned number of so many bytes.
std::string Ordered(const std::string& value, uint32_t bytes, v1::ByteOrder order) {
  const std::string number = text::Cat("static_cast<uint", bytes * 8, "_t>(", value, ")");
  if (order != v1::BYTE_ORDER_BIG || bytes == 1) return number;
  return text::Cat("__builtin_bswap", bytes * 8, "(", number, ")");
}

// When the cell, whose value is `flag`, lets it be left out; empty: the cell does not say that.
std::string HeldBack(const v1::IndexCell& cell, uint64_t most) {
  switch (cell.meaning()) {
    case v1::CELL_MEANING_NEED_WAKEUP:
      return "flag == 0";
    case v1::CELL_MEANING_NO_NOTIFICATION:
      return "flag != 0";
    case v1::CELL_MEANING_EVENT_INDEX:
      return text::Cat("((at.count - flag - 1) & ", Number(most), ") >= (uint64_t{added} & ",
                       Number(most), ")");
    default:
      return "";
  }
}

// A function that stores the value where the doorbell is.
void AppendRinging(const v1::Ring& ring, const v1::Doorbell& doorbell, const std::string& name,
                   std::string* out) {
  std::string held;
  std::string load;
  std::string cell_name;
  if (doorbell.has_suppressed_by_cell()) {
    const v1::IndexCell& cell = ring.cells(static_cast<int>(doorbell.suppressed_by_cell()));
    const uint64_t mask = cell.mask() & (~uint64_t{0} >> (64 - 8 * cell.bytes()));
    if (mask == 0) return;
    const auto shift = static_cast<uint32_t>(std::countr_zero(mask));
    held = HeldBack(cell, mask >> shift);
    if (held.empty()) return;
    cell_name = cell.name();
    const std::string raw = text::Cat("__atomic_load_n(static_cast<const uint", cell.bytes() * 8,
                                      "_t*>(cell), __ATOMIC_RELAXED)");
    load = text::Cat("(uint64_t{", Ordered(raw, cell.bytes(), cell.byte_order()), "} & ",
                     Number(mask), ")", shift > 0 ? text::Cat(" >> ", shift) : "");
  }
  text::Append(*out, "  // Rings it: `doorbell` is where it stands, a multiple of its ",
               doorbell.bytes(), " bytes; the barrier is in it.");
  if (!held.empty()) {
    text::Append(*out, " `cell`:\n  // ", cell_name,
                 ", null where there is none. False: that holds it back.");
  }
  text::Append(*out, "\n  static ", held.empty() ? "void" : "bool", " ring_", name,
               "(void* doorbell, const Position& at, uint32_t added,\n"
               "      uint32_t queue_number",
               held.empty() ? "" : ", const void* cell", ") {\n",
               "    static_assert(std::endian::native == std::endian::little);\n");
  if (!held.empty()) {
    text::Append(*out,
                 "    if (cell != nullptr) {\n      // It is read when the slots are visible.\n"
                 "      __atomic_thread_fence(__ATOMIC_SEQ_CST);\n      const uint64_t flag = ",
                 load, ";\n      if (", held, ") return false;\n    }\n");
  }
  const std::string_view barrier = BarrierCall(doorbell.barrier());
  if (!barrier.empty()) text::Append(*out, "    ", barrier, "\n");
  text::Append(*out, "    __atomic_store_n(static_cast<uint", doorbell.bytes() * 8,
               "_t*>(doorbell), ",
               Ordered(name + "(at, added, queue_number)", doorbell.bytes(), doorbell.byte_order()),
               ",\n                     __ATOMIC_RELEASE);\n",
               held.empty() ? "" : "    return true;\n", "  }\n\n");
}

}  // namespace

std::string DoorbellFunctions(const v1::Ring& ring, std::string_view side) {
  const auto& doorbells =
      side == "producer" ? ring.producer_doorbells() : ring.consumer_doorbells();
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
                 terms.empty() ? "0u" : text::Join(terms, " + "), ";\n  }\n");
    AppendRinging(ring, doorbell, text::Cat(side, "_doorbell_", i), &out);
  }
  return out;
}

}  // namespace qsplit::layout
