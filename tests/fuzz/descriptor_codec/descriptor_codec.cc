// Descriptors to and from people. The input: a layout, then either a text of hex digits, which is
// decoded as each form that it can be, or a form and lines of "field=value", which are encoded.
// What was decoded can be shown, and encoded again it decodes to the same; what was encoded
// decodes.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "descriptor-lang/emit/codec.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/layouts.h"

namespace {

using namespace qsplit;        // NOLINT
using namespace qsplit::fuzz;  // NOLINT
using layout::DecodedDescriptor;
using layout::DecodedField;
using layout::VerifiedLayout;

constexpr size_t kMaxInput = 2048;

void Show(const VerifiedLayout& layout, const DecodedDescriptor& descriptor) {
  MUST(!layout::DecodedText(layout, descriptor).empty());
  MUST(!layout::DecodedJson(layout, descriptor).empty());
}

// A field that Decode calls valid, written as it shows it, is read as the same.
void EncodeAgain(const VerifiedLayout& layout, const DecodedDescriptor& descriptor) {
  for (const DecodedField& field : descriptor.fields) {
    if (!field.valid || field.name.find('[') != std::string::npos) continue;
    const std::vector<std::string> one = {field.name + "=" + field.value};
    const auto bytes = layout::Encode(layout, descriptor.form, one);
    if (!bytes.ok()) continue;  // a part that is only there when another field says so
    const auto again = layout::Decode(layout, descriptor.form, *bytes);
    MUST(again.ok());
    for (const DecodedField& read : again->fields) {
      MUST(read.name != field.name || read.value == field.value);
    }
  }
}

void RunDecode(const VerifiedLayout& layout, std::string_view text) {
  const auto bytes = layout::ParseHex(text);
  if (!bytes.ok()) {
    MUST(bytes.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const auto written = layout::ParseHex(layout::HexText(*bytes));
  MUST(written.ok() && *written == *bytes);
  for (const uint32_t form : layout::FormsOf(layout, *bytes)) {
    const auto decoded = layout::Decode(layout, form, *bytes);
    MUST(decoded.ok());
    Show(layout, *decoded);
    EncodeAgain(layout, *decoded);
  }
}

void RunEncode(const VerifiedLayout& layout, uint32_t form, std::string_view text) {
  std::vector<std::string> assignments;
  if (!text.empty()) {
    assignments = absl::StrSplit(absl::string_view(text.data(), text.size()), '\n');
  }
  const auto bytes = layout::Encode(layout, form, assignments);
  if (!bytes.ok()) {
    MUST(bytes.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const auto decoded = layout::Decode(layout, form, *bytes);
  MUST(decoded.ok());
  Show(layout, *decoded);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  KnownLayouts();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, std::min(size, kMaxInput));
  const auto chosen = ChooseLayout(in);
  if (!chosen.has_value() || chosen->layout.message().forms().empty()) return 0;
  const uint8_t what = in.Byte();
  if (what % 2 == 0) {
    RunDecode(chosen->layout, in.Text());
  } else {
    const auto forms = static_cast<uint64_t>(chosen->layout.message().forms_size());
    const auto form = static_cast<uint32_t>(in.Below(forms));
    RunEncode(chosen->layout, form, in.Text());
  }
  return 0;
}
