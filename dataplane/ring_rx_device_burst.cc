// Packets of one buffer each in bursts, from the device's side of any receive queue: see
// ring_rx_device.h, burst/slot_reader.h, burst/slot_writer.h.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "dataplane/burst_cache.h"
#include "dataplane/ring_rx_device.h"

namespace qsplit::dataplane {
namespace {

// What completions of one kind differ in.
struct WholeCompletion {
  uint64_t key = 0;
  uint64_t address = 0;
  uint32_t length = 0;
  uint32_t hash = 0;
};
constexpr uint32_t kTogether = 32;
constexpr uint32_t kWord = 8;

void Mark(const FieldAccess* field, DescriptorBytes* bits) {
  if (field != nullptr) field->StoreRaw(bits->bytes, field->MaxRaw());
}

// Adds bits; false: some of them are there already.
bool AddApart(const DescriptorBytes& more, DescriptorBytes* bits) {
  if (Overlap(more, *bits)) return false;
  for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) bits->bytes[i] |= more.bytes[i];
  return true;
}

}  // namespace

std::optional<RingRxDevice::Whole> RingRxDevice::PlanWhole(uint32_t form, const RxHoles& holes,
                                                           burst::SlotWritePlan* plan) const {
  const RxCompletionForm& from = forms_[form];
  const uint32_t ring = lanes_[0].ring();
  Whole whole{.form = form, .length = holes.length, .hash = holes.hash};
  whole.key_kind = rules_.KeyFor(form, ring);
  if (!writer_->Plan(form, plan) || holes.length == nullptr || !holes.wire_lengths.empty()) {
    return std::nullopt;
  }
  // What decides anything, as such a completion is written: none of it is a packet's own number.
  DescriptorBytes image{};
  if (!from.program.Encode(0, 0, true, true, RxMetadata(), image.bytes) ||
      !rules_.Write(form, ring, 0, image.bytes, writer_->position())) {
    return std::nullopt;
  }
  DescriptorBytes taken{};
  const FieldAccess* const key =
      rules_.KeyOf(form, image.bytes, writer_->position(), ring, taken.bytes);
  const bool has_key = whole.key_kind == v1::COMPLETION_KEY_INDEX ||
                       whole.key_kind == v1::COMPLETION_KEY_TAG ||
                       whole.key_kind == v1::COMPLETION_KEY_ADDRESS;
  if (has_key != (key != nullptr)) return std::nullopt;
  DescriptorBytes ones, zeros{};
  std::memset(ones.bytes, 0xff, sizeof ones.bytes);
  writer_->forms().Sign(form, ones.bytes, writer_->position());
  writer_->forms().Sign(form, zeros.bytes, writer_->position());
  for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) {
    taken.bytes[i] |= ~(ones.bytes[i] ^ zeros.bytes[i]);
  }
  Mark(from.count.has_value() ? &*from.count : nullptr, &taken);
  const FieldAccess* const address = from.address.has_value() ? &*from.address : nullptr;
  for (const FieldAccess* const field : {holes.length, holes.hash, key, address}) {
    DescriptorBytes bits{};
    Mark(field, &bits);
    if (!AddApart(bits, &taken)) return std::nullopt;
  }
  plan->element_bytes = sizeof(WholeCompletion);
  plan->length.offset = offsetof(WholeCompletion, length);
  plan->length_more = rules_of_packet_.crc_bytes;
  if (rules_of_packet_.length_includes_prefix) plan->length_more += rules_of_packet_.prefix_bytes;
  plan->most_length = holes.length->MaxRaw();
  if (!burst::AddPieces(*holes.length, 64, 0, &plan->length.pieces)) return std::nullopt;
  const auto add = [&](const FieldAccess* field, size_t offset, uint32_t bytes, uint64_t* most) {
    if (field == nullptr) return true;
    burst::SlotWritePlan::Number number{.offset = static_cast<uint32_t>(offset), .bytes = bytes};
    if (!burst::AddPieces(*field, 8 * bytes, 0, &number.pieces)) return false;
    if (most != nullptr) *most = field->MaxRaw();
    plan->others.push_back(std::move(number));
    return true;
  };
  if (!add(holes.hash, offsetof(WholeCompletion, hash), 4, nullptr) ||
      (holes.hash != nullptr && holes.hash->MaxRaw() < UINT32_MAX) ||
      !add(key, offsetof(WholeCompletion, key), 8, &whole.most_key) ||
      !add(address, offsetof(WholeCompletion, address), 8, &whole.most_address)) {
    return std::nullopt;
  }
  std::vector<const std::vector<burst::Piece>*> all{&plan->length.pieces};
  for (const burst::SlotWritePlan::Number& number : plan->others) all.push_back(&number.pieces);
  for (const auto* pieces : all) {
    for (const burst::Piece& piece : *pieces) {
      if (piece.word >= plan->word_count) return std::nullopt;
    }
  }
  return whole;
}

void RingRxDevice::FindWhole(const layout::VerifiedLayout& layout, const RxDeviceOptions& options) {
  // Others are completed one by one.
  if (options.access == AccessMode::kEngine || lanes_.size() != 1 || by_length_ ||
      compressed_.has_value() || !SpeaksIn(positions_[0], true, false)) {
    return;
  }
  for (const uint32_t form : ways_[0]) {
    const RxProgram& program = forms_[form].program;
    for (const bool hashed : {true, false}) {
      RxMetadata meta;
      if (hashed) meta.present = program.Fields() & RxField::kHash;
      if (hashed && meta.present.bits == 0) continue;
      const std::optional<RxHoles> holes = program.FindHoles(meta);
      burst::SlotWritePlan plan;
      if (!holes.has_value() || (holes->hash != nullptr) != hashed) continue;
      std::optional<Whole> whole = PlanWhole(form, *holes, &plan);
      if (!whole.has_value()) continue;
      whole->writer = BurstCache::Get<burst::SlotWriter>(
          options.bursts,
          BurstKey("ring completions", layout, shape_.view,
                   {static_cast<uint64_t>(options.access), hashed, form}),
          [&] {
            return burst::SlotWriter::Create(std::move(plan),
                                             options.access == AccessMode::kCompiled);
          });
      wholes_.push_back(*std::move(whole));
    }
  }
}

