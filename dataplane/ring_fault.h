// What the device's side can find in a ring that a hostile driver writes.
#ifndef QSPLIT_DATAPLANE_RING_FAULT_H_
#define QSPLIT_DATAPLANE_RING_FAULT_H_

#include <cstdint>
#include <string_view>

namespace qsplit::dataplane {

// kNone and kEmpty are no faults. After any other value the queue's contents mean nothing any more:
// stop the queue and tell its owner. A side that reported a fault goes on reporting the same one.
enum class RingFault : uint8_t {
  kNone = 0,
  // Nothing to fetch now.
  kEmpty,
  // A doorbell or cell says an index that the ring does not have, or more slots than it has.
  kDoorbellOutOfRange,
  // The bytes of a descriptor are of no form that may stand there.
  kUndefinedForm,
  // A buffer length of zero where the device needs one, or more than the layout's limit.
  kBufferLength,
  // A packet over more descriptors than the layout's limit or than the ring has.
  kChainTooLong,
  // A descriptor asks for a context that none of those seen so far set up.
  kUndefinedContext,
  // A descriptor asks for what the layout's own rules exclude (segmenting with a size of zero …).
  kBadRequest,
  // A descriptor names a slot of a table that the table does not have.
  kSlotOutOfRange,
  // What a packet has in the driver's memory beside its bytes is where the device cannot read it.
  kUnreachable,
};

// "doorbell out of range" …, for logs and fault reports.
std::string_view RingFaultText(RingFault fault);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_FAULT_H_
