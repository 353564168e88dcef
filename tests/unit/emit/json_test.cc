// The JSON of every layout, read as a program would that knows nothing else: its shape, and that
// its places and masks are those of the fields.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/field_value.h"

namespace qsplit::layout {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::ElementsAreArray;

std::vector<VerifiedLayout> All() {
  std::vector<VerifiedLayout> layouts;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    layouts.push_back(VerifiedLayout::FromBytes(bytes).value());
  }
  return layouts;
}

std::vector<std::string> Keys(const Json& object, size_t most) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) {
    if (keys.size() < most) keys.push_back(item.key());
  }
  return keys;
}

// A number out of bytes by nothing but its parts, with words put together by hand.
uint64_t ByParts(const Json& parts, const std::vector<uint8_t>& bytes) {
  uint64_t value = 0;
  for (const Json& part : parts) {
    const size_t word_bytes = part["word_bytes"];
    const size_t at = part["byte_offset"];
    uint64_t word = 0;
    for (size_t i = 0; i < word_bytes; ++i) {
      const size_t byte = part["endian"] == "big" ? i : word_bytes - 1 - i;
      word = word << 8 | bytes[at + byte];
    }
    const unsigned bits = part["bits"];
    const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    value = (bits == 64 ? 0 : value << bits) | (word >> part["lsb"].get<unsigned>() & mask);
  }
  return value;
}

TEST(Json, HasTheShapeThatTheReferenceGives) {
  const std::vector<std::string> field_keys = {
      "name", "role", "byte_offset", "word_bytes", "endian", "lsb", "bits", "byte_masks", "parts"};
  for (const VerifiedLayout& layout : All()) {
    const Json json = Json::parse(EmitJson(layout));
    EXPECT_EQ(json["layout"], layout.name());
    EXPECT_EQ(json["digest"], layout.digest_hex());
    ASSERT_EQ(json["forms"].size(), static_cast<size_t>(layout.message().forms_size()));
    ASSERT_EQ(json["queues"].size(), static_cast<size_t>(layout.message().queues_size()));
    for (const Json& form : json["forms"]) {
      EXPECT_TRUE(form["name"].is_string() && form["size_bytes"].is_number_unsigned());
      for (Json field : form["fields"]) {
        field.erase("bytes");  // of arrays
        EXPECT_THAT(Keys(field, field_keys.size()), ElementsAreArray(field_keys)) << field;
        const bool one_place = field["parts"].size() == 1;
        EXPECT_EQ(field["word_bytes"].is_number(), one_place) << field;
        EXPECT_EQ(field["endian"].is_string(), one_place) << field;
        EXPECT_EQ(field["lsb"].is_number(), one_place) << field;
        EXPECT_TRUE(field["bits"].is_number_unsigned()) << field;
        if (!one_place) continue;
        for (const char* key : {"byte_offset", "word_bytes", "endian", "lsb", "bits"}) {
          EXPECT_EQ(field[key], field["parts"][0][key]) << field;
        }
      }
    }
  }
}

TEST(Json, ItsPartsAndMasksAreWhereTheBitsAre) {
  std::mt19937_64 random(5);
  size_t numbers = 0;
  for (const VerifiedLayout& layout : All()) {
    const Json json = Json::parse(EmitJson(layout));
    for (int f = 0; f < layout.message().forms_size(); ++f) {
      const v1::Form& form = layout.message().forms(f);
      const Json& of = json["forms"][static_cast<size_t>(f)];
      EXPECT_EQ(of["name"], form.name());
      ASSERT_EQ(of["fields"].size(), static_cast<size_t>(form.fields_size()));
      std::vector<uint8_t> bytes(form.size_bytes());
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
      for (int i = 0; i < form.fields_size(); ++i) {
        const Json& field = of["fields"][static_cast<size_t>(i)];
        const v1::Field& known = form.fields(i);
        ASSERT_EQ(field["name"], known.name());
        if (known.parts().empty()) continue;
        ++numbers;
        const uint64_t raw = ReadRaw(known, bytes);
        EXPECT_EQ(ByParts(field["parts"], bytes), raw) << form.name() << "." << known.name();
        // The masked bits are the field, and no other bit is.
        std::vector<uint8_t> flipped = bytes;
        int bits = 0;
        for (const Json& mask : field["byte_masks"]) {
          flipped[mask[0]] = static_cast<uint8_t>(flipped[mask[0]] ^ mask[1].get<unsigned>());
          bits += std::popcount(mask[1].get<unsigned>());
        }
        EXPECT_EQ(bits, field["bits"]) << form.name() << "." << known.name();
        EXPECT_EQ(ReadRaw(known, flipped), ~raw & (~uint64_t{0} >> (64 - bits)));
        for (uint8_t& byte : flipped) byte = static_cast<uint8_t>(~byte);
        EXPECT_EQ(ReadRaw(known, flipped), raw) << form.name() << "." << known.name();
      }
    }
  }
  EXPECT_GT(numbers, 2000u);
}

}  // namespace
}  // namespace qsplit::layout
