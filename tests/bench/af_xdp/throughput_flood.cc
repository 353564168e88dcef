// The sender that every receiver of the throughput benchmark faces: frames into one end of a veth
// pair as fast as one processor can, until a signal ends it. As root.
//
//   throughput_flood NETDEV MAC
//
// The kernel makes the frames itself (BPF_PROG_TEST_RUN with live frames) and redirects them into
// the netdev, as an XDP program would that forwards: no socket and no copy of ours is in the way,
// and they arrive as a NIC's packets do, without an sk_buff. All of it is one call: the kernel
// takes some 28 ms to end one, in which nothing would be sent. In the end it prints how many it
// offered, as the program counted them, and in how many seconds.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tests/bench/af_xdp/throughput_frame.h"

namespace qsplit::throughput {
namespace {

constexpr int kFramesPerCall = INT32_MAX;  // as good as for ever
volatile std::sig_atomic_t stop = 0;

// ++*count; return bpf_redirect(ifindex, 0). count: the only value of a map.
int LoadRedirect(uint32_t ifindex, int count) {
  const std::array<bpf_insn, 9> program{{
      {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, count},
      {0, 0, 0, 0, 0},
      {BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_1, 0, 0},
      {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, 1},
      {BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_2, 0, 0},
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
  const int count =
      bpf_map_create(BPF_MAP_TYPE_ARRAY, "offered", sizeof(uint32_t), sizeof(uint64_t), 1, nullptr);
  if (count < 0) return std::perror("BPF_MAP_CREATE"), 1;
  const int program = LoadRedirect(ifindex, count);
  if (program < 0) return std::perror("BPF_PROG_LOAD"), 1;
  Frame frame = MakeFrame(to);
  bpf_test_run_opts run{};
  run.sz = sizeof run;
  run.data_in = frame.data();
  run.data_size_in = frame.size();
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  run.repeat = kFramesPerCall;
  const auto begin = std::chrono::steady_clock::now();
  while (stop == 0) {
    if (bpf_prog_test_run_opts(program, &run) != 0 && errno != EINTR) {
      return std::perror("BPF_PROG_TEST_RUN with live frames"), 1;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const uint32_t key = 0;
  uint64_t offered = 0;
  if (bpf_map_lookup_elem(count, &key, &offered) != 0) return std::perror("the count"), 1;
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
