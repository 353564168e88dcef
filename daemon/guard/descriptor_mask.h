// Which bits of a descriptor go from one ring to the other: those to which the layout gives a
// meaning that a guard understands. All others are cleared.
//
// Works on private copies. Compiled once at open; immutable, any thread.
#ifndef QSPLIT_DAEMON_GUARD_DESCRIPTOR_MASK_H_
#define QSPLIT_DAEMON_GUARD_DESCRIPTOR_MASK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/statusor.h"
#include "dataplane/queue_shape.h"

namespace qsplit::guard {

// Longer descriptors are not guarded.
inline constexpr uint32_t kMaxGuardedBytes = 64;

struct DescriptorMask {
  std::array<uint64_t, kMaxGuardedBytes / 8> words{};

  // Of a form that the client posts, in this place of a packet: constants, and fields with roles.
  // UNIMPLEMENTED: a field that a guard cannot check, by name: a pointer to something else than a
  // buffer, a number without a role that is long enough to be an address, bytes.
  static absl::StatusOr<DescriptorMask> OfPost(const dataplane::QueueScope& scope, uint32_t form,
                                               bool first, bool last);
  // Of a form that the device completes with: all fields.
  static absl::StatusOr<DescriptorMask> OfCompletion(const dataplane::QueueScope& scope,
                                                     uint32_t form);
  // Of the fields of a transmit form that ask the device for more than to send the bytes as they
  // are; all of a word where a field says so in another way than by a 1.
  static absl::StatusOr<DescriptorMask> OfRequests(const dataplane::QueueScope& scope,
                                                   uint32_t form);

  DescriptorMask& operator|=(const DescriptorMask& other) {
    for (size_t i = 0; i < words.size(); ++i) words[i] |= other.words[i];
    return *this;
  }
  // bytes: a multiple of 8, at most kMaxGuardedBytes, as of the next two.
  void Apply(std::byte* descriptor, uint32_t bytes) const {
    for (uint32_t i = 0; i < bytes / 8; ++i) {
      uint64_t word;
      std::memcpy(&word, descriptor + 8 * i, sizeof word);
      word &= words[i];
      std::memcpy(descriptor + 8 * i, &word, sizeof word);
    }
  }
  bool AnyOf(const std::byte* descriptor, uint32_t bytes) const {
    uint64_t any = 0;
    for (uint32_t i = 0; i < bytes / 8; ++i) {
      uint64_t word;
      std::memcpy(&word, descriptor + 8 * i, sizeof word);
      any |= word & words[i];
    }
    return any != 0;
  }
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_DESCRIPTOR_MASK_H_
