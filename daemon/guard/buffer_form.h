// A form that names one buffer with its length, and maybe the descriptor that goes on with the
// packet: what chains are made of, compiled for checking. Its descriptors have two words.
//
// Works on private words. Compiled once at open, immutable; the region map that it is given
// remembers lookups, so one thread for each map.
#ifndef QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
#define QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pattern.h"
#include "dataplane/queue_shape.h"

namespace qsplit::guard {

// Words of a descriptor in a chain.
inline constexpr size_t kChainWords = 2;

// What was found in a descriptor.
struct CheckedBuffer {
  bool good = false;
  device::FaultKind kind = device::FaultKind::kBadDescriptor;  // where it is not good
  uint64_t iova = 0;
  uint64_t bytes = 0;
};

class BufferForm {
 public:
  // UNIMPLEMENTED: a form without one address and one length, or with fields that a guard cannot
  // check, by name. INVALID_ARGUMENT: regions that it cannot say.
  static absl::StatusOr<BufferForm> Compile(const dataplane::QueueScope& scope, uint32_t form,
                                            v1::Direction direction, const GuardOptions& options,
                                            const RegionMap& regions);

  bool Matches(const uint64_t* words) const { return pattern_.Matches(words); }
  // Checks private words of that form, clears what has no meaning and puts the device's address in.
  CheckedBuffer Check(uint64_t* words, RegionMap* regions) const {
    for (size_t i = 0; i < kChainWords; ++i) words[i] &= kept_[i];
    CheckedBuffer buffer;
    buffer.iova = address_.Get(words);
    buffer.bytes = length_.Get(words);
    if (buffer.bytes - min_bytes_ > max_bytes_ - min_bytes_ || (buffer.iova & alignment_mask_) != 0)
        [[unlikely]] {
      return buffer;
    }
    uint64_t device_iova = 0;
    const RegionMap::Verdict verdict =
        regions->Translate(buffer.iova, buffer.bytes, device_writes_, &device_iova);
    if (verdict != RegionMap::Verdict::kReachable) [[unlikely]] {
      buffer.kind = verdict == RegionMap::Verdict::kReadOnly ? device::FaultKind::kReadOnly
                                                             : device::FaultKind::kUnmapped;
      return buffer;
    }
    address_.Set(words, device_iova);
    buffer.good = true;
    return buffer;
  }
  // Of words that Check found good.
  bool HasNext(const uint64_t* words) const { return next_present_.Get(words) != 0; }
  uint64_t NextIndex(const uint64_t* words) const { return next_index_.Get(words); }
  uint64_t Tag(const uint64_t* words) const { return tag_.Get(words); }

  bool has_next_present() const { return next_present_.there(); }
  bool has_next_index() const { return next_index_.there(); }
  bool has_tag() const { return tag_.there(); }

 private:
  WordPattern<kChainWords> pattern_;
  std::array<uint64_t, kChainWords> kept_{};
  WordAddress address_;
  WordField length_;
  WordField next_present_;
  WordField next_index_;
  WordField tag_;
  bool device_writes_ = false;
  uint64_t min_bytes_ = 1;
  uint64_t max_bytes_ = 0;
  uint64_t alignment_mask_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
