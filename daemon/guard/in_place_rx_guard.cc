#include "daemon/guard/in_place_rx_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {

using dataplane::DescriptorBytes;
using dataplane::FieldAccess;
using dataplane::InPlaceShape;
using dataplane::RoleField;
using device::FaultKind;
using layout::Role;

absl::StatusOr<std::unique_ptr<QueueGuard>> InPlaceRxGuard::Create(QueueParts parts) {
  std::unique_ptr<InPlaceRxGuard> guard(new InPlaceRxGuard(std::move(parts.regions)));
  for (const bool real : {false, true}) {
    absl::StatusOr<InPlaceShape> shape = dataplane::ShapeInPlaceQueue(
        parts.layout, real ? parts.real : parts.shadow, v1::DIRECTION_RECEIVE);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_ : guard->shadow_) = *std::move(shape);
  }
  const InPlaceShape& s = guard->shadow_;
  guard->slot_bytes_ = s.ring->slot_bytes();
  if (s.slots.word_bytes() != 8 || guard->real_.slots.word_bytes() != 8) {
    return absl::UnimplementedError(absl::StrCat(s.ring_shape.Where(), ": slots of ",
                                                 guard->slot_bytes_, " bytes, not of whole words"));
  }
  absl::StatusOr<dataplane::ProgressReader> producer =
      dataplane::ProgressReader::OfProducerDoorbells(s.ring_shape);
  if (!producer.ok()) return producer.status();
  guard->producer_ = *producer;
  absl::StatusOr<dataplane::NotificationSwitch> notification =
      dataplane::NotificationSwitch::Compile(s.ring_shape);
  if (!notification.ok()) return notification.status();
  guard->notification_ = *notification;
  absl::StatusOr<dataplane::Doorbells> doorbells =
      dataplane::Doorbells::OfProducer(guard->real_.ring_shape);
  if (!doorbells.ok()) return doorbells.status();
  guard->doorbells_ = *doorbells;
  if (absl::Status status = guard->CompilePost(parts.options); !status.ok()) return status;
  if (absl::Status status = guard->CompileCompletion(); !status.ok()) return status;
  return guard;
}

absl::Status InPlaceRxGuard::CompilePost(const GuardOptions& options) {
  if (shadow_.post_forms.size() != 1 || shadow_.only_where_reported) {
    return absl::UnimplementedError(
        absl::StrCat(shadow_.ring_shape.Where(),
                     ": a guard checks receive rings of one form, completed always"));
  }
  absl::StatusOr<dataplane::FormMatcher> matcher =
      dataplane::FormMatcher::Compile(*shadow_.layout, shadow_.post_forms, shadow_.choices);
  if (!matcher.ok()) return matcher.status();
  matcher_ = *std::move(matcher);
  absl::StatusOr<DescriptorMask> kept =
      DescriptorMask::OfPost(shadow_, shadow_.post_forms.front(), true, true);
  if (!kept.ok()) return kept.status();
  kept_ = *kept;
  absl::StatusOr<dataplane::RxPostForm> post = dataplane::RxPostForm::Compile(shadow_);
  if (!post.ok()) return post.status();
  post_ = *std::move(post);
  buffer_bytes_ = options.rx_buffer_bytes;
  header_bytes_ = options.rx_header_bytes;
  return dataplane::CheckBufferBytes(shadow_, post_, buffer_bytes_);
}

absl::Status InPlaceRxGuard::CompileCompletion() {
  for (const uint32_t form : shadow_.complete_forms) {
    absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(shadow_, form);
    if (!kept.ok()) return kept.status();
    completion_kept_ |= *kept;
    absl::StatusOr<dataplane::LastMark> last = dataplane::LastMark::Compile(shadow_, form);
    if (!last.ok()) return last.status();
    last_ = *std::move(last);
    for (const RoleField& from : dataplane::RoleFields(shadow_, form)) {
      if (from.role == Role::kHeaderAddress) {
        return absl::UnimplementedError(
            absl::StrCat("form ", shadow_.Form(form).name(), ", field ", from.field->name(),
                         ": a guard cannot give back an address of headers"));
      }
      if (from.role != Role::kBufferAddress && from.role != Role::kPacketLength) continue;
      absl::StatusOr<FieldAccess> field =
          FieldAccess::Compile(*from.field, shadow_.Form(form).size_bytes());
      if (!field.ok()) return field.status();
      (from.role == Role::kBufferAddress ? completion_address_ : length_) = *field;
    }
  }
  if (completion_address_.has_value() && shadow_.complete_forms.size() != 1) {
    return absl::UnimplementedError(absl::StrCat(
        shadow_.ring_shape.Where(), ": several completions with addresses cannot be guarded"));
  }
  if (completion_address_.has_value()) posted_iova_.resize(shadow_.slot_count);
  return absl::OkStatus();
}

