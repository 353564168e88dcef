// What the compiler says, compared with text in this folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "tests/support/spec_list.h"

namespace qsplit::qdl {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = QSPLIT_SOURCE_DIR;
const fs::path kFolder = kRoot / "tests/golden/qdl";

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path << " cannot be read";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void ExpectGolden(const std::string& actual, const fs::path& path) {
  if (std::getenv("QSPLIT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(actual, Read(path)) << path << ": run with QSPLIT_UPDATE_GOLDEN=1 if this is meant";
}

std::vector<std::string> Names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".qdl") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
}

class Bad : public ::testing::TestWithParam<std::string> {};
class Good : public ::testing::TestWithParam<std::string> {};
class Spec : public ::testing::TestWithParam<std::string> {};

TEST_P(Bad, IsRefusedWithItsNumberAndText) {
  const SourceFile source(GetParam() + ".qdl", Read(kFolder / "bad" / (GetParam() + ".qdl")));
  Diagnostics diagnostics(source);
  EXPECT_FALSE(Compile(source, diagnostics).has_value());
  const std::string text = diagnostics.Render();
  EXPECT_THAT(text, ::testing::HasSubstr("error[" + GetParam() + "]"));
  ExpectGolden(text, kFolder / "bad" / (GetParam() + ".txt"));
}

TEST_P(Good, CompilesInSilence) {
  const SourceFile source(GetParam() + ".qdl", Read(kFolder / "good" / (GetParam() + ".qdl")));
  Diagnostics diagnostics(source);
  EXPECT_TRUE(Compile(source, diagnostics).has_value());
  EXPECT_EQ(diagnostics.Render(), "");
}

std::optional<layout::VerifiedLayout> CompileSpec(const std::string& name) {
  const SourceFile source(name + ".qdl", Read(kRoot / "descriptor-specs" / (name + ".qdl")));
  Diagnostics diagnostics(source);
  auto layout = Compile(source, diagnostics);
  EXPECT_EQ(diagnostics.Render(), "");
  return layout;
}

TEST_P(Spec, CompilesInSilenceToItsTable) {
  const auto layout = CompileSpec(GetParam());
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->name(), GetParam()) << "a spec's file is named after its layout";
  ExpectGolden(layout::EmitText(*layout), kFolder / "outputs" / (GetParam() + ".txt"));
  // One of them is enough to see how it looks.
  const fs::path json = kFolder / "outputs" / (GetParam() + ".json");
  if (fs::exists(json)) ExpectGolden(layout::EmitJson(*layout), json);
}

TEST_P(Spec, GivesTheSameBytesAgain) {
  const auto first = CompileSpec(GetParam());
  const auto second = CompileSpec(GetParam());
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->canonical_bytes(), second->canonical_bytes());
  const auto loaded = layout::VerifiedLayout::FromBytes(first->canonical_bytes());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->canonical_bytes(), first->canonical_bytes());
  EXPECT_EQ(layout::EmitText(*loaded), layout::EmitText(*first));
}

// Text to layout to text: a layout, written as a spec again, compiles to the same layout, with the
// same notes.
TEST_P(Spec, IsItselfAgainAfterItsLayoutIsWrittenAsASpec) {
  const auto first = CompileSpec(GetParam());
  ASSERT_TRUE(first.has_value());
  const std::string spec = layout::EmitQdl(*first);
  const SourceFile source(GetParam() + ".qdl", spec);
  Diagnostics diagnostics(source);
  const auto second = Compile(source, diagnostics);
  ASSERT_TRUE(second.has_value()) << diagnostics.Render() << spec;
  EXPECT_EQ(diagnostics.Render(), "");
  EXPECT_EQ(layout::EmitText(*second), layout::EmitText(*first));
  EXPECT_EQ(second->digest_hex(), first->digest_hex());
  EXPECT_EQ(layout::EmitQdl(*second), spec);
}

// Descriptors, features and enumerations from last to first, and behind the queues: the same bytes.
TEST_P(Spec, IsTheSameWhateverTheOrderOfItsStatements) {
  const auto first = CompileSpec(GetParam());
  ASSERT_TRUE(first.has_value());
  const std::string spec = layout::EmitQdl(*first);
  // Blocks are apart by empty lines; the first is the head.
  std::vector<std::string> blocks;
  for (size_t at = 0; at < spec.size();) {
    const size_t end = std::min(spec.find("\n\n", at), spec.size());
    blocks.push_back(spec.substr(at, end - at) + "\n\n");
    at = end + 2;
  }
  ASSERT_GT(blocks.size(), 3u);
  // Order of queues says which is the first of its direction.
  const auto statements = [](std::string_view word) {
    return [word](const std::string& block) { return block.starts_with(word); };
  };
  const auto queues = std::find_if(blocks.begin(), blocks.end(), statements("queue "));
  std::reverse(blocks.begin() + 1, queues);
  std::rotate(blocks.begin() + 1, queues, blocks.end());
  std::string other;
  for (const std::string& block : blocks) other += block;
  ASSERT_NE(other, spec);
  const SourceFile source(GetParam() + ".qdl", other);
  Diagnostics diagnostics(source);
  const auto second = Compile(source, diagnostics);
  ASSERT_TRUE(second.has_value()) << diagnostics.Render();
  EXPECT_EQ(second->canonical_bytes(), first->canonical_bytes());
}

