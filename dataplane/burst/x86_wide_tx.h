// Turns of the transmit loop of x86-64 that write several packets at once, for processors with AVX2
// and plans that wide_tx.h can say. What a turn cannot do whole it leaves to the loop that goes
// packet by packet, untouched: so both together do what the plan says.
//
// Slots are only written, and are the driver's until a doorbell says otherwise: in which order
// their bytes get there makes no difference.
//
// Memory is touched at the loop's registers plus constants, within the slots, cookies and packets
// of the turn.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_X86_WIDE_TX_H_
#define QSPLIT_DATAPLANE_BURST_X86_WIDE_TX_H_

#include "dataplane/burst/generator.h"
#include "dataplane/burst/tx_ring.h"
#include "dataplane/burst/tx_ring_push_code.h"
#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

// Those that there are for this plan. It and the emitter outlive them.
TxTurns<Emitter> WideTurns(Emitter* emitter, const TxRingPlan& plan, Instructions which);

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_WIDE_TX_H_