bool InPlaceRxGuard::Check(uint32_t slot, std::byte* copy) {
  if (matcher_.Match(copy) == dataplane::FormMatcher::kNone) {
    Stop(FaultKind::kBadDescriptor, slot);
    return false;
  }
  kept_.Apply(copy, slot_bytes_);
  const uint64_t iova = post_.address.Load(copy);
  uint64_t bytes = buffer_bytes_;
  if (post_.length.has_value()) {
    bytes = post_.length->Load(copy);
    const uint64_t most = shadow_.queue->limits().buffer().max_bytes();
    if (bytes == 0 || bytes > UINT32_MAX || (most != 0 && bytes > most)) {
      Stop(FaultKind::kBadDescriptor, slot, iova, bytes);
      return false;
    }
  }
  uint64_t device_iova = 0;
  const RegionMap::Verdict verdict = regions_.Translate(iova, bytes, true, &device_iova);
  if (verdict != RegionMap::Verdict::kReachable) {
    StopForAddress(verdict, slot, iova, bytes);
    return false;
  }
  if ((iova & post_.alignment_mask) != 0 || !post_.address.Store(copy, device_iova)) {
    Stop(FaultKind::kBadDescriptor, slot, iova, bytes);
    return false;
  }
  if (post_.header_address.has_value()) {
    const uint64_t header = post_.header_address->Load(copy);
    if (header_bytes_ == 0) {
      if (header != 0) {
        Stop(FaultKind::kBadDescriptor, slot, header);
        return false;
      }
    } else {
      const RegionMap::Verdict reach =
          regions_.Translate(header, header_bytes_, true, &device_iova);
      if (reach != RegionMap::Verdict::kReachable) {
        StopForAddress(reach, slot, header, header_bytes_);
        return false;
      }
      if (!post_.header_address->Store(copy, device_iova)) {
        Stop(FaultKind::kBadDescriptor, slot, header, header_bytes_);
        return false;
      }
    }
  }
  // A slot that looks completed already would give it back before the device had it.
  if (shadow_.done.Holds(copy)) {
    Stop(FaultKind::kBadDescriptor, slot, iova, bytes);
    return false;
  }
  if (!posted_iova_.empty()) posted_iova_[slot] = iova;
  return true;
}

uint32_t InPlaceRxGuard::Forward(uint32_t budget) {
  uint32_t ahead = 0;
  if (!ReadPosted(&ahead)) {
    Stop(FaultKind::kBadIndex, forward_);
    return 0;
  }
  const uint32_t most = std::min(ahead, budget);
  uint32_t forwarded = 0;
  while (forwarded < most && !MustWait()) {
    DescriptorBytes copy;
    shadow_.slots.Read(forward_, copy.bytes, slot_bytes_);
    if (!Check(forward_, copy.bytes)) break;
    real_.slots.Write(forward_, copy.bytes, slot_bytes_);
    TakeTokens(0);
    forward_ = Next(forward_);
    ++forwarded;
  }
  if (forwarded == 0) return 0;
  forward_count_ += forwarded;
  with_device_ += forwarded;
  counters_.descriptors.Add(forwarded);
  dataplane::DoorbellState state;
  state.index = forward_;
  state.count = forward_count_;
  state.added = forwarded;
  doorbells_.Ring(state);
  return forwarded;
}

uint32_t InPlaceRxGuard::Return(uint32_t budget) {
  const uint32_t most = std::min(with_device_, budget);
  uint32_t returned = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  for (; returned < most; ++returned) {
    DescriptorBytes copy;
    // Acquire: pairs with the device's store of that word; the rest is its as well.
    real_.slots.ReadWordAcquire(consume_, real_.done_word, copy.bytes);
    if (!real_.done.Holds(copy.bytes)) break;
    real_.slots.ReadAllBut(consume_, real_.done_word, copy.bytes, slot_bytes_);
    completion_kept_.Apply(copy.bytes, slot_bytes_);
    if (completion_address_.has_value()) {
      completion_address_->Store(copy.bytes, posted_iova_[consume_]);
    }
    if (last_.IsLast(copy.bytes)) ++packets;
    if (length_.has_value()) bytes += length_->Load(copy.bytes);
    shadow_.slots.WriteWithLast(consume_, shadow_.done_word, copy.bytes, slot_bytes_);
    consume_ = Next(consume_);
  }
  if (returned == 0) return 0;
  with_device_ -= returned;
  counters_.completions.Add(returned);
  counters_.packets.Add(packets);
  counters_.bytes.Add(bytes);
  return returned;
}

bool InPlaceRxGuard::HasWork() {
  uint32_t ahead = 0;
  // What cannot be is work too: Forward finds it out.
  if (!stopped() && (!ReadPosted(&ahead) || ahead != 0)) return true;
  if (with_device_ == 0) return false;
  DescriptorBytes copy;
  real_.slots.ReadWordAcquire(consume_, real_.done_word, copy.bytes);
  return real_.done.Holds(copy.bytes);
}

}  // namespace qsplit::guard
