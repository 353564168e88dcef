#include "dataplane/burst/code_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::dataplane::burst {
namespace {

absl::Status Refused(std::string_view call, int error) {
  const std::string message = absl::StrCat(
      "compiled access: ", absl::string_view(call.data(), call.size()), ": ", std::strerror(error));
  if (error == ENOMEM) return absl::ResourceExhaustedError(message);
  return absl::PermissionDeniedError(
      absl::StrCat(message, "; the system lets this process have no executable memory"));
}

// linux/membarrier.h; the commands are there since Linux 4.16.
constexpr int kSyncCore = 1 << 5;          // MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
constexpr int kRegisterSyncCore = 1 << 6;  // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE

}  // namespace

bool RefetchEverywhere() {
  static const bool registered = syscall(SYS_membarrier, kRegisterSyncCore, 0, 0) == 0;
  return registered && syscall(SYS_membarrier, kSyncCore, 0, 0) == 0;
}

absl::Status CodeMemory::Allowed() {
  const char* choice = std::getenv("QSPLIT_JIT");  // NOLINT(concurrency-mt-unsafe): only read
  if (choice == nullptr || std::string_view(choice) != "0") return absl::OkStatus();
  return absl::FailedPreconditionError("compiled access: QSPLIT_JIT=0 in the environment");
}

absl::StatusOr<CodeMemory> CodeMemory::Create(std::span<const std::byte> code) {
  if (absl::Status status = Allowed(); !status.ok()) return status;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (code.size() + page - 1) / page * page;
  if (bytes == 0) return absl::InvalidArgumentError("compiled access: no code");
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return Refused("mmap", errno);
  CodeMemory memory;
  memory.begin_ = static_cast<std::byte*>(at);
  memory.bytes_ = bytes;
  std::memcpy(at, code.data(), code.size());
  if (mprotect(at, bytes, PROT_READ | PROT_EXEC) != 0) return Refused("mprotect", errno);
  __builtin___clear_cache(static_cast<char*>(at), static_cast<char*>(at) + bytes);
#if defined(__aarch64__)
  // The code runs on another thread than this one. That makes caches agree, but of what another
  // processor has fetched already only an event there disposes that synchronises its context (Arm
  // ARM, B2.2.5 "Concurrent modification and execution of instructions"). Where the kernel has no
  // call for that, the return from any system call or interrupt is one, of which a thread has had
  // some since it last ran other code at these addresses.
  RefetchEverywhere();
#endif
  return memory;
}

CodeMemory::CodeMemory(CodeMemory&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
CodeMemory& CodeMemory::operator=(CodeMemory&& other) noexcept {
  if (this != &other) {
    Unmap();
    begin_ = std::exchange(other.begin_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}
CodeMemory::~CodeMemory() { Unmap(); }

void CodeMemory::Unmap() {
  if (begin_ != nullptr) munmap(begin_, bytes_);
  begin_ = nullptr;
}

}  // namespace qsplit::dataplane::burst
