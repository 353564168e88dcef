#include "tests/fuzz/access_programs/reached.h"

#include <array>
#include <cstdio>

#include "dataplane/burst/code_memory.h"

namespace qsplit::fuzz {
namespace {

constexpr size_t kReachedCount = static_cast<size_t>(Reached::kCount);

// In the enumeration's order.
constexpr std::array kNames = {
    "in place: taken",
    "in place: taken around the ring's end",
    "in place: stopped at one of another kind",
    "in place: stopped at one too long",
    "in place: posted",
    "in place: posted around the ring's end",
    "in place: posted again",
    "in place: posted, all of one size",
    "in place: not posted, like a completion",
    "in place: taken several at once",
    "in place: taken row by row",
    "rings: taken in order",
    "rings: taken by number",
    "rings: taken by address",
    "rings: taken around the ring's end",
    "rings: taken in phase 1",
    "rings: taken by prefix",
    "rings: posted",
    "rings: posted again",
    "rings: posted, the first word held",
    "rings: taken row by row",
    "transmit: pushed",
    "transmit: pushed, remembered in order",
    "transmit: pushed, remembered by number",
    "transmit: pushed in two slots each",
    "transmit: pushed with prefixes",
    "transmit: pushed, the first word held",
    "transmit: pushed, the last word kept",
    "transmit: pushed with a report",
    "transmit: pushed several at once",
    "transmit: not pushed several at once, an address",
    "transmit: taken",
    "transmit: taken as expected",
    "transmit: taken as remembered",
    "transmit: stopped at a number beyond all",
    "device: slots read",
    "device: slots written",
    "receive driver: compiled",
    "receive driver: engine",
    "receive driver: around the ring's end",
    "receive device: compiled",
    "transmit driver: compiled",
    "transmit driver: engine",
    "transmit driver: around the ring's end",
    "transmit device: compiled",
};
static_assert(kNames.size() == kReachedCount);

std::array<bool, kReachedCount> seen;

bool CanReach(Reached what) {
  switch (what) {
    case Reached::kInPlaceRows:
    case Reached::kRingRows:
#if defined(__x86_64__)
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
#else
      return false;
#endif
    case Reached::kRxDriverCompiled:
    case Reached::kRxDeviceCompiled:
    case Reached::kTxDriverCompiled:
    case Reached::kTxDeviceCompiled:
      return dataplane::burst::CodeMemory::Allowed().ok();
    default:
      return true;
  }
}

}  // namespace

void Reach(Reached what) { seen[static_cast<size_t>(what)] = true; }

size_t PrintUnreached() {
  size_t count = 0;
  for (size_t i = 0; i < kReachedCount; ++i) {
    if (seen[i] || !CanReach(static_cast<Reached>(i))) continue;
    std::printf("not reached: %s\n", kNames[i]);
    ++count;
  }
  return count;
}

}  // namespace qsplit::fuzz
