#include "tests/support/passed_fd.h"

#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

namespace qsplit::test {
namespace {

struct Message {
  Message() {
    std::memset(&header, 0, sizeof header);
    std::memset(room, 0, sizeof room);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room;
    header.msg_controllen = sizeof room;
  }
  int number = 0;
  iovec part{&number, sizeof number};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
  msghdr header;
};

}  // namespace

void PassFd(int socket, int fd, int number) {
  Message message;
  message.number = number;
  cmsghdr* const head = CMSG_FIRSTHDR(&message.header);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (::sendmsg(socket, &message.header, 0) != sizeof message.number) abort();
}

PassedFd TakeFd(int socket) {
  Message message;
  int fd = -1;
  if (::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != sizeof message.number) return {};
  const cmsghdr* const head = CMSG_FIRSTHDR(&message.header);
  if (head == nullptr) return {};
  std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return {linux_sys::OwnedFd(fd), message.number};
}

}  // namespace qsplit::test
