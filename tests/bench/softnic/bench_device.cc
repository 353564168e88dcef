// What the software NIC's thread does by itself: packets/s from a transmit ring to a receive ring
// over a peer wire, behind a driver that is written by hand for one layout (intel.ixgbe.advanced),
// so that the device's side is what takes the time. Client on CPU 0, device on CPU 1.
//
//   sent     the client writes each packet anew, and reads the first bytes of what arrives
//   still    it does neither: what the rings and the device cost, without the packets' cache lines
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "daemon/backend/softnic/softnic.h"
#include "dataplane/barriers.h"
#include "tests/bench/processor.h"
#include "tests/support/frames.h"
#include "tests/support/nic_client.h"

namespace qsplit::softnic {
namespace {

using dataplane::LoadAcquire;
using dataplane::StoreRelease;
using qsplit::testing::NicClient;

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kBufferBytes = 2048;
constexpr device::MacAddress kLeft = {2, 0, 0, 0, 0, 1};
constexpr device::MacAddress kRight = {2, 0, 0, 0, 0, 2};
// 82599 datasheet, 7.2.3.2.4: DTYP = 3, EOP, IFCS, DEXT; RS.
constexpr uint64_t kData = 3u << 20 | 1u << 24 | 1u << 25 | 1u << 29;
constexpr uint64_t kReport = 1u << 27;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::cerr << value.status() << "\n";
  std::exit(1);
}

// One ring as a driver for this one NIC has it.
struct Ring {
  Ring(const NicClient& client, const device::RingGrant& grant)
      : slots(client.At(grant.slots)),
        tail(client.At(grant.producer_doorbells[0])),
        asleep(grant.need_wakeup ? client.At(*grant.need_wakeup) : nullptr) {}
  void Write(uint32_t slot, uint64_t low, uint64_t high) const {
    dataplane::StoreRelaxed<uint64_t>(slots + slot * 16, low);
    dataplane::StoreRelaxed<uint64_t>(slots + slot * 16 + 8, high);
  }
  void Publish(uint32_t slot, NicClient& client) const {
    StoreRelease<uint32_t>(tail, slot);
    dataplane::StoresBeforeLoads();
    if (asleep != nullptr && dataplane::LoadRelaxed<uint32_t>(asleep) != 0) client.Wake();
  }
  std::byte* slots;
  std::byte* tail;
  std::byte* asleep;
};

layout::VerifiedLayout Layout() {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/intel.ixgbe.advanced.layout", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return OrDie(layout::VerifiedLayout::FromBytes(bytes));
}

void Device(benchmark::State& state, uint32_t frame_bytes, bool touch) {
  bench::RunOn(0);
  const layout::VerifiedLayout layout = Layout();
  SoftNicConfig left;
  left.name = "left";
  left.mac = kLeft;
  left.layouts = {layout};
  left.wire = PeerWire{"right"};
  left.cpus = {1};
  SoftNicConfig right = left;
  right.name = "right";
  right.mac = kRight;
  right.wire = PeerWire{"left"};
  const auto nics = OrDie(SoftNic::CreateAll({left, right}));
  auto sender = OrDie(
      NicClient::Open(nics[0].get(), layout, {.lease = 1, .tx_queues = {0}, .slots = kSlots}));
  auto receiver = OrDie(NicClient::Open(
      nics[1].get(), layout,
      {.lease = 1, .rx_queues = {0}, .slots = kSlots, .join_rss = true, .post = false}));
  if (!nics[1]->SetRss({std::vector<uint32_t>(kRssTableSize, 0), kDefaultRssKey}).ok()) return;
  const qsplit::testing::Bytes frame = qsplit::testing::MakeFrame(
      {.dst = kRight, .payload = qsplit::testing::Bytes(frame_bytes - 42, 1)});
  const Ring tx(*sender, sender->grant().tx[0].rings[0]);
  const Ring rx(*receiver, receiver->grant().rx[0].rings[0]);
  const auto address = [](uint32_t slot) { return NicClient::kIova + slot * kBufferBytes; };
  for (uint32_t i = 0; i < kSlots; ++i) {
    std::memcpy(sender->region() + i * kBufferBytes, frame.data(), frame.size());
    rx.Write(i, address(i), 0);
  }
  rx.Publish(kSlots - 1, *receiver);
  const uint64_t command = kData | frame_bytes | uint64_t{frame_bytes} << 46;
  uint32_t produce = 0, reclaim = 0, consume = 0, sum = 0;
  uint64_t sent = 0, reclaimed = 0, received = 0;
  const auto look = [&] {
    for (; reclaimed < sent; reclaimed += kBurst, reclaim = (reclaim + kBurst) % kSlots) {
      // RS was in the burst's last descriptor.
      if ((LoadAcquire<uint64_t>(tx.slots + (reclaim + kBurst - 1) * 16 + 8) >> 32 & 1) == 0) break;
    }
    uint32_t n = 0;
    for (; n < 2 * kBurst; ++n) {
      const std::byte* const slot = rx.slots + consume * 16;
      if ((LoadAcquire<uint64_t>(slot + 8) & 1) == 0) break;
      if (n % 4 == 0) __builtin_prefetch(rx.slots + (consume + 16) % kSlots * 16);
      if (touch) sum += std::to_integer<uint32_t>(receiver->region()[consume * kBufferBytes]);
      rx.Write(consume, address(consume), 0);
      consume = (consume + 1) % kSlots;
    }
    if (n != 0) rx.Publish((consume + kSlots - 1) % kSlots, *receiver);
    received += n;
  };
  for ([[maybe_unused]] auto _ : state) {
    while (sent - reclaimed > kSlots - 2 * kBurst || sent - received > kSlots - 1 - kBurst) look();
    for (uint32_t i = 0; i < kBurst; ++i) {
      const uint32_t slot = produce + i;
      if (touch) std::memcpy(sender->region() + slot * kBufferBytes, frame.data(), 60);
      tx.Write(slot, address(slot), command | (i + 1 == kBurst ? kReport : 0));
    }
    produce = (produce + kBurst) % kSlots;
    sent += kBurst;
    tx.Publish(produce, *sender);
    look();
  }
  const absl::Time until = absl::Now() + absl::Seconds(2);
  while (received < sent && absl::Now() < until) look();
  benchmark::DoNotOptimize(sum);
  state.counters["packets/s"] =
      benchmark::Counter(static_cast<double>(received), benchmark::Counter::kIsRate);
  state.counters["lost"] = static_cast<double>(sent - received);
}

BENCHMARK_CAPTURE(Device, sent_64, 60, true)->UseRealTime();
BENCHMARK_CAPTURE(Device, still_64, 60, false)->UseRealTime();
BENCHMARK_CAPTURE(Device, sent_1500, 1496, true)->UseRealTime();
BENCHMARK_CAPTURE(Device, still_1500, 1496, false)->UseRealTime();

}  // namespace
}  // namespace qsplit::softnic

BENCHMARK_MAIN();
