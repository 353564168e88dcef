// A network namespace with a veth pair of many queues for a test of the steering program, and runs
// of the loaded program over frames of the test's own.
//
// The test's process moves into the namespace; everything in it goes with the process. IPv6 is off,
// so that no packet but the test's own is counted. One thread.
#ifndef QSPLIT_TESTS_NETNS_AF_XDP_STEERING_WORLD_H_
#define QSPLIT_TESTS_NETNS_AF_XDP_STEERING_WORLD_H_

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/backend/af_xdp/steering_program.h"

namespace qsplit::af_xdp {

inline constexpr uint32_t kQueues = 8;

inline void Shell(const std::string& words) { ASSERT_EQ(std::system(words.c_str()), 0) << words; }

// "x0" is the netdev with the program, "wire" its other end. It sends on one queue alone, so that
// all of it arrives on queue 0 of x0.
class SteeringWorld : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to make a network namespace";
    }
    Shell("for of in all default; do echo 1 >/proc/sys/net/ipv6/conf/$of/disable_ipv6; done");
    Shell(
        "ip link add x0 numrxqueues 8 numtxqueues 8 address 02:00:00:00:00:01 type veth peer name "
        "wire numrxqueues 8 numtxqueues 1 address 02:00:00:00:00:02");
    Shell("ip link set wire up && ip link set x0 up");
  }

  static std::unique_ptr<SteeringProgram> Load(const std::string& netdev = "x0") {
    auto program = SteeringProgram::Load({.netdev = netdev, .rx_queues = kQueues});
    EXPECT_TRUE(program.ok()) << program.status();
    return program.ok() ? *std::move(program) : nullptr;
  }
};

// A socket that may stand in the program's map: it has a receive ring, and is bound to nothing.
inline linux_sys::OwnedFd UnboundSocket() {
  linux_sys::OwnedFd fd(::socket(AF_XDP, SOCK_RAW, 0));
  const int slots = 64;
  EXPECT_EQ(::setsockopt(fd.get(), SOL_XDP, XDP_RX_RING, &slots, sizeof slots), 0);
  return fd;
}

// Runs the program of an id over frames as if they came in on a queue of x0.
class ProgramRun {
 public:
  explicit ProgramRun(uint32_t program_id)
      : fd_(bpf_prog_get_fd_by_id(program_id)), interface_(::if_nametoindex("x0")), out_(16384) {}

  // The program's verdict; what it made of the frame is in out(). -1: the kernel did not run it.
  // first_piece_bytes: the rest comes in further pieces; 0: as much of it in one as there is room.
  int Run(std::span<const uint8_t> frame, uint32_t queue, uint32_t repeat = 1,
          uint32_t first_piece_bytes = 0) {
    xdp_md context{};
    context.data_end =
        first_piece_bytes != 0 ? first_piece_bytes : static_cast<uint32_t>(frame.size());
    context.ingress_ifindex = interface_;
    context.rx_queue_index = queue;
    bpf_test_run_opts run{};
    run.sz = sizeof run;
    run.data_in = frame.data();
    run.data_size_in = static_cast<uint32_t>(frame.size());
    run.data_out = out_.data();
    run.data_size_out = static_cast<uint32_t>(out_.size());
    run.ctx_in = &context;
    run.ctx_size_in = sizeof context;
    run.repeat = static_cast<int>(repeat);
    if (bpf_prog_test_run_opts(fd_.get(), &run) != 0) return -1;
    out_bytes_ = run.data_size_out;
    return static_cast<int>(run.retval);
  }
  std::span<const uint8_t> out() const { return std::span(out_).first(out_bytes_); }

 private:
  linux_sys::OwnedFd fd_;
  uint32_t interface_;
  std::vector<uint8_t> out_;
  uint32_t out_bytes_ = 0;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_TESTS_NETNS_AF_XDP_STEERING_WORLD_H_
