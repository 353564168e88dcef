#include "dataplane/in_place_tx_device.h"

#include <algorithm>

namespace qsplit::dataplane {

absl::StatusOr<std::unique_ptr<InPlaceTxDevice>> InPlaceTxDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const TxDeviceOptions& options) {
  absl::StatusOr<InPlaceShape> shape = ShapeInPlaceQueue(layout, view, v1::DIRECTION_TRANSMIT);
  if (!shape.ok()) return shape.status();
  auto device = std::unique_ptr<InPlaceTxDevice>(new InPlaceTxDevice);
  device->shape_ = *std::move(shape);
  const InPlaceShape& s = device->shape_;
  absl::StatusOr<TxProgram> program = TxProgram::Compile(s);
  if (!program.ok()) return program.status();
  device->program_ = *std::move(program);
  std::vector<uint32_t> forms = s.post_forms;
  forms.insert(forms.end(), s.context_forms.begin(), s.context_forms.end());
  absl::StatusOr<FormMatcher> matcher = FormMatcher::Compile(*s.layout, forms, s.choices);
  if (!matcher.ok()) return matcher.status();
  device->matcher_ = *std::move(matcher);
  absl::StatusOr<ProgressReader> producer = ProgressReader::OfProducerDoorbells(s.ring_shape);
  if (!producer.ok()) return producer.status();
  device->producer_ = *producer;
  absl::StatusOr<NotificationSwitch> notification = NotificationSwitch::Compile(s.ring_shape);
  if (!notification.ok()) return notification.status();
  device->notification_ = *notification;
  // The first form says all that there is to say: done.
  absl::StatusOr<DescriptorBytes> image = ConstantImage(s, s.complete_forms.front());
  if (!image.ok()) return image.status();
  device->done_image_ = *image;
  absl::StatusOr<std::vector<FieldStore>> done = s.done.StoresThatMakeItTrue();
  if (!done.ok()) return done.status();
  for (const FieldStore& store : *done) store.field.StoreRaw(device->done_image_.bytes, store.raw);
  for (size_t i = 0; i < device->program_.data.size(); ++i) {
    device->deciding_.push_back(device->DecidingBitsOf(i));
  }
  PairField field;
  device->pairs_ =
      s.slots.IsPairs() && std::ranges::all_of(device->program_.data, [&](const TxDataForm& data) {
        return PairField::Of(data.address, &field) && PairField::Of(data.length, &field);
      });
  device->contexts_ = TxContextMemory(device->program_);
  device->FindReader(layout, view, options);
  device->slots_.resize(s.slot_count);
  device->reports_.resize(s.slot_count);
  device->segments_.resize(s.slot_count);
  return device;
}

DecidingBits InPlaceTxDevice::DecidingBitsOf(size_t form) const {
  const TxDataForm& data = program_.data[form];
  DescriptorBytes changing{};
  DescriptorBytes looked_at{};
  for (const FieldAccess* field : {&data.address, &data.length}) {
    field->StoreRaw(changing.bytes, field->MaxRaw());
  }
  // Written by drivers, read by nobody here.
  for (const auto* length : {&data.total_length, &data.payload_length}) {
    if (!length->has_value()) continue;
    (*length)->field.StoreRaw(changing.bytes, (*length)->field.MaxRaw());
  }
  matcher_.MarkBits(form, looked_at.bytes);
  data.last.MarkBits(looked_at.bytes);
  data.request.MarkBits(looked_at.bytes);
  for (const auto* field : {&data.report, &data.context_index}) {
    if (field->has_value()) (*field)->StoreRaw(looked_at.bytes, (*field)->MaxRaw());
  }
  return DecidingBits(changing, looked_at, shape_.slots.slot_bytes());
}

