// One layout of a NIC that does not exist for each way in which slots change hands, for tests of
// everything that is driven by layouts. Each has a queue `rx` and a queue `tx`, little endian, and
// as few fields as carry packets.
//
//   test.own_bit         an own bit, set by the driver and cleared by the device; ring.last; two
//                        forms of the same bytes
//   test.phase           work and completion rings; phase bits, tags, fill values
//   test.shared          indices in memory beside each ring; completion by address (rx, tx)
//   test.head            how far the device is stands in memory; tx has no completions at all
//   test.sequence        rx completions are numbered 1..7 and come in order; tx has a register with
//                        the count of what is pending
//   test.virtio_split    a table, rings that name its descriptors, flags and event cells, chains
//   test.virtio_packed   two bits against the phase, completions by tag in the ring itself
//   test.link            the phase flips where a link descriptor is passed; completions by index
//   test.parts           appended segments with a count; cumulative completions; compressed ones
//   test.blocks          several packets in a slot, each behind a small form
#ifndef QSPLIT_TESTS_SUPPORT_PROTOCOL_LAYOUTS_H_
#define QSPLIT_TESTS_SUPPORT_PROTOCOL_LAYOUTS_H_

#include <string>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout::testing {

// As canonical messages, to be taken apart.
v1::Layout OwnBitMessage();
v1::Layout PhaseMessage();
v1::Layout SharedMessage();
v1::Layout HeadMessage();
v1::Layout SequenceMessage();
v1::Layout VirtioSplitMessage();
v1::Layout VirtioPackedMessage();
v1::Layout LinkMessage();
v1::Layout PartsMessage();
v1::Layout BlocksMessage();

// All of them, in this order.
std::vector<v1::Layout> ProtocolMessages();

// Verified; a failure ends the test program with the verifier's words.
VerifiedLayout Verified(const v1::Layout& message);

}  // namespace qsplit::layout::testing

#endif  // QSPLIT_TESTS_SUPPORT_PROTOCOL_LAYOUTS_H_
