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

// By code for processors that have less.
uint32_t PollPlain(const burst::RxBurstPlan& plan, const std::byte* slots,
                   const burst::PostedSlot* posted, RxCompletion* out) {
  const absl::StatusOr<burst::RxCode> code = burst::GenerateRx(plan, burst::Instructions::kOfAll);
  MustBeCode(code.status());
  if (!code.ok() || !burst::CodeMemory::Allowed().ok()) {
    return burst::RxBurst::PollByPlan(plan, slots, posted, 0, 2, out);
  }
  const absl::StatusOr<burst::CodeMemory> memory = burst::CodeMemory::Create(code->bytes);
  MUST(memory.ok());
  return memory->At<burst::RxBurst::PollCode>(code->poll)(slots, posted, 0, 2, out);
}

}  // namespace

void RunBurst(const RxProgram& program, const DescriptorBytes& bytes) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value() || !record->offset.empty()) return;
  burst::RxBurstPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = 1;
  plan.slot_bytes = 8 * burst::kMaxWords;
  const auto burst = burst::RxBurst::Create(std::move(plan), true);
  MustBeCode(burst->code_status());

  // The only slot, the one buffer and the one completion, each between fences.
  for (const Fence fence : kFences) {
    const FencedArray<std::byte> slot(std::span(bytes.bytes, 8 * burst::kMaxWords), fence);
    const FencedArray<burst::PostedSlot> posted(1, fence);
    posted.front() = {7, UINT32_MAX};
    const FencedArray<RxCompletion> interpreted(1, fence);
    const FencedArray<RxCompletion> compiled(1, fence);
    const uint32_t count = burst::RxBurst::PollByPlan(burst->plan(), slot.data(), posted.data(), 0,
                                                      2, interpreted.data());
    MUST(burst->Poll(slot.data(), posted.data(), 0, 2, compiled.data()) == count);
    // Beyond the ring's last slot.
    MUST(burst->Poll(slot.data(), posted.data(), 1, 1, compiled.data()) == 0);
    const FencedArray<RxCompletion> plain(1, fence);
    MUST(PollPlain(burst->plan(), slot.data(), posted.data(), plain.data()) == count);
    MUST(count <= 1 && (count == 0 || program.IsLast(bytes.bytes)));
    RxMetadata meta;
    program.Decode(bytes.bytes, true, true, &meta);
    for (const FencedArray<RxCompletion>* said : {&interpreted, &compiled, &plain}) {
      if (count == 0) break;
      const RxCompletion& completion = said->front();
      MUST(completion.cookie == 7 && completion.first && completion.last);
      MUST(completion.meta == meta);
      if (program.HasLength()) MUST(completion.length == program.Length(bytes.bytes));
    }
  }
}

}  // namespace qsplit::fuzz
