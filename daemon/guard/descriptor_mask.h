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
#include "dataplane/condition.h"
#include "dataplane/queue_shape.h"

namespace qsplit::guard {

// Longer descriptors are not guarded.
inline constexpr uint32_t kMaxGuardedBytes = 64;

// Words of a private copy.
inline uint64_t LoadWord(const std::byte* descriptor, size_t word) {
  uint64_t value;
  std::memcpy(&value, descriptor + 8 * word, sizeof value);
  return value;
}
inline void StoreWord(std::byte* descriptor, size_t word, uint64_t value) {
  std::memcpy(descriptor + 8 * word, &value, sizeof value);
}
template <typename F>
inline void EachWord(uint32_t bytes, F&& f) {
  if (bytes == 16) [[likely]] {  // most NICs; unrolled
    f(size_t{0});
    f(size_t{1});
    return;
  }
  for (size_t i = 0; i < bytes / 8; ++i) f(i);
}

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
  // bytes: a multiple of 8, at most kMaxGuardedBytes.
  void Apply(std::byte* descriptor, uint32_t bytes) const {
    EachWord(bytes,
             [&](size_t i) { StoreWord(descriptor, i, LoadWord(descriptor, i) & words[i]); });
  }
};

// What a private copy must hold to be of a form: its constants and its selector.
struct DescriptorPattern {
  DescriptorMask mask;
  DescriptorMask value;
  dataplane::Condition selector;

  static absl::StatusOr<DescriptorPattern> Of(const dataplane::QueueScope& scope, uint32_t form);
  // Demands 0 of a field as well.
  absl::Status DemandZero(const v1::Form& form, const v1::Field& field);
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_DESCRIPTOR_MASK_H_
