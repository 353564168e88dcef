// The common case of a transmit queue of any protocol: see burst/tx_ring.h. What its packets are is
// what TxPlain says of them; what completions of it look like, the other side's own rules.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "dataplane/burst/burst_cache.h"
#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;
constexpr size_t kKeys = 64;  // that are looked at together

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

bool Overlap(const std::byte* a, const std::byte* b, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; ++i) {
    if ((a[i] & b[i]) != std::byte{0}) return true;
  }
  return false;
}

bool LooksAt(const Condition& condition, const DescriptorBytes& bits) {
  DescriptorBytes looked_at{};
  condition.MarkBits(looked_at.bytes);
  return Overlap(looked_at.bytes, bits.bytes, kMaxDescriptorBytes);
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
  const std::optional<burst::TxDonePlan> done = MakeDone();
  if (alone_ && (!done.has_value() || !done->tests.empty())) return;
  const auto* const takes = done.has_value() ? &*done : nullptr;
  bursts_.reserve(2 * program_.posts.size());  // plans point to them
  for (const TxPost& post : program_.posts) {
    if (!post.MayBeFirst()) continue;
    Plan plan = plain_;
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
  if (takes != nullptr && !bursts_.empty()) takes_ = bursts_.front().code.get();
  post_slots_ = shape_.view.rings[rings_.posts->ring_index].slots;
  call_.remembered = ledger_.Remembered();
  call_.prefixes = prefixes_.data();
  call_.prefix_iova = shape_.view.scratch_iova.value;
}

void RingTxDriver::AddBurst(const Plan& plan, bool has_total, const burst::TxDonePlan* done,
                            bool compiled) {
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
    if (Overlap(numbers.bytes, handover.bytes, kMaxDescriptorBytes) ||
        forms[post.ring_form].when.LooksAtSequence() || post.request.LooksAt(numbers)) {
      return;
    }
    for (const std::optional<PacketLengthField>* field :
         {&post.total_length, &post.payload_length}) {
      if (field->has_value() && LooksAt((*field)->valid, numbers)) return;
    }
    if (post.slot_count.has_value()) writes.count_mask = post.slot_count->MaxRaw();
    if (d == 0 && forms.BytesDecide()) {
      writes.held_word = static_cast<uint32_t>(first) + posts_->HandoverWord(post.ring_form);
      if (writes.held_word >= writes.words.size()) return;
    }
  }
  if (writes.held_word != burst::TxRingPlan::kNone &&
      (writes.report_words >> writes.held_word & 1) != 0) {
    return;
  }
  if (!coalesces_) writes.report_words = 0;  // each has it
  if (posts_->BellBytes() != 0) {
    writes.kept_word = packet.descriptors == 1 ? 0 : burst.plain.descriptors[0].copy_bytes / kWord;
  }
  const std::string key =
      burst::BurstKey("ring tx", *shape_.verified, shape_.view,
                      {static_cast<uint64_t>(options.access),
                       static_cast<uint64_t>(plan.first - program_.posts.data()),
                       has_total ? 1u : 0u, done == nullptr ? 0u : 1u});
  burst.code = burst::BurstCache::Get<burst::TxRingBurst>(options.bursts, key, [&] {
    return burst::TxRingBurst::Create(std::move(writes), done,
                                      options.access == AccessMode::kCompiled);
  });
  bursts_.push_back(std::move(burst));
}

void RingTxDriver::MakeImages(Plan* plan) const {
  plan->burst = nullptr;
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
}

// `packets` were written.
inline void RingTxDriver::AddRun(std::span<const TxPacket> packets, bool report) {
  const auto count = static_cast<uint32_t>(packets.size());
  const uint32_t slots = count * plain_packet_.slots;
  const uint32_t owed = coalesces_ ? (report ? plain_owed_ : 0) : count * plain_owed_;
  owed_ += owed;
  if (memory_ == burst::TxMemory::kId) return ledger_.AddRemembered(count);
  if (memory_ != burst::TxMemory::kOrder) {
    addresses_.Add(packets);
    return ledger_.AddElsewhere(count);
  }
  unreported_.id = ledger_.NextId();
  const RingCursor& at = posts_->position();
  TxLedger::Packet& run = ledger_.AppendRun(count);
  run.first = at.index();
  run.slots = plain_packet_.slots;
  run.owed = owed;
  run.pending = plain_pending_;
  run.reported = report || !coalesces_;
  run.begin_count = at.count();
  run.last_count = at.count() + slots - 1;
  run.end_count = at.count() + slots;
}

