// The passes, in the order in which compile.cc runs them: one file for each.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_PASSES_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_PASSES_H_

#include <optional>

#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/passes/unit.h"

namespace qsplit::qdl {

// Enumerations, features, descriptors and their fields get their names; each name once; what every
// file must say. Lines of a value in several places become one field.
void DeclareNames(Unit& unit);
// Where each field's bits are: inside their word, inside the descriptor.
void PlaceFields(Unit& unit);
// Where other descriptors stand inside or behind a descriptor, and how many.
void PlaceParts(Unit& unit);
// What each field holds: enumeration, constant, scale, sign.
void ResolveValues(Unit& unit);
// When fields mean something and what tells descriptors apart; fields and values by name.
void ResolveConditions(Unit& unit);
// No two fields on the same bits, unless their conditions exclude each other.
void CheckOverlaps(Unit& unit);
// Roles exist, fit their fields, and stand once in a descriptor.
void CheckRoles(Unit& unit);
// Queues, rings, doorbells and limits get their form in the layout; names resolved, ranges checked.
void LowerQueues(Unit& unit);
// What tells the device how to treat packets stands where it can find it.
void CheckContexts(Unit& unit);
// Every ring's slots come back, every descriptor can be told apart, nothing posted looks completed.
void CheckRings(Unit& unit);
// A slot of a ring of completions that the device has not written yet does not look completed.
void CheckFreshSlots(Unit& unit);
// The canonical layout, verified; nullopt after an error.
std::optional<layout::VerifiedLayout> Lower(Unit& unit);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_PASSES_H_
