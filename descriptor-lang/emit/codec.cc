#include "descriptor-lang/emit/codec.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/emit/part_count.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// A field where it stands in the whole descriptor.
struct Leaf {
  std::string name;
  const v1::Field* field = nullptr;
  uint32_t index = 0;  // into its form's fields
  uint32_t form = 0;
  uint32_t base = 0;  // first byte of its form
};

// More are not shown: a part may be there thousands of times.
constexpr size_t kMaxLeaves = 8192;

// How many of a part there are. Fewer when the bytes end before.
uint32_t CountOf(const v1::Layout& layout, const v1::Form& form, const v1::ContainedForm& part,
                 std::span<const uint8_t> bytes) {
  if (!part.has_count_field()) return part.max_count();
  const v1::Field& field = form.fields(static_cast<int>(part.count_field()));
  // A bias may take it below 0.
  const auto value = static_cast<int64_t>(ValueOf(field, ReadRaw(field, bytes)));
  const uint64_t count =
      PartCountOf(layout, form, part).PartsFor(static_cast<uint64_t>(std::max<int64_t>(value, 0)));
  return static_cast<uint32_t>(std::min<uint64_t>(count, part.max_count()));
}

void AddLeaves(const v1::Layout& layout, uint32_t index, std::span<const uint8_t> bytes,
               uint32_t base, const std::string& prefix, std::vector<Leaf>* leaves) {
  const v1::Form& form = layout.forms(static_cast<int>(index));
  for (int i = 0; i < form.fields_size() && leaves->size() < kMaxLeaves; ++i) {
    leaves->push_back(
        {prefix + form.fields(i).name(), &form.fields(i), static_cast<uint32_t>(i), index, base});
  }
  const std::span<const uint8_t> own = bytes.subspan(std::min<size_t>(base, bytes.size()));
  for (const v1::ContainedForm& part : form.contains()) {  // of lower forms: this ends
    const uint32_t size = layout.forms(static_cast<int>(part.form())).size_bytes();
    const uint32_t count = CountOf(layout, form, part, own);
    for (uint32_t i = 0; i < count && leaves->size() < kMaxLeaves; ++i) {
      const uint64_t at = base + uint64_t{part.byte_offset()} + uint64_t{i} * part.stride_bytes();
      if (at + size > bytes.size()) break;
      const std::string name =
          part.max_count() == 1 ? part.name() : text::Cat(part.name(), "[", i, "]");
      AddLeaves(layout, part.form(), bytes, static_cast<uint32_t>(at), text::Cat(prefix, name, "."),
                leaves);
    }
  }
}

std::string BytesText(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) text::Append(out, byte < 16 ? "0" : "", text::Hex(byte));
  return out;
}

std::span<const uint8_t> ArrayOf(const Leaf& leaf, std::span<const uint8_t> bytes) {
  const size_t at =
      std::min<size_t>(leaf.base + size_t{leaf.field->bytes().byte_offset()}, bytes.size());
  return bytes.subspan(at, std::min<size_t>(leaf.field->bytes().length(), bytes.size() - at));
}

std::string_view MeaningOf(const v1::Layout& layout, const v1::Field& field, uint64_t raw) {
  if (!field.has_enumeration()) return "";
  for (const v1::EnumerationValue& value :
       layout.enumerations(static_cast<int>(field.enumeration())).values()) {
    if (value.value() == raw) return value.name();
  }
  return "";
}

