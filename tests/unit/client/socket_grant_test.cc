// Queues whose rings are a socket's: what is let go of when the lease is over, and what wakes the
// kernel. A memfd and a datagram socket stand for what the kernel gives only to the privileged.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "client-lib/src/grant_map.h"
#include "client-lib/src/queue_bell.h"

namespace qsplit::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint32_t kPage = 4096;

v1::Grant SocketGrant() {
  v1::Grant grant;
  grant.add_descriptors()->set_kind(v1::GRANT_DESCRIPTOR_KIND_SOCKET);
  for (uint64_t at : {0u, kPage}) {
    v1::Area* area = grant.add_areas();
    area->set_offset_bytes(at);
    area->set_length_bytes(kPage);
    area->set_access(v1::AREA_ACCESS_READ_WRITE);
  }
  return grant;
}

TEST(SocketGrant, IsLetGoOfWhileItsRingsAreUsed) {
  std::vector<OwnedFd> fds;
  fds.emplace_back(::memfd_create("rings", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fds[0].get(), 2 * kPage), 0);
  const OwnedFd theirs(::dup(fds[0].get()));
  const int number = fds[0].get();
  absl::StatusOr<GrantMap> map = GrantMap::Map(SocketGrant(), std::move(fds));
  ASSERT_TRUE(map.ok()) << map.status();
  v1::Place index;
  index.set_area(1);
  index.set_offset_bytes(64);
  std::byte* const cell = *map->At(index, 4, 4, GrantMap::Need::kReadWrite, "cell");
  const uint32_t consumed = 41;
  std::memcpy(cell, &consumed, sizeof consumed);

  std::atomic<bool> stop = false;
  std::atomic<uint32_t> lowest = UINT32_MAX;
  std::thread queue([&] {
    while (!stop) {
      const auto seen = __atomic_load_n(reinterpret_cast<uint32_t*>(cell), __ATOMIC_RELAXED);
      if (seen < lowest) lowest = seen;
      (void)::sendto(number, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  map->LetGoOfDevice();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  stop = true;
  queue.join();

  EXPECT_EQ(lowest, consumed) << "indices do not jump under a thread that goes on";
  EXPECT_NE(::fcntl(number, F_GETFD), -1) << "the number is nobody else's meanwhile";
  std::string maps;
  for (std::ifstream in("/proc/self/maps"); std::getline(in, maps);) {
    EXPECT_THAT(maps, Not(HasSubstr("memfd:rings"))) << "unmapped";
  }
  struct stat facts {};
  ASSERT_EQ(::fstat(number, &facts), 0);
  EXPECT_EQ(facts.st_size, 0) << "and no longer the socket's";
  const uint32_t written = 7;
  std::memcpy(cell, &written, sizeof written);
  uint32_t there = 0;
  ASSERT_EQ(::pread(theirs.get(), &there, sizeof there, kPage + 64), 4);
  EXPECT_EQ(there, consumed) << "what is written afterwards goes nowhere";
}

class SocketBell : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    queue_ = OwnedFd(ends[0]);
    kernel_ = OwnedFd(ends[1]);
    bell_.state = &state_;
    bell_.wakeup_fd = queue_.get();
    bell_.wakeup_is_socket = true;
    bell_.event_drains = false;
  }
  // How often the queue has called the kernel by sendto.
  int Sends() {
    int sends = 0;
    char byte;
    while (::recv(kernel_.get(), &byte, 1, 0) >= 0) ++sends;
    return sends;
  }

  LeaseState state_{1};
  OwnedFd queue_, kernel_;
  QueueBell bell_;
};

TEST_F(SocketBell, ATransmitQueueSends) {
  bell_.receives = false;
  bell_.Wakeup();
  EXPECT_EQ(Sends(), 1);
}

TEST_F(SocketBell, AReceiveQueueReceivesAndSendsNothing) {
  bell_.event_fd = queue_.get();
  ASSERT_EQ(::send(kernel_.get(), "x", 1, 0), 1);
  bell_.Wakeup();
  EXPECT_EQ(Sends(), 0);
  char byte;
  EXPECT_EQ(::recv(queue_.get(), &byte, 1, 0), -1) << "taken by recvfrom";
}

// The kernel may have taken some of what was there and left the rest for the next call.
TEST_F(SocketBell, ATransmitQueueThatWaitsAsksAgain) {
  bell_.receives = false;
  int looks = 0;
  EXPECT_TRUE(bell_.WaitUntil([&] { return ++looks == 6; }, absl::Seconds(10)).ok());
  EXPECT_GE(Sends(), 2);
}

TEST_F(SocketBell, EagainIsAskedAgainButNotForEver) {
  bell_.receives = false;
  while (::send(queue_.get(), "x", 1, 0) == 1) {
  }
  ASSERT_EQ(errno, EAGAIN);
  bell_.Wakeup();  // returns
  EXPECT_GT(Sends(), 0);
}

TEST_F(SocketBell, AReadableSocketWakesAReceiveQueueAndIsNotDrained) {
  bell_.event_fd = queue_.get();
  std::thread kernel([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_EQ(::send(kernel_.get(), "x", 1, 0), 1);
  });
  int looks = 0;
  EXPECT_TRUE(bell_.WaitUntil([&] { return ++looks == 3; }, absl::Seconds(10)).ok());
  kernel.join();
  char byte;
  EXPECT_EQ(::recv(queue_.get(), &byte, 1, 0), 1);
}

}  // namespace
}  // namespace qsplit::internal
