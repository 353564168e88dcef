// The software NIC's IOMMU: the addresses that one lease's queues may reach, and where they stand
// in this process.
//
// The table is the daemon's; what it points to is written by a client at any moment. Addresses and
// lengths to translate come from that client: any value is possible. It never returns a pointer to
// a byte outside of one mapping. Built before its queues run, then immutable; any thread may
// translate with a Cursor of its own.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/backend/softnic/region_maps.h"
#include "daemon/device/device.h"

namespace qsplit::softnic {

class Iommu {
 public:
  enum class Access : uint8_t { kRead, kWrite };
  enum class Verdict : uint8_t { kOk, kUnmapped, kReadOnly };
  struct Translation {
    Verdict verdict = Verdict::kUnmapped;
    std::byte* at = nullptr;
  };
  // Remembers the mapping that was hit last.
  struct Cursor {
    uint32_t last = 0;
  };

  // A private copy of one mapping, or of none, for one kind of access: for bursts, whose loops keep
  // it in registers.
  class Window {
   public:
    // As Translate; null: not all of it is here.
    std::byte* Find(uint64_t iova, uint64_t bytes) const {
      const uint64_t offset = iova - begin_;
      return offset < bytes_ && bytes <= bytes_ - offset ? at_ + offset : nullptr;
    }

   private:
    friend class Iommu;
    uint64_t begin_ = 0;
    uint64_t bytes_ = 0;
    std::byte* at_ = nullptr;
  };

  // Maps the regions. INVALID_ARGUMENT: not a memfd, not sealed against shrinking, too small, not
  // page-aligned, overlapping or wrapping addresses. RESOURCE_EXHAUSTED: the kernel has no memory
  // for it. Pages that their owner takes away later are replaced (daemon/linux/bus_guard.h).
  static absl::StatusOr<Iommu> Create(std::span<const device::RegionMapping> regions,
                                      RegionMaps& maps);

  Iommu() = default;
  Iommu(Iommu&&) noexcept = default;
  Iommu& operator=(Iommu&&) noexcept = default;

  // Where `bytes` bytes from `iova` stand, if one mapping has all of them. bytes > 0.
  Translation Translate(uint64_t iova, uint64_t bytes, Access access, Cursor* cursor) const {
    if (cursor->last < entries_.size() && entries_[cursor->last].Has(iova, bytes)) {
      return Found(entries_[cursor->last], iova, access);
    }
    return Search(iova, bytes, access, cursor);
  }

  // Of the mapping that was hit last.
  Window Near(const Cursor& cursor, Access access) const {
    Window window;
    if (cursor.last >= entries_.size()) return window;
    const Entry& entry = entries_[cursor.last];
    if (access == Access::kWrite && !entry.writable) return window;
    window.begin_ = entry.begin;
    window.bytes_ = entry.end - entry.begin;
    window.at_ = entry.at;
    return window;
  }

  uint64_t mapped_bytes() const {
    uint64_t bytes = 0;
    for (const Entry& entry : entries_) bytes += entry.end - entry.begin;
    return bytes;
  }
  // First address above all mappings.
  uint64_t end() const { return entries_.empty() ? 0 : entries_.back().end; }

 private:
  struct Entry {
    uint64_t begin = 0;
    uint64_t end = 0;
    std::byte* at = nullptr;
    bool writable = false;

    bool Has(uint64_t iova, uint64_t bytes) const {
      return iova >= begin && iova < end && bytes <= end - iova;
    }
  };

  static Translation Found(const Entry& entry, uint64_t iova, Access access) {
    if (access == Access::kWrite && !entry.writable) return {Verdict::kReadOnly, nullptr};
    return {Verdict::kOk, entry.at + (iova - entry.begin)};
  }
  Translation Search(uint64_t iova, uint64_t bytes, Access access, Cursor* cursor) const;

  std::vector<Entry> entries_;  // by address
  std::vector<RegionMaps::Shared> mappings_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_H_
