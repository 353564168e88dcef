// Turns of the receive loops of x86-64 that take several descriptors at once, for processors with
// AVX2 and plans that wide_rx.h can say. What a turn cannot do whole it leaves to the loop that
// goes word by word, untouched: so both together do what the plan says.
//
// The device writes slots while they are read. A turn reads each pair of words once, into a
// register, and looks at nothing but that copy. The pair with the word that says that the slot is
// completed comes first, as one access of 16 aligned bytes: processors with AVX do these atomically
// (SDM volume 3A, 9.1.1 "Guaranteed Atomic Operations"; APM volume 2, 7.3.2 "Access Atomicity"), so the pair's other word is not older than that one. Pairs behind it are loaded
// later in the program, and loads are not reordered with other loads (SDM volume 3A, 9.2.2; APM
// volume 2, 7.1.1). Slots that are not aligned are left to the other loop.
//
// Memory is touched at the loop's registers plus constants, within the slots, states and elements
// of the turn, and in tables by an index as wide as the table.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_X86_WIDE_RX_H_
#define QSPLIT_DATAPLANE_BURST_X86_WIDE_RX_H_

#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/rx_code.h"
#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

// Those that there are for this plan. It and the emitter outlive them.
RxTurns<Emitter> WideTurns(Emitter* emitter, const RxBurstPlan& plan, Instructions which);

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_WIDE_RX_H_
