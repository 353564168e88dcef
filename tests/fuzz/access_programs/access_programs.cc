// What is compiled from a layout and run for each descriptor, over bytes that a peer wrote. The
// input: a layout, a form or a queue of it, the bytes; or else a queue's drivers and devices and
// what they do; a plan of transmit bursts, or of a device's.
#include <cstdint>

#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/layouts.h"

namespace {

constexpr size_t kMaxInput = 4096;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  qsplit::fuzz::KnownLayouts();
  return 0;
}

// For replay_main.cc.
extern "C" int FuzzerReplayed() { return qsplit::fuzz::PrintUnreached() == 0 ? 0 : 1; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qsplit;        // NOLINT
  using namespace qsplit::fuzz;  // NOLINT
  Input in(data, std::min(size, kMaxInput));
  const auto chosen = ChooseLayout(in);
  if (!chosen.has_value()) return 0;
  const v1::Layout& layout = chosen->layout.message();
  const auto forms = static_cast<uint64_t>(layout.forms_size());
  const auto queues = static_cast<uint64_t>(layout.queues_size());
  const uint8_t what = in.Byte();
  if (what >= 0xf0) {
    RunTxRing(in);
  } else if (what >= 0xe0) {
    RunSlots(in);
  } else if (what >= 0xc0) {
    if (queues == 0) return 0;
    const auto queue = static_cast<uint32_t>(in.Below(queues));
    RunDrivers(chosen->layout, queue, ChooseFeatures(layout, in), in);
  } else if (what % 2 == 0) {
    if (forms > 0) RunFields(layout, static_cast<uint32_t>(in.Below(forms)), in);
  } else if (queues > 0) {
    const auto queue = static_cast<uint32_t>(in.Below(queues));
    RunForms(layout, queue, ChooseFeatures(layout, in), in);
  }
  return 0;
}
