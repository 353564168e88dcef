// Machine code for bursts, made out of plans for the processor that this runs on: x86-64 or
// aarch64. Knows plans only: no layout, no peer's bytes. The code keeps to what the burst's header
// promises; it stands where CodeMemory puts it.
//
// When a queue is opened only. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_GENERATOR_H_
#define QSPLIT_DATAPLANE_BURST_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/burst/slot_writer.h"
#include "dataplane/burst/tx_ring.h"

namespace qsplit::dataplane::burst {

// Independent of where it stands; with the offsets of its functions.
struct RxCode {
  std::vector<std::byte> bytes;
  size_t poll = 0;
  size_t post = 0;
};

struct RxRingCode {
  static constexpr size_t kNone = SIZE_MAX;

  std::vector<std::byte> bytes;
  // By the ring's phase.
  size_t poll[2] = {};
  size_t post[2] = {};
  // The same as post, into slots that held descriptors of buffers of as many bytes; kNone: nothing
  // would be left out.
  size_t again[2] = {kNone, kNone};
  // For PostHeld; kNone: the plan says that it is not called.
  size_t held[2] = {kNone, kNone};
};

struct TxRingCode {
  std::vector<std::byte> bytes;
  size_t push = 0;
  size_t take = 0;             // if the plan of completions has slots
  size_t take_expected = 0;    // if it says how many are expected
  size_t take_remembered = 0;  // if it says that packets are remembered
};

struct SlotReadCode {
  std::vector<std::byte> bytes;
  size_t read[2] = {};  // by the ring's phase
};

struct SlotWriteCode {
  std::vector<std::byte> bytes;
  size_t write = 0;
};

// UNIMPLEMENTED: not for this processor. INTERNAL: the assembler refused something.
absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan,
                                  Instructions which = Instructions::kOfThisProcessor);
absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan,
                                          Instructions which = Instructions::kOfThisProcessor);
absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done,
                                          Instructions which = Instructions::kOfThisProcessor);
absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan& plan,
                                              Instructions which = Instructions::kOfThisProcessor);
absl::StatusOr<SlotWriteCode> GenerateSlotWrite(
    const SlotWritePlan& plan, Instructions which = Instructions::kOfThisProcessor);

// What `generate` makes, with its bytes in `memory`. FAILED_PRECONDITION: not asked for, or as
// CodeMemory::Create, which see for other errors.
template <typename Generate>
std::invoke_result_t<Generate> GenerateInto(CodeMemory* memory, bool asked_for,
                                            const Generate& generate) {
  if (!asked_for) return absl::FailedPreconditionError("compiled access was not asked for");
  if (absl::Status status = CodeMemory::Allowed(); !status.ok()) return status;
  auto code = generate();
  if (!code.ok()) return code;
  absl::StatusOr<CodeMemory> created = CodeMemory::Create(code->bytes);
  if (!created.ok()) return created.status();
  *memory = *std::move(created);
  return code;
}

// Code for aarch64, made anywhere. Only processors of that kind have these in the library; others
// can have them to try the code in an emulator: the CMake target qsplit_a64_generator.
namespace a64 {
absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan);
absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan);
absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done);
absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan& plan);
absl::StatusOr<SlotWriteCode> GenerateSlotWrite(const SlotWritePlan& plan);
}  // namespace a64

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_GENERATOR_H_
