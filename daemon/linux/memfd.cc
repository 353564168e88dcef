#include "daemon/linux/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<OwnedFd> CreateSealedMemfd(const std::string& name, uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return absl::InvalidArgumentError(absl::StrCat("memfd ", name, ": size ", size_bytes,
                                                   " bytes; give 1 byte to 2^63 - 1 bytes"));
  }
  OwnedFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create", name);
  const auto size = static_cast<off_t>(size_bytes);
  if (::ftruncate(fd.get(), size) != 0) {
    return ErrnoStatus(errno, "ftruncate", absl::StrCat(name, ", ", size_bytes, " bytes"));
  }
  if (::fallocate(fd.get(), 0, 0, size) != 0) {
    return ErrnoStatus(errno, "fallocate", absl::StrCat(name, ", ", size_bytes, " bytes"));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "F_ADD_SEALS", absl::StrCat(name, ", ", size_bytes, " bytes"));
  }
  return fd;
}

}  // namespace qsplit::linux_sys
