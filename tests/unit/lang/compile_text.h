// Compiles pieces of a spec for tests: the pieces stand in a spec that is otherwise right.
#ifndef QSPLIT_TESTS_UNIT_LANG_COMPILE_TEXT_H_
#define QSPLIT_TESTS_UNIT_LANG_COMPILE_TEXT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::qdl::testing {

struct Compiled {
  std::optional<layout::VerifiedLayout> layout;
  // Codes of the messages, in order of their positions: "QDL0044".
  std::vector<std::string> codes;
  // "line:column" of each message.
  std::vector<std::string> places;
  std::string text;
};

Compiled CompileText(std::string_view spec);

// What stands where in the spec that SpecWith makes.
struct Pieces {
  std::string head = "";  // behind byte-order
  std::string byte_order = "byte-order little";
  std::string fields = "";  // of the descriptor Done, 64 bytes
  std::string ring = "";    // in the ring
  std::string doorbell = "doorbell register 4 bytes = producer index";
  std::string slots = "slots 8..64 step 8";
  std::string queue = "";  // in the queue
  std::string packet = "packet spans descriptors until last";
};
std::string SpecWith(const Pieces& pieces);

// The field of Done with that name; dies when there is none.
const v1::Field& DoneField(const Compiled& compiled, std::string_view name);

}  // namespace qsplit::qdl::testing

#endif  // QSPLIT_TESTS_UNIT_LANG_COMPILE_TEXT_H_
