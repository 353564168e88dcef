#include "dataplane/rx_post.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

using layout::Role;

namespace {

// Bytes of each buffer, where the layout sets them for the whole queue.
absl::Status CheckQueueBytes(const QueueScope& scope, uint32_t bytes) {
  const v1::BufferRange& range = scope.queue->limits().buffer();
  const bool limited = range.max_bytes() != 0;
  const uint32_t step = std::max(range.step_bytes(), 1u);
  const bool fits = !limited || (bytes >= range.min_bytes() && bytes <= range.max_bytes() &&
                                 (bytes - range.min_bytes()) % step == 0 &&
                                 (!range.power_of_two() || std::has_single_bit(bytes)));
  if (bytes != 0 && fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("buffer_bytes ", bytes, ": layout ", scope.layout->name(),
                   " sets one size for all buffers of a queue; give one of ", range.min_bytes(),
                   "..", limited ? absl::StrCat(range.max_bytes()) : "any", " in steps of ", step,
                   range.power_of_two() ? ", powers of two" : ""));
}

}  // namespace

// The fields of one form, which begins `at` bytes behind the descriptor's start.
absl::Status RxPost::AddForm(const QueueScope& scope, uint32_t form, uint32_t at,
                             uint32_t memory_key) {
  const v1::Form& message = scope.Form(form);
  absl::StatusOr<DescriptorBytes> constants = ConstantImage(scope, form);
  if (!constants.ok()) return constants.status();
  std::copy_n(constants->bytes, message.size_bytes(), image_.bytes + at);
  std::optional<size_t> place;
  for (const RoleField& from : RoleFields(scope, form)) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    // A field of a kind that the buffer at hand has already begins the next one.
    const auto here = [&](auto has) -> Place& {
      if (!place.has_value() || has(places_[*place])) {
        place = places_.size();
        places_.emplace_back().at = at;
      }
      return places_[*place];
    };
    switch (from.role) {
      case Role::kBufferAddress: {
        Place& of = here([](const Place& p) { return p.has_address; });
        of.address = *std::move(field);
        of.has_address = true;
        break;
      }
      case Role::kBufferLength:
        here([](const Place& p) { return p.length.has_value(); }).length = *std::move(field);
        break;
      case Role::kHeaderAddress:
        here([](const Place& p) { return p.header_address.has_value(); }).header_address =
            *std::move(field);
        break;
      case Role::kBufferKey:
        field->StoreRaw(image_.bytes + at, memory_key & field->MaxRaw());
        break;
      case Role::kTag:
      case Role::kBufferTag:
        if (at == 0 && !tag_.has_value()) tag_ = *std::move(field);
        break;
      case Role::kSlotCount:
        if (at == 0) count_ = *std::move(field);
        break;
      case Role::kPacketBuffers:
        if (at == 0) buffers_ = *std::move(field);
        break;
      case Role::kReportRequest:  // every descriptor comes back one by one
        field->Store(image_.bytes + at, 1);
        break;
      default:
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status RxPost::AddParts(const QueueScope& scope, uint32_t slot_bytes, uint32_t memory_key) {
  const v1::Form& message = scope.Form(form_);
  uint32_t bytes = message.size_bytes();
  for (const v1::ContainedForm& part : message.contains()) {
    const v1::Form& inner = scope.Form(part.form());
    if (!layout::Applies(inner.features(), scope.choices)) continue;
    const uint32_t stride = std::max(part.stride_bytes(), inner.size_bytes());
    uint32_t count = std::max(part.max_count(), 1u);
    // Where the number is free, as many as the form's own slots hold: more would cost more slots.
    if (part.has_count_field()) {
      const uint32_t begin = part.byte_offset();
      uint32_t fit = 0;
      while (fit < count && begin + fit * stride + inner.size_bytes() <= slots_ * slot_bytes) ++fit;
      count = std::max(fit, 1u);
      absl::StatusOr<FieldAccess> field = FieldAccess::Compile(
          message.fields(static_cast<int>(part.count_field())), message.size_bytes());
      if (!field.ok()) return field.status();
      const bool counts_buffers =
          message.fields(static_cast<int>(part.count_field())).role() == "packet.buffers";
      if (!counts_buffers) {
        while (count > 1 && !field->CanStore(count)) --count;
        if (!field->Store(image_.bytes, count)) {
          return absl::UnimplementedError(
              absl::StrCat("form ", message.name(), ": field ", "of the count cannot say ", count));
        }
      }
      buffers_ = *field;
      buffers_beside_parts_ = counts_buffers ? 0 : buffers();
    }
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t at = part.byte_offset() + i * stride;
      if (at + inner.size_bytes() > kMaxDescriptorBytes) {
        return absl::UnimplementedError(absl::StrCat("form ", message.name(), " with its parts: ",
                                                     "more than ", kMaxDescriptorBytes, " bytes"));
      }
      if (absl::Status status = AddForm(scope, part.form(), at, memory_key); !status.ok()) {
        return status;
      }
      bytes = std::max(bytes, at + inner.size_bytes());
    }
  }
  slots_ = std::max(slots_, (bytes + slot_bytes - 1) / slot_bytes);
  copy_bytes_ = std::max(8u, (bytes + 7) / 8 * 8);
  for (const RoleField& from : RoleFields(scope, form_)) {
    if (from.role != Role::kDescriptorBytes && from.role != Role::kPacketBuffers) continue;
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    const uint32_t value = from.role == Role::kDescriptorBytes ? bytes : buffers();
    if (!field->Store(image_.bytes, value)) {
      return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": field ",
                                                   from.field->name(), " cannot say ", value));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RxPost> RxPost::Compile(const QueueScope& scope, uint32_t form, uint32_t slot_bytes,
                                       uint32_t buffer_bytes, const QueueView& view) {
  RxPost post;
  post.form_ = form;
  const v1::Form& message = scope.Form(form);
  post.slots_ = std::max(message.slots(), 1u);
  if (message.size_bytes() > kMaxDescriptorBytes) {
    return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": ",
                                                 message.size_bytes(), " bytes; at most ",
                                                 kMaxDescriptorBytes));
  }
  if (absl::Status s = post.AddForm(scope, form, 0, view.memory_key); !s.ok()) return s;
  if (absl::Status s = post.AddParts(scope, slot_bytes, view.memory_key); !s.ok()) return s;
  for (const RoleField& from : RoleFields(scope, form)) {
    if (from.role != Role::kQueue) continue;
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    field->StoreRaw(post.image_.bytes, view.queue_number.value & field->MaxRaw());
  }
  absl::StatusOr<Condition> selector = Condition::Compile(*scope.layout, message.selector());
  if (!selector.ok()) return selector.status();
  if (!selector->Holds(post.image_.bytes)) {
    absl::StatusOr<std::vector<FieldStore>> stores = selector->StoresThatMakeItTrue();
    if (!stores.ok()) return stores.status();
    for (const FieldStore& store : *stores) store.field.StoreRaw(post.image_.bytes, store.raw);
  }
  if (post.places_.empty() || !std::all_of(post.places_.begin(), post.places_.end(),
                                           [](const Place& place) { return place.has_address; })) {
    return absl::UnimplementedError(
        absl::StrCat("form ", message.name(), ": no buffer.address to post"));
  }
  if (post.buffers() > kMaxBuffersPerDescriptor) {
    return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": ", post.buffers(),
                                                 " buffers; at most ", kMaxBuffersPerDescriptor));
  }
  post.each_has_length_ = std::all_of(post.places_.begin(), post.places_.end(),
                                      [](const Place& place) { return place.length.has_value(); });
  if (!post.each_has_length_) {
    if (absl::Status s = CheckQueueBytes(scope, buffer_bytes); !s.ok()) return s;
  }
  post.buffer_bytes_ = buffer_bytes;
  post.most_bytes_ = scope.queue->limits().buffer().max_bytes();
  post.alignment_mask_ = std::max(scope.queue->limits().buffer_alignment_bytes(), 1u) - 1;
  return post;
}

