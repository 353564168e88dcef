// Questions to VFIO whose answers have a length that only the kernel knows. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_VFIO_ANSWER_H_
#define QSPLIT_DAEMON_LINUX_VFIO_ANSWER_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// `question` is the fixed part of the ioctl's structure, which begins with `__u32 argsz`. The
// answer is as long as the kernel says in that field. `call` and `thing` name it in errors: those
// of the ioctl; INTERNAL where the answer grows without end.
absl::StatusOr<std::vector<std::byte>> VfioAnswer(int fd, unsigned long request,
                                                  std::span<const std::byte> question,
                                                  std::string_view call, std::string_view thing);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_VFIO_ANSWER_H_
