#include "dataplane/tx_post.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

using layout::Role;

absl::StatusOr<FieldAccess> Access(const QueueScope& scope, uint32_t form, const v1::Field& field) {
  return FieldAccess::Compile(field, scope.Form(form).size_bytes());
}

// Addresses, lengths and keys of one form belong together in the order in which they stand there.
absl::StatusOr<std::vector<TxPost::Place>> Places(const QueueScope& scope, uint32_t form) {
  std::vector<FieldAccess> addresses, lengths, keys, packet_lengths;
  for (const RoleField& from : RoleFields(scope, form)) {
    std::vector<FieldAccess>* to = nullptr;
    if (from.role == Role::kBufferAddress) to = &addresses;
    if (from.role == Role::kBufferLength) to = &lengths;
    if (from.role == Role::kBufferKey) to = &keys;
    if (from.role == Role::kPacketLength) to = &packet_lengths;
    if (to == nullptr) continue;
    absl::StatusOr<FieldAccess> field = Access(scope, form, *from.field);
    if (!field.ok()) return field.status();
    to->push_back(*std::move(field));
  }
  if (lengths.empty()) lengths = packet_lengths;
  std::vector<TxPost::Place> places(addresses.size());
  if (!addresses.empty() && lengths.size() != addresses.size()) {
    return absl::UnimplementedError(absl::StrCat("form ", scope.Form(form).name(), ": ",
                                                 addresses.size(), " buffers with ", lengths.size(),
                                                 " lengths"));
  }
  for (size_t i = 0; i < places.size(); ++i) {
    places[i].address = addresses[i];
    places[i].length = lengths[i];
    if (i < keys.size()) places[i].key = keys[i];
  }
  return places;
}

const v1::Field* InlineBytes(const v1::Form& form) {
  for (const v1::Field& field : form.fields()) {
    if (field.parts().empty() && layout::FindRole(field.role()) == Role::kPacketInline &&
        field.bytes().byte_offset() == DescriptorBytesOf(form)) {
      return &field;
    }
  }
  return nullptr;
}

}  // namespace

bool TxPost::CarriesBytes(const QueueScope& scope, uint32_t form) {
  const auto has_buffer = [&](uint32_t which) {
    const std::vector<RoleField> fields = RoleFields(scope, which);
    return std::any_of(fields.begin(), fields.end(),
                       [](const RoleField& field) { return field.role == Role::kBufferAddress; });
  };
  const v1::Form& message = scope.Form(form);
  return has_buffer(form) || InlineBytes(message) != nullptr ||
         std::any_of(message.contains().begin(), message.contains().end(),
                     [&](const v1::ContainedForm& inner) { return has_buffer(inner.form()); });
}

absl::StatusOr<TxPost> TxPost::Compile(const QueueScope& scope, uint32_t form,
                                       const QueueView& view) {
  TxPost post;
  absl::StatusOr<TxDataForm> data = TxDataForm::Compile(scope, form);
  if (!data.ok()) return data.status();
  static_cast<TxDataForm&>(post) = *std::move(data);
  const v1::Form& message = scope.Form(form);
  const std::string where = absl::StrCat("form ", message.name());
  post.position = message.position();
  if (post.position == v1::PACKET_POSITION_LAST) {
    return absl::UnimplementedError(absl::StrCat(where, ": a form for last descriptors alone"));
  }
  post.fixed_bytes = DescriptorBytesOf(message);
  post.copy_bytes = (post.fixed_bytes + 7) / 8 * 8;
  post.key = view.memory_key;
  if (post.copy_bytes > kMaxDescriptorBytes) {
    return absl::UnimplementedError(
        absl::StrCat(where, ": ", post.fixed_bytes, " bytes; at most ", kMaxDescriptorBytes));
  }
  absl::StatusOr<std::vector<Place>> own = Places(scope, form);
  if (!own.ok()) return own.status();
  post.own = *std::move(own);
  if (absl::Status status = post.AddParts(scope); !status.ok()) return status;
  if (absl::Status status = post.AddFields(scope, view); !status.ok()) return status;

  const v1::Limits& limits = scope.queue->limits();
  post.max_buffers = static_cast<uint32_t>(post.own.size() + post.part.size() * post.max_parts);
  while (post.max_buffers > 0 && !post.CanCount(post.max_buffers)) --post.max_buffers;
  if (post.max_buffers != 0) {
    const Place& place = post.own.empty() ? post.part.front() : post.own.front();
    post.max_bytes = std::min<uint64_t>(place.length.MaxValue(), UINT32_MAX);
    if (const uint32_t limit = limits.max_bytes_per_descriptor(); limit != 0) {
      post.max_bytes = std::min<uint64_t>(post.max_bytes, limit);
    }
    return post;
  }
  const v1::Field* bytes = InlineBytes(message);
  if (bytes == nullptr || !post.inline_length.has_value()) {
    return absl::UnimplementedError(absl::StrCat(where, ": no buffer that can be counted"));
  }
  post.inline_at = bytes->bytes().byte_offset();
  post.inline_max = static_cast<uint32_t>(
      std::min<uint64_t>(bytes->bytes().length(), post.inline_length->MaxValue()));
  return post;
}

