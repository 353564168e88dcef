#include "dataplane/ring_fault.h"

namespace qsplit::dataplane {

std::string_view RingFaultText(RingFault fault) {
  switch (fault) {
    case RingFault::kNone:
      return "none";
    case RingFault::kEmpty:
      return "ring empty";
    case RingFault::kDoorbellOutOfRange:
      return "doorbell out of range";
    case RingFault::kUndefinedForm:
      return "descriptor of no defined form";
    case RingFault::kBufferLength:
      return "buffer length out of range";
    case RingFault::kChainTooLong:
      return "packet over too many descriptors";
    case RingFault::kUndefinedContext:
      return "context used that was never set";
    case RingFault::kBadRequest:
      return "request that makes no sense";
    case RingFault::kSlotOutOfRange:
      return "slot out of the table's range";
    case RingFault::kUnreachable:
      return "memory that the device cannot reach";
  }
  return "unknown";
}

}  // namespace qsplit::dataplane
