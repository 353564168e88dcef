#include "daemon/linux/vfio_answer.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {
namespace {

constexpr uint32_t kMostBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::vector<std::byte>> VfioAnswer(int fd, unsigned long request,
                                                  std::span<const std::byte> question,
                                                  std::string_view call, std::string_view thing) {
  auto bytes = static_cast<uint32_t>(question.size());
  while (bytes <= kMostBytes) {
    std::vector<std::byte> answer(bytes);
    std::copy(question.begin(), question.end(), answer.begin());
    std::memcpy(answer.data(), &bytes, sizeof bytes);
    if (::ioctl(fd, request, answer.data()) != 0) return ErrnoStatus(errno, call, thing);
    uint32_t whole = 0;
    std::memcpy(&whole, answer.data(), sizeof whole);
    if (whole <= bytes) return answer;
    bytes = whole;
  }
  return absl::InternalError(
      absl::StrCat(std::string(call), " ", std::string(thing), ": an answer of ", bytes, " bytes"));
}

}  // namespace qsplit::linux_sys