// What a doorbell copies.
inline void RingTxDriver::KeepBell(const Plan& plan, const TxPacket& packet, uint32_t written,
                                   bool reported) {
  if (call_.has_kept == 0 || posts_->BellBytes() > kWord) [[unlikely]] {
    return KeepBellSlowly(plan, packet, written, reported);
  }
  const burst::TxRingImage& image = plan.image[posts_->position().phase()];
  posts_->SetBell(call_.kept | (reported ? image.report[plan.burst->code->plan().kept_word] : 0));
}

inline uint32_t RingTxDriver::WriteRun(const Plan& plan, std::span<const TxPacket> packets,
                                       bool report) {
  const burst::TxRingBurst& code = *plan.burst->code;
  const auto most = static_cast<uint32_t>(packets.size());
  burst::TxRingCall& call = call_;
  uint32_t done = 0;
  while (done < most) {
    const RingCursor& at = posts_->position();
    // Up to the ring's end.
    uint32_t part = std::min(most - done, Whole(at.slot_count() - at.index()));
    call.count = at.count();
    if (memory_ == burst::TxMemory::kOrder) {
      part = std::min(part, ledger_.CookieRoom());
      call.cookies = ledger_.NextCookies();
    } else if (memory_ == burst::TxMemory::kId) {
      call.number = ledger_.Added();
      call.ids = ledger_.NextIds();
      call.prefix = plan.prefix;
    }
    uint64_t* const held = posts_->HoldsNext() ? &held_word_ : nullptr;
    call.held = held;
    call.report = report && done + part == most;
    call.has_kept = 0;
    const uint32_t written = code.Push(post_slots_, call, at.index(), part, packets.data() + done,
                                       plan.image[at.phase()]);
    if (written != 0) {
      const bool reported = call.report != 0 && written == part;
      if (coalesces_ && !reported) {
        KeepUnreported(plan, packets[done + written - 1], written);
      } else {
        unreported_.field = nullptr;
      }
      if (posts_->BellBytes() != 0) KeepBell(plan, packets[done + written - 1], written, reported);
      AddRun(packets.subspan(done, written), reported);
      posts_->Wrote(written * plain_packet_.slots, held, plan.burst->plain.descriptors[0].form);
      done += written;
    }
    if (written < part && !WritePrefixes(plan, ledger_.NextIds(), part - written)) break;
    if (part == 0) break;
  }
  return done;
}

// Of the last one of `written` packets from position() on: a descriptor's bytes.
void RingTxDriver::CopyOf(const Plan& plan, const TxPacket& packet, uint32_t written,
                          uint32_t descriptor, uint32_t bytes, std::byte* to) const {
  const burst::TxRingPlan& writes = plan.burst->code->plan();
  const RingCursor& at = posts_->position();
  burst::TxRingCall call = call_;
  call.count = at.count() + uint64_t{written - 1} * writes.packet_slots;
  call.ids = ledger_.NextIds() - (written - 1);
  uint32_t word = descriptor == 0 ? 0 : plan.burst->plain.descriptors[0].copy_bytes / kWord;
  for (uint32_t offset = 0; offset < bytes; offset += kWord, ++word) {
    const uint64_t bits =
        burst::TxRingBurst::Word(writes, word, packet, call, plan.image[at.phase()]);
    std::memcpy(to + offset, &bits, kWord);
  }
}

