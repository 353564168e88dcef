#include "dataplane/ring_rx_device.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/burst_cache.h"

namespace qsplit::dataplane {
namespace {

// Completions that wait to become a block.
constexpr size_t kMostQueued = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<RingRxDevice>> RingRxDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const RxDeviceOptions& options) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto device = std::unique_ptr<RingRxDevice>(new RingRxDevice);
  device->shape_ = *std::move(shape);
  device->memory_ = options.memory;
  absl::StatusOr<RxRings> rings = FindRxRings(device->shape_);
  if (!rings.ok()) return rings.status();
  const RingShape& completions = *rings->completions;
  device->own_slots_ = rings->InOwnSlots();
  device->in_place_ = device->own_slots_ && completions.ring->completes_size() > 0 &&
                      completions.ring->completes(0).key() == v1::COMPLETION_KEY_IN_PLACE;
  const QueueScope scope = ScopeOf(device->shape_);

  absl::StatusOr<CompletionWriter> writer = CompletionWriter::Create(completions);
  if (!writer.ok()) return writer.status();
  device->writer_ = *std::move(writer);
  const RingForms& forms = device->writer_->forms();
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(device->shape_, completions, forms);
  if (!rules.ok()) return rules.status();
  device->rules_ = *std::move(rules);
  absl::StatusOr<RxPacketRules> packet = RxPacketRules::Compile(scope, RxFields::All());
  if (!packet.ok()) return packet.status();
  device->rules_of_packet_ = *std::move(packet);
  device->by_length_ = device->rules_of_packet_.span == v1::SPAN_BY_LENGTH;
  device->prefix_says_ = device->rules_of_packet_.PrefixSays();
  if (device->prefix_says_) device->prefix_stencils_.emplace();
  if (device->prefix_says_ && options.memory.write == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(completions.Where(),
                     ": packets have a prefix that must be written, and no memory was given"));
  }
  absl::StatusOr<std::vector<RxCompletionForm>> compiled =
      CompileRxCompletions(scope, completions, forms, device->rules_of_packet_, RxFields::All());
  if (!compiled.ok()) return compiled.status();
  device->forms_ = *std::move(compiled);
  if (completions.ring->has_compressed()) {
    absl::StatusOr<CompressedCompletions> compressed =
        CompressedCompletions::Compile(scope, completions, forms);
    if (!compressed.ok()) return compressed.status();
    device->compressed_ = *std::move(compressed);
    device->queued_.reserve(kMostQueued);
  }
  size_t buffers = 0;
  for (const RxRings::Lane& lane : rings->lanes) {
    absl::StatusOr<RxFetchRing> ring = RxFetchRing::Create(
        device->shape_, lane,
        BurstKey(
            "posted buffers", layout, view,
            {static_cast<uint64_t>(options.access), options.buffer_bytes, device->lanes_.size()}),
        options);
    if (!ring.ok()) return ring.status();
    buffers += size_t{ring->slot_count()} * ring->buffers_per_descriptor();
    device->positions_.push_back(lane.ordered().ring->position());
    device->lanes_.push_back(*std::move(ring));
  }
  device->fetched_.resize(buffers);
  device->packet_.reserve(buffers);
  if (absl::Status status = device->FindWays(); !status.ok()) return status;
  device->FindWhole(layout, options);
  return device;
}

