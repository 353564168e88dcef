// tests/unit/specs/checked.txt: each spec, whether packets go through it, and what it is checked
// against. The page docs/specs.md is made of it.
#ifndef QSPLIT_TESTS_SUPPORT_SPEC_LIST_H_
#define QSPLIT_TESTS_SUPPORT_SPEC_LIST_H_

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace qsplit::testing {

struct SpecEntry {
  std::string name;
  // False: its queues carry commands.
  bool carries_packets = false;
  std::string checked;  // in Markdown
};

// In the order of the file, which is that of the names. Lines are `NAME | packets|commands |
// WORDS`; those that begin with '#' are for readers. The program needs QSPLIT_SOURCE_DIR.
inline std::vector<SpecEntry> ReadSpecList() {
  std::vector<SpecEntry> entries;
  const std::string path = QSPLIT_SOURCE_DIR "/tests/unit/specs/checked.txt";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  const auto trimmed = [](std::string words) {
    words.erase(0, words.find_first_not_of(' '));
    words.erase(words.find_last_not_of(' ') + 1);
    return words;
  };
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t first = line.find('|');
    const size_t second = line.find('|', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      ADD_FAILURE() << path << ": not understood: " << line;
      continue;
    }
    SpecEntry entry;
    entry.name = trimmed(line.substr(0, first));
    const std::string carries = trimmed(line.substr(first + 1, second - first - 1));
    EXPECT_TRUE(carries == "packets" || carries == "commands") << line;
    entry.carries_packets = carries == "packets";
    entry.checked = trimmed(line.substr(second + 1));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SPEC_LIST_H_
