// Programs over one descriptor, each run on bytes that its peer may have written, and compared with
// the slow way (descriptor-lang/emit/field_value.h), which shares no code with them.
#ifndef QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_PROGRAMS_H_
#define QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_PROGRAMS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/rx_driver.h"
#include "dataplane/rx_program.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"
#include "tests/fuzz/support/input.h"

namespace qsplit::fuzz {

// Loads and stores of each field of a form; its selector and the conditions of its fields.
void RunFields(const v1::Layout& layout, uint32_t form, Input& in);
// For each ring of a queue: which form the bytes are of, whether the slot has changed hands, and
// what they say about packets.
void RunForms(const v1::Layout& layout, uint32_t queue, std::span<const uint32_t> choices,
              Input& in);

// Plans are run as machine code as well, which the user alone can forbid: else the interpreter
// would be compared with itself.
inline void MustBeCode(const absl::Status& code_status) {
  MUST(code_status.ok() || !dataplane::burst::CodeMemory::Allowed().ok());
}

// What a receive program says of slots that begin as these bytes and are changed as the input has
// it, each in its own way, by the plan that is made of it: in a ring that goes round, is posted and
// completed; interpreted (column by column, row by row), as machine code for this processor and for
// all, and by the program itself.
void RunBurst(const dataplane::RxProgram& program, const dataplane::DescriptorBytes& bytes,
              Input& in);
// The same as one of several rings, with a phase, a key, prefixes and buffers to post out of the
// input.
void RunRingBurst(const dataplane::RxProgram& program, const dataplane::DescriptorBytes& bytes,
                  Input& in);
// Bursts of transmit rings by any plan that the input spells: interpreted, and as machine code.
void RunTxRing(Input& in);
// The drivers and devices of a queue, each of them in every way (AccessMode) over memory of its
// own, made to do the same until the input ends: what they say, and what stands in the memory that
// they share, is the same.
void RunDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                std::span<const uint32_t> choices, Input& in);
// What a device does with slots, reads posted ones and writes completed ones, in the same way.
void RunSlots(Input& in);

// Completions of one buffer.
bool IsSame(const dataplane::RxCompletion& a, const dataplane::RxCompletion& b);

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_PROGRAMS_H_