absl::Status RingRxDevice::FindWays() {
  const RingForms& forms = writer_->forms();
  ways_.resize(lanes_.size());
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    for (uint32_t form = 0; form < forms.size(); ++form) {
      form_slots_ = std::max(form_slots_, forms[form].slots);
      const RxCompletionForm& from = forms_[form];
      if (!from.is_packet) continue;
      // One is written; is it what it is meant to be?
      bool possible = false;
      for (uint32_t ends = 0; ends < 4 && !possible; ++ends) {
        const bool first = (ends & 1) != 0;
        DescriptorBytes image{};
        from.program.Encode(64, 0, first, (ends & 2) != 0, RxMetadata(), image.bytes);
        CompletionTarget target;
        possible = rules_.Write(form, lanes_[lane].ring(), 0, image.bytes, writer_->position()) &&
                   forms.Match(image.bytes, first) == static_cast<int>(form) &&
                   rules_.Find(form, image.bytes, writer_->position(), &target) &&
                   target.ring == lanes_[lane].ring();
      }
      if (!possible) continue;
      ways_[lane].push_back(form);
      supported_ |= from.program.Fields();
      if (from.count.has_value()) {
        most_completions_ = std::min(most_completions_, from.count->MaxValue());
      }
    }
    if (ways_[lane].empty()) {
      return absl::UnimplementedError(
          absl::StrCat("layout ", shape_.layout->name(), ", queue ", shape_.queue->name(),
                       ": no completion is known for buffers of ring ",
                       shape_.queue->rings(static_cast<int>(lanes_[lane].ring())).name()));
    }
  }
  if (rules_of_packet_.prefix.has_value()) supported_ |= rules_of_packet_.prefix->Fields();
  if (rules_of_packet_.prefix_count.has_value()) {
    most_completions_ = std::min(most_completions_, rules_of_packet_.prefix_count->MaxValue());
  }
  return absl::OkStatus();
}

uint32_t RingRxDevice::PeekAvailable() {
  uint32_t available = 0;
  if (fault_ != RingFault::kNone) return 0;
  for (RxFetchRing& lane : lanes_) available += lane.Available();
  return available;
}

bool RingRxDevice::PacketMayGoOn() const {
  if (packet_fetched_ >= most_completions_) return false;
  return rules_of_packet_.span != v1::SPAN_SINGLE || lanes_[last_lane_].HasMoreHere();
}

RingFault RingRxDevice::FetchFromSome(bool first, PostedBuffer* out, Piece* piece) {
  const auto count = static_cast<uint32_t>(lanes_.size());
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t lane = (turn_ + i) % count;
    if (!SpeaksIn(positions_[lane], first, false)) continue;
    // A packet begins with a descriptor of its own, unless it takes buffers one by one.
    const RingFault fault = lanes_[lane].Fetch(first && !by_length_, out, &piece->place);
    if (fault == RingFault::kEmpty) continue;
    piece->lane = lane;
    turn_ = lane + 1 == count ? 0 : lane + 1;
    return fault;
  }
  return RingFault::kEmpty;
}

RingFault RingRxDevice::Fetch(PostedBuffer* out, bool first, uint32_t /*packet_bytes*/) {
  if (fault_ != RingFault::kNone) return fault_;
  // Each buffer may need a completion: none is handed out that could not be completed.
  const size_t pending = fetched_count_ + packet_.size();
  if (pending == fetched_.size() || (!first && !PacketMayGoOn())) return RingFault::kEmpty;
  const size_t slots = queued_.size() + (pending + 1) * form_slots_;
  if (!writer_->HasRoom(static_cast<uint32_t>(slots))) {
    fault_ = writer_->fault();
    return fault_ != RingFault::kNone ? fault_ : RingFault::kEmpty;
  }
  Piece piece;
  RingFault fault = RingFault::kNone;
  if (!first && lanes_[last_lane_].HasMoreHere()) {
    piece.lane = last_lane_;
    fault = lanes_[last_lane_].Fetch(false, out, &piece.place);
  } else {
    fault = FetchFromSome(first, out, &piece);
  }
  if (fault != RingFault::kNone) {
    return fault == RingFault::kEmpty ? fault : fault_ = fault;
  }
  last_lane_ = piece.lane;
  packet_fetched_ = first ? 1 : packet_fetched_ + 1;
  piece.bytes = out->bytes;
  piece.address = out->address;
  fetched_[(fetched_begin_ + fetched_count_) % fetched_.size()] = piece;
  ++fetched_count_;
  return RingFault::kNone;
}

void RingRxDevice::Unfetch() {
  for (; fetched_count_ > 0; --fetched_count_) {
    const Piece& piece = fetched_[(fetched_begin_ + fetched_count_ - 1) % fetched_.size()];
    lanes_[piece.lane].Return(piece.place);
  }
}