absl::Status TxPost::AddParts(const QueueScope& scope) {
  const v1::Form& message = scope.Form(form);
  for (const v1::ContainedForm& inner : message.contains()) {
    absl::StatusOr<std::vector<Place>> places = Places(scope, inner.form());
    if (!places.ok()) return places.status();
    if (places->empty()) continue;
    if (!inner.appended() || !part.empty()) {
      return absl::UnimplementedError(
          absl::StrCat("form ", message.name(), ": buffers in several parts, or in one inside it"));
    }
    part = *std::move(places);
    const uint32_t bytes = scope.Form(inner.form()).size_bytes();
    part_stride = inner.stride_bytes() != 0 ? inner.stride_bytes() : bytes;
    if (part_stride == 0 || bytes > part_stride) {
      return absl::InvalidArgumentError(
          absl::StrCat("form ", message.name(), ": parts that overlap"));
    }
    max_parts = std::min(inner.max_count(), (kMaxDescriptorBytes - fixed_bytes) / part_stride);
    absl::StatusOr<DescriptorBytes> constants = ConstantImage(scope, inner.form());
    if (!constants.ok()) return constants.status();
    part_image = *constants;
    if (!inner.has_count_field()) {
      return absl::UnimplementedError(
          absl::StrCat("form ", message.name(), ": parts that nothing counts"));
    }
    const v1::Field& field = message.fields(static_cast<int>(inner.count_field()));
    if (layout::FindRole(field.role()) == Role::kPacketBuffers) continue;
    absl::StatusOr<FieldAccess> count = Access(scope, form, field);
    if (!count.ok()) return count.status();
    part_count = *std::move(count);
  }
  return absl::OkStatus();
}

absl::Status TxPost::AddFields(const QueueScope& scope, const QueueView& view) {
  std::optional<FieldAccess> packet_length;
  for (const RoleField& from : RoleFields(scope, form)) {
    absl::StatusOr<FieldAccess> field = Access(scope, form, *from.field);
    if (!field.ok()) return field.status();
    switch (from.role) {
      case Role::kPacketBuffers:
        buffer_count = *field;
        break;
      case Role::kPacketDescriptors:
        descriptor_count = *field;
        break;
      case Role::kDescriptorBytes:
        byte_count = *field;
        byte_unit = static_cast<uint32_t>(
            std::clamp<uint64_t>(from.field->scale().multiplier(), 1, kMaxDescriptorBytes));
        break;
      case Role::kReportRequest:
        report_at = {*field, from.field->position()};
        break;
      case Role::kTag:
        tag = {*field, from.field->position()};
        break;
      case Role::kSlotCount:
        slot_count = *field;
        break;
      case Role::kNextIndex:
        next_index = *field;
        break;
      case Role::kTableIndirect:
        indirect = *field;
        break;
      case Role::kPacketInlineLength:
        inline_length = *field;
        break;
      case Role::kPacketLength:
        packet_length = *field;
        break;
      case Role::kQueue:
        for (auto& images : image) {
          for (DescriptorBytes& bytes : images) {
            field->StoreRaw(bytes.bytes, view.queue_number.value & field->MaxRaw());
          }
        }
        break;
      default:
        break;
    }
  }
  if (!inline_length.has_value()) inline_length = packet_length;
  return absl::OkStatus();
}

bool TxPost::Takes(const TxSegment& segment) const {
  if (segment.bytes > max_bytes) return false;
  for (const std::vector<Place>* places : {&own, &part}) {
    if (places->empty()) continue;
    const Place& place = places->front();
    if (!place.length.CanStore(segment.bytes) || !place.address.CanStore(segment.address.value)) {
      return false;
    }
  }
  return true;
}

bool TxPost::CanCount(uint32_t buffers) const {
  const uint32_t bytes = (Bytes(buffers) + byte_unit - 1) / byte_unit * byte_unit;
  return (!buffer_count.has_value() || buffer_count->CanStore(buffers)) &&
         (!part_count.has_value() || part_count->CanStore(Parts(buffers))) &&
         (!byte_count.has_value() || byte_count->CanStore(bytes));
}

void TxPost::Begin(bool is_first, bool is_last, uint32_t buffers, std::byte* descriptor) const {
  CopyDescriptor(descriptor, image[is_first][is_last].bytes, copy_bytes);
  if (!part.empty()) {
    const uint32_t parts = Parts(buffers);
    for (uint32_t i = 0; i < parts; ++i) {
      std::memcpy(descriptor + fixed_bytes + size_t{i} * part_stride, part_image.bytes,
                  part_stride);
    }
    if (part_count.has_value()) part_count->Store(descriptor, parts);
  }
  if (buffer_count.has_value()) buffer_count->Store(descriptor, buffers);
  if (byte_count.has_value()) {
    byte_count->Store(descriptor, (Bytes(buffers) + byte_unit - 1) / byte_unit * byte_unit);
  }
}

uint32_t TxPost::Buffers(const std::byte* descriptor, uint32_t bytes) const {
  if (part.empty() && !buffer_count.has_value()) [[likely]] {
    return static_cast<uint32_t>(own.size());
  }
  const uint64_t room =
      own.size() + (bytes - fixed_bytes) / std::max(part_stride, 1u) * part.size();
  if (!buffer_count.has_value()) return static_cast<uint32_t>(room);
  const uint64_t count = buffer_count->Load(descriptor);
  return count > room ? 0 : static_cast<uint32_t>(count);
}

}  // namespace qsplit::dataplane
