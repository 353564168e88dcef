// Loops over rings for the emitted C++ header: what a program that knows its NIC when it is built
// inlines in place of the engines that interpret a layout. Templates over what is done with each
// descriptor; a structure for each ring.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_RING_LOOPS_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_RING_LOOPS_H_

#include <string>
#include <string_view>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// C++ for every ring of the layout, of a namespace that has its forms and qsplit_load; what a ring
// has no loop for is said in its comment.
std::string RingLoops(const v1::Layout& layout);

// What all emitted headers' loops share, once for all that a program includes.
std::string_view CppLoopMemory();

// Of one side of a ring, "producer" or "consumer": for each doorbell that is a store of numbers
// which the side's Position has, a function that says what it takes and one that stores that.
std::string DoorbellFunctions(const v1::Ring& ring, std::string_view side);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_RING_LOOPS_H_