void RingRxDevice::Skip() {
  if (fetched_count_ == 0) return;
  const Piece piece = fetched_[fetched_begin_];
  fetched_begin_ = (fetched_begin_ + 1) % fetched_.size();
  --fetched_count_;
  RxFetchRing& lane = lanes_[piece.lane];
  if (by_length_ ? !lane.IsLastOf(piece.place)
                 : fetched_count_ > 0 && fetched_[fetched_begin_].lane == piece.lane &&
                       fetched_[fetched_begin_].place.descriptor == piece.place.descriptor) {
    return;  // more of it is in use
  }
  if (in_place_) writer_->Skip(lane.Slots(piece.place.descriptor));
  lane.Finish(piece.place.descriptor);
}

bool RingRxDevice::Complete(const RxResult& result) {
  if (fetched_count_ == 0) return false;
  Piece piece = fetched_[fetched_begin_];
  fetched_begin_ = (fetched_begin_ + 1) % fetched_.size();
  --fetched_count_;
  const uint32_t prefix = packet_.empty() ? rules_of_packet_.prefix_bytes : 0;
  piece.length = std::min(result.length, piece.bytes - std::min(piece.bytes, prefix));
  packet_.push_back(piece);
  if (result.last) CompletePacket(result.meta);
  return true;
}

RingRxDevice::Part RingRxDevice::PartFrom(size_t begin) const {
  Part part;
  part.begin = part.end = begin;
  const Piece& first = packet_[begin];
  while (part.end < packet_.size() &&
         (by_length_ || (packet_[part.end].lane == first.lane &&
                         packet_[part.end].place.descriptor == first.place.descriptor))) {
    part.bytes += packet_[part.end++].length;
  }
  part.first = begin == 0;
  part.last = part.end == packet_.size();
  if (part.first && rules_of_packet_.length_includes_prefix) {
    part.bytes += rules_of_packet_.prefix_bytes;
  }
  return part;
}

void RingRxDevice::CompletePacket(const RxMetadata& meta) {
  uint32_t parts = 0;
  uint64_t packet_bytes = 0;
  for (size_t at = 0; at < packet_.size(); ++parts) {
    const Part part = PartFrom(at);
    packet_bytes += part.bytes;
    at = part.end;
  }
  if (prefix_says_) WritePrefix(packet_.front(), parts, packet_bytes, meta);
  uint64_t up_to_now = 0;
  for (size_t at = 0; at < packet_.size();) {
    Part part = PartFrom(at);
    part.up_to_now = up_to_now += part.bytes;
    CompletePart(part, parts, packet_bytes, meta);
    at = part.end;
  }
  FinishPacket();
}

void RingRxDevice::FinishPacket() {
  for (const Piece& piece : packet_) {
    RxFetchRing& lane = lanes_[piece.lane];
    if (!by_length_ || lane.IsLastOf(piece.place)) lane.Finish(piece.place.descriptor);
  }
  packet_.clear();
}

bool RingRxDevice::EncodeWhole(const RxProgram& program, uint64_t said, const RxMetadata& meta,
                               RxStencils* stencils, std::byte* image) {
  if (const RxStencils::Stencil* const stencil = stencils->Find(meta); stencil != nullptr) {
    RxStencils::Words words;
    // The same packets may be said in several forms: the first one has it.
    if (stencil->program() == &program && stencil->Fill(said, meta.hash, &words)) {
      std::memcpy(image, words.data(), program.EncodedBytes());
      return true;
    }
  } else {
    stencils->Learn(program, meta);
  }
  return program.Encode(said, 0, true, true, meta, image);
}

void RingRxDevice::WritePrefix(const Piece& first, uint32_t completions, uint64_t packet_bytes,
                               const RxMetadata& meta) {
  if (first.bytes < rules_of_packet_.prefix_bytes) return;
  DescriptorBytes image{};
  const RxProgram& program = *rules_of_packet_.prefix;
  if (completions == 1) {
    EncodeWhole(program, packet_bytes, meta, &*prefix_stencils_, image.bytes);
  } else {
    program.Encode(packet_bytes, 0, true, false, meta, image.bytes);
  }
  if (rules_of_packet_.prefix_count.has_value()) {
    rules_of_packet_.prefix_count->Store(image.bytes, completions);
  }
  // Where it cannot be written, packets cannot be either, and the caller has seen to that.
  static_cast<void>(memory_.Write(first.address, image.bytes, rules_of_packet_.prefix_bytes));
}

