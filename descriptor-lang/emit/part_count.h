// How many parts a descriptor has, where one of its fields says so: for tools that show and make
// descriptors, and for what they emit.
//
// Pure functions of a verified layout; any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_PART_COUNT_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_PART_COUNT_H_

#include <algorithm>
#include <cstdint>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// The field's value counts `own` buffers of the container, then `per_part` for each part, of which
// the last may be filled in part. Where it counts parts, these are 0 and 1.
struct PartCount {
  uint32_t own = 0;
  uint32_t per_part = 1;

  uint64_t PartsFor(uint64_t value) const {
    return value <= own ? 0 : (value - own + per_part - 1) / per_part;
  }
};

// Of a part whose number varies.
inline PartCount PartCountOf(const v1::Layout& layout, const v1::Form& form,
                             const v1::ContainedForm& part) {
  if (form.fields(static_cast<int>(part.count_field())).role() != "packet.buffers") return {};
  const auto buffers = [](const v1::Form& of) {
    return static_cast<uint32_t>(
        std::count_if(of.fields().begin(), of.fields().end(),
                      [](const v1::Field& field) { return field.role() == "buffer.address"; }));
  };
  return {buffers(form), std::max(buffers(layout.forms(static_cast<int>(part.form()))), 1u)};
}

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_PART_COUNT_H_
