#include "dataplane/burst/tx_ring.h"

#include <algorithm>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

// What the parts of packets' words are made of, for packets from `first` on.
struct Numbers {
  const TxRingPlan& plan;
  const TxRingCall& call;
  const TxPacket* packets;

  uint32_t Id(uint32_t i) const { return *(call.ids - 1 - i); }
  // Calls with(number_of), where number_of(i) is the number that a part is made of.
  template <typename F>
  void With(const TxWord::Part& part, F&& with) const {
    switch (part.source) {
      case TxSource::kAddress:
        return with([this](uint32_t i) { return packets[i].address.value; });
      case TxSource::kBytes:
        return with([this](uint32_t i) { return uint64_t{packets[i].bytes}; });
      case TxSource::kPrefix:
        return with(
            [this](uint32_t i) { return call.prefix_iova + uint64_t{Id(i)} * plan.prefix_stride; });
      case TxSource::kId:
        return with([this](uint32_t i) { return uint64_t{Id(i)}; });
      case TxSource::kCount:
        return with([this, begin = call.count + part.slot](uint32_t i) {
          return (begin + uint64_t{i} * plan.packet_slots) & plan.count_mask;
        });
    }
  }
  // The same with bits_of(i), what a word has of it.
  template <typename F>
  void WithBits(const TxWord::Part& part, F&& with) const {
    With(part, [&](auto&& number_of) {
      const Piece piece = part.piece;
      const auto bits_of = [=](uint32_t i) {
        return (number_of(i) >> piece.place & piece.mask) << piece.shift;
      };
      if (piece.byte_swap) return with([=](uint32_t i) { return __builtin_bswap64(bits_of(i)); });
      with(bits_of);
    });
  }
  // Adds a part to the words of so many packets, from number `begin` on.
  void Add(const TxWord::Part& part, uint32_t begin, uint32_t count, uint64_t* words) const {
    WithBits(part, [=](auto&& bits_of) {
      for (uint32_t i = 0; i < count; ++i) words[i] |= bits_of(begin + i);
    });
  }
  // Writes words that have no other part.
  void Store(const TxWord::Part& part, uint32_t begin, uint32_t count, uint64_t constant,
             std::byte* at, size_t stride) const {
    WithBits(part, [=](auto&& bits_of) {
      std::byte* to = at;
      for (uint32_t i = 0; i < count; ++i, to += stride) {
        StoreRelaxed<uint64_t>(to, constant | bits_of(begin + i));
      }
    });
  }
};

}  // namespace

