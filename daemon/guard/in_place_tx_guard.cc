#include "daemon/guard/in_place_tx_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::guard {

using dataplane::DescriptorBytes;
using dataplane::FormMatcher;
using dataplane::InPlaceShape;
using dataplane::PacketLengthField;
using dataplane::RingFault;
using dataplane::TxDataForm;
using dataplane::TxFeature;
using dataplane::TxRequest;
using device::FaultKind;

namespace {

// The smaller of two limits of which 0 is none.
uint64_t Limit(uint64_t a, uint64_t b) {
  return std::min(a == 0 ? UINT64_MAX : a, b == 0 ? UINT64_MAX : b);
}

// What a field says about the packet's length; nullopt: nothing here.
std::optional<uint64_t> Said(const std::optional<PacketLengthField>& field, bool first, bool last,
                             const std::byte* copy) {
  if (!field.has_value() || !dataplane::SpeaksIn(field->position, first, last) ||
      !field->valid.Holds(copy)) {
    return std::nullopt;
  }
  return field->field.Load(copy);
}

}  // namespace

absl::StatusOr<std::unique_ptr<QueueGuard>> InPlaceTxGuard::Create(QueueParts parts) {
  std::unique_ptr<InPlaceTxGuard> guard(new InPlaceTxGuard(std::move(parts.regions)));
  for (const bool real : {false, true}) {
    absl::StatusOr<InPlaceShape> shape = dataplane::ShapeInPlaceQueue(
        parts.layout, real ? parts.real : parts.shadow, v1::DIRECTION_TRANSMIT);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_ : guard->shadow_) = *std::move(shape);
  }
  const InPlaceShape& s = guard->shadow_;
  guard->slot_bytes_ = s.ring->slot_bytes();
  if (s.slots.word_bytes() != 8 || guard->real_.slots.word_bytes() != 8) {
    return absl::UnimplementedError(absl::StrCat(s.ring_shape.Where(), ": slots of ",
                                                 guard->slot_bytes_, " bytes, not of whole words"));
  }
  guard->min_segment_bytes_ = parts.options.min_segment_bytes;
  const v1::Limits& limits = s.queue->limits();
  guard->min_bytes_ = limits.min_bytes_per_packet();
  guard->max_bytes_ = Limit(limits.max_bytes_per_packet(), parts.options.max_packet_bytes);
  guard->max_segmented_bytes_ =
      Limit(limits.max_bytes_per_packet(), parts.options.max_segmented_bytes);
  absl::StatusOr<dataplane::TxProgram> program = dataplane::TxProgram::Compile(s);
  if (!program.ok()) return program.status();
  guard->program_ = *std::move(program);
  guard->contexts_ = dataplane::TxContextMemory(guard->program_);
  guard->max_descriptors_ = MostDescriptors(limits, parts.options, guard->program_.max_descriptors);
  guard->max_buffer_bytes_ = Limit(parts.options.max_buffer_bytes, 0);
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
  if (absl::Status status = guard->CompileForms(); !status.ok()) return status;
  guard->reports_.resize(s.slot_count);
  return guard;
}

absl::Status InPlaceTxGuard::CompileForms() {
  std::vector<uint32_t> forms = shadow_.post_forms;
  forms.insert(forms.end(), shadow_.context_forms.begin(), shadow_.context_forms.end());
  absl::StatusOr<FormMatcher> matcher =
      FormMatcher::Compile(*shadow_.layout, forms, shadow_.choices);
  if (!matcher.ok()) return matcher.status();
  matcher_ = *std::move(matcher);
  for (const uint32_t form : shadow_.post_forms) {
    DataMasks masks;
    for (const bool first : {false, true}) {
      for (const bool last : {false, true}) {
        absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(shadow_, form, first, last);
        if (!kept.ok()) return kept.status();
        masks.kept[first][last] = *kept;
      }
    }
    absl::StatusOr<DescriptorMask> requests = DescriptorMask::OfRequests(shadow_, form);
    if (!requests.ok()) return requests.status();
    masks.requests = *requests;
    data_masks_.push_back(masks);
  }
  for (const uint32_t form : shadow_.context_forms) {
    absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfPost(shadow_, form, true, true);
    if (!kept.ok()) return kept.status();
    context_masks_.push_back(*kept);
  }
  for (const uint32_t form : shadow_.complete_forms) {
    absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(shadow_, form);
    if (!kept.ok()) return kept.status();
    completion_kept_ |= *kept;
  }
  return absl::OkStatus();
}

