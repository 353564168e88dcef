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

// A part of a word that is a packet's own.
struct Step {
  bool address = false;
  Piece piece;

  uint64_t Bits(const TxPacket& packet) const {
    return piece.Put(address ? packet.address.value : packet.bytes);
  }
};

// The steps that make up one word; more than `most` are counted only.
size_t StepsOf(const TxBurstPlan& plan, uint32_t which, bool total, size_t most, Step* steps) {
  size_t count = 0;
  const auto add = [&](const std::vector<Piece>& pieces, bool address) {
    for (const Piece& piece : pieces) {
      if (piece.word != which) continue;
      if (count < most) steps[count] = {address, piece};
      ++count;
    }
  };
  add(plan.address, true);
  add(plan.length, false);
  if (total) add(plan.total_length, false);
  return count;
}

// One word of each of `count` descriptors.
template <typename F>
void WriteWords(std::byte* at, uint32_t stride, uint32_t count, const TxPacket* packets, F&& word) {
  for (uint32_t i = 0; i < count; ++i, at += stride) StoreRelaxed<uint64_t>(at, word(packets[i]));
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

uint32_t TxBurst::PushByPlan(const TxBurstPlan& plan, std::byte* slots, uint32_t* cookies,
                             uint32_t slot, uint32_t most, const TxPacket* packets,
                             const TxImage& image) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  if (most == 0) return 0;
  uint32_t done = 0;
  for (; done < most; ++done) {
    const TxPacket& packet = packets[done];
    if (packet.address.value > plan.max_address || packet.bytes - 1 >= plan.max_bytes) break;
    cookies[slot + done] = packet.cookie;
  }
  // Word by word of all of them.
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    std::byte* at = slots + size_t{slot} * plan.slot_bytes + size_t{8} * w;
    const uint64_t constant = image.words[w];
    const auto write = [&](auto&& word) { WriteWords(at, plan.slot_bytes, done, packets, word); };
    Step step[2];
    switch (StepsOf(plan, w, image.has_total_length, 2, step)) {
      case 0:
        write([=](const TxPacket&) { return constant; });
        break;
      case 1:
        write([=](const TxPacket& packet) { return constant | step[0].Bits(packet); });
        break;
      case 2:
        write([=](const TxPacket& packet) {
          return constant | step[0].Bits(packet) | step[1].Bits(packet);
        });
        break;
      default:
        write([&](const TxPacket& packet) { return WordOf(plan, w, packet, image); });
    }
    if (done == most && image.report[w] != 0) {
      // The last one once more, with the report: it is not the device's yet.
      StoreRelaxed<uint64_t>(at + size_t{done - 1} * plan.slot_bytes,
                             WordOf(plan, w, packets[done - 1], image) | image.report[w]);
    }
  }
  return done;
}

}  // namespace qsplit::dataplane::burst
