// Both sides of one queue, and a third one who writes what they share. The honest acts of each side
// bring the other one everywhere; the hostile ones in between are those of either's peer.
#ifndef QSPLIT_TESTS_FUZZ_DEVICE_RING_BOTH_SIDES_H_
#define QSPLIT_TESTS_FUZZ_DEVICE_RING_BOTH_SIDES_H_

#include "dataplane/ring_fault.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/queue_memory.h"

namespace qsplit::fuzz {

// A layout, one of its queues, memory for it.
struct Case {
  const layout::VerifiedLayout& layout;
  // The layout is of a spec or a test: then nothing is a fault before the first hostile act.
  bool known = true;
  QueueMemory& memory;
};

// What Fetch answers.
class Faults {
 public:
  void Check(dataplane::RingFault fault, bool honest) {
    using dataplane::RingFault;
    const bool is_fault = fault != RingFault::kNone && fault != RingFault::kEmpty;
    MUST(!honest || !is_fault);
    MUST(!was_fault_ || fault == last_);  // for good
    was_fault_ = is_fault;
    last_ = fault;
  }

 private:
  bool was_fault_ = false;
  dataplane::RingFault last_{};
};

// Each runs until the input ends; does nothing where no driver drives the layout.
void RunReceive(const Case& on, Input& in);
void RunTransmit(const Case& on, Input& in);
// Any queue, whatever its direction.
void RunCommands(const Case& on, Input& in);

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_DEVICE_RING_BOTH_SIDES_H_