void RingTxDriver::KeepBellSlowly(const Plan& plan, const TxPacket& packet, uint32_t written,
                                  bool reported) {
  const burst::TxRingPlan& writes = plan.burst->code->plan();
  const burst::TxRingImage& image = plan.image[posts_->position().phase()];
  DescriptorBytes bell;
  const uint32_t last = plan.burst->plain.count - 1;
  const uint32_t bytes =
      std::min(posts_->BellBytes(), plan.burst->plain.descriptors[last].copy_bytes);
  CopyOf(plan, packet, written, last, bytes, bell.bytes);
  for (uint32_t i = 0; i < bytes / kWord && reported; ++i) {
    uint64_t bits;
    std::memcpy(&bits, bell.bytes + size_t{kWord} * i, kWord);
    bits |= image.report[writes.kept_word + i];
    std::memcpy(bell.bytes + size_t{kWord} * i, &bits, kWord);
  }
  posts_->SetBell(bell.bytes);
}

// What Publish may have to write again.
void RingTxDriver::KeepUnreported(const Plan& plan, const TxPacket& packet, uint32_t written) {
  const TxPlain& plain = plan.burst->plain;
  const TxPlain::Descriptor& reporter = plain.descriptors[plain.reporter];
  CopyOf(plan, packet, written, plain.reporter, reporter.copy_bytes, unreported_.image.bytes);
  RingCursor at = posts_->position();
  at.SkipSlots((written - 1) * plain.slots + plain.reporter);
  unreported_.field = plain_report_;
  unreported_.at = at;
  unreported_.form = reporter.form;
  unreported_.bytes = reporter.bytes;
}

bool RingTxDriver::WritePrefixes(const Plan& plan, const uint32_t* ids, uint32_t packets) {
  if (program_.prefix_bytes == 0) return false;
  bool any = false;
  for (uint32_t i = 0; i < packets; ++i) {
    const uint32_t id = *(ids - 1 - i);
    if (prefixes_[id] == plan.prefix) continue;
    any = true;
    Packet packet;
    packet.plan = &plan;
    packet.id = id;
    WritePrefix(packet);
  }
  return any;
}

uint32_t RingTxDriver::PushRun(std::span<const TxPacket> packets, const TxRequest& request) {
  Plan& plan = PlanFor(request);
  if (plan.burst == nullptr) return 0;
  if (plan.context != TxProgram::kNoContext && plan.context != program_.prefix &&
      plan.seen_at != contexts_.changes()) {
    bool emit = false;
    DescriptorBytes unused;
    const uint32_t place =
        contexts_.Find(program_.requests, plan.context, plan.request, 0, &emit, &unused);
    if (emit) return 0;  // the engine sets it up with the first packet
    plan.seen_at = contexts_.changes();
    if (place != plan.place) {
      plan.place = place;
      MakeImages(&plan);
      if (plan.burst == nullptr) return 0;
    }
  }
  const uint32_t most = PlainRoom(static_cast<uint32_t>(packets.size()));
  if (!coalesces_) return WriteRun(plan, packets.first(most), false);
  const uint32_t slots = plain_packet_.slots;
  uint32_t done = 0;
  while (done < most) {
    // Up to the one that is reported.
    const uint32_t slots_left = most_unreported_ - std::min(most_unreported_, slots_since_report_);
    const uint32_t until =
        std::max(1u, std::min(report_every_ - std::min(report_every_, since_report_),
                              Whole(slots_left + slots - 1)));
    const uint32_t run = std::min(most - done, until);
    const uint32_t written = WriteRun(plan, packets.subspan(done, run), run == until);
    done += written;
    since_report_ += written;
    slots_since_report_ += written * slots;
    if (written < run) break;
    if (run == until) since_report_ = slots_since_report_ = 0;
  }
  return done;
}

uint32_t RingTxDriver::PushBurst(std::span<const TxPacket> packets, const TxRequest& request,
                                 PushResult* why) {
  *why = PushResult::kPushed;
  uint32_t done = 0;
  while (done < packets.size()) {
    done += PushRun(packets.subspan(done), request);
    if (done == packets.size()) break;
    const TxSegment one{packets[done].address, packets[done].bytes};
    *why = Push(std::span(&one, 1), request, packets[done].cookie);
    if (*why != PushResult::kPushed) break;
    ++done;
  }
  return done;
}

