// Where in a spec stands what the verifier refuses: its messages begin with a path into the layout,
// such as "queues[0] receive.rings[1] used.cells[0] index: …". What the passes should have said
// themselves has a place like this.
#ifndef QSPLIT_DESCRIPTOR_LANG_PASSES_LOCATE_H_
#define QSPLIT_DESCRIPTOR_LANG_PASSES_LOCATE_H_

#include <string_view>

#include "descriptor-lang/syntax/ast.h"

namespace qsplit::qdl {

// The place that the message's path leads to; as near as it can be told, else the layout's name.
Span LocateRefusal(const ast::File& file, std::string_view message);

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_PASSES_LOCATE_H_
