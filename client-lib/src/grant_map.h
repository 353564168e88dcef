// A grant, mapped: the areas in this process's memory, and checked pointers into them.
//
// The daemon is trusted, but a mistake of its must not let the data plane write where it has no
// business: every index, offset, length and alignment is checked against what was mapped, what was
// mapped against the descriptor's size, and ranges that belong to one thing are given out once.
// Windows of a VFIO device are registers: doorbells stand there, and nothing else. One thread
// builds it; the memory is then shared with the device.
#ifndef QSPLIT_CLIENT_LIB_SRC_GRANT_MAP_H_
#define QSPLIT_CLIENT_LIB_SRC_GRANT_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client-lib/src/owned_fd.h"
#include "dataplane/ring_view.h"
#include "qsplit/v1/grant.pb.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::internal {

class GrantMap {
 public:
  // Maps all areas. INTERNAL: the grant contradicts itself or the descriptors; says where.
  static absl::StatusOr<GrantMap> Map(const v1::Grant& grant, std::vector<OwnedFd> descriptors);
  GrantMap(GrantMap&& other) noexcept
      : descriptors_(std::move(other.descriptors_)),
        kinds_(std::move(other.kinds_)),
        areas_(std::exchange(other.areas_, {})),
        claimed_(std::move(other.claimed_)) {}
  GrantMap& operator=(GrantMap&&) = delete;
  ~GrantMap();

  enum class Need : uint8_t { kRead, kWrite, kReadWrite };
  // `bytes` bytes at a place, aligned to `alignment` in memory. `what` names it in errors.
  absl::StatusOr<std::byte*> At(const v1::Place& place, uint64_t bytes, uint64_t alignment,
                                Need need, std::string_view what) const;
  // The same, for memory that nothing else may overlap: a second claim on it fails, and so does one
  // on registers.
  absl::StatusOr<std::byte*> Claim(const v1::Place& place, uint64_t bytes, uint64_t alignment,
                                   Need need, std::string_view what);

  // Unmaps the windows of VFIO devices and the rings of sockets, and closes their descriptors, for
  // the kernel keeps a function or a queue until its last holder is gone. Memory that goes nowhere
  // takes their places, with what stood in the rings, so that a thread that goes on meanwhile harms
  // nothing; and a descriptor that nothing happens to takes a socket's number. Once; any thread,
  // while others use the pointers and the numbers.
  void LetGoOfDevice();

  // A descriptor by its index, of one of two kinds.
  absl::StatusOr<int> Descriptor(uint32_t index, v1::GrantDescriptorKind kind,
                                 v1::GrantDescriptorKind or_kind, std::string_view what) const;
  v1::GrantDescriptorKind kind(uint32_t index) const { return kinds_[index]; }
  // The place, which is in an area, is in a window of registers.
  bool IsRegister(const v1::Place& place) const { return areas_[place.area()].registers(); }

 private:
  GrantMap() = default;
  struct Mapped {
    std::byte* memory;
    uint64_t bytes;
    bool readable;
    bool writable;
    v1::GrantDescriptorKind kind;

    bool registers() const { return kind == v1::GRANT_DESCRIPTOR_KIND_VFIO_DEVICE; }
  };
  std::vector<OwnedFd> descriptors_;
  std::vector<v1::GrantDescriptorKind> kinds_;
  std::vector<Mapped> areas_;
  std::vector<std::pair<uintptr_t, uintptr_t>> claimed_;  // [begin, end)
};

// The rings of one queue, as the data plane wants them. INTERNAL: they do not fit the layout.
absl::StatusOr<dataplane::QueueView> ViewOf(GrantMap& map, const v1::QueueGrant& grant,
                                            const v1::Layout& layout, uint32_t layout_queue,
                                            std::string_view what);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_GRANT_MAP_H_