uint32_t RingRxDevice::FetchRun(std::span<PlainBuffer> out) {
  if (lanes_.size() != 1 || lanes_[0].run() == nullptr || fault_ != RingFault::kNone) return 0;
  // Each buffer may need a completion: none is handed out that could not be completed.
  const auto most = static_cast<uint32_t>(std::min(out.size(), fetched_.size() - fetched_count_));
  const size_t slots = queued_.size() + size_t{fetched_count_ + most} * form_slots_;
  if (most == 0 || !writer_->HasRoom(static_cast<uint32_t>(slots))) return 0;
  RxFetchRing::Place place;
  const uint32_t count = lanes_[0].FetchRun(most, out.data(), &place);
  for (uint32_t i = 0; i < count; ++i, ++place.descriptor) {
    fetched_[(fetched_begin_ + fetched_count_++) % fetched_.size()] = {
        .lane = 0, .place = place, .bytes = out[i].bytes, .length = 0, .address = out[i].address};
  }
  if (count != 0) {
    last_lane_ = 0;
    packet_fetched_ = 1;
  }
  return count;
}

uint32_t RingRxDevice::FetchPlain(std::span<PlainBuffer> out) {
  if (!packet_.empty()) return 0;
  uint32_t count = FetchRun(out);
  PostedBuffer buffer;
  while (count < out.size() && Fetch(&buffer, true, 0) == RingFault::kNone) {
    out[count++] = {buffer.address, buffer.bytes, buffer.slot};
  }
  return count;
}

uint32_t RingRxDevice::CompleteRun(const Whole& whole, const RxStencils::Stencil& stencil,
                                   const RxMetadata& meta, std::span<const RxPlain> packets) {
  const RxCompletionForm& form = forms_[whole.form];
  const RingCursor at = writer_->position();
  const uint32_t prefix_bytes = rules_of_packet_.prefix_bytes;
  const auto most =
      static_cast<uint32_t>(std::min({packets.size(), size_t{kTogether}, size_t{fetched_count_},
                                      size_t{at.slot_count() - at.index()}}));
  std::array<WholeCompletion, kTogether> elements;
  RxFetchRing& lane = lanes_[0];
  uint32_t count = 0;
  size_t number = fetched_begin_;
  for (; count < most; ++count) {
    const Piece& piece = fetched_[number];
    number = number + 1 == fetched_.size() ? 0 : number + 1;
    const RxPlain& packet = packets[count];
    if (uint64_t{packet.length} + prefix_bytes > piece.bytes) break;
    elements[count] = {lane.Key(piece.place.descriptor, whole.key_kind), piece.address.value,
                       packet.length, packet.hash};
    if (elements[count].key > whole.most_key || piece.address.value > whole.most_address) break;
    if (own_slots_ && lane.Slots(piece.place.descriptor) != 1) break;
    if (prefix_says_) {
      RxMetadata own = meta;
      own.hash = packet.hash;
      WritePrefix(piece, 1,
                  packet.length + (rules_of_packet_.length_includes_prefix ? prefix_bytes : 0),
                  own);
    }
  }
  if (count == 0) return 0;
  DescriptorBytes image{};
  std::memcpy(image.bytes, stencil.words().data(), sizeof stencil.words());
  if (form.count.has_value()) form.count->Store(image.bytes, 1);
  if (!rules_.Write(whole.form, lane.ring(), 0, image.bytes, at)) return 0;
  writer_->forms().Sign(whole.form, image.bytes, at);
  burst::SlotImage words;
  std::memcpy(words.data(), image.bytes, sizeof words);
  const uint32_t written = writer_->WriteRun(*whole.writer, count, elements.data(), words);
  if (written == 0) return 0;
  const size_t last = (fetched_begin_ + written - 1) % fetched_.size();
  lane.Finish(fetched_[last].place.descriptor);
  fetched_begin_ = (last + 1) % fetched_.size();
  fetched_count_ -= written;
  return written;
}

void RingRxDevice::CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets) {
  uint32_t form = 0;
  if (!wholes_.empty() && packet_.empty() && ChooseForm(0, true, true, meta.present, &form)) {
    const RxStencils::Stencil* const stencil = stencils_.Find(meta);
    const auto whole = std::ranges::find_if(wholes_, [&](const Whole& w) {
      return stencil != nullptr && w.form == form && w.length == stencil->length_field() &&
             w.hash == stencil->hash_field();
    });
    while (whole != wholes_.end() && !packets.empty()) {
      const uint32_t written = CompleteRun(*whole, *stencil, meta, packets);
      if (written == 0) break;
      packets = packets.subspan(written);
    }
  }
  RxResult result{.last = true, .meta = meta};
  for (const RxPlain& packet : packets) {
    result.length = packet.length;
    result.meta.hash = packet.hash;
    if (!Complete(result)) return;
  }
}

AccessReport RingRxDevice::Access() const {
  if (lanes_.size() != 1 || lanes_[0].run() == nullptr) return AccessReport::Engine();
  return AccessReport::Burst(lanes_[0].run()->code_status());
}

}  // namespace qsplit::dataplane
