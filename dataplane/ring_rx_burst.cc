// The common case of a receive queue that the ring layer drives, as a plan: see
// burst/rx_ring_burst.h.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dataplane/ring_rx_driver.h"

namespace qsplit::dataplane {
namespace {

using burst::RxRingPlan;

constexpr uint32_t kWord = 8;
constexpr uint32_t kNoLane = UINT32_MAX;

uint64_t WordAt(const DescriptorBytes& bytes, uint32_t word) {
  uint64_t value;
  std::memcpy(&value, bytes.bytes + size_t{kWord} * word, sizeof value);
  return value;
}

// The bits that differ, word by word. False: in more words than plans look at.
bool Difference(const DescriptorBytes& a, const DescriptorBytes& b, burst::PhaseBits* bits) {
  for (uint32_t w = 0; w < kMaxDescriptorBytes / kWord; ++w) {
    const uint64_t differ = WordAt(a, w) ^ WordAt(b, w);
    if (differ != 0 && w >= burst::kMaxWords) return false;
    if (w < burst::kMaxWords) (*bits)[w] = differ;
  }
  return true;
}

// Bits of a descriptor that must have certain values.
struct Bits {
  DescriptorBytes mask{};
  DescriptorBytes value{};

  // False: the field cannot say it.
  bool Add(const FieldAccess& field, uint64_t number) {
    uint64_t raw = 0;
    if (!field.Encode(number, &raw)) return false;
    field.StoreRaw(mask.bytes, field.MaxRaw());
    field.StoreRaw(value.bytes, raw);
    return true;
  }
};

// How a completion says that it is completed, at either phase.
struct Completed {
  Bits even;
  burst::PhaseBits phase{};
  uint32_t first_word = 0;
};

// What says of a slot that a completion of this form is there, beside what is known anyway: false:
// not bits of one word.
bool AddCompleted(const RingForm& form, const Bits& known, Completed* to) {
  Bits odd = known;
  to->even = known;
  if (!form.when.IsBits(0, to->even.mask.bytes, to->even.value.bytes) ||
      !form.when.IsBits(1, odd.mask.bytes, odd.value.bytes) ||
      std::memcmp(odd.mask.bytes, to->even.mask.bytes, kMaxDescriptorBytes) != 0 ||
      !Difference(odd.value, to->even.value, &to->phase)) {
    return false;
  }
  to->first_word = form.last_word;
  for (uint32_t w = 0; w < kMaxDescriptorBytes / kWord; ++w) {
    if (w != form.last_word && WordAt(to->even.mask, w) != WordAt(known.mask, w)) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<burst::RxRingBurst> RingRxDriver::MakeBurst(AccessMode most) const {
  if (most == AccessMode::kEngine || compressed_.has_value() || !reader_->TakesBursts()) {
    return nullptr;
  }
  for (uint32_t form = 0; form < forms_.size(); ++form) {
    RxRingPlan plan;
    DescriptorBytes mask{};
    DescriptorBytes value{};
    const FieldAccess* key = nullptr;
    if (!reader_->forms().IsBits(form, mask.bytes, value.bytes)) continue;
    const CompletionTarget* target = rules_.TargetByBits(form, mask.bytes, value.bytes, &key);
    if (target == nullptr || lane_of_ring_[target->ring] == kNoLane) continue;
    plan.lane = lane_of_ring_[target->ring];
    if (!lanes_[plan.lane].PlanBurst(target->key, own_slots_, &plan)) continue;
    plan.keeps_memory = delivery_->rules().prefix.has_value();
    plan.needs_memory = needs_memory_;
    if (plan.key != RxRingPlan::Key::kNone) {
      const uint32_t width =
          target->key == v1::COMPLETION_KEY_INDEX && std::has_single_bit(plan.buffer_count)
              ? static_cast<uint32_t>(std::countr_zero(plan.buffer_count))
              : 64;
      if (key == nullptr || !burst::AddPieces(*key, width, 0, &plan.key_pieces)) continue;
    }
    if (PlanCompletion(form, &plan)) {
      return burst::RxRingBurst::Create(std::move(plan), most == AccessMode::kCompiled);
    }
  }
  return nullptr;
}

bool RingRxDriver::PlanCompletion(uint32_t number, RxRingPlan* plan) const {
  const RxCompletionForm& form = forms_[number];
  const RingForm& bytes = reader_->forms()[number];
  plan->slot_count = reader_->slot_count();
  plan->slot_bytes = reader_->slots().slot_bytes();
  if (!form.is_packet || bytes.slots != 1 || !bytes.extent.Fixed()) return false;
  // What makes it this form, and of this ring of buffers.
  Bits known;
  const FieldAccess* key = nullptr;
  if (!reader_->forms().IsBits(number, known.mask.bytes, known.value.bytes)) return false;
  rules_.TargetByBits(number, known.mask.bytes, known.value.bytes, &key);
  const bool counts = delivery_->rules().span == v1::SPAN_COMPLETIONS ||
                      delivery_->rules().span == v1::SPAN_COUNT_IN_FIRST;
  if (counts && form.count.has_value() && !known.Add(*form.count, 1)) return false;
  Completed completed;
  if (!AddCompleted(bytes, known, &completed)) return false;
  // The phase's own bits are no part of what the program is asked: nothing else may depend on them.
  Bits common = completed.even;
  for (uint32_t i = 0; i < kMaxDescriptorBytes; ++i) {
    const auto phase = static_cast<std::byte>(
        i < kWord * burst::kMaxWords ? completed.phase[i / kWord] >> (i % kWord * 8) : 0);
    common.mask.bytes[i] &= ~phase;
    common.value.bytes[i] &= ~phase;
  }
  std::optional<burst::RecordPlan> record = form.program.Plan(common.mask, common.value);
  if (!record.has_value() || !record->Require(completed.even.mask, completed.even.value)) {
    return false;
  }
  for (uint32_t w = 0; w < burst::kMaxWords; ++w) {
    if (record->LooksAt(w, completed.phase[w])) return false;
    if (record->tests[w].mask != 0) record->words |= 1u << w;
  }
  record->words |= 1u << completed.first_word;
  for (const burst::Piece& piece : plan->key_pieces) record->words |= 1u << piece.word;
  if (record->words >> (plan->slot_bytes / kWord) != 0) return false;
  plan->record = *std::move(record);
  plan->record_phase = completed.phase;
  plan->first_word = completed.first_word;
  return PlanPrefix(number, plan);
}

// What stands in front of the packet in its buffer.
bool RingRxDriver::PlanPrefix(uint32_t number, RxRingPlan* plan) const {
  const RxPacketRules& rules = delivery_->rules();
  plan->prefix_bytes = rules.prefix_bytes;
  plan->record.length_less =
      rules.crc_bytes + (rules.length_includes_prefix ? rules.prefix_bytes : 0);
  if (needs_memory_) {
    Bits known;
    const bool counted_here =
        rules.span == v1::SPAN_COMPLETIONS || rules.span == v1::SPAN_COUNT_IN_FIRST;
    if (counted_here && !forms_[number].count.has_value() && rules.prefix_count.has_value() &&
        !known.Add(*rules.prefix_count, 1)) {
      return false;
    }
    std::optional<burst::RecordPlan> prefix = rules.prefix->Plan(known.mask, known.value);
    if (!prefix.has_value()) return false;
    plan->prefix_word = static_cast<uint32_t>(std::bit_width(plan->record.words));
    // Whole words, or half of the last one.
    const uint32_t words = rules.prefix_bytes / (kWord / 2);
    if (prefix->words >> ((words + 1) / 2) != 0 ||
        shape_.layout->forms(static_cast<int>(rules.prefix_form)).size_bytes() >
            words * (kWord / 2)) {
      return false;
    }
    if (!plan->record.Append(*prefix, plan->prefix_word)) return false;
  }
  // Nothing says how long packets are, or what stands in front of them: not one that this can do.
  return !plan->record.length.empty() &&
         std::all_of(plan->record.length.begin(), plan->record.length.end(),
                     [&](const burst::Piece& piece) { return piece.word < plan->prefix_word; });
}

bool RxBufferRing::PlanBurst(v1::CompletionKey key, bool device_writes_slots,
                             RxRingPlan* plan) const {
  if (!bursts_ || !ledger_.in_order()) return false;
  switch (key) {
    case v1::COMPLETION_KEY_IN_PLACE:
    case v1::COMPLETION_KEY_IN_ORDER:
      plan->key = RxRingPlan::Key::kNone;
      break;
    case v1::COMPLETION_KEY_INDEX:
    case v1::COMPLETION_KEY_TAG:
      plan->key = RxRingPlan::Key::kNumber;
      break;
    case v1::COMPLETION_KEY_ADDRESS:
      plan->key = RxRingPlan::Key::kAddress;
      plan->key_inside = ledger_.finds_inside();
      break;
    default:
      return false;
  }
  plan->buffer_count = ledger_.ids();
  plan->keeps_address = by_address_;

  // Posting, where it can be said.
  const RxPost::First first = post_->OfFirst();
  if (!writer_->TakesBursts(form_, burst_bytes_) || first.counts || first.at % kWord != 0) {
    return true;
  }
  plan->post_slot_bytes = writer_->slots().slot_bytes();
  plan->post_words = (burst_bytes_ + kWord - 1) / kWord;
  if (plan->post_words > burst::kMaxWords) return true;
  const auto add = [&](const FieldAccess* field, std::vector<burst::Piece>* to, bool in_first) {
    if (field == nullptr) return true;
    if (!burst::AddPieces(*field, 64, 0, to)) return false;
    for (burst::Piece& piece : *to) {
      if (in_first) piece.word = static_cast<uint8_t>(piece.word + first.at / kWord);
      if (piece.word >= plan->post_words) return false;
    }
    return true;
  };
  if (!add(&first.address, &plan->address, true) || !add(first.length, &plan->length, true) ||
      !add(first.tag, &plan->number, false)) {
    return true;
  }
  // What says whose the slot is, at either phase.
  DescriptorBytes image[2] = {first.image, first.image};
  DescriptorBytes ones;
  std::memset(ones.bytes, 0xff, sizeof ones.bytes);
  DescriptorBytes zeros{};
  for (uint32_t phase = 0; phase < 2; ++phase) {
    v1::Ring ring;
    ring.mutable_phase()->set_initial(phase);
    const RingCursor at(ring, 2, false);
    writer_->forms().Sign(form_, image[phase].bytes, at);
    writer_->forms().Sign(form_, ones.bytes, at);
    writer_->forms().Sign(form_, zeros.bytes, at);
  }
  if (!Difference(image[0], image[1], &plan->image_phase)) return true;
  std::memcpy(plan->image.data(), image[0].bytes, sizeof plan->image);
  for (const std::vector<burst::Piece>* pieces : {&plan->address, &plan->length, &plan->number}) {
    for (const burst::Piece& piece : *pieces) {
      const uint64_t bits = piece.Put(~uint64_t{0});
      // What is signed stands beside them.
      if ((~(WordAt(ones, piece.word) ^ WordAt(zeros, piece.word)) & bits) != 0) return true;
      plan->image[piece.word] &= ~bits;
    }
  }
  plan->max_address = first.address.MaxRaw();
  plan->alignment_mask = first.alignment_mask;
  if (first.length != nullptr) {
    plan->max_length =
        static_cast<uint32_t>(std::min<uint64_t>(first.length->MaxRaw(), UINT32_MAX));
  } else {
    plan->buffer_bytes = first.buffer_bytes;
  }
  plan->holds = writer_->BytesDecide();
  plan->handover_word = writer_->HandoverWord(form_);
  plan->words_stay = !device_writes_slots;
  plan->posts = true;
  return true;
}

AccessReport RingRxDriver::Access() const {
  if (burst_ == nullptr) return AccessReport::Engine();
  return AccessReport::Burst(burst_->code_status());
}

}  // namespace qsplit::dataplane
