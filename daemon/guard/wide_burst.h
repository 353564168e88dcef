// The steps of BurstCheck with AVX2: four descriptors at a time, in registers of 32 bytes. Where
// the processor, or the program's architecture, has no such thing, nothing here may be called.
//
// As burst_check.h: shadow slots are read once; one thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_WIDE_BURST_H_
#define QSPLIT_DAEMON_GUARD_WIDE_BURST_H_

#include <cstddef>
#include <cstdint>

#include "daemon/guard/burst_plan.h"
#include "daemon/guard/descriptor_burst.h"

namespace qsplit::guard::wide {

// Whether this processor has it.
bool IsSupported();

// Descriptors of two words, and of four. Read: burst->count slots.
void Read(const std::byte* first, DescriptorBurst<2>* burst);
void Read(const std::byte* first, DescriptorBurst<4>* burst);
void Check(const BurstPlan<2>& plan, DescriptorBurst<2>* burst);
void Check(const BurstPlan<4>& plan, DescriptorBurst<4>* burst);
void Store(const DescriptorBurst<2>& burst, uint32_t first, uint32_t count, std::byte* to);
void Store(const DescriptorBurst<4>& burst, uint32_t first, uint32_t count, std::byte* to);

}  // namespace qsplit::guard::wide

#endif  // QSPLIT_DAEMON_GUARD_WIDE_BURST_H_
