#include "daemon/linux/process_identity.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {

std::optional<uint64_t> ProcessStart(uint32_t pid, const std::string& proc) {
  std::ifstream in(absl::StrCat(proc, "/", pid, "/stat"));
  std::string line;
  std::getline(in, line);
  // proc(5): "pid (name) state ppid …", where the name may hold anything; field 22 is starttime.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  uint64_t start = 0;
  if (!(fields >> start)) return std::nullopt;
  return start;
}

std::string ProgramOf(uint32_t pid, const std::string& proc) {
  std::ifstream in(absl::StrCat(proc, "/", pid, "/comm"));
  std::string name;
  std::getline(in, name);
  // Of the process's own choosing, terminal controls included.
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return name;
}

}  // namespace qsplit::linux_sys
