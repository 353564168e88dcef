// A file descriptor with one owner, who closes it. Move-only; -1 is none. One thread at a time.
#ifndef QSPLIT_CLIENT_LIB_SRC_OWNED_FD_H_
#define QSPLIT_CLIENT_LIB_SRC_OWNED_FD_H_

#include <unistd.h>

#include <utility>

namespace qsplit::internal {

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

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_OWNED_FD_H_
