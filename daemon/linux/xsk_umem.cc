#include "daemon/linux/xsk_umem.h"

#include <linux/if_xdp.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {
namespace {

// XDP_UMEM_TX_METADATA_LEN, Linux 6.11.
constexpr uint32_t kUmemTxMetadata = 1 << 2;
// struct xdp_umem_reg of Linux 6.11, longer than Debian 12's.
struct UmemReg {
  uint64_t addr;
  uint64_t len;
  uint32_t chunk_size;
  uint32_t headroom;
  uint32_t flags;
  uint32_t tx_metadata_len;
};
static_assert(sizeof(UmemReg) == 32);

// From so many bytes on it is worth a process of its own.
constexpr uint64_t kApartBytes = uint64_t{16} << 20;
// What is made at a time of pages that are not there: while the kernel does more in one call, those
// who wait for every processor (whoever closes such a socket) wait for the end of it.
constexpr uint64_t kStepBytes = uint64_t{4} << 20;
constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

// The call in a process that has this one's descriptors, and its memory as it is now. That process
// runs nothing but system calls: other threads may have held locks when it was made. None: there is
// no process to be had.
std::optional<int> SetApart(int socket, const UmemReg& reg, socklen_t bytes) {
  const long child = ::syscall(SYS_clone, CLONE_FILES, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) return std::nullopt;
  if (child == 0) {
    // With the daemon its memory goes too.
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (uint64_t at = 0; at < reg.len; at += kStepBytes) {
      ::syscall(SYS_madvise, reg.addr + at, std::min(kStepBytes, reg.len - at), kPopulateWrite);
    }
    const long result = ::syscall(SYS_setsockopt, socket, SOL_XDP, XDP_UMEM_REG, &reg, bytes);
    ::syscall(SYS_exit_group, result == 0 ? 0 : errno);
  }
  int status = 0;
  pid_t ended = 0;
  do {
    ended = ::waitpid(static_cast<pid_t>(child), &status, __WALL);
  } while (ended < 0 && errno == EINTR);
  if (ended < 0) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : ENOMEM;  // killed: by who runs out of memory
}

}  // namespace

int RegisterXskUmem(int socket, const XskUmem& umem) {
  UmemReg reg{};
  reg.addr = reinterpret_cast<uint64_t>(umem.data);
  reg.len = umem.length_bytes;
  reg.chunk_size = umem.chunk_bytes;
  if (umem.unaligned) reg.flags |= XDP_UMEM_UNALIGNED_CHUNK_FLAG;
  if (umem.tx_metadata_bytes != 0) {
    reg.flags |= kUmemTxMetadata;
    reg.tx_metadata_len = umem.tx_metadata_bytes;
  }
  // Without metadata, the form that every kernel knows.
  const socklen_t bytes = umem.tx_metadata_bytes != 0 ? sizeof reg : sizeof(xdp_umem_reg);
  if (umem.length_bytes >= kApartBytes) {
    if (const std::optional<int> error = SetApart(socket, reg, bytes)) return *error;
  }
  return ::setsockopt(socket, SOL_XDP, XDP_UMEM_REG, &reg, bytes) == 0 ? 0 : errno;
}

absl::StatusOr<XskMemory> XskMemory::Map(std::span<const XskRegion> regions) {
  uint64_t total = 0;
  uint64_t most_page = PageBytes();
  for (const XskRegion& region : regions) {
    struct stat facts {};
    if (::fstat(region.fd, &facts) != 0) return ErrnoStatus(errno, "fstat", "a region");
    const auto block = static_cast<uint64_t>(facts.st_blksize);
    if (block > PageBytes() && region.length_bytes % block == 0) {
      if (total % block != 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            "a region with pages of ", block, " bytes would begin at ", total,
            " of the lease's memory, which is no multiple of that; name the regions with the "
            "largest pages first"));
      }
      most_page = std::max(most_page, block);
    }
    total += region.length_bytes;
  }
  // Room to begin at a multiple of the largest page.
  const uint64_t room = total + most_page;
  void* reserved =
      ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    return ErrnoStatus(errno, "mmap", absl::StrCat(room, " bytes of addresses"));
  }
  const auto begin = reinterpret_cast<uint64_t>(reserved);
  const uint64_t data = (begin + most_page - 1) / most_page * most_page;
  if (data > begin) ::munmap(reserved, data - begin);
  if (begin + room > data + total) {
    ::munmap(reinterpret_cast<void*>(data + total), begin + room - data - total);
  }
  XskMemory memory(reinterpret_cast<std::byte*>(data), total);
  uint64_t at = data;
  for (const XskRegion& region : regions) {
    void* mapped =
        ::mmap(reinterpret_cast<void*>(at), region.length_bytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, region.fd, static_cast<off_t>(region.offset_bytes));
    if (mapped == MAP_FAILED) {
      return ErrnoStatus(errno, "mmap", absl::StrCat(region.length_bytes, " bytes of a region"));
    }
    at += region.length_bytes;
  }
  (void)::madvise(memory.data_, total, MADV_DONTDUMP);
  return memory;
}

XskMemory::XskMemory(XskMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      length_bytes_(std::exchange(other.length_bytes_, 0)) {}

XskMemory::~XskMemory() {
  if (data_ != nullptr) ::munmap(data_, length_bytes_);
}

}  // namespace qsplit::linux_sys
