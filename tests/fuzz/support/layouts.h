// Layouts for fuzzers of what runs over a layout: every spec, the tests' layouts for each protocol,
// and what can be made of them by changing the message, as far as the verifier accepts it.
#ifndef QSPLIT_TESTS_FUZZ_SUPPORT_LAYOUTS_H_
#define QSPLIT_TESTS_FUZZ_SUPPORT_LAYOUTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"
#include "tests/fuzz/support/input.h"

namespace qsplit::fuzz {

// All that are not made by changes: the tests' first, then the specs by name.
const std::vector<layout::VerifiedLayout>& KnownLayouts();

// One change somewhere in the message: a number, a name of a role, an element of a list more, less
// or elsewhere.
void ChangeLayout(v1::Layout* layout, Input& in);

struct ChosenLayout {
  layout::VerifiedLayout layout;
  // One of KnownLayouts() as it is.
  bool known = true;
};
// nullopt: the verifier refuses what the changes made.
std::optional<ChosenLayout> ChooseLayout(Input& in);

// A choice for each of the layout's features.
std::vector<uint32_t> ChooseFeatures(const v1::Layout& layout, Input& in);

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_SUPPORT_LAYOUTS_H_
