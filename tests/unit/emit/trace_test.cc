// The trace format of every layout, read as a program would that knows nothing else.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <regex>
#include <sstream>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/field_value.h"

namespace qsplit::layout {
namespace {

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

uint64_t Word(const std::vector<uint8_t>& bytes, size_t offset, size_t size, bool big) {
  uint64_t word = 0;
  for (size_t i = 0; i < size; ++i) word = word << 8 | bytes[offset + (big ? i : size - 1 - i)];
  return word;
}

TEST(TraceFormat, EachLineSaysWhereTheBitsAre) {
  // `field:u16 name[9:8]; offset:8; size:2; bit:0; width:2; endian:big; …`, with tabs.
  const std::regex line(
      "\\tfield:u(\\d+) (\\w+)(?:\\[(\\d+):(\\d+)\\])?;\\toffset:(\\d+);\\tsize:(\\d+);"
      "\\tbit:(\\d+);\\twidth:(\\d+);\\tendian:(little|big);.*");
  std::mt19937_64 random(6);
  size_t numbers = 0;
  for (const VerifiedLayout& layout : All()) {
    std::istringstream text(EmitTraceFormat(layout));
    int form = -1;
    std::vector<uint8_t> bytes;
    std::map<std::string, uint64_t> values;
    const auto compare = [&] {
      if (form < 0) return;
      for (const v1::Field& field : layout.message().forms(form).fields()) {
        if (field.parts().empty()) continue;
        ++numbers;
        ASSERT_TRUE(values.contains(field.name())) << layout.name() << " " << field.name();
        EXPECT_EQ(values[field.name()], ReadRaw(field, bytes)) << layout.name() << field.name();
      }
    };
    for (std::string words; std::getline(text, words);) {
      if (words.starts_with("name: ")) {
        compare();
        ++form;
        ASSERT_EQ(words.substr(6), layout.message().forms(form).name());
        bytes.resize(layout.message().forms(form).size_bytes());
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        values.clear();
      }
      std::smatch found;
      if (!std::regex_match(words, found, line)) continue;
      const auto number = [&](size_t group) { return std::stoul(found[group]); };
      const size_t width = number(8);
      ASSERT_EQ(number(1), 8 * number(6)) << words;
      ASSERT_LE(number(7) + width, 8 * number(6)) << words;
      const uint64_t mask = ~uint64_t{0} >> (64 - width);
      const uint64_t bits =
          Word(bytes, number(5), number(6), found[9] == "big") >> number(7) & mask;
      values[found[2]] |= found[4].matched ? bits << number(4) : bits;
    }
    compare();
  }
  EXPECT_GT(numbers, 2000u);
}

}  // namespace
}  // namespace qsplit::layout
