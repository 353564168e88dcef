// The loop that burst code is in: over slots of a ring, what the driver remembers of each of them,
// and the elements of an array that the caller hands in.
//
// Goes over at most as many slots as there are from the first one to the ring's last, by a constant
// in the code: whatever the arguments say of slots, it stays in the ring.
// When a queue is opened only.
#ifndef QSPLIT_DATAPLANE_BURST_X86_WALK_H_
#define QSPLIT_DATAPLANE_BURST_X86_WALK_H_

#include <cstdint>

#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

// Bytes that the driver remembers of a slot.
inline constexpr uint32_t kStateBytes = 8;

struct Walk {
  // Begins a function of (slots, states, first slot, most, elements, more) that returns how many
  // slots it went over; after it comes what is done for one of them.
  static Walk Begin(Emitter* emitter, uint32_t slot_count, uint32_t slot_bytes);
  // On to the next one; the function's end.
  void End(Emitter* emitter, uint32_t slot_bytes, uint32_t element_bytes) const;

  asmjit::FuncNode* function = nullptr;
  Gp slot;     // address of the slot
  Gp state;    // of what is remembered of it
  Gp element;  // of the element
  Gp more;     // the last argument
  Gp left;     // slots to go, with this one
  Gp wanted;
  // Leaves the loop before this slot is done.
  Label stop;
  Label loop, none;
};

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_WALK_H_
