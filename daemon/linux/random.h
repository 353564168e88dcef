// Unpredictable bytes from the kernel. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_RANDOM_H_
#define QSPLIT_DAEMON_LINUX_RANDOM_H_

#include <cstdint>
#include <span>

namespace qsplit::linux_sys {

// Fills all of it; ends the process if the kernel cannot, for nothing secret can be made then.
void FillRandom(std::span<uint8_t> bytes);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_RANDOM_H_
