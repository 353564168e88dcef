// A piece of a file mapped into this process, with one owner, who unmaps it.
//
// The bytes are shared with whoever else maps the file; this class never touches them but to make
// the kernel allocate them. Where the file's owner takes pages away, zero pages of the process's
// own stand in (bus_guard.h). Move-only. Any thread, one at a time.
#ifndef QSPLIT_DAEMON_LINUX_MAPPING_H_
#define QSPLIT_DAEMON_LINUX_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/linux/bus_guard.h"

namespace qsplit::linux_sys {

class Mapping {
 public:
  enum class Access : uint8_t { kRead, kReadWrite };

  // MAP_SHARED. offset_bytes and length_bytes are multiples of the page size, length not 0.
  static absl::StatusOr<Mapping> Map(int fd, uint64_t offset_bytes, uint64_t length_bytes,
                                     Access access);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        length_bytes_(std::exchange(other.length_bytes_, 0)),
        access_(other.access_),
        guard_(std::move(other.guard_)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(length_bytes_, other.length_bytes_);
    std::swap(access_, other.access_);
    std::swap(guard_, other.guard_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::byte* data() const { return data_; }
  uint64_t length_bytes() const { return length_bytes_; }
  bool writable() const { return access_ == Access::kReadWrite; }

  // Pages that the file's owner took away and that zero pages replace.
  uint32_t lost_pages() const { return guard_.replaced_pages(); }

  // Has the kernel allocate and map the pages now, for as long as `budget` lasts; the rest comes
  // with its first use. Fails where the kernel cannot, rather than letting a later access raise
  // SIGBUS. RESOURCE_EXHAUSTED: no memory.
  absl::Status Populate(absl::Duration budget) const;

 private:
  Mapping(std::byte* data, uint64_t length_bytes, Access access)
      : data_(data), length_bytes_(length_bytes), access_(access) {}

  std::byte* data_ = nullptr;
  uint64_t length_bytes_ = 0;
  Access access_ = Access::kRead;
  BusGuard guard_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_MAPPING_H_
