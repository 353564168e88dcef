// All that can be made of a layout, by name: what qdlc's and the CLI's `emit` offer.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_OUTPUTS_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_OUTPUTS_H_

#include <span>
#include <string>
#include <string_view>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {

struct Output {
  std::string_view name;
  // Of a file with it, with the dot.
  std::string_view suffix;
  // For people, a few words.
  std::string_view what;
  std::string (*emit)(const VerifiedLayout& layout);
};

// In the order in which help shows them.
std::span<const Output> Outputs();
// Null if there is none of that name.
const Output* FindOutput(std::string_view name);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_OUTPUTS_H_
