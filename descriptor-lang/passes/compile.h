// The compiler: text in, verified layout out. The text is hostile; nothing that it says makes this
// crash, hang, or use more memory than a constant times kMaxSourceBytes.
//
// Keeps no state; any thread may call it.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_COMPILE_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_COMPILE_H_

#include <optional>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/source/source_file.h"

namespace qsplit::qdl {

// The layout, or nullopt and at least one error in `diagnostics`, which must be over `source`.
std::optional<layout::VerifiedLayout> Compile(const SourceFile& source, Diagnostics& diagnostics);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_COMPILE_H_
