#include "daemon/linux/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

namespace qsplit::linux_sys {

void FillRandom(std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<size_t>(got));
    } else if (errno != EINTR) {
      abort();
    }
  }
}

}  // namespace qsplit::linux_sys
