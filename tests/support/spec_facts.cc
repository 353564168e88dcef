#include "tests/support/spec_facts.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"

namespace qsplit::testing {
namespace {

// Bit of memory (8 * byte + bit of the byte) -> bit of the value.
using BitMap = std::map<uint32_t, uint32_t>;

uint32_t BitOfMemory(uint32_t offset, uint32_t bytes, bool big, uint32_t bit) {
  const uint32_t byte = big ? bytes - 1 - bit / 8 : bit / 8;
  return 8 * (offset + byte) + bit % 8;
}

// A byte array counts as a value of which every byte is eight bits, in memory's order.
BitMap BitsOf(const v1::Field& field) {
  BitMap out;
  if (field.has_bytes()) {
    for (uint32_t i = 0; i < 8 * field.bytes().length(); ++i) {
      out[8 * field.bytes().byte_offset() + i] = i;
    }
    return out;
  }
  uint32_t value_bit = 0;
  for (int i = field.parts_size() - 1; i >= 0; --i) {  // the least significant part is the last
    const v1::Bits& part = field.parts(i);
    const bool big = part.byte_order() == v1::BYTE_ORDER_BIG;
    for (uint32_t bit = 0; bit < part.bits(); ++bit) {
      out[BitOfMemory(part.byte_offset(), part.word_bytes(), big, part.lsb() + bit)] = value_bit++;
    }
  }
  return out;
}

void Add(const Fact& fact, BitMap& out) {
  if (fact.word == Word::kBytes) {
    for (uint32_t i = 0; i < 8 * fact.mask; ++i) out[8 * fact.offset + i] = i;
    return;
  }
  const bool big = fact.word != Word::kLittle;
  const uint32_t bytes = fact.word == Word::kBig16 ? 2 : fact.word == Word::kBig32 ? 4 : 8;
  uint32_t value_bit = fact.value_lsb;
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if ((fact.mask >> bit & 1) == 0) continue;
    ASSERT_LT(bit, 8 * bytes) << fact.form << "." << fact.field << ": the mask is too wide";
    out[BitOfMemory(fact.offset, bytes, big, bit)] = value_bit++;
  }
}

std::string Text(const BitMap& bits) {
  std::ostringstream out;
  for (const auto& [memory, value] : bits) {
    out << "  byte " << memory / 8 << " bit " << memory % 8 << " is bit " << value << "\n";
  }
  return out.str();
}

std::optional<layout::VerifiedLayout> CompileSpec(const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(QSPLIT_SOURCE_DIR) / "descriptor-specs" / (name + ".qdl");
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  const std::string spec = text.str();
  const qdl::SourceFile source(name + ".qdl", spec);
  qdl::Diagnostics diagnostics(source);
  std::optional<layout::VerifiedLayout> out = qdl::Compile(source, diagnostics);
  EXPECT_TRUE(out.has_value()) << diagnostics.Render();
  return out;
}

// Bits that no header has a name for.
bool IsFiller(const v1::Field& field) {
  return field.role().empty() &&
         (field.name().starts_with("reserved") || field.name().starts_with("mbz") ||
          field.name() == "padding" || field.name() == "padding_tail");
}

}  // namespace

void CheckFacts(const std::string& name, std::span<const Fact> facts) {
  const std::optional<layout::VerifiedLayout> compiled = CompileSpec(name);
  if (!compiled.has_value()) return;

  std::map<std::pair<std::string, std::string>, BitMap> expected;
  for (const Fact& fact : facts) Add(fact, expected[{fact.form, fact.field}]);

  for (const auto& [who, bits] : expected) {
    const std::optional<uint32_t> form = compiled->FormIndex(who.first);
    EXPECT_TRUE(form.has_value()) << "no descriptor " << who.first;
    if (!form.has_value()) continue;
    const v1::Field* field = compiled->FindField(*form, std::string_view(who.second));
    EXPECT_NE(field, nullptr) << "no field " << who.first << "." << who.second;
    if (field == nullptr) continue;
    const BitMap actual = BitsOf(*field);
    EXPECT_TRUE(actual == bits) << who.first << "." << who.second << "\nspec:\n"
                                << Text(actual) << "facts:\n"
                                << Text(bits);
  }
  for (const v1::Form& form : compiled->message().forms()) {
    for (const v1::Field& field : form.fields()) {
      if (IsFiller(field)) continue;
      EXPECT_TRUE(expected.contains({form.name(), field.name()}))
          << form.name() << "." << field.name() << " has no fact";
    }
  }
}

void CheckValues(const std::string& name, std::span<const Value> values) {
  const std::optional<layout::VerifiedLayout> compiled = CompileSpec(name);
  if (!compiled.has_value()) return;
  std::map<std::string, std::map<std::string, uint64_t>> expected;
  for (const Value& value : values) expected[value.enumeration][value.name] = value.value;
  for (const v1::Enumeration& enumeration : compiled->message().enumerations()) {
    const auto there = expected.find(enumeration.name());
    if (there == expected.end()) continue;
    std::map<std::string, uint64_t> actual;
    for (const v1::EnumerationValue& value : enumeration.values()) {
      actual[value.name()] = value.value();
    }
    EXPECT_EQ(actual, there->second) << name << ", " << enumeration.name();
    expected.erase(there);
  }
  for (const auto& [missing, unused] : expected) ADD_FAILURE() << name << " has no " << missing;
}

void CheckRings(const std::string& name, std::span<const RingSize> rings) {
  const std::optional<layout::VerifiedLayout> compiled = CompileSpec(name);
  if (!compiled.has_value()) return;
  using Size = std::array<uint32_t, 4>;
  std::map<std::string, Size> expected;
  for (const RingSize& ring : rings) {
    expected[std::string(ring.queue) + "." + ring.ring] = {ring.min_slots, ring.max_slots,
                                                           ring.step, ring.alignment_bytes};
  }
  std::map<std::string, Size> actual;
  for (const v1::Queue& queue : compiled->message().queues()) {
    for (const v1::Ring& ring : queue.rings()) {
      const v1::SlotRange& slots = ring.slots();
      actual[queue.name() + "." + ring.name()] = {slots.min(), slots.max(),
                                                  slots.power_of_two() ? 0 : slots.step(),
                                                  ring.alignment_bytes()};
    }
  }
  EXPECT_EQ(actual, expected) << name;
}

}  // namespace qsplit::testing
