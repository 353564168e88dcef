// docs/language.md against the compiler and the specs: examples are real, and each word of the
// language is explained.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = QSPLIT_SOURCE_DIR;

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Without comment, and with single blanks.
std::string Plain(std::string line) {
  line.resize(std::min(line.size(), line.find("//")));
  line = std::regex_replace(line, std::regex("\\s+"), " ");
  line.erase(0, line.find_first_not_of(' '));
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// What stands in any spec, line by line.
std::set<std::string> SpecLines() {
  std::set<std::string> lines;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRoot / "descriptor-specs")) {
    if (entry.path().extension() != ".qdl") continue;
    for (const std::string& line : Lines(Read(entry.path()))) lines.insert(Plain(line));
  }
  return lines;
}

// The part of the page that explains the language.
std::vector<std::string> Reference() {
  const std::string page = Read(kRoot / "docs/language.md");
  const size_t begin = page.find("\n## Text\n");
  const size_t end = page.find("\n## Messages\n");
  EXPECT_TRUE(begin < end && end != std::string::npos);
  return Lines(page.substr(begin, end - begin));
}

TEST(LanguagePage, ItsExamplesStandInSpecs) {
  const std::set<std::string> specs = SpecLines();
  size_t examples = 0;
  for (const std::string& line : Reference()) {
    if (!line.starts_with("    ")) continue;
    const std::string plain = Plain(line);
    // "ring descriptors { … }" leaves something out.
    if (plain.empty() || plain.find("…") != std::string::npos) continue;
    EXPECT_TRUE(specs.contains(plain)) << "docs/language.md: no spec has this line: " << plain;
    ++examples;
  }
  EXPECT_GT(examples, 50u);
}

// Fields in the first column of tables: `@0  buffer_address    u64`.
TEST(LanguagePage, FieldsInItsTablesStandInSpecs) {
  std::string specs;
  for (const std::string& line : SpecLines()) specs += line + "\n";
  size_t fields = 0;
  const std::regex field("`(@[^`]*)`");
  for (const std::string& line : Reference()) {
    if (!line.starts_with("| `@")) continue;
    const std::string column = line.substr(0, line.find('|', 1));
    for (std::sregex_iterator at(column.begin(), column.end(), field), end; at != end; ++at) {
      std::string plain = Plain((*at)[1]);
      if (plain.find("…") != std::string::npos) plain.resize(plain.find("{ …"));
      EXPECT_NE(specs.find(plain), std::string::npos) << plain;
      ++fields;
    }
  }
  EXPECT_GT(fields, 4u);
}

// The words that the parser looks for, out of its source.
TEST(LanguagePage, HasEachWordOfTheLanguage) {
  std::string page;
  for (const std::string& line : Reference()) page += line + "\n";
  const std::regex call("(?:Take|At|Is|Expect|ExpectFieldBy)\\((\"[^)]*\")");
  const std::regex literal("\"([a-z-]{2,})\"");
  std::set<std::string> words;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(kRoot / "descriptor-lang/syntax")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string source = Read(entry.path());
    for (std::sregex_iterator at(source.begin(), source.end(), call), end; at != end; ++at) {
      const std::string arguments = (*at)[1];
      for (std::sregex_iterator word(arguments.begin(), arguments.end(), literal); word != end;
           ++word) {
        words.insert((*word)[1]);
      }
    }
  }
  EXPECT_GT(words.size(), 100u);
  for (const std::string& word : words) {
    EXPECT_TRUE(std::regex_search(page, std::regex("(^|[^a-z-])" + word + "([^a-z-]|$)")))
        << "docs/language.md does not explain " << word;
  }
}

}  // namespace
