// VfioFunction: the memory that the function reaches.
#include <linux/capability.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/vfio_answer.h"
#include "daemon/linux/vfio_function.h"
#include "daemon/linux/vfio_words.h"

namespace qsplit::linux_sys {
namespace {

bool HasIpcLock() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  return ::syscall(SYS_capget, &header, data) == 0 &&
         (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

std::optional<uint64_t> MemlockBytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  return limit.rlim_cur;
}

std::optional<uint32_t> MappingsLimit(const std::string& sysfs) {
  std::ifstream in(absl::StrCat(sysfs, "/module/vfio_iommu_type1/parameters/dma_entry_limit"));
  uint32_t limit = 0;
  if (in >> limit) return limit;
  return std::nullopt;
}

}  // namespace

absl::Status VfioFunction::MapDma(uint64_t iova, void* memory, uint64_t length_bytes,
                                  bool writable) const {
  const uint32_t access =
      writable ? VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE : VFIO_DMA_MAP_FLAG_READ;
  vfio_iommu_type1_dma_map map{.argsz = sizeof map,
                               .flags = access,
                               .vaddr = reinterpret_cast<uintptr_t>(memory),
                               .iova = iova,
                               .size = length_bytes};
  if (::ioctl(container_.get(), VFIO_IOMMU_MAP_DMA, &map) == 0) return absl::OkStatus();
  const int error = errno;
  DmaFacts facts{.iova = iova,
                 .length_bytes = length_bytes,
                 .may_lock = HasIpcLock(),
                 .memlock_bytes = MemlockBytes(),
                 .mappings_limit = MappingsLimit(options_.sysfs)};
  if (const auto space = ReadDmaSpace(); space.ok()) facts.mappings_left = space->mappings_left;
  return DmaRefusal(error, facts);
}

absl::Status VfioFunction::UnmapDma(uint64_t iova, uint64_t length_bytes) const {
  const std::string what = absl::StrFormat("%u bytes at iova 0x%x", length_bytes, iova);
  vfio_iommu_type1_dma_unmap unmap{.argsz = sizeof unmap, .iova = iova, .size = length_bytes};
  if (::ioctl(container_.get(), VFIO_IOMMU_UNMAP_DMA, &unmap) != 0) {
    return ErrnoStatus(errno, "VFIO_IOMMU_UNMAP_DMA of", what);
  }
  // The kernel says how much it was; nothing is no error to it.
  if (unmap.size == length_bytes) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("VFIO_IOMMU_UNMAP_DMA of ", what, ": ", unmap.size, " bytes were mapped there"));
}

absl::StatusOr<DmaSpace> VfioFunction::ReadDmaSpace() const {
  const vfio_iommu_type1_info question{};
  const auto answer =
      VfioAnswer(container_.get(), VFIO_IOMMU_GET_INFO, std::as_bytes(std::span(&question, 1)),
                 "VFIO_IOMMU_GET_INFO of", address_.ToString());
  if (!answer.ok()) return answer.status();
  return ParseDmaSpace(*answer);
}

}  // namespace qsplit::linux_sys