bool InPlaceTxGuard::CheckContext(size_t context, std::byte* copy) {
  // Inside of a packet it has no meaning.
  if (packet_.buffers != 0) return Refuse(FaultKind::kBadDescriptor);
  context_masks_[context].Apply(copy, slot_bytes_);
  if (contexts_.Take(program_, context, copy) != RingFault::kNone) {
    return Refuse(FaultKind::kBadDescriptor);
  }
  // Of one that holds until the next comes.
  if (program_.contexts[context].lifetime != v1::CONTEXT_LIFETIME_INDEXED) {
    context_payload_ = Said(program_.contexts[context].payload_length, true, true, copy);
  }
  if (packet_.descriptors + 1 >= max_descriptors_) {
    return Refuse(FaultKind::kEndlessChain);
  }
  return true;
}

bool InPlaceTxGuard::CheckBuffer(const TxDataForm& data, bool last, std::byte* copy) {
  const uint64_t iova = data.address.Load(copy);
  const uint64_t bytes = data.length.Load(copy);
  if (bytes == 0 || bytes > data.max_bytes || bytes > max_buffer_bytes_) {
    return Refuse(FaultKind::kBadDescriptor, iova, bytes);
  }
  uint64_t device_iova = 0;
  const RegionMap::Verdict verdict = regions_.Translate(iova, bytes, false, &device_iova);
  if (verdict != RegionMap::Verdict::kReachable) {
    StopForAddress(verdict, forward_, iova, bytes);
    return false;
  }
  if (!data.address.Store(copy, device_iova)) {
    return Refuse(FaultKind::kBadDescriptor, iova, bytes);
  }
  ++packet_.buffers;
  packet_.bytes += bytes;
  if (!last && packet_.descriptors + 1 >= max_descriptors_) {
    return Refuse(FaultKind::kEndlessChain, iova, packet_.bytes);
  }
  return true;
}

bool InPlaceTxGuard::BeginPacket(const TxDataForm& data, const DescriptorMask& requests, bool last,
                                 const std::byte* copy) {
  packet_.total_bytes = Said(data.total_length, true, last, copy);
  packet_.payload_bytes = Said(data.payload_length, true, last, copy);
  packet_.asks = requests.AnyOf(copy, slot_bytes_);
  if (!packet_.asks) [[likely]] {
    return true;
  }
  packet_.draft = {};
  if (contexts_.Use(program_, data, copy, &packet_.draft) != RingFault::kNone) {
    return Refuse(FaultKind::kBadPacket);
  }
  return true;
}

bool InPlaceTxGuard::EndPacket() {
  const bool as_said = packet_.total_bytes.value_or(packet_.bytes) == packet_.bytes;
  const bool fits =
      packet_.asks ? RequestFits() : packet_.bytes >= min_bytes_ && packet_.bytes <= max_bytes_;
  return as_said && fits ? true : Refuse(FaultKind::kBadPacket, 0, packet_.bytes);
}

bool InPlaceTxGuard::RequestFits() const {
  TxRequest request;
  if (!FinishRequest(packet_.draft, &request)) return false;
  const uint64_t bytes = packet_.bytes;
  const bool cuts = request.wants.Has(TxFeature::kSegment);
  if (bytes < min_bytes_ || bytes > (cuts ? max_segmented_bytes_ : max_bytes_)) return false;
  // Checksums begin and end up inside of the packet.
  const auto inside = [&](uint16_t start, uint16_t at) {
    return start < bytes && uint64_t{at} + sizeof(uint16_t) <= bytes;
  };
  if ((cuts || request.wants.Has(TxFeature::kL4Checksum)) &&
      !inside(request.l4_checksum_start, request.l4_checksum_at)) {
    return false;
  }
  if (request.wants.Has(TxFeature::kL3Checksum) &&
      !inside(request.l3_checksum_start, request.l3_checksum_at)) {
    return false;
  }
  if (!cuts) return true;
  const uint64_t payload = dataplane::PayloadBytes(request, bytes);
  if (payload == 0 || request.segment_bytes < min_segment_bytes_) return false;
  if (request.l4_header_bytes == 0) return true;  // the device finds the headers itself
  return packet_.payload_bytes.value_or(payload) == payload &&
         context_payload_.value_or(payload) == payload;
}

