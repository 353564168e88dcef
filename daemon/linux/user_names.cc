#include "daemon/linux/user_names.h"

#include <grp.h>
#include <pwd.h>

#include <vector>

namespace qsplit::linux_sys {
namespace {

constexpr size_t kBufferBytes = 1 << 18;  // room for a group with many members

}  // namespace

std::optional<uint32_t> FindUser(const std::string& name) {
  std::vector<char> buffer(kBufferBytes);
  passwd entry{};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->pw_uid;
}

std::optional<uint32_t> FindGroup(const std::string& name) {
  std::vector<char> buffer(kBufferBytes);
  group entry{};
  group* found = nullptr;
  getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

}  // namespace qsplit::linux_sys
