// One packet at a time over a memif port and back, for throughput.py, which says what is compared:
// the other side is testpmd in its mode io.
//
//   memif_ping EAL_OPTIONS -- BYTES SECONDS
//
// Prints half of the round trip's nanoseconds at the median and the 99.9th percentile.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr uint16_t kPort = 0;
constexpr uint16_t kSlots = 1024;
constexpr double kWarmingSeconds = 0.3;
constexpr uint64_t kPatienceSeconds = 5;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "error: %s\n", what);
  std::exit(1);
}

void StartPort(rte_mempool* pool) {
  const rte_eth_conf conf{};
  if (rte_eth_dev_configure(kPort, 1, 1, &conf) != 0 ||
      rte_eth_rx_queue_setup(kPort, 0, kSlots, 0, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(kPort, 0, kSlots, 0, nullptr) != 0 || rte_eth_dev_start(kPort) != 0) {
    Die("the port does not start");
  }
  for (int i = 0; i < 1000; ++i) {
    rte_eth_link link{};
    (void)rte_eth_link_get_nowait(kPort, &link);
    if (link.link_status == RTE_ETH_LINK_UP) return;
    rte_delay_ms(10);
  }
  Die("the memif has no link");
}

// The first look at the receive ring is what offers its slots to the other side, which drops
// packets until then.
void OfferSlots() {
  rte_mbuf* none = nullptr;
  if (rte_eth_rx_burst(kPort, 0, &none, 1) != 0) rte_pktmbuf_free(none);
}

// Cycles until the packet is back.
uint64_t Ping(rte_mempool* pool, uint16_t bytes) {
  const uint64_t begin = rte_rdtsc();
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) Die("no buffer");
  std::memset(rte_pktmbuf_append(packet, bytes), 1, 64);
  while (rte_eth_tx_burst(kPort, 0, &packet, 1) == 0) {
  }
  while (rte_eth_rx_burst(kPort, 0, &packet, 1) == 0) {
    if (rte_rdtsc() - begin > kPatienceSeconds * rte_get_tsc_hz()) {
      Die("a packet did not come back");
    }
  }
  const uint64_t cycles = rte_rdtsc() - begin;
  rte_pktmbuf_free(packet);
  return cycles;
}

}  // namespace

int main(int argc, char** argv) {
  const int used = rte_eal_init(argc, argv);
  if (used < 0 || argc - used < 3) Die("usage: memif_ping EAL_OPTIONS -- BYTES SECONDS");
  const auto bytes = static_cast<uint16_t>(std::strtoul(argv[used + 1], nullptr, 10));
  const double seconds = std::strtod(argv[used + 2], nullptr);
  rte_mempool* const pool =
      rte_pktmbuf_pool_create("packets", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  if (pool == nullptr) Die("no memory for packets");
  StartPort(pool);
  OfferSlots();
  const auto hz = static_cast<double>(rte_get_tsc_hz());
  std::vector<double> ns;
  const uint64_t begin = rte_rdtsc();
  for (double passed = 0; passed < kWarmingSeconds + seconds;) {
    const uint64_t cycles = Ping(pool, bytes);
    passed = static_cast<double>(rte_rdtsc() - begin) / hz;
    if (passed > kWarmingSeconds) ns.push_back(static_cast<double>(cycles) / hz * 1e9 / 2);
  }
  std::sort(ns.begin(), ns.end());
  std::printf("%.0f %.0f\n", ns[ns.size() / 2], ns[ns.size() * 999 / 1000]);
  (void)rte_eth_dev_stop(kPort);
  (void)rte_eal_cleanup();
  return 0;
}
