// A form that offers buffers to the device, compiled in both directions: buffers to bytes for the
// driver, bytes to buffers for the device. One descriptor may offer several buffers, in itself and
// in its parts.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_RX_POST_H_
#define QSPLIT_DATAPLANE_RX_POST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "dataplane/form_match.h"
#include "dataplane/queue_shape.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane {

// The most buffers in one descriptor of a receive queue that this build drives.
inline constexpr uint32_t kMaxBuffersPerDescriptor = 16;

class RxPost {
 public:
  // slot_bytes: of the form's ring. buffer_bytes: of every buffer, where the layout sets it for the
  // whole queue. UNIMPLEMENTED: a form without a buffer, or too large. INVALID_ARGUMENT:
  // buffer_bytes is outside the layout's limits.
  static absl::StatusOr<RxPost> Compile(const QueueScope& scope, uint32_t form, uint32_t slot_bytes,
                                        uint32_t buffer_bytes, const QueueView& view);

  uint32_t form() const { return form_; }
  uint32_t buffers() const { return static_cast<uint32_t>(places_.size()); }
  uint32_t slots() const { return slots_; }
  // Bytes of the descriptor with its parts, in whole words of 8.
  uint32_t copy_bytes() const { return copy_bytes_; }
  // Whether each buffer says its own length, and so may be left out.
  bool each_has_length() const { return each_has_length_; }
  bool has_tag() const { return tag_.has_value(); }
  // The largest tag that fits.
  uint64_t max_tag() const { return tag_.has_value() ? tag_->MaxValue() : UINT64_MAX; }

  // Device. Whether a descriptor is one buffer and nothing else, of one slot; the most bytes that
  // it may say.
  bool IsPlain() const {
    return places_.size() == 1 && !buffers_.has_value() && slots_ == 1 &&
           !places_.front().header_address.has_value();
  }
  uint64_t most_bytes() const { return most_bytes_ == 0 ? UINT32_MAX : most_bytes_; }

  // Driver. What Begin and Put write of a descriptor with its first buffer alone.
  struct First {
    const DescriptorBytes& image;
    uint32_t at;  // bytes from the descriptor's start to where address and length stand
    const FieldAccess& address;
    const FieldAccess* length;  // null: not said
    const FieldAccess* tag;     // null: none
    bool counts;                // the count of slots is written too
    uint64_t alignment_mask;    // bits of an address that must be 0
    uint32_t buffer_bytes;      // of each, where no length is said
  };
  First OfFirst() const {
    const Place& place = places_.front();
    return {image_,
            place.at,
            place.address,
            place.length.has_value() ? &*place.length : nullptr,
            tag_.has_value() ? &*tag_ : nullptr,
            count_.has_value(),
            alignment_mask_,
            buffer_bytes_};
  }
  // Driver. The bytes of the buffer that the device will use; 0: it cannot be posted here.
  uint32_t Usable(const RxBuffer& buffer) const {
    if ((buffer.address.value & alignment_mask_) != 0) return 0;
    const Place& place = places_.front();
    if (!place.address.CanStore(buffer.address.value)) return 0;
    if (place.length.has_value()) return place.length->CanStore(buffer.bytes) ? buffer.bytes : 0;
    return buffer.bytes < buffer_bytes_ ? 0 : buffer_bytes_;
  }
  // Driver. Starts a descriptor; Put must follow for each of its buffers, with buffers that Usable
  // accepts.
  void Begin(uint64_t tag, uint32_t slot_count, std::byte* descriptor) const {
    CopyDescriptor(descriptor, image_.bytes, copy_bytes_);
    if (tag_.has_value()) tag_->Store(descriptor, tag);
    if (count_.has_value()) count_->StoreRaw(descriptor, slot_count & count_->MaxRaw());
  }
  void Put(uint32_t index, const RxBuffer& buffer, std::byte* descriptor) const {
    const Place& place = places_[index];
    place.address.Store(descriptor + place.at, buffer.address.value);
    if (place.length.has_value()) place.length->Store(descriptor + place.at, buffer.bytes);
  }

  // Device. What a hostile driver posted; kNone: *out holds buffers() of them, of which those that
  // the descriptor leaves out have no bytes, and *tag the tag.
  RingFault Read(const std::byte* descriptor, PostedBuffer* out, uint64_t* tag) const;

 private:
  struct Place {
    uint32_t at = 0;  // of the part, from the descriptor's start
    bool has_address = false;
    FieldAccess address;
    std::optional<FieldAccess> length;
    std::optional<FieldAccess> header_address;
  };
  absl::Status AddForm(const QueueScope& scope, uint32_t form, uint32_t at, uint32_t memory_key);
  absl::Status AddParts(const QueueScope& scope, uint32_t slot_bytes, uint32_t memory_key);

  uint32_t form_ = 0;
  uint32_t slots_ = 1;
  uint32_t copy_bytes_ = 0;
  uint32_t buffer_bytes_ = 0;
  bool each_has_length_ = false;
  uint64_t alignment_mask_ = 0;
  uint64_t most_bytes_ = 0;
  DescriptorBytes image_{};
  std::vector<Place> places_;
  std::optional<FieldAccess> tag_;
  std::optional<FieldAccess> count_;    // slot.count
  std::optional<FieldAccess> buffers_;  // packet.buffers, or how many parts there are
  uint32_t buffers_beside_parts_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_POST_H_
