// Users and groups of this machine by name. May read files and ask name services: at start and at
// reload only. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_USER_NAMES_H_
#define QSPLIT_DAEMON_LINUX_USER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

namespace qsplit::linux_sys {

// The uid; nothing when there is no such user.
std::optional<uint32_t> FindUser(const std::string& name);
// The gid; nothing when there is no such group.
std::optional<uint32_t> FindGroup(const std::string& name);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_USER_NAMES_H_
