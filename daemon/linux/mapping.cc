#include "daemon/linux/mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/linux/errno_status.h"

#ifndef MADV_POPULATE_READ  // Linux 5.14
#define MADV_POPULATE_READ 22
#endif

namespace qsplit::linux_sys {
namespace {

constexpr uint64_t kPopulateStepBytes = uint64_t{4} << 20;

// Granularity in which pages of this file are mapped: that of huge pages, where it has them.
uint64_t PageBytes(int fd, uint64_t length_bytes) {
  struct stat facts {};
  const auto system = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (::fstat(fd, &facts) != 0) return system;
  const auto block = static_cast<uint64_t>(facts.st_blksize);
  return block > system && length_bytes % block == 0 ? block : system;
}

}  // namespace

absl::StatusOr<Mapping> Mapping::Map(int fd, uint64_t offset_bytes, uint64_t length_bytes,
                                     Access access) {
  const int prot = access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  void* at = ::mmap(nullptr, length_bytes, prot, MAP_SHARED, fd, static_cast<off_t>(offset_bytes));
  if (at == MAP_FAILED) {
    return ErrnoStatus(errno, "mmap",
                       absl::StrCat(length_bytes, " bytes at offset ", offset_bytes));
  }
  // Not copied by fork, not in core files: it is the client's.
  (void)::madvise(at, length_bytes, MADV_DONTFORK);
  (void)::madvise(at, length_bytes, MADV_DONTDUMP);
  Mapping mapping(static_cast<std::byte*>(at), length_bytes, access);
  auto guard = BusGuard::Add(at, length_bytes, PageBytes(fd, length_bytes), mapping.writable());
  if (!guard.ok()) return guard.status();
  mapping.guard_ = *std::move(guard);
  return mapping;
}

Mapping::~Mapping() {
  guard_ = BusGuard();
  if (data_ != nullptr) ::munmap(data_, length_bytes_);
}

absl::Status Mapping::Populate(absl::Duration budget) const {
  // A read makes the kernel allocate pages of shared memory, too, and maps several at once, all of
  // them for writing where the mapping is writable.
  const int advice = MADV_POPULATE_READ;
  const absl::Time until = absl::Now() + budget;
  for (uint64_t done = 0; done < length_bytes_ && absl::Now() < until;) {
    const uint64_t step = std::min(kPopulateStepBytes, length_bytes_ - done);
    if (::madvise(data_ + done, step, advice) != 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == EINVAL) return absl::OkStatus();  // an older kernel
      const int error = errno;
      const std::string what =
          absl::StrCat("the kernel cannot provide ", step, " bytes at offset ", done);
      if (error == ENOMEM || error == EFAULT) return absl::ResourceExhaustedError(what);
      return ErrnoStatus(error, "madvise", what);
    }
    done += step;
  }
  return absl::OkStatus();
}

}  // namespace qsplit::linux_sys
