// Numbers of fields in the bytes of a descriptor, one bit after the other: for tools that show and
// make descriptors. Programs that move packets use dataplane/field_access.h.
//
// Pure functions of a verified layout; bytes come from anywhere. Bits outside of `bytes` read as 0
// and are not written. Any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_VALUE_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_VALUE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::layout {

// The raw bits of a field; `bytes` begins with the form.
uint64_t ReadRaw(const v1::Field& field, std::span<const uint8_t> bytes);
void WriteRaw(const v1::Field& field, uint64_t raw, std::span<uint8_t> bytes);

// What a raw value stands for: scale, bias, special zero; modulo 2^64. Signed ones are two's
// complement of 64 bits.
uint64_t ValueOf(const v1::Field& field, uint64_t raw);
// The raw value that stands for `value`; nullopt: the field cannot say it.
std::optional<uint64_t> RawOf(const v1::Field& field, uint64_t value);

// Whether a condition over fields of one form holds for bytes of it; comparisons with fields of
// other forms, and with a ring's state, count as true.
bool Holds(const v1::Layout& layout, const v1::Condition& condition, uint32_t form,
           std::span<const uint8_t> bytes);

// Whether bytes can be of a form: long enough, constants right, selector true.
bool CanBe(const v1::Layout& layout, uint32_t form, std::span<const uint8_t> bytes);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_FIELD_VALUE_H_
