#include <cstring>
#include <span>
#include <utility>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_burst.h"
#include "tests/fuzz/access_programs/programs.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

namespace {

// As many as are taken at once, where they are, and one more.
constexpr uint32_t kSlots = 5;
constexpr uint32_t kMost = kSlots + 1;

// No longer than they must be: 16 or 32 bytes are taken several at once.
uint32_t SlotBytes(const burst::RecordPlan& record) {
  for (const uint32_t words : {2u, 4u}) {
    if (record.words >> words == 0) return 8 * words;
  }
  return 8 * burst::kMaxWords;
}

// By code for processors that have less.
uint32_t PollPlain(const burst::RxBurstPlan& plan, const std::byte* slots,
                   const burst::PostedSlot* posted, RxCompletion* out) {
  const absl::StatusOr<burst::RxCode> code = burst::GenerateRx(plan, burst::Instructions::kOfAll);
  MustBeCode(code.status());
  if (!code.ok() || !burst::CodeMemory::Allowed().ok()) {
    return burst::RxBurst::PollByPlan(plan, slots, posted, 0, kMost, out);
  }
  const absl::StatusOr<burst::CodeMemory> memory = burst::CodeMemory::Create(code->bytes);
  MUST(memory.ok());
  return memory->At<burst::RxBurst::PollCode>(code->poll)(slots, posted, 0, kMost, out);
}

}  // namespace

void RunBurst(const RxProgram& program, const DescriptorBytes& bytes) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value() || !record->offset.empty()) return;
  burst::RxBurstPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = kSlots;
  plan.slot_bytes = SlotBytes(plan.record);
  const auto burst = burst::RxBurst::Create(std::move(plan), true);
  MustBeCode(burst->code_status());
  const auto without_code = burst::RxBurst::Create(burst->plan(), false);

  // All slots alike, their buffers and completions, each between fences.
  for (const Fence fence : kFences) {
    const uint32_t slot_bytes = burst->plan().slot_bytes;
    const FencedArray<std::byte> slots(size_t{kSlots} * slot_bytes, fence);
    for (uint32_t i = 0; i < kSlots; ++i) {
      std::memcpy(slots.data() + size_t{i} * slot_bytes, bytes.bytes, slot_bytes);
    }
    const FencedArray<burst::PostedSlot> posted(kSlots, fence);
    for (burst::PostedSlot& one : posted) one = {7, UINT32_MAX};
    const FencedArray<RxCompletion> interpreted(kSlots, fence);
    const FencedArray<RxCompletion> compiled(kSlots, fence);
    const uint32_t count = burst::RxBurst::PollByPlan(burst->plan(), slots.data(), posted.data(), 0,
                                                      kMost, interpreted.data());
    MUST(burst->Poll(slots.data(), posted.data(), 0, kMost, compiled.data()) == count);
    // Beyond the ring's last slot.
    MUST(burst->Poll(slots.data(), posted.data(), kSlots, 1, compiled.data()) == 0);
    const FencedArray<RxCompletion> plain(kSlots, fence);
    MUST(PollPlain(burst->plan(), slots.data(), posted.data(), plain.data()) == count);
    const FencedArray<RxCompletion> rows(kSlots, fence);
    MUST(without_code->Poll(slots.data(), posted.data(), 0, kMost, rows.data()) == count);
    MUST(without_code->Poll(slots.data(), posted.data(), kSlots, 1, rows.data()) == 0);
    MUST(count == 0 || (count == kSlots && program.IsLast(bytes.bytes)));
    RxMetadata meta;
    program.Decode(bytes.bytes, true, true, &meta);
    for (const FencedArray<RxCompletion>* said : {&interpreted, &compiled, &plain, &rows}) {
      for (const RxCompletion& completion : std::span(said->data(), count)) {
        MUST(completion.cookie == 7 && completion.first && completion.last);
        MUST(completion.meta == meta);
        if (program.HasLength()) MUST(completion.length == program.Length(bytes.bytes));
      }
    }
  }
}

}  // namespace qsplit::fuzz
