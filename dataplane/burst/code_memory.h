// Memory for machine code that was made in this process: written once, then sealed to be read and
// executed, never writable and executable at the same time; unmapped with its owner.
//
// Only this process's own generators fill it, out of plans of a verified layout. System calls, so
// only when a queue is opened or closed. One owner; executing is for any thread.
#ifndef QSPLIT_DATAPLANE_BURST_CODE_MEMORY_H_
#define QSPLIT_DATAPLANE_BURST_CODE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qsplit::dataplane::burst {

// Which instructions of the processor code may have: those that it has, or only those that every
// one of its architecture has.
enum class Instructions : uint8_t { kOfThisProcessor, kOfAll };

// Makes all processors that run threads of this process forget what they fetched of code that stood
// where there is other code now. False: the kernel cannot. System calls; the first time in a
// process with several threads takes some ms. CodeMemory does so where processors do not see new
// code by themselves (aarch64).
bool RefetchEverywhere();

class CodeMemory {
 public:
  CodeMemory() = default;
  // FAILED_PRECONDITION: QSPLIT_JIT=0 in the environment. PERMISSION_DENIED: the system does not
  // let this process have executable memory (SELinux, PR_SET_MDWE, a seccomp filter).
  // RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<CodeMemory> Create(std::span<const std::byte> code);
  // Whether the environment allows it at all: FAILED_PRECONDITION as above.
  static absl::Status Allowed();

  CodeMemory(CodeMemory&& other) noexcept;
  CodeMemory& operator=(CodeMemory&& other) noexcept;
  ~CodeMemory();

  // The first byte of the code; null: there is none.
  const std::byte* begin() const { return begin_; }
  // The function at an offset.
  template <typename Function>
  Function At(size_t offset) const {
    return reinterpret_cast<Function>(reinterpret_cast<uintptr_t>(begin_ + offset));
  }

 private:
  void Unmap();

  std::byte* begin_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_CODE_MEMORY_H_
