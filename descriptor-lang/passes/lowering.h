// What the files of the pass LowerQueues share.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_

#include <cstdint>
#include <string_view>

#include "descriptor-lang/passes/unit.h"

namespace qsplit::qdl {

// A number that must lie in [least, most]; reports it as `what` and gives `least` when it does not.
uint32_t Bounded(Unit& unit, const ast::Number& number, std::string_view what, uint64_t least,
                 uint64_t most);

// Adds a doorbell to the ring.
void LowerDoorbell(Unit& unit, const ast::Doorbell& tree, v1::Ring& ring);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_
