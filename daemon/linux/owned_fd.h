// A file descriptor with one owner, who closes it.
//
// Move-only; -1 is none. It never duplicates and never throws. Any thread, one at a time.
#ifndef QSPLIT_DAEMON_LINUX_OWNED_FD_H_
#define QSPLIT_DAEMON_LINUX_OWNED_FD_H_

#include <unistd.h>

#include <utility>

namespace qsplit::linux_sys {

class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_OWNED_FD_H_