uint32_t InPlaceTxDevice::FetchPlain(std::span<PlainTx> out, bool* nothing) {
  // What a context in front of a packet does to it is for Fetch.
  if ((reader_ == nullptr && plain_.empty()) || context_slots_ != 0 ||
      contexts_.MayEnable(program_) || fault_ != RingFault::kNone) {
    return 0;
  }
  // The doorbell's cache line is the driver's most of the time: no look while there is enough. The
  // first descriptor comes along with it, not after it.
  if (ahead_ == 0) shape_.slots.Prefetch(fetch_, 1);
  if (ahead_ < out.size()) {
    if (!LookAhead()) return 0;
    if (ahead_ == 0) {
      *nothing = true;
      return 0;
    }
  }
  const uint32_t most = std::min(ahead_, static_cast<uint32_t>(out.size()));
  if (most > 1) shape_.slots.Prefetch(fetch_, std::min(most, shape_.slot_count - fetch_));
  uint32_t count = 0;
  if (reader_ != nullptr) {
    count = reader_->ReadAround(shape_.slots.data(), slots_.data(), most, out.data(), &fetch_);
  }
  if (count < most && !plain_.empty()) {
    PlainTx* const rest = out.data() + count;
    count += pairs_ ? TakePairs(most - count, rest) : TakeOthers(most - count, rest);
  }
  fetch_count_ += count;
  ahead_ -= count;
  // For the burst to come.
  shape_.slots.Prefetch(fetch_, std::min({ahead_, count, shape_.slot_count - fetch_}));
  if (count != 0 && ahead_ < out.size()) producer_.Prefetch();
  return count;
}

uint32_t InPlaceTxDevice::TakePairs(uint32_t most, PlainTx* out) {
  KnownDescriptors<Plain>::Pair known;
  uint32_t count = 0;
  uint32_t slot = fetch_;
  for (; count < most; ++count, slot = Next(slot)) {
    const auto [first, second] = shape_.slots.ReadPair(slot);
    if (!known.Is(first, second) && !plain_.FindPair(first, second, &known)) break;
    const Plain& plain = *known.meaning;
    const uint64_t bytes = plain.length.Get(first, second);
    if (bytes - 1 >= plain.max_bytes) break;
    out[count] = {Iova(plain.address.Get(first, second)), static_cast<uint32_t>(bytes), slot};
    slots_[slot] = StateOf(plain.report);
  }
  fetch_ = slot;
  return count;
}

uint32_t InPlaceTxDevice::TakeOthers(uint32_t most, PlainTx* out) {
  uint32_t count = 0;
  uint32_t slot = fetch_;
  for (; count < most; ++count, slot = Next(slot)) {
    alignas(16) std::byte descriptor[kMaxKnownBytes];
    shape_.slots.Read(slot, descriptor);
    const Plain* const known = plain_.Find(descriptor);
    if (known == nullptr) break;
    const uint64_t bytes = known->data->length.Load(descriptor);
    if (bytes == 0 || bytes > known->max_bytes) break;
    out[count] = {Iova(known->data->address.Load(descriptor)), static_cast<uint32_t>(bytes), slot};
    slots_[slot] = StateOf(known->report);
  }
  fetch_ = slot;
  return count;
}

InPlaceTxDevice::Plain InPlaceTxDevice::PlainOf(const TxDataForm& data, bool report) const {
  Plain plain{.data = &data,
              .max_bytes = std::min(data.max_bytes, program_.max_packet_bytes),
              .report = report || !shape_.only_where_reported};
  if (pairs_) {
    (void)PairField::Of(data.address, &plain.address);
    (void)PairField::Of(data.length, &plain.length);
  }
  return plain;
}

uint32_t InPlaceTxDevice::PeekAvailable() {
  uint32_t available = 0;
  if (fault_ != RingFault::kNone || !ReadProducer(&available)) return 0;
  return available;
}