DecodedField DecodeLeaf(const v1::Layout& layout, const Leaf& leaf,
                        std::span<const uint8_t> bytes) {
  const v1::Field& field = *leaf.field;
  const std::span<const uint8_t> own = bytes.subspan(leaf.base);
  DecodedField out;
  out.name = leaf.name;
  out.form = leaf.form;
  out.field = leaf.index;
  out.base = leaf.base;
  out.role = text::Cat(field.inverted() ? "not " : "", field.role());
  out.valid = Holds(layout, field.valid_when(), leaf.form, own);
  if (field.parts().empty()) {
    out.is_array = true;
    out.value = BytesText(ArrayOf(leaf, bytes));
    return out;
  }
  out.raw = ReadRaw(field, own);
  const uint64_t value = ValueOf(field, out.raw);
  out.value = field.is_signed() ? text::Cat(static_cast<int64_t>(value)) : text::Cat(value);
  out.meaning = MeaningOf(layout, field, out.raw);
  if (field.constraint() == v1::CONSTRAINT_CONSTANT && out.raw != field.constant()) {
    out.valid = false;
  }
  return out;
}

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(absl::string_view(what.data(), what.size()));
}

std::optional<int> Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> ParseHex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int high = -1;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '0' && high < 0 && i + 1 < text.size() && (text[i + 1] == 'x' || text[i + 1] == 'X')) {
      ++i;
      continue;
    }
    // An offset in front of a line is digits and a colon.
    const bool line_begins = i == 0 || text[i - 1] == '\n';
    if (line_begins) {
      const size_t end = text.find_first_not_of("0123456789abcdefABCDEF", i);
      if (end != std::string_view::npos && end - i >= 4 && text[end] == ':') {
        if (high >= 0) return Bad("a byte has two hex digits; the last one of a line has one");
        i = end;
        continue;
      }
    }
    const auto digit = Digit(c);
    if (!digit.has_value()) {
      if (std::string_view(" \t\r\n:,").find(c) == std::string_view::npos) {
        return Bad(text::Cat("character ", i + 1, " is no hex digit; write bytes like 00 1a ff"));
      }
      if (high >= 0) return Bad(text::Cat("the byte before character ", i + 1, " has one digit"));
      continue;
    }
    if (high < 0) {
      high = *digit;
      continue;
    }
    if (bytes.size() == kMaxDecodedBytes) {
      return Bad(text::Cat("more than ", kMaxDecodedBytes, " bytes"));
    }
    bytes.push_back(static_cast<uint8_t>(high << 4 | *digit));
    high = -1;
  }
  if (high >= 0) return Bad("an odd number of hex digits; each byte has two");
  if (bytes.empty()) return Bad("no bytes; write them in hex, like 00 1a ff");
  return bytes;
}

std::string HexText(std::span<const uint8_t> bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out += i % 16 == 0 ? '\n' : ' ';
    text::Append(out, bytes[i] < 16 ? "0" : "", text::Hex(bytes[i]));
  }
  return out + "\n";
}

std::vector<uint32_t> FormsOf(const VerifiedLayout& layout, std::span<const uint8_t> bytes) {
  std::vector<uint32_t> forms;
  for (int i = 0; i < layout.message().forms_size(); ++i) {
    const auto form = static_cast<uint32_t>(i);
    if (CanBe(layout.message(), form, bytes)) forms.push_back(form);
  }
  return forms;
}

absl::StatusOr<DecodedDescriptor> Decode(const VerifiedLayout& layout, uint32_t form,
                                         std::span<const uint8_t> bytes) {
  const v1::Layout& message = layout.message();
  const v1::Form& known = message.forms(static_cast<int>(form));
  if (bytes.size() < known.size_bytes()) {
    return Bad(text::Cat("descriptor ", known.name(), " has ", known.size_bytes(), " bytes, not ",
                         bytes.size()));
  }
  DecodedDescriptor out;
  out.form = form;
  std::vector<Leaf> leaves;
  AddLeaves(message, form, bytes, 0, "", &leaves);
  for (const Leaf& leaf : leaves) out.fields.push_back(DecodeLeaf(message, leaf, bytes));
  return out;
}

