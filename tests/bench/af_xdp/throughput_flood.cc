// The sender that every receiver of the throughput benchmark faces: frames into one end of a veth
// pair as fast as one processor can, until a signal ends it. As root.
//
//   throughput_flood NETDEV MAC
//
// The kernel makes the frames itself (BPF_PROG_TEST_RUN with live frames) and redirects them into
// the netdev, as an XDP program would that forwards: no socket and no copy of ours is in the way,
// and they arrive as a NIC's packets do, without an sk_buff. In the end it prints how many it
// offered, and in how many seconds.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "tests/bench/af_xdp/throughput_frame.h"

namespace qsplit::throughput {
namespace {

constexpr int kFramesPerCall = 1 << 14;
volatile std::sig_atomic_t stop = 0;

// return bpf_redirect(ifindex, 0)
int LoadRedirect(uint32_t ifindex) {
  const std::array<bpf_insn, 4> program{{
      {BPF_ALU | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, static_cast<int32_t>(ifindex)},
      {BPF_ALU | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0},
      {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  }};
  return bpf_prog_load(BPF_PROG_TYPE_XDP, "flood", "GPL", program.data(), program.size(), nullptr);
}

int Run(const char* netdev, const Mac& to) {
  const uint32_t ifindex = ::if_nametoindex(netdev);
  if (ifindex == 0) return std::fprintf(stderr, "no netdev '%s' here\n", netdev), 1;
  const int program = LoadRedirect(ifindex);
  if (program < 0) return std::perror("BPF_PROG_LOAD"), 1;
  Frame frame = MakeFrame(to);
  bpf_test_run_opts run{};
  run.sz = sizeof run;
  run.data_in = frame.data();
  run.data_size_in = frame.size();
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  run.repeat = kFramesPerCall;
  uint64_t offered = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (stop == 0) {
    if (bpf_prog_test_run_opts(program, &run) == 0) {
      offered += kFramesPerCall;
    } else if (errno != EINTR) {
      return std::perror("BPF_PROG_TEST_RUN with live frames"), 1;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%llu %.6f\n", static_cast<unsigned long long>(offered), took.count());
  return 0;
}

}  // namespace
}  // namespace qsplit::throughput

int main(int argc, char** argv) {
  qsplit::throughput::Mac mac;
  // NOLINTNEXTLINE(cert-err34-c): all six are counted, each of two digits
  if (argc != 3 || std::sscanf(argv[2], "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1],
                               &mac[2], &mac[3], &mac[4], &mac[5]) != 6) {
    std::fprintf(stderr, "usage: throughput_flood NETDEV MAC\n");
    return 2;
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int) { qsplit::throughput::stop = 1; });
  }
  return qsplit::throughput::Run(argv[1], mac);
}
