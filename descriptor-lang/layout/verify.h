// The verifier: what makes a layout of unknown origin safe to interpret.
//
// It takes any message, reads it only, needs no recursion, and counts before it does work that
// grows faster than the message; whatever the input, it ends within a fraction of a second. It
// keeps no state: any thread may call it.
//
// What it accepts, the rest of qsplit relies on without looking again: every reference leads
// somewhere, every bit lies in its word and every word in its form, no two meanings share a bit
// unless they exclude each other, every ring's slots come back, the forms that may stand in one
// place can be told apart, and the message is in canonical form.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_H_

#include "absl/status/status.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// OK, or InvalidArgument with the first thing that is wrong: where, what, and the limit. For
// example
//   forms[3] RxWriteBack.fields[2] dd: lsb 31 + 2 bits exceed the 4-byte word
absl::Status VerifyLayout(const v1::Layout& layout);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_H_
