#include <cstring>
#include <memory>
#include <utility>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_burst.h"
#include "tests/fuzz/access_programs/programs.h"

namespace qsplit::fuzz {

using namespace dataplane;  // NOLINT

void RunBurst(const RxProgram& program, const DescriptorBytes& bytes) {
  std::optional<burst::RecordPlan> record = program.Plan({}, {});
  if (!record.has_value() || !record->offset.empty()) return;
  burst::RxBurstPlan plan;
  plan.record = *std::move(record);
  plan.slot_count = 1;
  plan.slot_bytes = 8 * burst::kMaxWords;
  const auto burst = burst::RxBurst::Create(std::move(plan), true);

  // The only slot, on the heap, so that a sanitizer sees what is beside it.
  const auto slot = std::make_unique<uint64_t[]>(burst::kMaxWords);
  std::memcpy(slot.get(), bytes.bytes, 8 * burst::kMaxWords);
  const auto* slots = reinterpret_cast<const std::byte*>(slot.get());
  const burst::PostedSlot posted{7, UINT32_MAX};
  RxCompletion interpreted;
  RxCompletion compiled;
  const uint32_t count =
      burst::RxBurst::PollByPlan(burst->plan(), slots, &posted, 0, 2, &interpreted);
  MUST(burst->Poll(slots, &posted, 0, 2, &compiled) == count);
  MUST(burst->Poll(slots, &posted, 1, 1, &compiled) == 0);  // beyond the ring's last slot
  // Code for processors that have less.
  RxCompletion plain;
  const absl::StatusOr<burst::RxCode> code =
      burst::GenerateRx(burst->plan(), burst::Instructions::kOfAll);
  if (code.ok()) {
    const absl::StatusOr<burst::CodeMemory> memory = burst::CodeMemory::Create(code->bytes);
    MUST(memory.ok());
    const auto poll = memory->At<burst::RxBurst::PollCode>(code->poll);
    MUST(poll(slots, &posted, 0, 2, &plain) == count);
  } else {
    MUST(absl::IsUnimplemented(code.status()));
    burst::RxBurst::PollByPlan(burst->plan(), slots, &posted, 0, 2, &plain);
  }
  if (count == 0) return;
  MUST(count == 1 && program.IsLast(bytes.bytes));
  RxMetadata meta;
  program.Decode(bytes.bytes, true, true, &meta);
  for (const RxCompletion& completion : {interpreted, compiled, plain}) {
    MUST(completion.cookie == 7 && completion.first && completion.last);
    MUST(completion.meta == meta);
    if (program.HasLength()) MUST(completion.length == program.Length(bytes.bytes));
  }
}

}  // namespace qsplit::fuzz
