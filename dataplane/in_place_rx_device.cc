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
  const uint64_t most = s.queue->limits().buffer().max_bytes();
  device->max_bytes_ =
      most == 0 ? UINT32_MAX : static_cast<uint32_t>(std::min<uint64_t>(most, UINT32_MAX));
  for (size_t i = 0; i < s.post_forms.size(); ++i) {
    device->deciding_.push_back(device->DecidingBitsOf(i));
  }
  device->pairs_ = device->FindPairs();
  device->FindBursts(layout, view, options);
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
  ahead_ = 0;
  if (!ReadProducer(&ahead_)) return fault_ = RingFault::kDoorbellOutOfRange;
  if (ahead_ == 0 || fetched_ == shape_.slot_count) return RingFault::kEmpty;
  DescriptorBytes descriptor;
  shape_.slots.Read(fetch_, descriptor.bytes);
  const int form = matcher_.Match(descriptor.bytes);
  if (form == FormMatcher::kNone) return fault_ = RingFault::kUndefinedForm;
  uint64_t bytes = 0;
  if (!BytesOf(descriptor.bytes, &bytes)) return fault_ = RingFault::kBufferLength;
  if (known_.Find(descriptor.bytes) == nullptr) {
    known_.Remember(deciding_[static_cast<size_t>(form)], descriptor.bytes, {});
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
  --ahead_;
  ++fetched_;
  return RingFault::kNone;
}

bool InPlaceRxDevice::BytesOf(const std::byte* descriptor, uint64_t* bytes) const {
  *bytes = buffer_bytes_;
  if (!post_.length.has_value()) return true;
  *bytes = post_.length->Load(descriptor);
  return *bytes != 0 && *bytes <= max_bytes_;
}

DecidingBits InPlaceRxDevice::DecidingBitsOf(size_t form) const {
  DescriptorBytes changing{};
  DescriptorBytes looked_at{};
  post_.address.StoreRaw(changing.bytes, post_.address.MaxRaw());
  for (const auto* field : {&post_.length, &post_.header_address}) {
    if (field->has_value()) (*field)->StoreRaw(changing.bytes, (*field)->MaxRaw());
  }
  matcher_.MarkBits(form, looked_at.bytes);
  return DecidingBits(changing, looked_at, shape_.slots.slot_bytes());
}

uint32_t InPlaceRxDevice::FetchPlain(std::span<PlainBuffer> out) {
  if ((reader_ == nullptr && known_.empty()) || in_packet_ || fault_ != RingFault::kNone) return 0;
  // As long as enough was there at the last look, none at the doorbell, which is the driver's.
  if (ahead_ < out.size()) {
    ahead_ = 0;
    if (!ReadProducer(&ahead_)) return 0;
  }
  const uint32_t most =
      std::min({ahead_, static_cast<uint32_t>(out.size()), shape_.slot_count - fetched_});
  shape_.slots.PrefetchToWrite(fetch_, std::min(most, shape_.slot_count - fetch_));
  uint32_t count = 0;
  if (reader_ != nullptr) {
    count = reader_->ReadAround(shape_.slots.data(), bytes_.data(), most, out.data(), &fetch_);
  }
  if (count < most && !known_.empty()) {
    PlainBuffer* const rest = out.data() + count;
    count += pairs_.has_value() ? TakePairs(most - count, rest) : TakeOthers(most - count, rest);
  }
  fetch_count_ += count;
  fetched_ += count;
  ahead_ -= count;
  // For the burst to come; what is posted there is not touched by the driver any more.
  shape_.slots.PrefetchToWrite(fetch_, std::min({ahead_, count, shape_.slot_count - fetch_}));
  if (ahead_ < out.size()) producer_.Prefetch();
  return count;
}

std::optional<InPlaceRxDevice::Pairs> InPlaceRxDevice::FindPairs() const {
  if (!shape_.slots.IsPairs()) return std::nullopt;
  Pairs pairs;
  if (!PairField::Of(post_.address, &pairs.address)) return std::nullopt;
  if (post_.length.has_value() && !PairField::Of(*post_.length, &pairs.length)) return std::nullopt;
  return pairs;
}

uint32_t InPlaceRxDevice::TakePairs(uint32_t most, PlainBuffer* out) {
  const Pairs pairs = *pairs_;
  const bool has_length = post_.length.has_value();
  KnownDescriptors<Known>::Pair known;
  uint32_t count = 0;
  uint32_t slot = fetch_;
  for (; count < most; ++count, slot = Next(slot)) {
    const auto [first, second] = shape_.slots.ReadPair(slot);
    if (!known.Is(first, second) && !known_.FindPair(first, second, &known)) break;
    uint64_t bytes = buffer_bytes_;
    if (has_length) {
      bytes = pairs.length.Get(first, second);
      if (bytes == 0 || bytes > max_bytes_) break;
    }
    out[count] = {Iova(pairs.address.Get(first, second)), static_cast<uint32_t>(bytes), slot};
    bytes_[slot] = static_cast<uint32_t>(bytes);
  }
  fetch_ = slot;
  return count;
}

