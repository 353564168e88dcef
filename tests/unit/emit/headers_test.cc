// The emitted C++ and C headers, compiled, against the interpreter, on random descriptors of each
// form of each layout: a million of each where the build is optimised.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "dataplane/condition.h"
#include "dataplane/field_access.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {
namespace {

uint64_t Runs() {
  if (const char* const said = std::getenv("QSPLIT_HEADER_RUNS"); said != nullptr) {
    return std::strtoull(said, nullptr, 10);
  }
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
  return 1'000'000;
#else
  return 5'000;
#endif
}

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

// One row and what the interpreter says of it.
struct Compared {
  const HeaderRow* row = nullptr;
  const v1::Field* field = nullptr;
  dataplane::FieldAccess access;
  dataplane::Condition valid;
  bool has_valid = false;
};

class EmittedHeader : public ::testing::TestWithParam<std::string> {};

TEST_P(EmittedHeader, SaysWhatTheInterpreterSays) {
  const Header& header = Headers().at(GetParam());
  const layout::VerifiedLayout layout = Load(GetParam());
  EXPECT_EQ(header.cpp_digest, layout.digest_hex());
  EXPECT_EQ(header.c_digest, layout.digest_hex());
  size_t rows = 0;
  std::mt19937_64 random(20141103);
  for (int f = 0; f < layout.message().forms_size(); ++f) {
    const v1::Form& form = layout.message().forms(f);
    std::vector<Compared> compared;
    for (const HeaderRow& row : header.rows) {
      if (form.name() != row.form) continue;
      Compared& one = compared.emplace_back();
      one.row = &row;
      one.field = layout.FindField(static_cast<uint32_t>(f), row.field);
      ASSERT_NE(one.field, nullptr) << row.field;
      v1::Field plain = *one.field;
      plain.set_inverted(false);  // headers give the bits as they stand
      one.access = dataplane::FieldAccess::Compile(plain, form.size_bytes()).value();
      const auto only = static_cast<uint32_t>(f);
      const auto valid =
          dataplane::Condition::Compile(layout.message(), one.field->valid_when(), &only);
      one.has_valid = valid.ok() && row.cpp_has != nullptr;
      if (valid.ok()) one.valid = *valid;
      ASSERT_EQ(row.cpp_has == nullptr, row.c_has == nullptr);
    }
    size_t numbers = 0;
    for (const v1::Field& field : form.fields()) numbers += field.parts().empty() ? 0 : 1;
    ASSERT_EQ(compared.size(), numbers) << form.name();
    rows += compared.size();
    const size_t bytes = (std::max<size_t>(form.size_bytes(), 8) + 7) / 8 * 8;
    std::vector<uint64_t> words(bytes / 8);
    std::vector<uint64_t> other(bytes / 8);
    auto* const d = reinterpret_cast<uint8_t*>(words.data());
    auto* const e = reinterpret_cast<uint8_t*>(other.data());
    for (uint64_t run = 0; run < Runs(); ++run) {
      for (uint64_t& word : words) word = random();
      // Zeros and ones are likelier in life than by chance.
      if (run % 4 == 1) words[run / 4 % words.size()] = 0;
      if (run % 4 == 2) words[run / 4 % words.size()] = ~uint64_t{0};
      for (const Compared& one : compared) {
        const auto* const b = reinterpret_cast<const std::byte*>(d);
        const uint64_t raw = one.access.LoadRaw(b);
        const uint64_t value = one.access.Load(b);
        const bool same = one.row->cpp_raw(d) == raw && one.row->c_raw(d) == raw &&
                          one.row->cpp_get(d) == value && one.row->c_get(d) == value;
        ASSERT_TRUE(same) << form.name() << "." << one.row->field << ": " << raw << ", " << value;
        if (one.has_valid) {
          const bool valid = one.valid.Holds(b);
          ASSERT_EQ(one.row->cpp_has(d), valid) << form.name() << "." << one.row->field;
          ASSERT_EQ(one.row->c_has(d) != 0, valid) << form.name() << "." << one.row->field;
        }
      }
      // Stores of one field after the other, compared as whole descriptors.
      const Compared& one = compared.empty() ? Compared{} : compared[run % compared.size()];
      if (one.row == nullptr) continue;
      other = words;
      const uint64_t raw = random() & one.access.MaxRaw();
      one.access.StoreRaw(reinterpret_cast<std::byte*>(e), raw);
      std::vector<uint64_t>& mine = words;
      one.row->cpp_set_raw(d, raw);
      ASSERT_EQ(mine, other) << form.name() << "." << one.row->field << " = " << raw;
      const uint64_t value = one.access.Load(reinterpret_cast<const std::byte*>(e));
      for (uint64_t& word : mine) word = ~word;
      other = mine;
      one.row->cpp_set(d, value);
      one.row->c_set(e, value);
      ASSERT_EQ(mine, other) << form.name() << "." << one.row->field;
      if (one.access.CanStore(value)) {
        ASSERT_EQ(one.row->cpp_get(d), value) << form.name() << "." << one.row->field;
      }
      one.row->c_set_raw(e, raw);
      ASSERT_EQ(one.row->c_raw(e), raw) << form.name() << "." << one.row->field;
    }
  }
  EXPECT_EQ(rows, header.rows.size());
}

// What a benchmark measures is the same sum.
TEST_P(EmittedHeader, SumsWhatTheInterpreterSums) {
  const Header& header = Headers().at(GetParam());
  const layout::VerifiedLayout layout = Load(GetParam());
  ASSERT_EQ(header.sums.size(), static_cast<size_t>(layout.message().forms_size()));
  std::mt19937_64 random(7);
  for (int f = 0; f < layout.message().forms_size(); ++f) {
    const v1::Form& form = layout.message().forms(f);
    std::vector<uint64_t> words(form.size_bytes() / 8 + 2);
    for (uint64_t& word : words) word = random();
    uint64_t sum = 0;
    uint32_t numbers = 0;
    for (const v1::Field& field : form.fields()) {
      if (field.parts().empty()) continue;
      v1::Field plain = field;
      plain.set_inverted(false);
      const auto access = dataplane::FieldAccess::Compile(plain, form.size_bytes());
      sum += access.value().Load(reinterpret_cast<const std::byte*>(words.data()));
      ++numbers;
    }
    const HeaderSum& emitted = header.sums[static_cast<size_t>(f)];
    EXPECT_EQ(emitted.form, form.name());
    EXPECT_EQ(emitted.numbers, numbers);
    EXPECT_EQ(emitted.sum(reinterpret_cast<const uint8_t*>(words.data())), sum) << form.name();
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, header] : Headers()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Layouts, EmittedHeader, ::testing::ValuesIn(Names()),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           for (char& c : name) {
                             if (c == '.') c = '_';
                           }
                           return name;
                         });

TEST(EmittedHeaders, OneForEachSpec) {
  size_t specs = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(QSPLIT_SOURCE_DIR "/descriptor-specs")) {
    specs += entry.path().extension() == ".qdl" ? 1 : 0;
  }
  EXPECT_EQ(Headers().size(), specs);
}

}  // namespace
}  // namespace qsplit::testing
