// The memory of AF_XDP sockets (UMEM): pieces of clients' memfds, and how they are registered.
//
// The kernel pins all of it, page by page, and makes those that are not there: some 100 ms for each
// 256 MiB, for which it holds the address space of the process that asks. So a process of its own,
// made for that, asks for what is large: nobody who maps memory in this one waits. A client may
// write the memory at any moment, and take pages out of its file; nothing here reads it.
// Any thread, one at a time for each object.
#ifndef QSPLIT_DAEMON_LINUX_XSK_UMEM_H_
#define QSPLIT_DAEMON_LINUX_XSK_UMEM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// Chunks of a UMEM: linux/if_xdp.h, XDP_UMEM_MIN_CHUNK_SIZE, and a page.
inline constexpr uint32_t kMinXskChunkBytes = 2048;
inline constexpr uint32_t kMaxXskChunkBytes = 4096;

// A piece of a memfd.
struct XskRegion {
  int fd = -1;
  uint64_t offset_bytes = 0;  // multiples of the file's page size
  uint64_t length_bytes = 0;
};

// Pieces of memfds, mapped one right behind the other: a UMEM is one range of this process's
// addresses while it is registered. Afterwards the kernel keeps the pages and the mapping may go.
class XskMemory {
 public:
  // INVALID_ARGUMENT: a region of huge pages that does not begin at a multiple of its page size.
  // RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<XskMemory> Map(std::span<const XskRegion> regions);
  XskMemory(XskMemory&& other) noexcept;
  XskMemory& operator=(XskMemory&&) = delete;
  ~XskMemory();

  std::byte* data() const { return data_; }
  uint64_t length_bytes() const { return length_bytes_; }

 private:
  XskMemory(std::byte* data, uint64_t length_bytes) : data_(data), length_bytes_(length_bytes) {}
  std::byte* data_;
  uint64_t length_bytes_;
};

struct XskUmem {
  std::byte* data = nullptr;  // page-aligned
  uint64_t length_bytes = 0;
  uint32_t chunk_bytes = kMinXskChunkBytes;  // a power of two, 2048 or 4096
  bool unaligned = false;                    // chunks begin anywhere
  uint32_t tx_metadata_bytes = 0;            // 0: none; in front of packets that are sent
};

// Gives a socket its UMEM. 0, or errno.
int RegisterXskUmem(int socket, const XskUmem& umem);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_XSK_UMEM_H_
