#include <vector>

#include "dataplane/burst/slot_reader.h"
#include "dataplane/burst/slot_writer.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/fuzz/access_programs/reached.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;         // NOLINT
using namespace dataplane::burst;  // NOLINT

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

// At most.
constexpr uint32_t kElements = 6;

// Values out of the input.
template <typename T>
FencedArray<T> Values(Input& in, size_t count, Fence fence) {
  FencedArray<T> values(count, fence);
  for (T& value : values) value = static_cast<T>(in.Value());
  return values;
}

// Some bits of a number, of `bits` at most.
Piece PieceOf(Input& in, uint32_t words, uint32_t bits) {
  Piece piece;
  piece.word = static_cast<uint8_t>(in.Below(words));
  const auto width = static_cast<uint32_t>(1 + in.Below(bits));
  piece.mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  piece.shift = static_cast<uint8_t>(in.Below(65 - width));
  piece.place = static_cast<uint8_t>(in.Below(bits + 1 - width));
  piece.byte_swap = in.Byte() % 2 == 0;
  return piece;
}

std::vector<Piece> PiecesOf(Input& in, uint32_t words, uint32_t bits) {
  std::vector<Piece> pieces;
  for (uint8_t count = in.Byte() % 3; count > 0; --count) {
    pieces.push_back(PieceOf(in, words, bits));
  }
  return pieces;
}

SlotReadPlan ReadPlan(Input& in) {
  SlotReadPlan plan;
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(9));
  const auto words = static_cast<uint32_t>(1 + in.Below(kMaxWords));
  plan.slot_bytes = 8 * words;
  plan.first_word = static_cast<uint32_t>(in.Below(words));
  for (uint8_t tests = in.Byte() % 3; tests > 0; --tests) {
    const uint64_t word = in.Below(words);
    plan.tests[word].mask = in.Value();
    plan.tests[word].value = in.Value() & plan.tests[word].mask;
    plan.phase[word] = in.Value() & plan.tests[word].mask;
  }
  plan.address = PiecesOf(in, words, 64);
  plan.length = PiecesOf(in, words, 32);
  plan.note = PiecesOf(in, words, 32);
  plan.bytes_each = static_cast<uint32_t>(in.Value());
  plan.most_bytes = static_cast<uint32_t>(in.Value());
  plan.note_bits = static_cast<uint32_t>(in.Value());
  plan.notes_length = in.Byte() % 2 == 0;
  return plan;
}

void RunRead(Input& in) {
  const auto reader = SlotReader::Create(ReadPlan(in), true);
  MustBeCode(reader->code_status());
  const SlotReadPlan& plan = reader->plan();
  const Fence fence = kFences[in.Byte() % 2];
  const auto slots = Values<uint64_t>(in, size_t{plan.slot_count} * plan.slot_bytes / 8, fence);
  const std::byte* const at = slots.bytes().data();
  const auto slot = static_cast<uint32_t>(in.Below(plan.slot_count + 2));
  const auto most = static_cast<uint32_t>(in.Below(kElements + 1));
  const uint32_t phase = in.Byte() % 2;
  const FencedArray<PlainBuffer> interpreted(most, fence);
  const FencedArray<PlainBuffer> compiled(most, fence);
  const FencedArray<uint32_t> notes(plan.slot_count, fence);
  const FencedArray<uint32_t> same_notes(plan.slot_count, fence);
  const uint32_t count =
      SlotReader::ReadByPlan(plan, at, notes.data(), slot, most, phase, interpreted.data());
  MUST(reader->Read(at, same_notes.data(), slot, most, phase, compiled.data()) == count);
  MUST(notes.IsSame(same_notes));
  MUST(compiled.IsSame(interpreted, count));
  ReachIf(count != 0, Reached::kSlotsRead);
  for (uint32_t i = 0; i < count; ++i) {
    MUST(compiled[i].bytes - 1 < plan.most_bytes && compiled[i].slot == slot + i);
  }
}

SlotWritePlan WritePlan(Input& in) {
  SlotWritePlan plan;
  plan.slot_count = static_cast<uint32_t>(1 + in.Below(9));
  const auto words = static_cast<uint32_t>(1 + in.Below(kMaxWords));
  plan.word_count = words;
  plan.slot_bytes = 8 * words;
  plan.element_bytes = static_cast<uint32_t>(8 * (1 + in.Below(3)));
  plan.last_word = static_cast<uint32_t>(in.Below(words));
  plan.length = {static_cast<uint32_t>(4 * in.Below(plan.element_bytes / 4)), 4,
                 PiecesOf(in, words, 64)};
  plan.length_more = static_cast<uint32_t>(in.Value());
  plan.most_length = in.Value();
  plan.has_rooms = in.Byte() % 2 == 0;
  plan.prefix_bytes = static_cast<uint32_t>(in.Below(1 << 16));
  for (uint8_t others = in.Byte() % 3; others > 0; --others) {
    const uint32_t bytes = in.Byte() % 2 == 0 ? 4 : 8;
    plan.others.push_back({static_cast<uint32_t>(bytes * in.Below(plan.element_bytes / bytes)),
                           bytes, PiecesOf(in, words, 64)});
  }
  return plan;
}

void RunWrite(Input& in) {
  const auto writer = SlotWriter::Create(WritePlan(in), true);
  MustBeCode(writer->code_status());
  const SlotWritePlan& plan = writer->plan();
  const auto slot = static_cast<uint32_t>(in.Below(plan.slot_count + 2));
  const auto most = static_cast<uint32_t>(in.Below(kElements + 1));
  const Fence fence = kFences[in.Byte() % 2];
  const auto elements = Values<uint64_t>(in, size_t{most} * plan.element_bytes / 8, fence);
  const auto rooms = Values<uint32_t>(in, plan.slot_count, fence);
  const FencedArray<SlotImage> image(1, fence);
  for (uint64_t& word : image.front()) word = in.Value();
  const size_t bytes = size_t{plan.slot_count} * plan.slot_bytes;
  const FencedArray<std::byte> interpreted(bytes, fence);
  const FencedArray<std::byte> compiled(bytes, fence);
  const uint32_t count = SlotWriter::WriteByPlan(plan, interpreted.data(), rooms.data(), slot, most,
                                                 elements.data(), image.front());
  MUST(writer->Write(compiled.data(), rooms.data(), slot, most, elements.data(), image.front()) ==
       count);
  MUST(compiled.IsSame(interpreted));
  ReachIf(count != 0, Reached::kSlotsWritten);
}

}  // namespace

void RunSlots(Input& in) {
  RunRead(in);
  RunWrite(in);
}

}  // namespace qsplit::fuzz
