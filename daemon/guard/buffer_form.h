// A form that names one buffer with its length, and maybe the descriptor that goes on with the
// packet: what chains are made of, compiled for checking.
//
// Works on private copies. Compiled once at open, immutable; the region map that it is given
// remembers lookups, so one thread for each map.
#ifndef QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
#define QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/region_map.h"
#include "dataplane/field_access.h"
#include "dataplane/queue_shape.h"

namespace qsplit::guard {

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
  // check, by name.
  static absl::StatusOr<BufferForm> Compile(const dataplane::QueueScope& scope, uint32_t form,
                                            v1::Direction direction, const GuardOptions& options);

  // Checks a private copy of that form, clears what has no meaning and puts the device's address
  // in.
  CheckedBuffer Check(std::byte* copy, RegionMap* regions) const {
    kept_.Apply(copy, copy_bytes_);
    CheckedBuffer buffer;
    buffer.iova = address_.Load(copy);
    buffer.bytes = length_.Load(copy);
    if (buffer.bytes - min_bytes_ > max_bytes_ - min_bytes_ ||
        (buffer.iova & alignment_mask_) != 0) {
      return buffer;
    }
    uint64_t device_iova = 0;
    const RegionMap::Verdict verdict =
        regions->Translate(buffer.iova, buffer.bytes, device_writes_, &device_iova);
    if (verdict != RegionMap::Verdict::kReachable) {
      buffer.kind = verdict == RegionMap::Verdict::kReadOnly ? device::FaultKind::kReadOnly
                                                             : device::FaultKind::kUnmapped;
      return buffer;
    }
    buffer.good = address_.Store(copy, device_iova);
    return buffer;
  }
  // Of a copy that Check found good.
  bool HasNext(const std::byte* copy) const {
    return next_present_.has_value() && next_present_->Load(copy) != 0;
  }
  uint64_t NextIndex(const std::byte* copy) const {
    return next_index_.has_value() ? next_index_->Load(copy) : UINT64_MAX;
  }
  uint64_t Tag(const std::byte* copy) const { return tag_.has_value() ? tag_->Load(copy) : 0; }

  bool has_next_index() const { return next_index_.has_value(); }
  bool has_tag() const { return tag_.has_value(); }

 private:
  DescriptorMask kept_;
  dataplane::FieldAccess address_;
  dataplane::FieldAccess length_;
  std::optional<dataplane::FieldAccess> next_present_;
  std::optional<dataplane::FieldAccess> next_index_;
  std::optional<dataplane::FieldAccess> tag_;
  uint32_t copy_bytes_ = 0;
  bool device_writes_ = false;
  uint64_t min_bytes_ = 1;
  uint64_t max_bytes_ = 0;
  uint64_t alignment_mask_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_BUFFER_FORM_H_