std::unique_ptr<TxRingBurst> TxRingBurst::Create(TxRingPlan plan, const TxDonePlan* done,
                                                 bool compiled) {
  std::unique_ptr<TxRingBurst> burst(new TxRingBurst);
  burst->plan_ = std::move(plan);
  if (done != nullptr) burst->done_ = *done;
  for (size_t i = 0; i < burst->done_.tests.size(); ++i) {
    for (size_t phase = 0; phase < 2; ++phase) {
      burst->values_[phase][i] = burst->done_.tests[i].value[phase];
    }
  }
  const auto generate = [&]() -> absl::Status {
    if (!compiled) return absl::FailedPreconditionError("compiled access was not asked for");
    if (absl::Status status = CodeMemory::Allowed(); !status.ok()) return status;
    absl::StatusOr<TxRingCode> code = GenerateTxRing(burst->plan_, burst->done_);
    if (!code.ok()) return code.status();
    absl::StatusOr<CodeMemory> memory = CodeMemory::Create(code->bytes);
    if (!memory.ok()) return memory.status();
    burst->code_ = *std::move(memory);
    burst->push_ = burst->code_.At<PushCode>(code->push);
    if (burst->takes()) burst->take_ = burst->code_.At<TakeCode>(code->take);
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

uint64_t TxRingBurst::Word(const TxRingPlan& plan, uint32_t which, const TxPacket& packet,
                           const TxRingCall& call, const TxRingImage& image) {
  const Numbers numbers{plan, call, &packet};
  uint64_t word = image.words[which];
  for (const TxWord::Part& part : plan.words[which].parts) numbers.Add(part, 0, 1, &word);
  return word;
}

uint32_t TxRingBurst::PushByPlan(const TxRingPlan& plan, std::byte* slots, const TxRingCall& call,
                                 uint32_t slot, uint32_t most, const TxPacket* packets,
                                 const TxRingImage& image) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, (plan.slot_count - slot) / plan.packet_slots);
  const Numbers numbers{plan, call, packets};
  uint32_t done = 0;
  for (; done < most; ++done) {
    const TxPacket& packet = packets[done];
    if ((packet.address.value & plan.address_not) != 0 || packet.bytes - 1 >= plan.max_bytes) break;
    if (plan.has_prefix && call.prefixes[numbers.Id(done)] != call.prefix) break;
    if (plan.memory == TxMemory::kOrder) call.cookies[done] = packet.cookie;
    if (plan.memory == TxMemory::kId) {
      call.remembered[numbers.Id(done)] = {call.number, packet.cookie, 0};
    }
  }
  // Word by word, of several packets together.
  constexpr uint32_t kTogether = 32;
  const size_t stride = size_t{plan.packet_slots} * plan.slot_bytes;
  for (uint32_t begin = 0; begin < done; begin += kTogether) {
    const uint32_t count = std::min(done - begin, kTogether);
    for (uint32_t w = 0; w < plan.words.size(); ++w) {
      const TxWord& word = plan.words[w];
      std::byte* at = slots + size_t{slot} * plan.slot_bytes + begin * stride + word.offset;
      const bool holds = begin == 0 && w == plan.held_word && call.held != nullptr;
      if (word.parts.empty() && !holds) {
        std::byte* to = at;
        for (uint32_t i = 0; i < count; ++i, to += stride) {
          StoreRelaxed<uint64_t>(to, image.words[w]);
        }
      } else if (word.parts.size() == 1 && !holds) {
        numbers.Store(word.parts[0], begin, count, image.words[w], at, stride);
      } else {
        uint64_t words[kTogether];
        std::fill_n(words, count, image.words[w]);
        for (const TxWord::Part& part : word.parts) numbers.Add(part, begin, count, words);
        std::byte* to = at;
        uint32_t i = 0;
        if (holds) {
          *call.held = words[i++];
          to += stride;
        }
        for (; i < count; ++i, to += stride) StoreRelaxed<uint64_t>(to, words[i]);
      }
      if (call.report != 0 && begin + count == most && image.report[w] != 0) {
        // The last one once more, with the report: it is not the device's yet.
        uint64_t last = image.words[w] | image.report[w];
        for (const TxWord::Part& part : word.parts) numbers.Add(part, most - 1, 1, &last);
        StoreRelaxed<uint64_t>(at + (count - 1) * stride, last);
      }
    }
  }
  return done;
}

uint32_t TxRingBurst::TakeByPlan(const TxDonePlan& plan, const std::byte* slots, uint32_t slot,
                                 uint32_t most, uint32_t phase, uint64_t* keys) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, (plan.slot_count - slot) / plan.step_slots);
  const std::byte* at = slots + size_t{slot} * plan.slot_bytes;
  const size_t stride = size_t{plan.step_slots} * plan.slot_bytes;
  if (plan.tests.size() == 1 && plan.key.size() == 1 && plan.tests[0].word == plan.key[0].word) {
    const TxDonePlan::Test test = plan.tests[0];
    const uint64_t value = test.value[phase & 1];
    const Piece key = plan.key[0];
    at += size_t{8} * test.word;
    for (uint32_t i = 0; i < most; ++i, at += stride) {
      // Acquire: as below.
      const auto word = LoadAcquire<uint64_t>(at);
      if ((word & test.mask) != value) return i;
      keys[i] = key.Get(word);
    }
    return most;
  }
  for (uint32_t i = 0; i < most; ++i, at += stride) {
    std::array<uint64_t, kMaxWords> words;
    uint32_t loaded = 0;
    const auto load = [&](uint32_t word) {
      // Acquire: pairs with the release of the device's store; the same for those behind it.
      if ((loaded >> word & 1) == 0) words[word] = LoadAcquire<uint64_t>(at + size_t{8} * word);
      loaded |= 1u << word;
      return words[word];
    };
    for (const TxDonePlan::Test& test : plan.tests) {
      if ((load(test.word) & test.mask) != test.value[phase & 1]) return i;
    }
    uint64_t key = 0;
    for (const Piece& piece : plan.key) key |= piece.Get(load(piece.word));
    keys[i] = key;
  }
  return most;
}

}  // namespace qsplit::dataplane::burst
