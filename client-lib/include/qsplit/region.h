// A region: memory of this program that is registered for DMA.
//
// It is a memfd, sealed against shrinking so that nobody can make the daemon fault, mapped here for
// reading and writing. A device that a lease connects to it writes to it at any moment: what stands
// in a buffer that the device has is nobody's to read. Registering is thread-safe; the bytes are
// plain memory.
#ifndef QSPLIT_REGION_H_
#define QSPLIT_REGION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace qsplit {

namespace internal {
class Core;
struct RegionParts;
}  // namespace internal

struct RegionOptions {
  // Length; rounded up to the page size. Not 0.
  uint64_t bytes = 0;
  // Pages of 2 MiB, out of those that the administrator reserved.
  bool hugepages = false;
  // The device may only read it: a region to send from.
  bool read_only = false;
  // For people; at most 64 bytes.
  std::string name;
};

// Unregistered and unmapped with its last owner; leases own those that they use.
class Region {
 public:
  explicit Region(internal::RegionParts parts);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // The daemon's number of it.
  uint64_t id() const { return id_; }
  // All of it; length is a multiple of page_bytes().
  std::span<std::byte> bytes() const { return bytes_; }
  uint64_t page_bytes() const { return page_bytes_; }
  bool read_only() const { return read_only_; }

 private:
  std::shared_ptr<internal::Core> core_;
  uint64_t id_ = 0;
  std::span<std::byte> bytes_;
  uint64_t page_bytes_ = 0;
  bool read_only_ = false;
};

}  // namespace qsplit

#endif  // QSPLIT_REGION_H_
