// The common case of a transmit queue of any protocol as a plan: see burst/tx_ring.h. What its
// packets are is what TxPlain says of them; what completions of it look like, the other side's own
// rules.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "dataplane/burst_cache.h"
#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;

burst::TxSource SourceOf(TxPlain::Source source) {
  switch (source) {
    case TxPlain::kAddress:
      return burst::TxSource::kAddress;
    case TxPlain::kPrefix:
      return burst::TxSource::kPrefix;
    case TxPlain::kId:
      return burst::TxSource::kId;
    case TxPlain::kSlotCount:
      return burst::TxSource::kCount;
    default:
      return burst::TxSource::kBytes;
  }
}

// Adds what differs in a descriptor, the packet's `slot`-th; its words are the plan's from `first`
// on. False: it is not in words, or two numbers share bits. *numbers: their bits.
bool AddParts(const TxPlain::Descriptor& from, uint32_t slot, size_t first, burst::TxRingPlan* plan,
              DescriptorBytes* numbers) {
  for (const TxPlain::Descriptor::Op& op : from.ops) {
    std::vector<burst::Piece> pieces;
    if (!burst::AddPieces(op.part, &pieces)) return false;
    for (burst::Piece& piece : pieces) {
      uint64_t taken;
      std::memcpy(&taken, numbers->bytes + size_t{kWord} * piece.word, kWord);
      const uint64_t bits = piece.Put(~uint64_t{0});
      if ((taken & bits) != 0 || size_t{kWord} * piece.word >= from.copy_bytes) return false;
      taken |= bits;
      std::memcpy(numbers->bytes + size_t{kWord} * piece.word, &taken, kWord);
      if (op.source == TxPlain::kReport) {
        plan->report_words |= 1u << (first + piece.word);
        continue;
      }
      plan->words[first + piece.word].parts.push_back(
          {SourceOf(op.source), slot, piece, op.whole && pieces.size() == 1});
    }
  }
  return true;
}

}  // namespace

burst::TxMemory RingTxDriver::MemoryOfBursts() const {
  if (table_ || !posts_->TakesBursts()) return burst::TxMemory::kNothing;
  if (rings_.how == TxReturn::kHead || NamesPositions()) return burst::TxMemory::kOrder;
  const bool by_tag = rings_.how == TxReturn::kEach && rings_.key == v1::COMPLETION_KEY_TAG;
  return by_tag ? burst::TxMemory::kId : burst::TxMemory::kNothing;
}

std::optional<burst::TxDonePlan> RingTxDriver::MakeDone() const {
  const RingShape* ring = rings_.completions;
  if (ring == nullptr || rings_.how == TxReturn::kInPlace || rings_.how == TxReturn::kHead ||
      ring->slots.word_bytes() != kWord || ring->ring->has_sequence()) {
    return std::nullopt;
  }
  const RingForms& forms = completions_->forms();
  const uint32_t target = rings_.descriptors->ring_index;
  uint32_t form = 0;
  while (form < forms.size() && !rules_.CanComplete(form, target)) ++form;
  if (form == forms.size() || rules_.KeyFor(form, target) != rings_.key) return std::nullopt;
  burst::TxDonePlan plan;
  plan.slot_count = ring->slot_count;
  plan.slot_bytes = ring->ring->slot_bytes();
  plan.remembers = memory_ == burst::TxMemory::kId;
  plan.step_slots = rings_.CompletesInOwnSlots() ? plain_packet_.slots : 1;
  // As a device writes one, in either phase; of what decides, all bits must be the same.
  DescriptorBytes mask{};
  std::array<DescriptorBytes, 2> image;
  const FieldAccess* key = nullptr;
  RingCursor at = ring->Begin();
  for (uint32_t pass = 0; pass < 2; ++pass, at.SkipSlots(ring->slot_count)) {
    absl::StatusOr<DescriptorBytes> made = FormImage(*ring, forms[form].form);
    if (!made.ok() || !rules_.Write(form, target, 0, made->bytes, at)) return std::nullopt;
    forms.Sign(form, made->bytes, at);
    if (!forms.MarkBits(form, true, mask.bytes) ||
        forms.Match(made->bytes, true) != static_cast<int>(form)) {
      return std::nullopt;
    }
    key = rules_.KeyOf(form, made->bytes, at, target, mask.bytes);
    if (key == nullptr) return std::nullopt;
    image[at.phase()] = *made;
    if (pass == 0) image[1 - at.phase()] = *made;
  }
  if (!burst::AddPieces(*key, 64, 0, &plan.key)) return std::nullopt;
  const auto word_of = [](const DescriptorBytes& bytes, uint32_t word) {
    uint64_t bits;
    std::memcpy(&bits, bytes.bytes + size_t{kWord} * word, kWord);
    return bits;
  };
  const uint32_t words = std::min(plan.slot_bytes / kWord, burst::kMaxWords);
  for (const burst::Piece& piece : plan.key) {
    if (piece.word >= words || (piece.Put(~uint64_t{0}) & word_of(mask, piece.word)) != 0) {
      return std::nullopt;
    }
  }
  for (uint32_t w = words; w < kMaxDescriptorBytes / kWord; ++w) {
    if (word_of(mask, w) != 0) return std::nullopt;
  }
  // What hands over is looked at first.
  const uint32_t handover = forms.HandoverWord();
  for (uint32_t i = 0; i < words + 1; ++i) {
    const uint32_t w = i == 0 ? handover : i - 1;
    if (w >= words || (i != 0 && w == handover) || word_of(mask, w) == 0) continue;
    const uint64_t bits = word_of(mask, w);
    plan.tests.push_back({w, bits, {word_of(image[0], w) & bits, word_of(image[1], w) & bits}});
  }
  return plan;
}

