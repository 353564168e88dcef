// kaitai_vectors LAYOUT.layout: bytes of each form of a layout, and what the interpreter reads in
// them, for kaitai_test.py. One JSON object:
//   {"layout", "forms": [{"name", "vectors": [{"hex", "fields": {name: value}}]}]}
// Values are raw numbers in decimal, or "x" and hex digits of a byte array; parts stand under names
// such as "data[1].address".
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "descriptor-lang/emit/codec.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::layout {
namespace {

constexpr int kRandom = 100;  // of each form
// Bytes up to the end of a slot are not all tried.
constexpr uint32_t kMostBehind = 64;

// With all its parts, and some of the bytes that lie behind.
uint32_t BytesOf(const v1::Layout& layout, const v1::Form& form) {
  uint32_t bytes = form.size_bytes();
  for (const v1::ContainedForm& part : form.contains()) {
    const uint32_t inner = layout.forms(static_cast<int>(part.form())).size_bytes();
    bytes =
        std::max(bytes, part.byte_offset() +
                            (part.max_count() - 1) * std::max(part.stride_bytes(), inner) + inner);
  }
  for (const v1::Field& field : form.fields()) {
    if (!field.parts().empty()) continue;
    const uint32_t end = field.bytes().byte_offset() + field.bytes().length();
    bytes = std::max(bytes, std::min(end, form.size_bytes() + kMostBehind));
  }
  return bytes;
}

nlohmann::ordered_json Vector(const VerifiedLayout& layout, uint32_t form,
                              const std::vector<uint8_t>& bytes) {
  nlohmann::ordered_json out;
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  out["hex"] = hex;
  const DecodedDescriptor decoded = Decode(layout, form, bytes).value();
  for (const DecodedField& field : decoded.fields) {
    out["fields"][field.name] = field.is_array ? "x" + field.value : std::to_string(field.raw);
  }
  return out;
}

nlohmann::ordered_json Vectors(const VerifiedLayout& layout, uint32_t form) {
  const v1::Form& known = layout.message().forms(static_cast<int>(form));
  std::mt19937_64 random(form + 1);
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  std::vector<uint8_t> bytes(BytesOf(layout.message(), known));
  // A reader's counts of parts stay small where random ones would nearly all be the largest.
  const auto few_parts = [&] {
    for (const v1::ContainedForm& part : known.contains()) {
      if (!part.has_count_field()) continue;
      WriteRaw(known.fields(static_cast<int>(part.count_field())), random() % 8, bytes);
    }
  };
  for (int run = 0; run < kRandom; ++run) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    if (run % 2 == 1) few_parts();
    out.push_back(Vector(layout, form, bytes));
  }
  // Six random bytes among zeros: numbers that a reader with 53 bits says exactly.
  for (size_t first = 0; first < bytes.size() && first < known.size_bytes() + kMostBehind;
       first += 3) {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
    for (size_t i = first; i < std::min(first + 6, bytes.size()); ++i) {
      bytes[i] = static_cast<uint8_t>(random());
    }
    out.push_back(Vector(layout, form, bytes));
  }
  return out;
}

int Main(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string read((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto layout = VerifiedLayout::FromBytes(read);
  if (!layout.ok()) {
    std::fprintf(stderr, "%s: %s\n", path, std::string(layout.status().message()).c_str());
    return 1;
  }
  nlohmann::ordered_json out;
  out["layout"] = layout->name();
  out["forms"] = nlohmann::ordered_json::array();
  for (int i = 0; i < layout->message().forms_size(); ++i) {
    nlohmann::ordered_json form;
    form["name"] = layout->message().forms(i).name();
    form["vectors"] = Vectors(*layout, static_cast<uint32_t>(i));
    out["forms"].push_back(std::move(form));
  }
  std::puts(out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace qsplit::layout

int main(int argc, char** argv) {
  if (argc == 2) return qsplit::layout::Main(argv[1]);
  std::fprintf(stderr, "kaitai_vectors LAYOUT.layout\n");
  return 2;
}