INSTANTIATE_TEST_SUITE_P(Qdl, Bad, ::testing::ValuesIn(Names(kFolder / "bad")), NameOf);
INSTANTIATE_TEST_SUITE_P(Qdl, Good, ::testing::ValuesIn(Names(kFolder / "good")), NameOf);
INSTANTIATE_TEST_SUITE_P(Qdl, Spec, ::testing::ValuesIn(Names(kRoot / "descriptor-specs")), NameOf);

TEST(Table, EachMessageHasABadAndAGoodFile) {
  for (const DiagnosticInfo& info : AllDiagnostics()) {
    // A file of a megabyte is made by the unit tests; what only the verifier refuses has no spec.
    if (info.id == Diagnostic::kFileTooLarge || info.id == Diagnostic::kRefused) continue;
    const std::string name = DiagnosticCode(info.id) + ".qdl";
    EXPECT_TRUE(fs::exists(kFolder / "bad" / name)) << name;
    EXPECT_TRUE(fs::exists(kFolder / "good" / name)) << name;
  }
}

TEST(Table, IsInOrderAndSaysWhatToDo) {
  uint32_t last = 0;
  for (const DiagnosticInfo& info : AllDiagnostics()) {
    EXPECT_GT(static_cast<uint32_t>(info.id), last);
    last = static_cast<uint32_t>(info.id);
    if (info.id != Diagnostic::kExpected) {
      EXPECT_FALSE(info.advice.empty()) << last;
    }
  }
}

TEST(Roles, PageIsThatOfTheVocabulary) {
  ExpectGolden(layout::EmitRoles(), kRoot / "docs/roles.md");
}

// The test of a spec's masks and offsets names the spec, and the headers of the page.
TEST(Specs, AreCheckedAgainstWhatThePageSays) {
  std::map<std::string, std::string> test_of;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRoot / "tests/unit/specs")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string text = Read(entry.path());
    for (size_t at = 0; (at = text.find("CheckFacts(\"", at)) != std::string::npos;) {
      at += std::strlen("CheckFacts(\"");
      test_of[text.substr(at, text.find('"', at) - at)] = text;
    }
  }
  for (const qsplit::testing::SpecEntry& entry : qsplit::testing::ReadSpecList()) {
    ASSERT_TRUE(test_of.contains(entry.name)) << entry.name;
    const std::string& text = test_of[entry.name];
    const bool by_compiler = entry.checked.find("offsetof") != std::string::npos;
    EXPECT_EQ(by_compiler, text.find("MEMBER(") != std::string::npos ||
                               text.find("offsetof(") != std::string::npos)
        << entry.name;
    for (size_t at = 0; (at = entry.checked.find('`', at)) != std::string::npos;) {
      const size_t end = entry.checked.find('`', at + 1);
      const std::string path = entry.checked.substr(at + 1, end - at - 1);
      EXPECT_THAT(text, ::testing::HasSubstr(fs::path(path).filename().string())) << entry.name;
      at = end + 1;
    }
  }
}

TEST(Specs, PageIsThatOfTheLayouts) {
  std::vector<layout::SpecRow> rows;
  std::vector<std::string> names;
  for (const qsplit::testing::SpecEntry& entry : qsplit::testing::ReadSpecList()) {
    auto layout = CompileSpec(entry.name);
    ASSERT_TRUE(layout.has_value()) << entry.name;
    names.push_back(entry.name);
    // A layout carries packets, or it has nothing to carry them with.
    bool has_packets = false;
    for (const v1::Queue& queue : layout->message().queues()) {
      has_packets = has_packets || queue.direction() != v1::DIRECTION_COMMAND;
    }
    EXPECT_EQ(entry.carries_packets, has_packets) << entry.name;
    rows.push_back({*std::move(layout), entry.carries_packets, entry.checked});
  }
  EXPECT_EQ(names, Names(kRoot / "descriptor-specs")) << "tests/unit/specs/checked.txt";
  ExpectGolden(layout::EmitSpecs(rows), kRoot / "docs/specs.md");
}

}  // namespace
}  // namespace qsplit::qdl