void RingTxDriver::OpenBursts(const TxOptions& options) {
  // How they come back must be of a kind that bursts know, too.
  alone_ = rings_.how == TxReturn::kAddress && plain_pending_ == 1;
  if ((memory_ == burst::TxMemory::kNothing && !alone_) || !posts_->TakesBursts() || table_ ||
      plain_packet_.count == 0 || rings_.posts->ring->has_sequence()) {
    return;
  }
  std::optional<burst::TxDonePlan> done = MakeDone();
  if (alone_ && (!done.has_value() || !done->tests.empty())) return;
  if (alone_) done->expected_count = addresses_.slot_count();
  const auto* const takes = done.has_value() ? &*done : nullptr;
  bursts_.reserve(2 * program_.posts.size());  // plans point to them
  for (const TxPost& post : program_.posts) {
    if (!post.MayBeFirst()) continue;
    Plan plan = plans_.plain();
    plan.first = &post;
    for (const bool has_total : {false, true}) {
      const bool is_plain = has_total == HasTotal(plan);
      // Whether it is there, a request may decide.
      if (!is_plain && (!post.total_length.has_value() || post.total_length->valid.AlwaysTrue())) {
        continue;
      }
      AddBurst(plan, has_total, bursts_.empty() ? takes : nullptr, options);
    }
  }
  if (takes != nullptr && !bursts_.empty()) {
    takes_ = bursts_.front().code.get();
    done_slots_ = shape_.view.rings[rings_.completions->ring_index].slots;
  }
  post_slots_ = shape_.view.rings[rings_.posts->ring_index].slots;
  call_.remembered = ledger_.Remembered();
  numbers_.remembered = ledger_.Remembered();
  numbers_.count = ledger_.RememberedCount();
  call_.prefixes = prefixes_.data();
  call_.prefix_iova = shape_.view.scratch_iova.value;
}

void RingTxDriver::AddBurst(const Plan& plan, bool has_total, const burst::TxDonePlan* done,
                            const TxOptions& options) {
  Burst burst;
  burst.first = plan.first;
  burst.has_total = has_total;
  Packet packet;
  if (!Describe(plan, has_total, &burst.plain, &packet) || OwedFor(packet) != plain_owed_ ||
      packet.descriptors != plain_packet_.count || packet.slots != packet.descriptors ||
      packet.descriptors > 2) {
    return;
  }
  burst::TxRingPlan writes;
  writes.slot_count = posts_->slot_count();
  writes.slot_bytes = rings_.posts->ring->slot_bytes();
  writes.packet_slots = packet.slots;
  writes.address_not = burst.plain.limits().address_not;
  writes.max_bytes = static_cast<uint32_t>(burst.plain.limits().most_bytes);
  if (alone_) writes.max_bytes = std::min(writes.max_bytes, AddressLedger::kFirstId - 1);
  writes.has_prefix = program_.prefix_bytes != 0;
  if (writes.has_prefix && memory_ != burst::TxMemory::kId) return;
  writes.prefix_stride = prefix_stride_;
  writes.memory = memory_;
  for (uint32_t d = 0; d < packet.descriptors; ++d) {
    const TxPlain::Descriptor& descriptor = burst.plain.descriptors[d];
    const TxPost& post = PostOf(packet, d);
    const size_t first = writes.words.size();
    for (uint32_t at = 0; at < descriptor.copy_bytes; at += kWord) {
      writes.words.push_back({d * writes.slot_bytes + at, {}});
    }
    if (writes.words.size() > burst::kMaxPacketWords) return;
    // The packet's own numbers decide nothing, and share no bits with what does.
    DescriptorBytes numbers{};
    DescriptorBytes handover{};
    if (!AddParts(descriptor, d, first, &writes, &numbers)) return;
    const RingForms& forms = posts_->forms();
    forms[post.ring_form].when.MarkBits(handover.bytes);
    if (Overlap(numbers, handover) || forms[post.ring_form].when.LooksAtSequence() ||
        post.request.LooksAt(numbers)) {
      return;
    }
    for (const std::optional<PacketLengthField>* field :
         {&post.total_length, &post.payload_length}) {
      if (field->has_value() && (*field)->valid.LooksAt(numbers)) return;
    }
    if (post.slot_count.has_value()) writes.count_mask = post.slot_count->MaxRaw();
    if (d == 0 && forms.BytesDecide()) {
      writes.held_word = static_cast<uint32_t>(first) + posts_->HandoverWord(post.ring_form);
      if (writes.held_word >= writes.words.size()) return;
    }
  }
  // Of one packet that is all there is, WriteRun puts the report into the word that is kept back.
  if (writes.HandsOverReports() && std::popcount(writes.report_words) > 1) return;
  if (!coalesces_) writes.report_words = 0;  // each has it
  if (posts_->BellBytes() != 0) {
    writes.kept_word = packet.descriptors == 1 ? 0 : burst.plain.descriptors[0].copy_bytes / kWord;
  }
  const std::string key = BurstKey("ring tx", *shape_.verified, shape_.view,
                                   {static_cast<uint64_t>(options.access),
                                    static_cast<uint64_t>(plan.first - program_.posts.data()),
                                    has_total ? 1u : 0u, done == nullptr ? 0u : 1u});
  burst.code = BurstCache::Get<burst::TxRingBurst>(options.bursts, key, [&] {
    return burst::TxRingBurst::Create(std::move(writes), done,
                                      options.access == AccessMode::kCompiled);
  });
  bursts_.push_back(std::move(burst));
}

