// What the kernel says of a descriptor that a client claims to be a memfd.
//
// The file stays the client's: it may write it, grow it and, without the seal, shrink it at any
// moment. Only facts that a seal fixes stay true; the caller decides which it needs. Nothing here
// maps, seals or keeps the descriptor. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_MEMFD_FACTS_H_
#define QSPLIT_DAEMON_LINUX_MEMFD_FACTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

struct MemfdFacts {
  bool is_memfd = false;  // sealable, and /proc names it "/memfd:…"; if not, only `kind` is set
  std::string kind;       // for people: "memfd", "regular file", "pipe", "socket", …
  bool seal_shrink = false;  // F_SEAL_SHRINK: stays this long
  bool seal_grow = false;    // F_SEAL_GROW
  bool seal_write = false;   // F_SEAL_WRITE or F_SEAL_FUTURE_WRITE: cannot be mapped for writing
  bool seal_seal = false;    // F_SEAL_SEAL: no further seal can come
  bool writable = false;     // this descriptor was opened for writing
  uint64_t size_bytes = 0;
  uint64_t page_bytes = 0;  // 4096, or the huge page size
  uint64_t device = 0;      // device and inode name the memory: equal in every duplicate
  uint64_t inode = 0;
};

// INVALID_ARGUMENT: not an open descriptor.
absl::StatusOr<MemfdFacts> InspectMemfd(int fd);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_MEMFD_FACTS_H_
