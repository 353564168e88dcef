// Private to the verifier: one field on its own, before conditions are looked at.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_FIELDS_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_FIELDS_H_

#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {

// Bits in words, words in the form, widths, role, enumeration, scale, constant, enums of the
// message. The names of form and field were checked.
absl::Status CheckField(Context& context, uint32_t form_index, int field_index);

}  // namespace qsplit::layout::verifier

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_FIELDS_H_
