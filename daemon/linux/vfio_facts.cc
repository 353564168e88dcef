#include "daemon/linux/vfio_facts.h"

#include <linux/vfio.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {
namespace {

using Bytes = std::span<const std::byte>;

// A T at `offset`; none where it does not lie in the answer.
template <typename T>
std::optional<T> At(Bytes answer, uint64_t offset) {
  if (offset > answer.size() || answer.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, answer.data() + offset, sizeof value);
  return value;
}

absl::Status Malformed(std::string_view call, std::string_view what) {
  return absl::InternalError(
      absl::StrCat(std::string(call), ": the kernel's answer is malformed: ", std::string(what)));
}

// Offset of the capability `id`, 0: there is none. The kernel chains them in the order in which
// they stand, so that a chain that goes back never ends and is an error.
absl::StatusOr<uint32_t> FindCapability(Bytes answer, uint32_t first, uint16_t id,
                                        std::string_view call) {
  uint32_t before = 0;
  for (uint32_t at = first; at != 0;) {
    const auto header = At<vfio_info_cap_header>(answer, at);
    if (!header)
      return Malformed(call, absl::StrCat("a capability at ", at, " of ", answer.size()));
    if (at <= before) return Malformed(call, absl::StrCat("capabilities go back to ", at));
    if (header->id == id) return at;
    before = at;
    at = header->next;
  }
  return 0;
}

// `count` elements of type T at `offset`.
template <typename T>
absl::StatusOr<std::vector<T>> Elements(Bytes answer, uint64_t offset, uint32_t count,
                                        std::string_view call) {
  if (offset > answer.size() || (answer.size() - offset) / sizeof(T) < count) {
    return Malformed(call, absl::StrCat(count, " elements at ", offset, " of ", answer.size()));
  }
  std::vector<T> elements(count);
  if (count != 0) std::memcpy(elements.data(), answer.data() + offset, count * sizeof(T));
  return elements;
}

}  // namespace

absl::StatusOr<VfioRegion> ParseVfioRegion(Bytes answer) {
  constexpr char kCall[] = "VFIO_DEVICE_GET_REGION_INFO";
  const auto info = At<vfio_region_info>(answer, 0);
  if (!info) return Malformed(kCall, absl::StrCat(answer.size(), " bytes"));
  VfioRegion region{.index = info->index,
                    .length_bytes = info->size,
                    .fd_offset_bytes = info->offset,
                    .readable = (info->flags & VFIO_REGION_INFO_FLAG_READ) != 0,
                    .writable = (info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0};
  if (region.length_bytes > UINT64_MAX - region.fd_offset_bytes) {
    return Malformed(kCall, "the region runs over the end of the fd");
  }
  if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0) return region;
  uint32_t sparse_at = 0;
  if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) != 0) {
    auto at = FindCapability(answer, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP, kCall);
    if (!at.ok()) return at.status();
    sparse_at = *at;
  }
  if (sparse_at == 0) {
    if (region.length_bytes != 0) region.mappable.push_back({0, region.length_bytes});
    return region;
  }
  using Sparse = vfio_region_info_cap_sparse_mmap;
  const auto count = At<uint32_t>(answer, uint64_t{sparse_at} + offsetof(Sparse, nr_areas));
  if (!count) return Malformed(kCall, "a cut list of areas");
  const auto areas = Elements<vfio_region_sparse_mmap_area>(
      answer, uint64_t{sparse_at} + offsetof(Sparse, areas), *count, kCall);
  if (!areas.ok()) return areas.status();
  for (const auto& area : *areas) {
    if (area.offset > region.length_bytes || area.size > region.length_bytes - area.offset) {
      return Malformed(kCall, absl::StrCat("an area of ", area.size, " bytes at ", area.offset,
                                           " of a region of ", region.length_bytes));
    }
    if (area.size != 0) region.mappable.push_back({area.offset, area.size});
  }
  return region;
}

absl::StatusOr<DmaSpace> ParseDmaSpace(Bytes answer) {
  constexpr char kCall[] = "VFIO_IOMMU_GET_INFO";
  const auto info = At<vfio_iommu_type1_info>(answer, 0);
  if (!info) return Malformed(kCall, absl::StrCat(answer.size(), " bytes"));
  DmaSpace space;
  if ((info->flags & VFIO_IOMMU_INFO_PGSIZES) != 0) space.page_sizes = info->iova_pgsizes;
  if ((info->flags & VFIO_IOMMU_INFO_CAPS) == 0) return space;
  const auto ranges_at =
      FindCapability(answer, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, kCall);
  if (!ranges_at.ok()) return ranges_at.status();
  if (*ranges_at != 0) {
    using List = vfio_iommu_type1_info_cap_iova_range;
    const auto count = At<uint32_t>(answer, uint64_t{*ranges_at} + offsetof(List, nr_iovas));
    if (!count) return Malformed(kCall, "a cut list of ranges");
    const auto ranges = Elements<vfio_iova_range>(
        answer, uint64_t{*ranges_at} + offsetof(List, iova_ranges), *count, kCall);
    if (!ranges.ok()) return ranges.status();
    for (const auto& range : *ranges) {
      if (range.start > range.end) return Malformed(kCall, "a range that ends before it starts");
      space.ranges.push_back({range.start, range.end});
    }
  }
  const auto left_at =
      FindCapability(answer, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, kCall);
  if (!left_at.ok()) return left_at.status();
  if (*left_at != 0) {
    const auto left = At<vfio_iommu_type1_info_dma_avail>(answer, *left_at);
    if (!left) return Malformed(kCall, "a cut count of mappings");
    space.mappings_left = left->avail;
  }
  return space;
}

absl::StatusOr<VfToken> ParseVfToken(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  VfToken token{};
  bool fits = text.size() == kForm.size();
  size_t byte = 0;
  for (size_t i = 0; fits && i < kForm.size();) {
    if (kForm[i] == '-') {
      fits = text[i++] == '-';
      continue;
    }
    const auto [stop, error] =
        std::from_chars(text.data() + i, text.data() + i + 2, token[byte++], 16);
    fits = error == std::errc() && stop == text.data() + i + 2;
    i += 2;
  }
  if (fits) return token;
  // Its value is a secret: not repeated.
  return absl::InvalidArgumentError(absl::StrCat("a VF token is a UUID, 36 characters of the form ",
                                                 std::string(kForm), "; this one is ", text.size(),
                                                 " characters and not of it"));
}

std::string VfTokenText(const VfToken& token) {
  const std::string hex =
      absl::BytesToHexString({reinterpret_cast<const char*>(token.data()), token.size()});
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

}  // namespace qsplit::linux_sys
