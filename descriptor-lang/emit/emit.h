// What a layout looks like to people and programs: pure functions of a verified layout, the same
// text for the same layout wherever it came from (a spec or a daemon). Any thread may call them.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_

#include <string>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {

// Tables for people: each form's fields with their bits, roles, conditions and notes; then queues
// and rings. Lines end in '\n'.
std::string EmitText(const VerifiedLayout& layout);

// One JSON object for programs:
//   {"layout": name, "title", "digest": hex, "sources": […], "enumerations": […], "features": […],
//    "forms": [{"name", "size_bytes", "slots", "fields": [{"name", "role", "byte_offset",
//      "word_bytes", "endian", "lsb", "bits", "byte_masks": [[byte, mask], …], "parts": […], …}]}],
//    "queues": […]}
// `lsb` counts from the word value's least significant bit; `byte_masks` says which bits of which
// bytes the field occupies, whatever the byte order, ascending. `parts` is present for every field
// that is a number, most significant first; a field in one place also has its place directly.
// Integers above 2^53 are strings. Ends in '\n'.
std::string EmitJson(const VerifiedLayout& layout);

// The vocabulary of roles, as Markdown: docs/roles.md.
std::string EmitRoles();

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_
