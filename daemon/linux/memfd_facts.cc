#include "daemon/linux/memfd_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string_view>

#include "daemon/linux/errno_status.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace qsplit::linux_sys {
namespace {

std::string KindOf(mode_t mode) {
  if (S_ISREG(mode)) return "regular file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISFIFO(mode)) return "pipe";
  if (S_ISSOCK(mode)) return "socket";
  if (S_ISCHR(mode)) return "character device";
  if (S_ISBLK(mode)) return "block device";
  return "descriptor of another kind";
}

bool NamedAsMemfd(int fd) {
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  char target[16];
  const ssize_t length = readlink(link, target, sizeof(target));
  constexpr std::string_view kPrefix = "/memfd:";
  return length >= static_cast<ssize_t>(kPrefix.size()) &&
         std::string_view(target, static_cast<size_t>(length)).substr(0, kPrefix.size()) == kPrefix;
}

}  // namespace

absl::StatusOr<MemfdFacts> InspectMemfd(int fd) {
  MemfdFacts facts;
  struct stat found {};
  if (fstat(fd, &found) != 0) return ErrnoStatus(errno, "fstat of the descriptor");
  facts.kind = KindOf(found.st_mode);
  // A file on a tmpfs answers F_GET_SEALS too: its name tells it apart. A client cannot make a
  // path "/memfd:" that is no memfd but in a mount namespace of its own, and even then seals hold.
  const int seals = S_ISREG(found.st_mode) ? fcntl(fd, F_GET_SEALS) : -1;
  if (seals < 0 || !NamedAsMemfd(fd)) return facts;
  const int flags = fcntl(fd, F_GETFL);
  // O_PATH descriptors can be asked for neither seals nor mappings.
  if (flags < 0 || (flags & O_PATH) != 0) return facts;
  struct statfs system {};
  if (fstatfs(fd, &system) != 0) return ErrnoStatus(errno, "fstatfs of the memfd");
  facts.is_memfd = true;
  facts.kind = "memfd";
  facts.seal_shrink = (seals & F_SEAL_SHRINK) != 0;
  facts.seal_grow = (seals & F_SEAL_GROW) != 0;
  facts.seal_write = (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
  facts.seal_seal = (seals & F_SEAL_SEAL) != 0;
  facts.writable = (flags & O_ACCMODE) == O_RDWR;
  facts.size_bytes = static_cast<uint64_t>(found.st_size);
  facts.page_bytes = static_cast<uint64_t>(system.f_bsize);
  facts.device = static_cast<uint64_t>(found.st_dev);
  facts.inode = static_cast<uint64_t>(found.st_ino);
  return facts;
}

}  // namespace qsplit::linux_sys
