#include <algorithm>

#include "dataplane/in_place_rx.h"

namespace qsplit::dataplane {

absl::StatusOr<std::unique_ptr<InPlaceRxDevice>> InPlaceRxDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const RxDeviceOptions& options) {
  absl::StatusOr<InPlaceShape> shape = ShapeInPlaceQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto device = std::unique_ptr<InPlaceRxDevice>(new InPlaceRxDevice);
  device->shape_ = *std::move(shape);
  const InPlaceShape& s = device->shape_;
  absl::StatusOr<RxPostForm> post = RxPostForm::Compile(s);
  if (!post.ok()) return post.status();
  device->post_ = *std::move(post);
  if (absl::Status status = CheckBufferBytes(s, device->post_, options.buffer_bytes);
      !status.ok()) {
    return status;
  }
  device->buffer_bytes_ = options.buffer_bytes;
  absl::StatusOr<ProgressReader> producer = ProgressReader::OfProducerDoorbells(s.ring_shape);
  if (!producer.ok()) return producer.status();
  device->producer_ = *producer;
  absl::StatusOr<NotificationSwitch> notification = NotificationSwitch::Compile(s.ring_shape);
  if (!notification.ok()) return notification.status();
  device->notification_ = *notification;
  absl::StatusOr<FormMatcher> matcher = FormMatcher::Compile(*s.layout, s.post_forms, s.choices);
  if (!matcher.ok()) return matcher.status();
  device->matcher_ = *std::move(matcher);
  for (const uint32_t form : s.complete_forms) {
    absl::StatusOr<RxProgram> program = RxProgram::Compile(s, form, RxFields::All());
    if (!program.ok()) return program.status();
    device->supported_ |= program->Fields();
    device->programs_.push_back(*std::move(program));
  }
  const v1::PacketRule& packet = s.queue->packet();
  if (packet.length() != v1::LENGTH_MEANING_UNSPECIFIED) {
    device->length_meaning_ = packet.length();
  }
  device->single_ = packet.span() == v1::SPAN_SINGLE;
  device->crc_bytes_ = packet.length_includes_crc_bytes();
  device->prefix_bytes_ = packet.prefix_bytes();
  device->bytes_.resize(s.slot_count);
  return device;
}

uint32_t InPlaceRxDevice::PeekAvailable() {
  uint32_t available = 0;
  if (fault_ != RingFault::kNone || !ReadProducer(&available)) return 0;
  // A driver that publishes slots which are not yet completed gets no further than the ring.
  return std::min(available, shape_.slot_count - fetched_);
}

RingFault InPlaceRxDevice::Fetch(PostedBuffer* out, bool first, uint32_t /*packet_bytes*/) {
  if (fault_ != RingFault::kNone) return fault_;
  if (single_ && !first) return RingFault::kEmpty;
  uint32_t available = 0;
  if (!ReadProducer(&available)) {
    return fault_ = RingFault::kDoorbellOutOfRange;
  }
  if (available == 0 || fetched_ == shape_.slot_count) return RingFault::kEmpty;
  DescriptorBytes descriptor;
  shape_.slots.Read(fetch_, descriptor.bytes);
  if (matcher_.Match(descriptor.bytes) == FormMatcher::kNone) {
    return fault_ = RingFault::kUndefinedForm;
  }
  uint64_t bytes = buffer_bytes_;
  if (post_.length.has_value()) {
    bytes = post_.length->Load(descriptor.bytes);
    const uint64_t most = shape_.queue->limits().buffer().max_bytes();
    if (bytes == 0 || bytes > UINT32_MAX || (most != 0 && bytes > most)) {
      return fault_ = RingFault::kBufferLength;
    }
  }
  out->address = Iova(post_.address.Load(descriptor.bytes));
  out->bytes = static_cast<uint32_t>(bytes);
  out->header_address =
      Iova(post_.header_address.has_value() ? post_.header_address->Load(descriptor.bytes) : 0);
  out->slot = fetch_;
  out->memory = nullptr;
  bytes_[fetch_] = out->bytes;
  fetch_ = Next(fetch_);
  ++fetch_count_;
  ++fetched_;
  return RingFault::kNone;
}

void InPlaceRxDevice::Unfetch() {
  fetch_ = complete_;
  fetch_count_ -= fetched_;
  fetched_ = 0;
}

void InPlaceRxDevice::Skip() {
  if (fetched_ == 0) return;
  complete_ = Next(complete_);
  --fetched_;
}

bool InPlaceRxDevice::Complete(const RxResult& result) {
  if (fetched_ == 0) return false;
  const bool first = !in_packet_;
  const uint64_t offset = first ? prefix_bytes_ : 0;
  const uint64_t room = bytes_[complete_] > offset ? bytes_[complete_] - offset : 0;
  const uint64_t here = std::min<uint64_t>(result.length, room);
  so_far_ += here;
  uint64_t said = here;
  if (length_meaning_ == v1::LENGTH_MEANING_PACKET_IN_LAST) said = so_far_;
  if (result.last) said += crc_bytes_;
  // The first form that has all of the metadata, else the first one.
  size_t form = 0;
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i].Fields().HasAll(result.meta.present & supported_)) {
      form = i;
      break;
    }
  }
  DescriptorBytes descriptor;
  // A length that the form cannot say is said as zero bytes of a damaged packet.
  if (!programs_[form].Encode(said, 0, first, result.last, result.meta, descriptor.bytes)) {
    RxMetadata damaged = result.meta;
    damaged.error = true;
    damaged.present |= RxField::kError;
    programs_[form].Encode(0, 0, first, result.last, damaged, descriptor.bytes);
  }
  shape_.slots.WriteWithLast(complete_, shape_.done_word, descriptor.bytes);
  complete_ = Next(complete_);
  --fetched_;
  in_packet_ = !result.last;
  if (result.last) so_far_ = 0;
  return true;
}

}  // namespace qsplit::dataplane