uint32_t RingTxDriver::TakeRun(std::span<const uint64_t> keys, uint32_t* cookies) {
  const bool by_address = rings_.how == TxReturn::kAddress;
  const uint32_t count = by_address ? addresses_.TakeRun(keys, cookies)
                                    : ledger_.FinishRemembered(keys, published_packets_, cookies);
  if (by_address) ledger_.FinishElsewhere(count);
  owed_ -= count * plain_owed_;
  posts_->Free(count * plain_packet_.slots);
  return count;
}

bool RingTxDriver::TakeOne(uint64_t key, uint32_t* cookies, uint32_t* count) {
  uint32_t id = TxLedger::kNone;
  if (rings_.how == TxReturn::kAddress) {
    AddressLedger::Buffer buffer;
    if (!addresses_.Take(key, &buffer)) return true;
    if (buffer.IsPacket()) {
      cookies[(*count)++] = buffer.cookie;
      ledger_.FinishElsewhere(1);
      owed_ -= plain_owed_;
      posts_->Free(plain_packet_.slots);
      return true;
    }
    id = buffer.id - AddressLedger::kFirstId;
  } else {
    // It may have another number of slots, from which one would have to go on.
    if (rings_.CompletesInOwnSlots()) return false;
    id = ledger_.ById(key);
  }
  if (!IsPublished(id)) return true;
  if (ledger_[id].pending > 1) {
    CompleteNamed(false, id);
    return true;
  }
  if (times_.Waits(id)) times_.Settle(id, ledger_[id].cookie);
  FreeSlots(ledger_[id]);
  cookies[(*count)++] = ledger_.FinishNow(id);
  return true;
}

uint32_t RingTxDriver::TakeKeys(std::span<const uint64_t> keys, uint32_t* cookies,
                                uint32_t* count) {
  uint32_t taken = 0;
  if (rings_.how == TxReturn::kUpTo) {
    // An index counts on where it has more bits than there are slots, as CompletionRules has it.
    const uint32_t all = posts_->slot_count();
    const bool masks = std::has_single_bit(all);
    for (const uint64_t key : keys) CompleteUpTo(masks ? key & (all - 1) : key % all);
    return static_cast<uint32_t>(keys.size());
  }
  while (taken < keys.size()) {
    const uint32_t run = TakeRun(keys.subspan(taken), cookies + *count);
    taken += run;
    *count += run;
    if (taken == keys.size() || !TakeOne(keys[taken], cookies, count)) break;
    ++taken;
  }
  return taken;
}

uint32_t RingTxDriver::TakeDone(std::span<uint32_t> cookies) {
  const burst::TxDonePlan& done = takes_->done();
  const std::byte* slots = shape_.view.rings[rings_.completions->ring_index].slots;
  const bool own = rings_.CompletesInOwnSlots();
  uint64_t keys[kKeys];
  uint32_t count = 0;
  for (;;) {
    const RingCursor& at = completions_->position();
    size_t most = std::min<size_t>(kKeys, done.slot_count - at.index());
    if (rings_.how != TxReturn::kUpTo) most = std::min(most, cookies.size() - count);
    // What stands in slots that are not the device's is no completion.
    if (own) most = std::min<size_t>(most, published_packets_ - ledger_.Finished());
    if (completions_->CellDecides()) most = std::min<size_t>(most, completions_->Ready());
    if (most == 0) break;
    const uint32_t n =
        takes_->Take(slots, at.index(), static_cast<uint32_t>(most), at.phase(), keys);
    const uint32_t taken = TakeKeys(std::span(keys).first(n), cookies.data(), &count);
    completions_->Skip(taken, done.step_slots);
    // At the ring's end it may go on at its beginning.
    if (taken < n || n == 0 || (n < most && at.index() != 0)) break;
  }
  if (rings_.how == TxReturn::kAddress) addresses_.Rewind();
  completions_->Publish();
  return count;
}

AccessReport RingTxDriver::Access() const {
  if (bursts_.empty()) return AccessReport::Engine();
  return AccessReport::Burst(bursts_.front().code->code_status());
}

}  // namespace qsplit::dataplane