RingFault InPlaceTxDevice::Fetch(TxWork* out) {
  if (fault_ != RingFault::kNone) return fault_;
  if (!LookAhead()) return Fault(RingFault::kDoorbellOutOfRange);
  const uint32_t available = ahead_;
  // Every descriptor is read once in this call; `available` bounds the call.
  const uint32_t limit = program_.max_descriptors;
  uint32_t slot = fetch_;
  uint32_t segments = 0;
  uint64_t bytes = 0;
  RequestDraft draft;
  for (uint32_t seen = 0; seen < available; ++seen, slot = Next(slot)) {
    DescriptorBytes descriptor;
    shape_.slots.Read(slot, descriptor.bytes);
    const int form = matcher_.Match(descriptor.bytes);
    if (form == FormMatcher::kNone) return Fault(RingFault::kUndefinedForm);
    const auto which = static_cast<size_t>(form);
    if (which >= program_.data.size()) {
      // A context inside a packet is of no defined form there.
      if (segments != 0) return Fault(RingFault::kUndefinedForm);
      plain_.Forget();  // it may change what packets behind it ask for
      const RingFault fault =
          contexts_.Take(program_, which - program_.data.size(), descriptor.bytes);
      if (fault != RingFault::kNone) return Fault(fault);
      Consume();
      if (++context_slots_ >= shape_.slot_count) context_slots_ = shape_.slot_count - 1;
      continue;
    }
    const TxDataForm& data = program_.data[which];
    if (segments + std::min(context_slots_, 1u) >= limit) return Fault(RingFault::kChainTooLong);
    const uint64_t length = data.length.Load(descriptor.bytes);
    if (length == 0 || length > data.max_bytes) return Fault(RingFault::kBufferLength);
    const bool first = segments == 0;
    const bool last = data.last.IsLast(descriptor.bytes);
    segments_[segments] = {Iova(data.address.Load(descriptor.bytes)),
                           static_cast<uint32_t>(length)};
    reports_[segments] = data.report.has_value() ? data.report->Load(descriptor.bytes) != 0
                                                 : !shape_.only_where_reported;
    ++segments;
    bytes += length;
    if (bytes > program_.max_packet_bytes) return Fault(RingFault::kBufferLength);
    if (first) {
      // One packet's context, if any, is in place by now.
      const RingFault fault = contexts_.Use(program_, data, descriptor.bytes, &draft);
      if (fault != RingFault::kNone) return Fault(fault);
    }
    if (first || last) {
      data.request.Load(descriptor.bytes, first, last, &draft);
    }
    if (!last) continue;
    if (!FinishRequest(draft, &out->request)) return Fault(RingFault::kBadRequest);
    if (first && context_slots_ == 0 && out->request.wants.bits == 0 &&
        plain_.Find(descriptor.bytes) == nullptr) {
      plain_.Remember(deciding_[which], descriptor.bytes, PlainOf(data, reports_[0] != 0));
    }
    // The handle covers no more than the ring; older contexts need no completion.
    const uint32_t contexts = std::min(context_slots_, shape_.slot_count - segments);
    out->inline_bytes = {};
    out->segments = std::span<const TxSegment>(segments_.data(), segments);
    out->bytes = bytes;
    out->handle.first_slot =
        fetch_ >= contexts ? fetch_ - contexts : fetch_ + shape_.slot_count - contexts;
    out->handle.slots = contexts + segments;
    for (uint32_t i = 0; i < segments; ++i) {
      slots_[fetch_] = StateOf(reports_[i] != 0 || !shape_.only_where_reported);
      Consume();
    }
    context_slots_ = 0;
    return RingFault::kNone;
  }
  // All slots of the ring, and no end.
  if (segments + 1 > shape_.capacity) return Fault(RingFault::kChainTooLong);
  return RingFault::kEmpty;
}

void InPlaceTxDevice::Complete(const TxHandle& handle) {
  if (handle.first_slot >= shape_.slot_count || handle.slots > shape_.slot_count) return;
  uint32_t slot = handle.first_slot;
  for (uint32_t i = 0; i < handle.slots; ++i, slot = Next(slot)) {
    const uint32_t state = slots_[slot];
    if ((state & kFetched) == 0) continue;  // a context, or no handle of ours
    slots_[slot] = 0;
    if ((state & kReported) != 0) {
      shape_.slots.WriteWithLast(slot, shape_.done_word, done_image_.bytes);
    }
  }
}

}  // namespace qsplit::dataplane
