#include "qsplit/region.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client-lib/src/core.h"
#include "client-lib/src/device_info.h"
#include "client-lib/src/owned_fd.h"
#include "client-lib/src/region_parts.h"
#include "qsplit/v1/region.grpc.pb.h"

namespace qsplit {
namespace internal {
namespace {

constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;
constexpr uint64_t kMaxRegionBytes = uint64_t{1} << 40;

}  // namespace

absl::StatusOr<std::shared_ptr<Region>> RegisterRegion(const std::shared_ptr<Core>& core,
                                                       const RegionOptions& options) {
  const uint64_t page =
      options.hugepages ? kHugePageBytes : static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (options.bytes == 0 || options.bytes > kMaxRegionBytes) {
    return absl::InvalidArgumentError(absl::StrCat("RegisterRegion: bytes is ", options.bytes,
                                                   "; 1 to ", kMaxRegionBytes, " are possible"));
  }
  const uint64_t bytes = (options.bytes + page - 1) / page * page;
  const unsigned flags =
      MFD_CLOEXEC | MFD_ALLOW_SEALING | (options.hugepages ? MFD_HUGETLB | MFD_HUGE_2MB : 0u);
  OwnedFd fd(::memfd_create("qsplit-region", flags));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "RegisterRegion: memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("RegisterRegion: ftruncate to ", bytes));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return absl::ErrnoToStatus(errno, "RegisterRegion: sealing the memfd");
  }
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (memory == MAP_FAILED) {
    const int error = errno;
    return absl::ResourceExhaustedError(absl::StrCat(
        "RegisterRegion: mapping ", bytes, " bytes: ", std::strerror(error),
        options.hugepages ? "; reserve pages in /proc/sys/vm/nr_hugepages, or do without them"
                          : ""));
  }
  auto unmap = absl::MakeCleanup([&] { ::munmap(memory, bytes); });

  absl::StatusOr<uint64_t> handle = core->rpc->PutDescriptor(fd.get());
  if (!handle.ok()) return handle.status();
  v1::RegisterRegionRequest request;
  request.set_descriptor_handle(*handle);
  request.set_length_bytes(bytes);
  request.set_read_only(options.read_only);
  request.set_name(options.name);
  v1::RegisterRegionResponse response;
  if (absl::Status status = core->Call<v1::RegionService>(&v1::RegionService::Stub::RegisterRegion,
                                                          request, &response);
      !status.ok()) {
    return status;
  }
  std::move(unmap).Cancel();
  return std::make_shared<Region>(
      RegionParts{.core = core,
                  .id = response.region().region_id(),
                  .bytes = {static_cast<std::byte*>(memory), static_cast<size_t>(bytes)},
                  .page_bytes = page,
                  .read_only = options.read_only});
}

}  // namespace internal

Region::Region(internal::RegionParts parts)
    : core_(std::move(parts.core)),
      id_(parts.id),
      bytes_(parts.bytes),
      page_bytes_(parts.page_bytes),
      read_only_(parts.read_only) {}

Region::~Region() {
  if (core_ != nullptr) {
    v1::UnregisterRegionRequest request;
    request.set_region_id(id_);
    v1::UnregisterRegionResponse response;
    // Whatever the answer: if the daemon does not know the region any more, nor does the device.
    core_->Call<v1::RegionService>(&v1::RegionService::Stub::UnregisterRegion, request, &response)
        .IgnoreError();
  }
  ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace qsplit
