// A function that this process holds: what a driver reaches of it, and besides what only the back
// end may use: its address space, its interrupts, its file descriptor.
//
// Whoever gets the file descriptor can do to the function all that this process can; what keeps
// such a holder harmless is the address space alone, which only this process can change. One thread
// at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_HOSTED_FUNCTION_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_HOSTED_FUNCTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/iova_space.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::vfio {

// A BAR as holders of the function's descriptor map it.
struct BarFacts {
  uint64_t fd_offset_bytes = 0;
  uint64_t bytes = 0;  // 0: there is none that can be mapped
};

class HostedFunction : public FunctionAccess {
 public:
  // The function's addresses. Only for those that map with it.
  virtual IovaSpace& iovas() = 0;
  // From when MapDma returns until UnmapDma has, the function reaches the memory, whoever tells it
  // to; the memory itself stays alive even if this process unmaps it. One IOMMU entry for each
  // stretch that the kernel finds contiguous. RESOURCE_EXHAUSTED names the limit.
  virtual absl::Status MapDma(uint64_t iova, std::byte* memory, uint64_t bytes,
                              bool device_writable) = 0;
  virtual absl::Status UnmapDma(uint64_t iova, uint64_t bytes) = 0;

  // MSI-X vectors: how many there are, and what each signals from now on: an eventfd, or nothing
  // where it is -1. An empty span ends all.
  virtual uint32_t vectors() const = 0;
  virtual absl::Status SetVectors(std::span<const int> eventfds) = 0;

  virtual BarFacts bar(uint32_t index) const = 0;
  // The BAR in this process's memory; nullptr: it cannot be mapped.
  virtual std::byte* bar_memory(uint32_t index) = 0;
  virtual std::shared_ptr<const linux_sys::OwnedFd> device_fd() const = 0;

  // Ends all mappings and this process's own use of the function, but keeps it from others: after
  // it only Close and Reopen are called. Whoever else has the descriptor keeps what he has of it.
  virtual void Close() = 0;
  // UNAVAILABLE: somebody still holds the descriptor or a mapping of it. Otherwise the function has
  // been reset, and is as new.
  virtual absl::Status Reopen() = 0;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_HOSTED_FUNCTION_H_
