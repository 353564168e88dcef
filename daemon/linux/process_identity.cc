#include "daemon/linux/process_identity.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {

namespace {

// proc(5): "pid (name) state ppid …", where the name may hold anything; from the state on, which is
// field 3. Empty: no such process.
std::string FieldsBehindName(uint32_t pid, const std::string& proc) {
  std::ifstream in(absl::StrCat(proc, "/", pid, "/stat"));
  std::string line;
  std::getline(in, line);
  const size_t name_end = line.rfind(')');
  return name_end == std::string::npos ? "" : line.substr(name_end + 1);
}

}  // namespace

std::optional<uint64_t> ProcessStart(uint32_t pid, const std::string& proc) {
  std::istringstream fields(FieldsBehindName(pid, proc));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  std::string skipped;
  // Field 22 is starttime.
  for (int field = 4; field < 22; ++field) fields >> skipped;
  uint64_t start = 0;
  if (!(fields >> start)) return std::nullopt;
  return start;
}

bool ProcessStopped(uint32_t pid, const std::string& proc) {
  std::istringstream fields(FieldsBehindName(pid, proc));
  std::string state;
  fields >> state;
  return state == "T" || state == "t";
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
