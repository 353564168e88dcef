// How a queue's descriptors are read and written: for people who ask why a queue is as fast as it
// is. See "How descriptors are read and written" in docs/client.md.
//
// A plain value; any thread.
#ifndef QSPLIT_QUEUE_ACCESS_H_
#define QSPLIT_QUEUE_ACCESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace qsplit {

enum class AccessMode : uint8_t {
  // Each descriptor alone, by the engine that knows every case of the layout.
  kOneByOne = 0,
  // Packets of one descriptor in bursts, as a plan says that is interpreted.
  kInterpreted,
  // The same by machine code that was made of the plan when the queue was opened.
  kCompiled,
};

struct QueueAccess {
  AccessMode mode = AccessMode::kOneByOne;
  // Why it is not kCompiled; OK for kCompiled. UNIMPLEMENTED: the layout's common case is none that
  // bursts can do, or this build makes no code for the processor. FAILED_PRECONDITION: QSPLIT_JIT=0
  // in the environment. PERMISSION_DENIED: the system lets this process have no executable memory.
  // RESOURCE_EXHAUSTED: there was no memory for it.
  absl::Status why_not_compiled;

  // "in bursts, by machine code"; else "in bursts, interpreted: " or "one by one: ", and why.
  std::string text() const;
};

}  // namespace qsplit

#endif  // QSPLIT_QUEUE_ACCESS_H_
