#include "dataplane/burst/tx_burst.h"

#include <algorithm>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

uint64_t Sum(const std::vector<Piece>& pieces, uint32_t which, uint64_t number) {
  uint64_t word = 0;
  for (const Piece& piece : pieces) {
    if (piece.word == which) word |= piece.Put(number);
  }
  return word;
}

// A word of a packet's descriptor.
uint64_t WordOf(const TxBurstPlan& plan, uint32_t which, const TxPacket& packet,
                const TxImage& image) {
  uint64_t word = image.words[which] | Sum(plan.address, which, packet.address.value) |
                  Sum(plan.length, which, packet.bytes);
  if (image.has_total_length) word |= Sum(plan.total_length, which, packet.bytes);
  return word;
}

// The steps that make up one word, at most this many in the fast way.
struct Step {
  bool address = false;
  Piece piece;
};
constexpr size_t kMostSteps = 3;

size_t StepsOf(const TxBurstPlan& plan, uint32_t which, bool total, Step* steps) {
  size_t count = 0;
  const auto add = [&](const std::vector<Piece>& pieces, bool address) {
    for (const Piece& piece : pieces) {
      if (piece.word != which) continue;
      if (count < kMostSteps) steps[count] = {address, piece};
      ++count;
    }
  };
  add(plan.address, true);
  add(plan.length, false);
  if (total) add(plan.total_length, false);
  return count;
}

}  // namespace

std::unique_ptr<TxBurst> TxBurst::Create(TxBurstPlan plan, bool compiled) {
  std::unique_ptr<TxBurst> burst(new TxBurst);
  burst->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    if (!compiled) return absl::FailedPreconditionError("compiled access was not asked for");
    if (absl::Status status = CodeMemory::Allowed(); !status.ok()) return status;
    absl::StatusOr<TxCode> code = GenerateTx(burst->plan_);
    if (!code.ok()) return code.status();
    absl::StatusOr<CodeMemory> memory = CodeMemory::Create(code->bytes);
    if (!memory.ok()) return memory.status();
    burst->code_ = *std::move(memory);
    for (size_t i = 0; i < 2; ++i) burst->push_[i] = burst->code_.At<PushCode>(code->push[i]);
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

std::array<uint64_t, kMaxWords> TxBurst::Words(const TxPacket& packet, const TxImage& image) const {
  std::array<uint64_t, kMaxWords> words{};
  for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) words[w] = WordOf(plan_, w, packet, image);
  return words;
}

uint32_t TxBurst::PushByPlan(const TxBurstPlan& plan, std::byte* slots, SentSlot* sent,
                             uint32_t slot, uint32_t most, const TxPacket* packets,
                             const TxImage& image) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  uint32_t done = 0;
  for (; done < most; ++done) {
    const TxPacket& packet = packets[done];
    if (packet.address.value > plan.max_address || packet.bytes - 1 >= plan.max_bytes) break;
    sent[slot + done] = {packet.cookie, image.state.ends_packet, image.state.reported, 0};
  }
  // Word by word of all of them.
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    std::byte* at = slots + size_t{slot} * plan.slot_bytes + size_t{8} * w;
    const uint64_t constant = image.words[w];
    Step steps[kMostSteps];
    const size_t count = StepsOf(plan, w, image.has_total_length, steps);
    const auto number = [](const Step& step, const TxPacket& packet) {
      return step.address ? packet.address.value : packet.bytes;
    };
    for (uint32_t i = 0; i < done; ++i, at += plan.slot_bytes) {
      uint64_t word = constant;
      if (count > kMostSteps) {
        word = WordOf(plan, w, packets[i], image);
      } else {
        for (size_t k = 0; k < count; ++k) {
          word |= steps[k].piece.Put(number(steps[k], packets[i]));
        }
      }
      StoreRelaxed<uint64_t>(at, word);
    }
  }
  return done;
}

}  // namespace qsplit::dataplane::burst