uint32_t InPlaceRxDevice::TakeOthers(uint32_t most, PlainBuffer* out) {
  uint32_t count = 0;
  uint32_t slot = fetch_;
  for (; count < most; ++count, slot = Next(slot)) {
    alignas(16) std::byte descriptor[kMaxKnownBytes];
    shape_.slots.Read(slot, descriptor);
    uint64_t bytes = 0;
    if (known_.Find(descriptor) == nullptr || !BytesOf(descriptor, &bytes)) break;
    out[count] = {Iova(post_.address.Load(descriptor)), static_cast<uint32_t>(bytes), slot};
    bytes_[slot] = static_cast<uint32_t>(bytes);
  }
  fetch_ = slot;
  return count;
}

uint32_t InPlaceRxDevice::CompleteByPlan(const RxStencils::Stencil& stencil,
                                         std::span<const RxPlain> packets) {
  const auto found = std::ranges::find_if(writers_, [&](const Writer& writer) {
    return writer.length == stencil.length_field() && writer.hash == stencil.hash_field();
  });
  if (found == writers_.end()) return 0;
  const uint32_t most = std::min(fetched_, static_cast<uint32_t>(packets.size()));
  const uint32_t count =
      burst::AroundRing(shape_.slot_count, most, &complete_, [&](uint32_t part, uint32_t done) {
        return found->writer->Write(shape_.slots.data(), bytes_.data(), complete_, part,
                                    packets.data() + done, stencil.words());
      });
  fetched_ -= count;
  return count;
}

uint32_t InPlaceRxDevice::CompletePairs(const RxStencils::Stencil& stencil,
                                        std::span<const RxPlain> packets) {
  // A copy, which stores to the ring cannot change, so that the compiler keeps it in registers.
  const RxStencils::Stencil filled = stencil;
  const uint32_t most = std::min(fetched_, static_cast<uint32_t>(packets.size()));
  uint32_t count = 0;
  uint32_t slot = complete_;
  for (; count < most; ++count, slot = Next(slot)) {
    const uint32_t bytes = bytes_[slot];
    const uint64_t room = bytes > prefix_bytes_ ? bytes - prefix_bytes_ : 0;
    const uint64_t said = std::min<uint64_t>(packets[count].length, room) + crc_bytes_;
    if (said > filled.most_bytes()) break;
    uint64_t first, second;
    filled.FillPair(said, packets[count].hash, &first, &second);
    shape_.slots.WritePairWithLast(slot, shape_.done_word, first, second);
  }
  complete_ = slot;
  fetched_ -= count;
  return count;
}

void InPlaceRxDevice::CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets) {
  const RxStencils::Stencil* stencil = stencils_.Find(meta);
  if (stencil != nullptr) packets = packets.subspan(CompleteByPlan(*stencil, packets));
  if (stencil != nullptr && stencil->IsPair() && shape_.slots.IsPairs()) {
    packets = packets.subspan(CompletePairs(*stencil, packets));
  }
  for (const RxPlain& packet : packets) {
    if (fetched_ == 0) return;
    const uint64_t room = bytes_[complete_] > prefix_bytes_ ? bytes_[complete_] - prefix_bytes_ : 0;
    const uint64_t said = std::min<uint64_t>(packet.length, room) + crc_bytes_;
    if (RxStencils::Words words; stencil != nullptr && stencil->Fill(said, packet.hash, &words)) {
      shape_.slots.WriteWithLast(complete_, shape_.done_word,
                                 reinterpret_cast<const std::byte*>(words.data()));
    } else {
      RxResult result{.length = packet.length, .last = true, .meta = meta};
      result.meta.hash = packet.hash;
      DescriptorBytes whole;
      Encode(said, true, result, whole.bytes);
      shape_.slots.WriteWithLast(complete_, shape_.done_word, whole.bytes);
      stencils_.Learn(programs_[FormFor(meta.present)], meta);
      stencil = stencils_.Find(meta);
    }
    complete_ = Next(complete_);
    --fetched_;
  }
}

size_t InPlaceRxDevice::FormFor(RxFields present) const {
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i].Fields().HasAll(present & supported_)) return i;
  }
  return 0;
}

void InPlaceRxDevice::Encode(uint64_t length, bool first, const RxResult& result,
                             std::byte* descriptor) const {
  const RxProgram& program = programs_[FormFor(result.meta.present)];
  // A length that the form cannot say is said as zero bytes of a damaged packet.
  if (program.Encode(length, 0, first, result.last, result.meta, descriptor)) return;
  RxMetadata damaged = result.meta;
  damaged.error = true;
  damaged.present |= RxField::kError;
  program.Encode(0, 0, first, result.last, damaged, descriptor);
}

void InPlaceRxDevice::Unfetch() {
  fetch_ = complete_;
  fetch_count_ -= fetched_;
  ahead_ = 0;  // what was there at the last look counts from elsewhere
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
  DescriptorBytes descriptor;
  Encode(said, first, result, descriptor.bytes);
  shape_.slots.WriteWithLast(complete_, shape_.done_word, descriptor.bytes);
  complete_ = Next(complete_);
  --fetched_;
  in_packet_ = !result.last;
  if (result.last) so_far_ = 0;
  return true;
}

}  // namespace qsplit::dataplane