std::string DecodedText(const VerifiedLayout& layout, const DecodedDescriptor& descriptor) {
  std::string out = text::Cat(
      layout.name(), " ", layout.message().forms(static_cast<int>(descriptor.form)).name(), "\n");
  size_t name_width = 0;
  size_t value_width = 0;
  const auto value_of = [](const DecodedField& field) {
    return field.meaning.empty() ? field.value : text::Cat(field.value, " ", field.meaning);
  };
  for (const DecodedField& field : descriptor.fields) {
    if (!field.valid) continue;
    name_width = std::max(name_width, field.name.size());
    value_width = std::max(value_width, std::min<size_t>(value_of(field).size(), 24));
  }
  for (const DecodedField& field : descriptor.fields) {
    if (!field.valid) continue;
    std::string line = text::Cat("  ", field.name, std::string(name_width - field.name.size(), ' '),
                                 "  ", value_of(field));
    const size_t wanted = 4 + name_width + value_width;
    if (!field.role.empty()) {
      if (line.size() < wanted) line.append(wanted - line.size(), ' ');
      text::Append(line, "  ", field.role);
    }
    text::Append(out, line, "\n");
  }
  return out;
}

std::string DecodedJson(const VerifiedLayout& layout, const DecodedDescriptor& descriptor) {
  nlohmann::ordered_json out;
  out["layout"] = layout.name();
  out["form"] = layout.message().forms(static_cast<int>(descriptor.form)).name();
  out["fields"] = nlohmann::ordered_json::array();
  for (const DecodedField& field : descriptor.fields) {
    nlohmann::ordered_json one;
    one["name"] = field.name;
    if (!field.role.empty()) one["role"] = field.role;
    one["value"] = field.value;  // a string: 64 bits do not fit into every reader's numbers
    if (!field.meaning.empty()) one["meaning"] = field.meaning;
    one["raw"] = text::Cat(field.raw);
    one["valid"] = field.valid;
    out["fields"].push_back(std::move(one));
  }
  return out.dump() + "\n";
}

