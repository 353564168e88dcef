// What the files of the pass LowerQueues share: each lowers a part of a queue or ring.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "descriptor-lang/passes/unit.h"

namespace qsplit::qdl {

// A number that must lie in [least, most]; reports it as `what` and gives `least` when it does not.
uint32_t Bounded(Unit& unit, const ast::Number& number, std::string_view what, uint64_t least,
                 uint64_t most);
// A power of two up to the largest alignment; reports others and gives 1.
uint32_t PowerOfTwo(Unit& unit, const ast::Number& number);
// Both ends are of the range, and the step leads from the one to the other; else reports it.
bool CheckSteps(Unit& unit, const ast::Range& range, uint64_t step);
// Names of one kind, each with its position among them and where it was said.
struct Names {
  NameIndex index;
  std::map<std::string_view, Span> spans;
};
// Adds a name; reports it as one of `kind` when it is there already.
void DeclareIn(Unit& unit, Names& names, std::string_view kind, const ast::Identifier& name,
               uint32_t at);
// `little` or `big` as said, else the file's; single bytes are little. Reports it at `span` when
// nothing says it.
v1::ByteOrder ByteOrderOf(Unit& unit, v1::ByteOrder said, uint32_t bytes, Span span);
// The cell of that name in the ring; nullopt (reported) when there is none.
std::optional<uint32_t> FindCell(Unit& unit, const ast::Identifier& name, const ast::Ring& tree,
                                 const v1::Ring& ring);
// The field of that name in a form.
std::optional<v1::FieldReference> FindField(const Unit& unit, uint32_t form, std::string_view name);
// "producer index", ….
std::string_view MeaningWords(v1::CellMeaning meaning);

// The queue's rings, one after the other, then what they say of each other.
void LowerRings(Unit& unit, const ast::Queue& tree, v1::Queue& out);
void LowerCells(Unit& unit, const ast::Ring& tree, v1::Ring& out);
// Adds a doorbell to the ring, whose cells are there.
void LowerDoorbell(Unit& unit, const ast::Doorbell& bell, const ast::Ring& tree, v1::Ring& ring);
// What stands in slots besides descriptors: fills, ends, compressed completions, packets.
void LowerEntries(Unit& unit, const ast::Ring& tree, v1::Ring& out);
// Ring.posted, completed, completes, phase, sequence of all rings; `rings` leads from their names
// to their positions.
void LowerHandovers(Unit& unit, const ast::Queue& tree, const NameIndex& rings, v1::Queue& out);
void LowerPacketRule(Unit& unit, const ast::Queue& tree, v1::Queue& out);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_LOWERING_H_
