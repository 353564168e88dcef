// Descriptors to and from people: hex in, named values out, and back.
//
// Pure functions of a verified layout; texts and bytes come from anywhere. Any thread.
#ifndef QSPLIT_DESCRIPTOR_LANG_EMIT_CODEC_H_
#define QSPLIT_DESCRIPTOR_LANG_EMIT_CODEC_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {

inline constexpr size_t kMaxDecodedBytes = 65536;

// Bytes out of hex digits, two for each; blanks, line ends, ':', ',', "0x" and offsets in front of
// a line ("0010: …", as hexdumps have) may stand between. INVALID_ARGUMENT: anything else, an odd
// digit, nothing at all, more than kMaxDecodedBytes.
absl::StatusOr<std::vector<uint8_t>> ParseHex(std::string_view text);
// "00 1a …", 16 bytes a line.
std::string HexText(std::span<const uint8_t> bytes);

// One number or byte array of a descriptor.
struct DecodedField {
  // With the parts that it stands in: "data[1].address".
  std::string name;
  std::string role;
  // The value after its scale, decimal; of a byte array its bytes in hex.
  std::string value;
  bool is_array = false;
  // What the value is called in its enumeration; empty: nothing.
  std::string meaning;
  // False: the conditions say that it means nothing here, or the writer wrote what it must not.
  bool valid = true;
  uint64_t raw = 0;
  // Where it is: field and form are indices into the layout, base the form's first byte in the
  // whole descriptor.
  uint32_t form = 0;
  uint32_t field = 0;
  uint32_t base = 0;
};

struct DecodedDescriptor {
  uint32_t form = 0;
  std::vector<DecodedField> fields;
};

// The forms that the bytes can be of, in the layout's order.
std::vector<uint32_t> FormsOf(const VerifiedLayout& layout, std::span<const uint8_t> bytes);

// INVALID_ARGUMENT: fewer bytes than the form has. Parts behind the form are decoded as far as
// bytes are there.
absl::StatusOr<DecodedDescriptor> Decode(const VerifiedLayout& layout, uint32_t form,
                                         std::span<const uint8_t> bytes);
// As a table, or as JSON: {"layout", "form", "fields": [{"name", "role", "value", "raw", …}]}.
std::string DecodedText(const VerifiedLayout& layout, const DecodedDescriptor& descriptor);
std::string DecodedJson(const VerifiedLayout& layout, const DecodedDescriptor& descriptor);

// Makes a descriptor: constants in place, everything else 0 but for `assignments`, each
// "name=value" with a value as Decode shows it: decimal, 0x…, a name of the enumeration, hex bytes
// for an array. INVALID_ARGUMENT: no such field, a value that it cannot say, a constant that must
// not change, a field twice.
absl::StatusOr<std::vector<uint8_t>> Encode(const VerifiedLayout& layout, uint32_t form,
                                            std::span<const std::string> assignments);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_EMIT_CODEC_H_
