#include "dataplane/burst/slot_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/barriers.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

uint64_t NumberOf(const SlotWritePlan::Number& number, const std::byte* element) {
  uint64_t value = 0;
  std::memcpy(&value, element + number.offset, number.bytes);
  return value;
}

void Put(const std::vector<Piece>& pieces, uint64_t number, SlotImage* words) {
  for (const Piece& piece : pieces) (*words)[piece.word] |= piece.Put(number);
}

}  // namespace

std::unique_ptr<SlotWriter> SlotWriter::Create(SlotWritePlan plan, bool compiled,
                                               Instructions which) {
  std::unique_ptr<SlotWriter> writer(new SlotWriter);
  writer->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    const absl::StatusOr<SlotWriteCode> code = GenerateInto(
        &writer->code_, compiled, [&] { return GenerateSlotWrite(writer->plan_, which); });
    if (!code.ok()) return code.status();
    writer->write_ = writer->code_.At<WriteCode>(code->write);
    return absl::OkStatus();
  };
  writer->code_status_ = generate();
  return writer;
}

uint32_t SlotWriter::WriteByPlan(const SlotWritePlan& plan, std::byte* slots, const uint32_t* rooms,
                                 uint32_t slot, uint32_t most, const void* elements,
                                 const SlotImage& image) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, plan.slot_count - slot);
  const auto* element = static_cast<const std::byte*>(elements);
  std::byte* at = slots + size_t{slot} * plan.slot_bytes;
  for (uint32_t i = 0; i < most; ++i, at += plan.slot_bytes, element += plan.element_bytes) {
    const uint64_t length = NumberOf(plan.length, element);
    if (plan.has_rooms && length + plan.prefix_bytes > rooms[slot + i]) return i;
    const uint64_t said = length + plan.length_more;
    if (said > plan.most_length) return i;
    SlotImage words = image;
    Put(plan.length.pieces, said, &words);
    for (const SlotWritePlan::Number& other : plan.others) {
      Put(other.pieces, NumberOf(other, element), &words);
    }
    for (uint32_t w = 0; w < plan.word_count; ++w) {
      if (w != plan.last_word) StoreRelaxed<uint64_t>(at + size_t{8} * w, words[w]);
    }
    // Who sees this word sees the others.
    HandOver<uint64_t>(at + size_t{8} * plan.last_word, words[plan.last_word]);
  }
  return most;
}

}  // namespace qsplit::dataplane::burst