bool RingRxDevice::ChooseForm(uint32_t lane, bool first, bool last, RxFields has,
                              uint32_t* form) const {
  int best = -1;
  for (const uint32_t candidate : ways_[lane]) {
    const RxCompletionForm& from = forms_[candidate];
    if (!SpeaksIn(from.position, first, last) ||
        !(last ? from.program.CanBeLast() : from.program.CanGoOn())) {
      continue;
    }
    const int says = std::popcount((from.program.Fields() & has).bits);
    if (says <= best) continue;
    best = says;
    *form = candidate;
  }
  return best >= 0;
}

bool RingRxDevice::Encode(const Part& part, uint32_t form_number, uint64_t said, uint32_t parts,
                          const RxMetadata& meta, std::byte* image) {
  const RxCompletionForm& form = forms_[form_number];
  const Piece& piece = packet_[part.begin];
  const RxFetchRing& lane = lanes_[piece.lane];
  const bool fits = part.first && part.last
                        ? EncodeWhole(form.program, said, meta, &stencils_, image)
                        : form.program.Encode(said, 0, part.first, part.last, meta, image);
  if (form.count.has_value()) form.count->Store(image, parts);
  if (form.address.has_value()) form.address->Store(image, piece.address.value);
  const v1::CompletionKey key = rules_.KeyFor(form_number, lane.ring());
  return rules_.Write(form_number, lane.ring(), lane.Key(piece.place.descriptor, key), image,
                      writer_->position()) &&
         fits;
}

void RingRxDevice::CompletePart(const Part& part, uint32_t parts, uint64_t packet_bytes,
                                const RxMetadata& meta) {
  uint64_t said = part.bytes;
  if (rules_of_packet_.length == v1::LENGTH_MEANING_PACKET_IN_LAST) said = part.up_to_now;
  const bool all = rules_of_packet_.length == v1::LENGTH_MEANING_PACKET_IN_FIRST;
  if (all) said = packet_bytes;
  if (part.last || all) said += rules_of_packet_.crc_bytes;
  const Piece& piece = packet_[part.begin];
  const uint32_t advance = own_slots_ ? lanes_[piece.lane].Slots(piece.place.descriptor) : 0;
  uint32_t form = 0;
  DescriptorBytes image;
  if (!ChooseForm(piece.lane, part.first, part.last, meta.present, &form)) {
    if (in_place_) writer_->Skip(advance);
    return;
  }
  if (!Encode(part, form, said, parts, meta, image.bytes)) {
    // A length that the form cannot say is said as zero bytes of a damaged packet.
    RxMetadata damaged = meta;
    damaged.error = true;
    damaged.present |= RxField::kError;
    Encode(part, form, 0, parts, damaged, image.bytes);
  }
  Put(form, image.bytes, advance);
}

void RingRxDevice::Put(uint32_t form, std::byte* image, uint32_t advance) {
  if (compressed_.has_value()) [[unlikely]] {
    if (form == compressed_->title_form()) {
      if (queued_.size() == kMostQueued) WriteQueued();
      queued_.emplace_back();
      std::memcpy(queued_.back().bytes, image, sizeof(DescriptorBytes));
      return;
    }
    WriteQueued();
  }
  writer_->Write(form, image, writer_->forms()[form].bytes, advance);
}

void RingRxDevice::WriteQueued() {
  const std::span<DescriptorBytes> all(queued_);
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    end = begin + 1;
    while (end < all.size() && compressed_->Alike(all[begin], all[end])) ++end;
    if (end - begin > 1 && compressed_->Write(all.subspan(begin, end - begin), &*writer_)) continue;
    for (size_t i = begin; i < end; ++i) {
      writer_->Write(compressed_->title_form(), all[i].bytes);
    }
  }
  queued_.clear();
}

void RingRxDevice::Publish() {
  if (!queued_.empty()) WriteQueued();
  writer_->Publish();
  for (RxFetchRing& lane : lanes_) lane.Publish();
}

void RingRxDevice::SetNeedWakeup(bool need) {
  for (RxFetchRing& lane : lanes_) lane.SetNeedWakeup(need);
}

}  // namespace qsplit::dataplane
