#include "dataplane/burst/slot_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

uint64_t NumberIn(const std::vector<Piece>& pieces, const std::array<uint64_t, kMaxWords>& words) {
  uint64_t number = 0;
  for (const Piece& piece : pieces) number |= piece.Get(words[piece.word]);
  return number;
}

}  // namespace

bool SlotReadPlan::Require(const DescriptorBytes& mask, const DescriptorBytes& value) {
  for (uint32_t w = 0; w < kMaxDescriptorBytes / 8; ++w) {
    uint64_t bits, wanted;
    std::memcpy(&bits, mask.bytes + size_t{8} * w, 8);
    std::memcpy(&wanted, value.bytes + size_t{8} * w, 8);
    if (bits == 0) continue;
    if (w >= slot_bytes / 8 || ((tests[w].value ^ wanted) & tests[w].mask & bits) != 0)
      return false;
    tests[w].mask |= bits;
    tests[w].value |= wanted & bits;
  }
  return true;
}

bool SlotReadPlan::IsSound() const {
  for (const std::vector<Piece>* pieces : {&address, &length, &note}) {
    for (const Piece& piece : *pieces) {
      if (piece.word >= slot_bytes / 8) return false;
      if ((tests[piece.word].mask & piece.Put(~uint64_t{0})) != 0) return false;
    }
  }
  return true;
}

uint32_t SlotReadPlan::Words() const {
  uint32_t words = 1u << first_word;
  for (uint32_t w = 0; w < kMaxWords; ++w) {
    if (tests[w].mask != 0) words |= 1u << w;
  }
  for (const std::vector<Piece>* pieces : {&address, &length, &note}) {
    for (const Piece& piece : *pieces) words |= 1u << piece.word;
  }
  return words;
}

std::unique_ptr<SlotReader> SlotReader::Create(SlotReadPlan plan, bool compiled,
                                               Instructions which) {
  std::unique_ptr<SlotReader> reader(new SlotReader);
  reader->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    const absl::StatusOr<SlotReadCode> code = GenerateInto(
        &reader->code_, compiled, [&] { return GenerateSlotRead(reader->plan_, which); });
    if (!code.ok()) return code.status();
    for (size_t i = 0; i < 2; ++i) reader->read_[i] = reader->code_.At<ReadCode>(code->read[i]);
    return absl::OkStatus();
  };
  reader->code_status_ = generate();
  return reader;
}

uint32_t SlotReader::ReadByPlan(const SlotReadPlan& plan, const std::byte* slots, uint32_t* notes,
                                uint32_t slot, uint32_t most, uint32_t phase, PlainBuffer* out) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  const uint32_t looked_at = plan.Words();
  const uint64_t turned = (phase & 1) != 0 ? ~uint64_t{0} : 0;
  const std::byte* at = slots + size_t{slot} * plan.slot_bytes;
  for (uint32_t i = 0; i < most; ++i, at += plan.slot_bytes) {
    std::array<uint64_t, kMaxWords> words;
    const auto passes = [&](uint32_t w) {
      return ((words[w] & plan.tests[w].mask) ^ plan.tests[w].value) == (plan.phase[w] & turned);
    };
    // Acquire: pairs with the release of the store that hands the slot over.
    words[plan.first_word] = LoadAcquire<uint64_t>(at + size_t{8} * plan.first_word);
    if (!passes(plan.first_word)) return i;
    for (uint32_t left = looked_at & ~(1u << plan.first_word); left != 0; left &= left - 1) {
      const auto w = static_cast<uint32_t>(std::countr_zero(left));
      words[w] = LoadRelaxed<uint64_t>(at + size_t{8} * w);
      if (!passes(w)) return i;
    }
    const uint64_t bytes = plan.length.empty() ? plan.bytes_each : NumberIn(plan.length, words);
    if (bytes - 1 >= plan.most_bytes) return i;
    out[i] = {Iova(NumberIn(plan.address, words)), static_cast<uint32_t>(bytes), slot + i};
    notes[slot + i] = plan.notes_length
                          ? static_cast<uint32_t>(bytes)
                          : static_cast<uint32_t>(NumberIn(plan.note, words)) | plan.note_bits;
  }
  return most;
}

}  // namespace qsplit::dataplane::burst
