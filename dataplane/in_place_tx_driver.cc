#include "dataplane/in_place_tx_driver.h"

#include <algorithm>
#include <cstring>

namespace qsplit::dataplane {

absl::StatusOr<std::unique_ptr<InPlaceTxDriver>> InPlaceTxDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const TxOptions& options) {
  absl::StatusOr<InPlaceShape> shape = ShapeInPlaceQueue(layout, view, v1::DIRECTION_TRANSMIT);
  if (!shape.ok()) return shape.status();
  auto driver = std::unique_ptr<InPlaceTxDriver>(new InPlaceTxDriver);
  driver->shape_ = *std::move(shape);
  const InPlaceShape& s = driver->shape_;
  absl::StatusOr<TxProgram> program = TxProgram::Compile(s);
  if (!program.ok()) return program.status();
  driver->program_ = *std::move(program);
  absl::StatusOr<Doorbells> doorbells = Doorbells::OfProducer(s.ring_shape);
  if (!doorbells.ok()) return doorbells.status();
  driver->doorbells_ = *doorbells;
  driver->report_every_ = std::max(options.report_every, 1u);
  // However rare reports are, a quarter of the ring at most goes without.
  driver->most_unreported_ = std::max(s.capacity / 4, 1u);
  if (driver->program_.features.Has(TxFeature::kScatter)) {
    const auto has_contexts = static_cast<uint32_t>(s.context_forms.empty() ? 0 : 1);
    driver->max_segments_ = std::max(driver->program_.max_descriptors - has_contexts, 1u);
  }
  driver->contexts_ = TxContextPlaces(driver->program_);
  driver->cookies_.resize(s.slot_count);
  driver->goes_on_.resize(s.slot_count);
  driver->reports_.resize(size_t{s.slot_count} + 1);
  driver->FindDoneBits();
  driver->OpenBursts(layout, view, options);
  driver->plans_.Start(driver->MakePlan(TxRequest{}));
  return driver;
}

InPlaceTxDriver::Plan InPlaceTxDriver::MakePlan(const TxRequest& request) const {
  Plan plan;
  plan.asked = request;
  const std::optional<TxRequest> normalized = NormalizeRequest(request);
  if (!normalized.has_value()) return plan;
  plan.request = *normalized;
  for (const TxDataForm& data : program_.data) {
    const std::optional<int> context = program_.ContextFor(data, plan.request);
    if (!context.has_value()) continue;
    plan.data = &data;
    plan.context = *context;
    MakeImage(&plan);
    break;
  }
  return plan;
}

bool InPlaceTxDriver::Supports(const TxRequest& request) const {
  return MakePlan(request).data != nullptr;
}

PushResult InPlaceTxDriver::Push(std::span<const TxSegment> segments, const TxRequest& request,
                                 uint32_t cookie) {
  const Plan& plan = PlanFor(request);
  if (plan.data == nullptr) return PushResult::kUnsupported;
  const TxDataForm& data = *plan.data;

  // Everything that can go wrong, before anything is written.
  if (segments.empty() || segments.size() > max_segments_) return PushResult::kTooLong;
  uint64_t total = 0;
  for (const TxSegment& segment : segments) {
    if (segment.bytes == 0 || segment.bytes > data.max_bytes ||
        !data.length.CanStore(segment.bytes) || !data.address.CanStore(segment.address.value)) {
      return PushResult::kTooLong;
    }
    total += segment.bytes;
  }
  if (total > program_.max_packet_bytes) return PushResult::kTooLong;
  const bool segmented = plan.request.wants.Has(TxFeature::kSegment);
  const uint64_t payload = PayloadBytes(plan.request, total);
  const auto cannot_say = [](const std::optional<PacketLengthField>& field, uint64_t bytes) {
    return field.has_value() && !field->field.CanStore(bytes);
  };
  if (segmented && payload == 0) return PushResult::kUnsupported;  // nothing but headers
  if ((segmented && cannot_say(data.payload_length, payload)) ||
      (segmented && plan.context != TxProgram::kNoContext &&
       cannot_say(program_.contexts[static_cast<size_t>(plan.context)].payload_length, payload)) ||
      (!(segmented && data.payload_length) && cannot_say(data.total_length, total))) {
    return PushResult::kTooLong;
  }
  bool emit = false;
  uint32_t place = 0;
  DescriptorBytes image;
  if (plan.context != TxProgram::kNoContext) {
    place = contexts_.Find(program_, plan.context, plan.request, payload, &emit, &image);
  }
  const auto needed = static_cast<uint32_t>(segments.size() + (emit ? 1 : 0));
  if (needed > program_.max_descriptors) return PushResult::kTooLong;
  if (needed > shape_.capacity - in_use_) return PushResult::kNoRoom;

  if (emit) {
    shape_.slots.Write(produce_, image.bytes);
    Advance(0, false);
    contexts_.Remember(program_, plan.context, place, plan.request, image);
  }
  slots_since_report_ += needed;
  ++since_report_;
  const bool report = data.report.has_value() &&
                      (since_report_ >= report_every_ || slots_since_report_ >= most_unreported_);
  for (size_t i = 0; i < segments.size(); ++i) {
    const bool first = i == 0;
    const bool last = i + 1 == segments.size();
    CopyDescriptor(image.bytes, data.image[first][last].bytes, program_.copy_bytes);
    data.address.Store(image.bytes, segments[i].address.value);
    data.length.Store(image.bytes, segments[i].bytes);
    if (plan.request.wants.bits != 0) {
      data.request.Store(plan.request, first, last, image.bytes);
      if (plan.context != TxProgram::kNoContext) {
        if (data.context_index.has_value()) data.context_index->Store(image.bytes, place);
        if (data.context_present.has_value()) data.context_present->Store(image.bytes, 1);
      }
    }
    // Two lengths may share bits, chosen by a flag that stands there by now.
    if (data.total_length.has_value() && SpeaksIn(data.total_length->position, first, last) &&
        data.total_length->valid.Holds(image.bytes)) {
      data.total_length->field.Store(image.bytes, total);
    }
    if (data.payload_length.has_value() && SpeaksIn(data.payload_length->position, first, last) &&
        data.payload_length->valid.Holds(image.bytes)) {
      data.payload_length->field.Store(image.bytes, payload);
    }
    if (last && report) data.report->Store(image.bytes, 1);
    shape_.slots.Write(produce_, image.bytes);
    if (last) {
      last_form_ = &data;
      last_slot_ = produce_;
      CopyDescriptor(last_image_.bytes, image.bytes, program_.copy_bytes);
    }
    Advance(cookie, last);
  }
  if (report || !data.report.has_value()) {
    AddReport(last_slot_, slots_since_report_, since_report_);
  }
  ++outstanding_;
  return PushResult::kPushed;
}