RingFault RxPost::Read(const std::byte* descriptor, PostedBuffer* out, uint64_t* tag) const {
  *tag = tag_.has_value() ? tag_->Load(descriptor) : 0;
  uint64_t there = buffers();
  if (buffers_.has_value()) {
    there = buffers_->Load(descriptor);
    if (there > buffers() - buffers_beside_parts_) return RingFault::kChainTooLong;
    there += buffers_beside_parts_;
    if (there == 0) return RingFault::kBufferLength;
  }
  for (uint32_t i = 0; i < buffers(); ++i) {
    const Place& place = places_[i];
    out[i] = PostedBuffer();
    if (i >= there) continue;
    uint64_t bytes = buffer_bytes_;
    if (place.length.has_value()) {
      bytes = place.length->Load(descriptor + place.at);
      // One of several may be left out; the first may not.
      if ((bytes == 0 && i == 0) || bytes > UINT32_MAX ||
          (most_bytes_ != 0 && bytes > most_bytes_)) {
        return RingFault::kBufferLength;
      }
    }
    out[i].address = Iova(place.address.Load(descriptor + place.at));
    out[i].bytes = static_cast<uint32_t>(bytes);
    if (place.header_address.has_value()) {
      out[i].header_address = Iova(place.header_address->Load(descriptor + place.at));
    }
  }
  return RingFault::kNone;
}

}  // namespace qsplit::dataplane