void RingTxDriver::MakeImages(Plan* plan) const {
  plan->burst = nullptr;
  plan->code = nullptr;
  // Where packets are cut, each has lengths of its own to say.
  if (plan->first == nullptr || plan->timed || IsBefore(*plan) ||
      plan->request.wants.Has(TxFeature::kSegment)) {
    return;
  }
  Packet packet;
  packet.plan = plan;
  packet.place = plan->place;
  packet.buffers = program_.prefix_bytes != 0 ? 2 : 1;
  const TxSegment nothing;
  packet.segments = std::span(&nothing, 1);
  const Burst* found = nullptr;
  std::array<DescriptorBytes, TxPlain::kMaxDescriptors> images;
  for (const Burst& burst : bursts_) {
    if (burst.first != plan->first) continue;
    packet.descriptors = burst.plain.count;
    packet.reporter = burst.plain.reporter;
    uint32_t begin = 0;
    for (uint32_t d = 0; d < packet.descriptors; ++d) {
      const TxPost& post = PostOf(packet, d);
      const uint32_t count = std::min(packet.buffers - begin, post.max_buffers);
      Fill(packet, post, d, begin, count, images[d].bytes);
      begin += count;
    }
    const auto speaks = [&](const std::optional<PacketLengthField>& field) {
      return field.has_value() && SpeaksIn(field->position, true, packet.descriptors == 1) &&
             field->valid.Holds(images[0].bytes);
    };
    if (speaks(plan->first->total_length) != burst.has_total) continue;
    if (burst.has_total && speaks(plan->first->payload_length)) return;  // both at once
    found = &burst;
    break;
  }
  if (found == nullptr) return;
  std::array<RingCursor, 2> turns{rings_.posts->Begin(), rings_.posts->Begin()};
  turns[1].SkipSlots(posts_->slot_count());
  if (turns[0].phase() > turns[1].phase()) std::swap(turns[0], turns[1]);
  for (uint32_t phase = 0; phase < 2; ++phase) {
    burst::TxRingImage& image = plan->image[phase];
    image = {};
    size_t word = 0;
    for (uint32_t d = 0; d < packet.descriptors; ++d) {
      const TxPlain::Descriptor& descriptor = found->plain.descriptors[d];
      DescriptorBytes bytes = images[d];
      DescriptorBytes report{};
      for (const TxPlain::Descriptor::Op& op : descriptor.ops) {
        op.part.Put(bytes.bytes, 0);
        if (op.source == TxPlain::kReport) op.part.Or(report.bytes, 1);
      }
      posts_->forms().Sign(descriptor.form, bytes.bytes, turns[phase]);
      for (uint32_t at = 0; at < descriptor.copy_bytes; at += kWord, ++word) {
        std::memcpy(&image.words[word], bytes.bytes + at, kWord);
        std::memcpy(&image.report[word], report.bytes + at, kWord);
        if (!coalesces_) image.words[word] |= std::exchange(image.report[word], 0);
      }
    }
  }
  plan->burst = found;
  plan->code = found->code.get();
}

}  // namespace qsplit::dataplane