bool InPlaceTxDriver::Publish() {
  if (produced_ == published_) return false;
  if (since_report_ != 0 && last_form_ != nullptr && last_form_->report.has_value()) {
    // The last descriptor is still ours: ask for its completion, which stands for all before it.
    last_form_->report->Store(last_image_.bytes, 1);
    shape_.slots.Write(last_slot_, last_image_.bytes);
    AddReport(last_slot_, slots_since_report_, since_report_);
  }
  DoorbellState state;
  state.index = produce_;
  state.count = produced_;
  state.added = static_cast<uint32_t>(produced_ - published_);
  published_ = produced_;
  return doorbells_.Ring(state);
}

bool InPlaceTxDriver::IsDone(uint32_t slot) const {
  // Acquire: pairs with the release of the device's store; after it the packet's buffers are the
  // program's again.
  if (done_bits_.has_value()) {
    const std::byte* const at = shape_.view.slots + size_t{slot} * shape_.slots.slot_bytes();
    return (LoadAcquire<uint64_t>(at + done_bits_->offset) & done_bits_->mask) == done_bits_->value;
  }
  DescriptorBytes descriptor;
  shape_.slots.ReadWordAcquire(slot, shape_.done_word, descriptor.bytes);
  return shape_.done.Holds(descriptor.bytes);
}

void InPlaceTxDriver::FindDoneBits() {
  DescriptorBytes mask{};
  DescriptorBytes value{};
  if (shape_.slots.word_bytes() != sizeof(uint64_t) ||
      !shape_.done.IsBits(mask.bytes, value.bytes)) {
    return;
  }
  Condition::WideTest test;
  test.offset = static_cast<uint16_t>(shape_.done_word * sizeof(uint64_t));
  std::memcpy(&test.mask, mask.bytes + test.offset, sizeof test.mask);
  std::memcpy(&test.value, value.bytes + test.offset, sizeof test.value);
  done_bits_ = test;
}

uint32_t InPlaceTxDriver::Reclaim(std::span<uint32_t> cookies) {
  const auto most = static_cast<uint32_t>(std::min<size_t>(cookies.size(), UINT32_MAX));
  uint32_t count = 0;
  while (count < most) {
    if (complete_ == 0) {
      // The next slot that is reported says so for all before it.
      if (report_begin_ == report_end_) break;
      const Report& report = reports_[report_begin_];
      const uint32_t published = in_use_ - static_cast<uint32_t>(produced_ - published_);
      if (report.slots > published) break;
      if (!IsDone(report.slot)) break;
      complete_ = report.slots;
      complete_plain_ = report.plain;
      report_begin_ = NextReport(report_begin_);
      // The next one is looked at as soon as the packets of this one are back.
      if (report_begin_ != report_end_) shape_.slots.Prefetch(reports_[report_begin_].slot, 1);
    }
    uint32_t run = std::min(complete_, shape_.slot_count - consume_);
    const uint32_t before = count;
    if (complete_plain_) {
      run = std::min(run, most - count);
      std::memcpy(&cookies[count], &cookies_[consume_], size_t{run} * sizeof(uint32_t));
      count += run;
    } else {
      uint32_t slots = 0;
      for (; slots < run && count < most; ++slots) {
        const bool ends_packet = goes_on_[consume_ + slots] == 0;
        if (ends_packet) cookies[count++] = cookies_[consume_ + slots];
        goes_on_[consume_ + slots] = 0;
      }
      run = slots;
    }
    outstanding_ -= count - before;
    consume_ = consume_ + run == shape_.slot_count ? 0 : consume_ + run;
    in_use_ -= run;
    complete_ -= run;
  }
  return count;
}

}  // namespace qsplit::dataplane
