// What a layout looks like to people and programs: pure functions of a verified layout, the same
// text for the same layout wherever it came from (a spec or a daemon). Any thread may call them.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_

#include <span>
#include <string>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {

// Tables for people: each form's fields with their bits, roles, conditions and notes; then queues
// and rings. Lines end in '\n'.
std::string EmitText(const VerifiedLayout& layout);

// The same with each form's bit diagram above its fields.
std::string EmitPage(const VerifiedLayout& layout);

// A spec in the language, with the notes: the compiler makes a layout with the same digest of it.
std::string EmitQdl(const VerifiedLayout& layout);

// Bit diagrams for a terminal: for each form rows of 32 bits with a box for each field, 73 columns
// wide. A field whose name does not fit into its box gets a letter, explained below the diagram.
std::string EmitDiagram(const VerifiedLayout& layout);

// The same as one SVG picture of all forms. No external resources; each box carries its field's
// role, condition and note as a tooltip.
std::string EmitSvg(const VerifiedLayout& layout);

// One HTML page: diagrams, fields, queues, sources. No external resources, no scripts.
std::string EmitHtml(const VerifiedLayout& layout);
// A page with a link to `NAME.html` for each layout.
std::string EmitHtmlIndex(std::span<const VerifiedLayout> layouts);

// A header of accessors: C++20 (constexpr, needs <cstdint>), C99, or C for BPF programs (always
// inlined); the latter two include nothing. `qsplit_layout::NAME::Form::field(bytes)` in C++,
// `NAME_form_field(bytes)` in C, with '_' for each '.' of the layout's name; set_field, field_raw,
// set_field_raw, has_field and is beside it, as the header itself explains.
std::string EmitCppHeader(const VerifiedLayout& layout);
std::string EmitCHeader(const VerifiedLayout& layout);
std::string EmitBpfHeader(const VerifiedLayout& layout);

// A Kaitai Struct description: a type for each form, an instance for each field with its raw bits.
std::string EmitKaitai(const VerifiedLayout& layout);

// In the style of the kernel's tracing format files: for each form a name, a line
// `field:NAME;  offset:BYTE;  size:BYTES;  bit:LSB;  width:BITS;  endian:little;  …` for each place
// of each field. Bits count from the word value's least significant one.
std::string EmitTraceFormat(const VerifiedLayout& layout);

// The lines of one queue in EmitText.
std::string QueueText(const v1::Layout& layout, const v1::Queue& queue);

// One JSON object for programs:
//   {"layout": name, "title", "digest": hex, "sources": […], "enumerations": […], "features": […],
//    "forms": [{"name", "size_bytes", "slots", "fields": [{"name", "role", "byte_offset",
//      "word_bytes", "endian", "lsb", "bits", "byte_masks": [[byte, mask], …], "parts": […], …}]}],
//    "queues": […]}
// `lsb` counts from the word value's least significant bit; `byte_masks` says which bits of which
// bytes the field occupies, whatever the byte order, ascending. `parts` are most significant first;
// a field in one place has its place directly as well, one in several places has nulls there. Of a
// byte array `bytes` is the length, and there are no parts. Integers above 2^53 are strings. Ends
// in
// '\n'.
std::string EmitJson(const VerifiedLayout& layout);

// The vocabulary of roles, as Markdown: docs/roles.md.
std::string EmitRoles();

// A row of the page of specs.
struct SpecRow {
  VerifiedLayout layout;
  bool carries_packets = false;
  // What the layout was compared with, in Markdown.
  std::string checked;
};
// Forms, fields and ring protocols of all specs, as Markdown: docs/specs.md.
std::string EmitSpecs(std::span<const SpecRow> rows);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_EMIT_H_
