// The common case of a receive ring that is completed in place, as a plan: see burst/rx_burst.h.
#include <bit>
#include <limits>

#include "dataplane/in_place_rx.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kWord = 8;

// The first form that a plan can be made for: bits that stand in all completions of it, and what
// they say.
std::optional<burst::RecordPlan> PlanRecord(const InPlaceShape& shape, const FormMatcher& matcher,
                                            const std::vector<RxProgram>& programs) {
  for (size_t form = 0; form < programs.size(); ++form) {
    std::optional<burst::RecordPlan> best;
    const auto bits = [&] {
      int sum = 0;
      for (const burst::WordTest& test : best->tests) sum += std::popcount(test.mask);
      return sum;
    };
    // Where there are several ways to be completed, the one that asks for the fewest bits beside
    // what the common case asks for anyway.
    int least = std::numeric_limits<int>::max();
    for (size_t way = 0; way < shape.done.Conjunctions(); ++way) {
      DescriptorBytes mask{};
      DescriptorBytes value{};
      if (!shape.done.ConjunctionIsBits(way, mask.bytes, value.bytes)) continue;
      if (programs.size() > 1 && !matcher.IsBits(form, mask.bytes, value.bytes)) continue;
      auto plan = programs[form].Plan(mask, value);
      // Bursts of these rings know no packet.offset.
      if (!plan.has_value() || !plan->offset.empty()) continue;
      std::swap(best, plan);
      if (bits() < least) {
        least = bits();
      } else {
        best = std::move(plan);
      }
    }
    if (best.has_value()) return best;
  }
  return std::nullopt;
}

// Fills in what posting needs; plan->posts stays false where it cannot be said.
void PlanPost(const InPlaceShape& shape, const RxPostForm& post, burst::RxBurstPlan* plan) {
  std::memcpy(plan->image.data(), post.image.bytes, sizeof plan->image);
  if (!burst::AddPieces(post.address, 64, 0, &plan->address)) return;
  plan->max_address = post.address.MaxRaw();
  if (post.length.has_value()) {
    if (!burst::AddPieces(*post.length, 64, 0, &plan->length)) return;
    plan->max_length = static_cast<uint32_t>(std::min<uint64_t>(post.length->MaxRaw(), UINT32_MAX));
  }
  for (const std::vector<burst::Piece>* pieces : {&plan->address, &plan->length}) {
    for (const burst::Piece& piece : *pieces) {
      if (piece.word >= plan->slot_bytes / kWord) return;
      plan->image[piece.word] &= ~piece.Put(~uint64_t{0});
    }
  }
  plan->alignment_mask = post.alignment_mask;
  // An address may cover the done bit.
  DescriptorBytes looked_at{};
  std::vector<Condition::WideTest> none;
  shape.done.MarkBits(64, looked_at.bytes, &none);
  uint64_t done_bits;
  std::memcpy(&done_bits, looked_at.bytes + size_t{kWord} * plan->first_word, kWord);
  bool covered = false;
  for (const std::vector<burst::Piece>* pieces : {&plan->address, &plan->length}) {
    for (const burst::Piece& piece : *pieces) {
      covered =
          covered || (piece.word == plan->first_word && (piece.Put(~uint64_t{0}) & done_bits) != 0);
    }
  }
  plan->posts = true;
  if (!covered) return;
  DescriptorBytes mask{};
  DescriptorBytes value{};
  plan->posts = shape.done.IsBits(mask.bytes, value.bytes);
  std::memcpy(&plan->completed.mask, mask.bytes + size_t{kWord} * plan->first_word, kWord);
  std::memcpy(&plan->completed.value, value.bytes + size_t{kWord} * plan->first_word, kWord);
}

}  // namespace

std::unique_ptr<burst::RxBurst> InPlaceRxDriver::MakeBurst(AccessMode most) const {
  if (most == AccessMode::kEngine) return nullptr;
  const uint32_t slot_bytes = shape_.slots.slot_bytes();
  if (shape_.slots.word_bytes() != kWord || slot_bytes > kWord * burst::kMaxWords) return nullptr;
  std::optional<burst::RecordPlan> record = PlanRecord(shape_, matcher_, programs_);
  if (!record.has_value()) return nullptr;
  burst::RxBurstPlan plan;
  plan.record = *std::move(record);
  if ((plan.record.words >> (slot_bytes / kWord)) != 0) return nullptr;
  // The same in a packet's only buffer, whatever the length is of.
  plan.record.length_less = crc_bytes_;
  plan.slot_count = shape_.slot_count;
  plan.slot_bytes = slot_bytes;
  plan.first_word = shape_.done_word;
  plan.prefix_bytes = prefix_bytes_;
  plan.buffer_bytes = post_.length.has_value() ? 0 : buffer_bytes_;
  PlanPost(shape_, post_, &plan);
  return burst::RxBurst::Create(std::move(plan), most == AccessMode::kCompiled);
}

AccessReport InPlaceRxDriver::Access() const {
  if (burst_ == nullptr) return AccessReport::Engine();
  return AccessReport::Burst(burst_->code_status());
}

}  // namespace qsplit::dataplane