InPlaceTxGuard::Step InPlaceTxGuard::Check(std::byte* copy) {
  const int match = matcher_.Match(copy);
  const auto which = static_cast<size_t>(match);
  bool last = false;
  bool report = false;
  if (match == FormMatcher::kNone) {
    Refuse(FaultKind::kBadDescriptor);
    return Step::kStopped;
  }
  if (which < program_.data.size()) [[likely]] {
    const TxDataForm& data = program_.data[which];
    const DataMasks& masks = data_masks_[which];
    const bool first = packet_.buffers == 0;
    last = data.last.IsLast(copy);
    masks.kept[first][last].Apply(copy, slot_bytes_);
    if (first && !BeginPacket(data, masks.requests, last, copy)) return Step::kStopped;
    if (!CheckBuffer(data, last, copy)) return Step::kStopped;
    if (packet_.asks && (first || last)) data.request.Load(copy, first, last, &packet_.draft);
    if (last && !EndPacket()) return Step::kStopped;
    report = !shadow_.only_where_reported || data.report->Load(copy) != 0;
  } else if (!CheckContext(which - program_.data.size(), copy)) {
    return Step::kStopped;
  }
  // A slot that looks completed already would give it back before the device had it.
  if (shadow_.done.Holds(copy)) {
    Refuse(FaultKind::kBadDescriptor);
    return Step::kStopped;
  }
  if (report) {
    uint32_t at = report_head_ + report_count_++;
    if (at >= shadow_.slot_count) at -= shadow_.slot_count;
    reports_[at] = forward_;
  }
  ++packet_.descriptors;
  return last ? Step::kWhole : Step::kMore;
}

uint32_t InPlaceTxGuard::Forward(uint32_t budget) {
  uint32_t ahead = 0;
  if (!ReadPosted(&ahead)) {
    Refuse(FaultKind::kBadIndex);
    return 0;
  }
  const uint32_t most = std::min(ahead, budget);
  uint32_t seen = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  dataplane::DoorbellState whole;
  for (; seen < most; ++seen) {
    if (packet_.descriptors == 0 && MustWait()) break;
    DescriptorBytes copy;
    shadow_.slots.Read(forward_, copy.bytes, slot_bytes_);
    const Step step = Check(copy.bytes);
    if (step == Step::kStopped) break;
    real_.slots.Write(forward_, copy.bytes, slot_bytes_);
    forward_ = Next(forward_);
    ++forward_count_;
    ++in_use_;
    if (step == Step::kMore) continue;
    ++packets;
    bytes += packet_.bytes;
    TakeTokens(packet_.bytes);
    packet_.descriptors = packet_.buffers = 0;
    packet_.bytes = 0;
    whole.index = forward_;
    whole.count = forward_count_;
  }
  if (packets != 0) {
    whole.added = static_cast<uint32_t>(whole.count - published_count_);
    published_count_ = whole.count;
    doorbells_.Ring(whole);
    counters_.packets.Add(packets);
    counters_.bytes.Add(bytes);
  }
  if (seen != 0) counters_.descriptors.Add(seen);
  return seen;
}

bool InPlaceTxGuard::OldestReportIsDone(std::byte* copy) const {
  if (report_count_ == 0) return false;
  // Acquire: pairs with the device's store of that word; the rest is its as well.
  real_.slots.ReadWordAcquire(reports_[report_head_], real_.done_word, copy);
  return real_.done.Holds(copy);
}

uint32_t InPlaceTxGuard::Return(uint32_t budget) {
  uint32_t returned = 0;
  DescriptorBytes copy;
  while (returned < budget && OldestReportIsDone(copy.bytes)) {
    const uint32_t slot = reports_[report_head_];
    real_.slots.ReadAllBut(slot, real_.done_word, copy.bytes, slot_bytes_);
    completion_kept_.Apply(copy.bytes, slot_bytes_);
    // All slots up to this one are the client's again, before it can see so.
    in_use_ -= (slot >= consume_ ? slot - consume_ : slot + shadow_.slot_count - consume_) + 1;
    consume_ = Next(slot);
    if (++report_head_ == shadow_.slot_count) report_head_ = 0;
    --report_count_;
    shadow_.slots.WriteWithLast(slot, shadow_.done_word, copy.bytes, slot_bytes_);
    ++returned;
  }
  if (returned != 0) counters_.completions.Add(returned);
  return returned;
}

bool InPlaceTxGuard::HasWork() {
  uint32_t ahead = 0;
  // What cannot be is work too: Forward finds it out.
  if (!stopped() && (!ReadPosted(&ahead) || ahead != 0)) return true;
  DescriptorBytes copy;
  return OldestReportIsDone(copy.bytes);
}

}  // namespace qsplit::guard
