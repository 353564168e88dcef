// The children of this process that live, for tests of code that leaves some.
//
// Main thread only, and with no waitpid under way: it takes the status of those that have ended.
#ifndef QSPLIT_TESTS_SUPPORT_CHILDREN_H_
#define QSPLIT_TESTS_SUPPORT_CHILDREN_H_

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace qsplit::testing {

// From now on those whose parents end are this process's.
inline void AdoptOrphans() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) abort();
}

inline size_t CountChildren() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  size_t found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (std::string child; children >> child;) ++found;
  }
  return found;
}

// How many there are, once there are `wanted` or 5 seconds have passed: who has said its last word
// takes a moment to end.
inline size_t AwaitChildren(size_t wanted) {
  size_t found = CountChildren();
  for (int i = 0; i < 500 && found != wanted; ++i) {
    ::usleep(10'000);
    found = CountChildren();
  }
  return found;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_CHILDREN_H_
