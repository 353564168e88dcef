// Rings of every protocol in hostile memory. The input: a layout, a queue, its features' choices
// and memory, then a row of acts: of the driver's side, of the device's side, of somebody who
// writes slots, cells, doorbells and buffers. What must hold whatever the input is stands in the
// MUSTs; memory is the sanitizers' business.
#include <cstdint>
#include <optional>

#include "tests/fuzz/device_ring/both_sides.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/layouts.h"
#include "tests/fuzz/support/queue_memory.h"

namespace {

constexpr size_t kMaxInput = 4096;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  qsplit::fuzz::KnownLayouts();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qsplit;        // NOLINT
  using namespace qsplit::fuzz;  // NOLINT
  Input in(data, std::min(size, kMaxInput));
  const auto chosen = ChooseLayout(in);
  if (!chosen.has_value() || chosen->layout.message().queues().empty()) return 0;
  const v1::Layout& message = chosen->layout.message();
  const auto queue = static_cast<uint32_t>(in.Below(static_cast<uint64_t>(message.queues_size())));
  const auto memory = QueueMemory::Create(message, queue, ChooseFeatures(message, in), in);
  if (memory == nullptr) return 0;
  const Case on{chosen->layout, chosen->known, *memory};
  const v1::Direction direction = message.queues(static_cast<int>(queue)).direction();
  if (in.Byte() % 4 == 0 || direction == v1::DIRECTION_COMMAND) {
    RunCommands(on, in);
  } else if (direction == v1::DIRECTION_RECEIVE) {
    RunReceive(on, in);
  } else {
    RunTransmit(on, in);
  }
  return 0;
}
