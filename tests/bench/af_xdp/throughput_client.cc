// One run of the throughput benchmark: packets of one way between this program and a netdev.
//
//   throughput_client WAY receive NETDEV QUEUE RUNTIME_DIR SECONDS   prints packets/s
//   throughput_client WAY send NETDEV QUEUE RUNTIME_DIR              until SIGTERM
//
// WAY is one of kWays. Prints "ready" once packets can come, or go. What was
// sent is counted by the other end of the pair.
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

#include "tests/bench/af_xdp/throughput_ways.h"

namespace qsplit::throughput {

volatile std::sig_atomic_t stop = 0;

void Die(const char* what, const char* why) {
  std::fprintf(stderr, "error: %s: %s\n", what, why);
  std::exit(1);
}
void Die(const char* what) { Die(what, std::strerror(errno)); }

void SayReady() {
  std::puts("ready");
  std::fflush(stdout);
}

namespace {

constexpr struct {
  std::string_view name;
  void (*receive)(const Place&, Window&);
  void (*send)(const Place&);
} kWays[] = {
    {"qsplit", ReceiveByQsplit, SendByQsplit},
    {"qsplit_queue", ReceiveQueueByQsplit, SendByQsplit},
    {"qsplit_polling", ReceiveByQsplit, SendByQsplit},
    {"libxdp", ReceiveByLibxdp, SendByLibxdp},
    {"libxdp_port", ReceivePortByLibxdp, SendByLibxdp},
    {"libxdp_polling", ReceiveByLibxdpPolling, SendByLibxdp},
    {"tpacket3", ReceiveByTpacket3, SendByTpacket3},
    {"udp", ReceiveByUdp, SendByUdp},
};

int Usage() {
  std::fprintf(stderr,
               "usage: throughput_client WAY receive NETDEV QUEUE RUNTIME_DIR SECONDS\n"
               "       throughput_client WAY send NETDEV QUEUE RUNTIME_DIR\n"
               "ways:");
  for (const auto& one : kWays) std::fprintf(stderr, " %s", one.name.data());
  std::fprintf(stderr, "\n");
  return 2;
}

int Run(int argc, char** argv) {
  if (argc < 6) return Usage();
  const std::string_view way = argv[1], direction = argv[2];
  const Place place{argv[3], static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)), argv[5]};
  for (const auto& one : kWays) {
    if (one.name != way) continue;
    if (direction == "send" && argc == 6) {
      one.send(place);
      return 0;
    }
    if (direction != "receive" || argc != 7) return Usage();
    Window window(std::strtod(argv[6], nullptr));
    one.receive(place, window);
    std::printf("%.0f\n", window.packets_per_second());
    return 0;
  }
  return Usage();
}

}  // namespace
}  // namespace qsplit::throughput

int main(int argc, char** argv) {
  std::signal(SIGTERM, [](int) { qsplit::throughput::stop = 1; });
  return qsplit::throughput::Run(argc, argv);
}