namespace {

// The raw value that a word of an assignment stands for.
absl::StatusOr<uint64_t> RawOfWord(const v1::Layout& layout, const v1::Field& field,
                                   std::string_view word) {
  if (field.has_enumeration()) {
    for (const v1::EnumerationValue& value :
         layout.enumerations(static_cast<int>(field.enumeration())).values()) {
      if (value.name() == word) return value.value();
    }
  }
  const bool negative = word.starts_with('-');
  std::string_view digits = word.substr(negative ? 1 : 0);
  const bool hex = digits.starts_with("0x");
  if (hex) digits.remove_prefix(2);
  uint64_t number = 0;
  const auto [end, failed] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
  if (failed != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return Bad(text::Cat("field ", field.name(), ": '", word, "' is no number",
                         field.has_enumeration() ? " and no name of its values" : ""));
  }
  const std::optional<uint64_t> raw = RawOf(field, negative ? uint64_t{0} - number : number);
  if (!raw.has_value()) {
    return Bad(text::Cat("field ", field.name(), " cannot say ", word, "; it has ", BitWidth(field),
                         " bits, the largest value is ", ValueOf(field, LowBits(BitWidth(field)))));
  }
  return *raw;
}

absl::Status Assign(const v1::Layout& layout, const Leaf& leaf, std::string_view word,
                    std::span<uint8_t> bytes) {
  const v1::Field& field = *leaf.field;
  if (field.parts().empty()) {
    const absl::StatusOr<std::vector<uint8_t>> value = ParseHex(word);
    if (!value.ok())
      return Bad(text::Cat("field ", leaf.name, ": ", std::string(value.status().message())));
    if (value->size() != field.bytes().length()) {
      return Bad(text::Cat("field ", leaf.name, " has ", field.bytes().length(), " bytes, not ",
                           value->size()));
    }
    std::copy(value->begin(), value->end(),
              bytes.begin() + leaf.base + field.bytes().byte_offset());
    return absl::OkStatus();
  }
  const absl::StatusOr<uint64_t> raw = RawOfWord(layout, field, word);
  if (!raw.ok()) return raw.status();
  if (field.constraint() == v1::CONSTRAINT_CONSTANT && *raw != field.constant()) {
    return Bad(text::Cat("field ", leaf.name, " is always ", field.constant()));
  }
  WriteRaw(field, *raw, bytes.subspan(leaf.base));
  return absl::OkStatus();
}

// A constant under a condition or of a feature is not there in each descriptor of the form: it is
// written when it is named, like any other field.
bool AlwaysWritten(const v1::Field& field) {
  return field.constraint() == v1::CONSTRAINT_CONSTANT && field.valid_when().any_of_size() == 0 &&
         field.features().empty();
}

void WriteConstants(const std::vector<Leaf>& leaves, std::span<uint8_t> bytes) {
  for (const Leaf& leaf : leaves) {
    const v1::Field& field = *leaf.field;
    if (!AlwaysWritten(field) || field.constant() == 0) continue;
    if (!field.parts().empty()) {
      WriteRaw(field, field.constant(), bytes.subspan(leaf.base));
      continue;
    }
    std::fill_n(bytes.begin() + leaf.base + field.bytes().byte_offset(), field.bytes().length(),
                static_cast<uint8_t>(field.constant()));
  }
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> Encode(const VerifiedLayout& layout, uint32_t form,
                                            std::span<const std::string> assignments) {
  const v1::Layout& message = layout.message();
  const v1::Form& known = message.forms(static_cast<int>(form));
  // Parts behind the form are there as far as an assignment names them.
  uint64_t size = known.size_bytes();
  for (const v1::ContainedForm& part : known.contains()) {
    if (!part.appended()) continue;
    uint32_t count = 0;
    for (const std::string& assignment : assignments) {
      const std::string head = part.name() + "[";
      if (assignment.starts_with(part.name() + ".")) count = std::max(count, 1u);
      if (!assignment.starts_with(head)) continue;
      uint32_t at = 0;
      std::from_chars(assignment.data() + head.size(), assignment.data() + assignment.size(), at);
      if (at < part.max_count()) count = std::max(count, at + 1);
    }
    if (count == 0) continue;
    size = std::max<uint64_t>(size, part.byte_offset() + uint64_t{count - 1} * part.stride_bytes() +
                                        message.forms(static_cast<int>(part.form())).size_bytes());
  }
  if (size > kMaxDecodedBytes) return Bad("the descriptor would be too long");
  std::vector<uint8_t> bytes(size, 0);
  // The numbers of parts first: they decide which fields there are.
  std::vector<std::string> left(assignments.begin(), assignments.end());
  std::vector<std::string> taken;
  for (bool progress = true; progress && !left.empty();) {
    progress = false;
    std::vector<Leaf> leaves;
    AddLeaves(message, form, bytes, 0, "", &leaves);
    if (taken.empty()) WriteConstants(leaves, bytes);
    std::vector<std::string> later;
    for (const std::string& assignment : left) {
      const size_t equal = assignment.find('=');
      if (equal == std::string::npos) {
        return Bad(text::Cat("'", assignment, "' is no assignment; write field=value"));
      }
      const std::string name = assignment.substr(0, equal);
      const auto leaf =
          std::find_if(leaves.begin(), leaves.end(), [&](const Leaf& l) { return l.name == name; });
      if (leaf == leaves.end()) {
        later.push_back(assignment);
        continue;
      }
      if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
        return Bad(text::Cat("field ", name, " is given twice"));
      }
      taken.push_back(name);
      if (absl::Status s = Assign(message, *leaf, assignment.substr(equal + 1), bytes); !s.ok()) {
        return s;
      }
      WriteConstants(leaves, bytes);
      progress = true;
    }
    left = std::move(later);
  }
  if (assignments.empty()) {
    std::vector<Leaf> leaves;
    AddLeaves(message, form, bytes, 0, "", &leaves);
    WriteConstants(leaves, bytes);
  }
  if (left.empty()) return bytes;
  return Bad(text::Cat("descriptor ", known.name(), " has no field ",
                       left.front().substr(0, left.front().find('=')),
                       left.front().find('[') != std::string::npos
                           ? ", or not as many parts; say the number of parts first"
                           : "",
                       "; `qsplit layout show ", layout.name(), "` names them"));
}

}  // namespace qsplit::layout
