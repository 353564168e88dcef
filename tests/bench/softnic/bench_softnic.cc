// The software NIC end to end: packets/s of 64 bytes from a client's transmit ring to a client's
// receive ring over a peer wire, one client thread and one device thread; and what a lease costs.
//
// The client thread drives both ends: it posts and publishes bursts, takes what arrived, gives
// buffers back. Counters: packets/s of wall-clock time, and `lost`, which must be 0.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <thread>

#include "daemon/backend/softnic/softnic.h"
#include "tests/support/frames.h"
#include "tests/support/nic_client.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::softnic {
namespace {

using qsplit::testing::NicClient;

constexpr uint32_t kFrameBytes = 60;  // 64 with the frame check sequence
constexpr uint32_t kSlots = 512;
constexpr device::MacAddress kLeft = {2, 0, 0, 0, 0, 1};
constexpr device::MacAddress kRight = {2, 0, 0, 0, 0, 2};

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::cerr << value.status() << "\n";
  std::exit(1);
}

std::vector<std::unique_ptr<SoftNic>> Pair(const layout::VerifiedLayout& layout) {
  SoftNicConfig left;
  left.name = "left";
  left.mac = kLeft;
  left.layouts = {layout};
  left.wire = PeerWire{"right"};
  SoftNicConfig right = left;
  right.name = "right";
  right.mac = kRight;
  right.wire = PeerWire{"left"};
  return OrDie(SoftNic::CreateAll({left, right}));
}

void TransmitToReceive(benchmark::State& state, const layout::VerifiedLayout& layout) {
  const auto nics = Pair(layout);
  const uint32_t burst = static_cast<uint32_t>(state.range(0));
  auto sender = OrDie(
      NicClient::Open(nics[0].get(), layout, {.lease = 1, .tx_queues = {0}, .slots = kSlots}));
  auto receiver = OrDie(NicClient::Open(
      nics[1].get(), layout,
      {.lease = 1, .rx_queues = {0}, .slots = kSlots, .join_rss = true, .post = false}));
  if (!nics[1]->SetRss({std::vector<uint32_t>(kRssTableSize, 0), kDefaultRssKey}).ok()) return;
  const qsplit::testing::Bytes frame = qsplit::testing::MakeFrame(
      {.dst = kRight, .payload = qsplit::testing::Bytes(kFrameBytes - 42, 1)});
  dataplane::TxDriver& tx = sender->tx(0);
  dataplane::RxDriver& rx = receiver->rx(0);
  const uint32_t tx_room = tx.Capacity();
  for (uint32_t i = 0; i < kSlots; ++i) {
    std::memcpy(sender->region() + i * 2048, frame.data(), frame.size());
  }
  for (uint32_t i = 0; rx.Room() != 0; ++i) {
    rx.Post(dataplane::Iova(NicClient::kIova + uint64_t{i} * 2048), 2048, i);
  }
  rx.Publish();
  std::array<uint32_t, kSlots> cookies;
  std::array<dataplane::RxCompletion, 64> completions;
  uint64_t sent = 0;
  uint64_t received = 0;
  const auto receive = [&] {
    const uint32_t count = rx.Poll(completions);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t cookie = completions[i].cookie;
      rx.Post(dataplane::Iova(NicClient::kIova + uint64_t{cookie} * 2048), 2048, cookie);
    }
    if (count != 0) rx.Publish();
    received += count;
    return count;
  };
  for ([[maybe_unused]] auto _ : state) {
    // No more in flight than the receiver has buffers for: nothing may be lost.
    while (sent - received > tx_room - burst || tx.Room() < burst) {
      if (receive() == 0) backend::CpuRelax();
      tx.Reclaim(cookies);
    }
    for (uint32_t i = 0; i < burst; ++i) {
      const uint32_t buffer = static_cast<uint32_t>((sent + i) % kSlots);
      tx.Push(dataplane::Iova(NicClient::kIova + uint64_t{buffer} * 2048), kFrameBytes, buffer);
    }
    if (tx.Publish()) sender->Wake();
    sent += burst;
    receive();
  }
  const absl::Time until = absl::Now() + absl::Seconds(2);
  while (received < sent && absl::Now() < until) receive();
  state.counters["packets/s"] =
      benchmark::Counter(static_cast<double>(received), benchmark::Counter::kIsRate);
  state.counters["lost"] = static_cast<double>(sent - received);
}

void Simple(benchmark::State& state) { TransmitToReceive(state, layout::testing::SimpleLayout()); }
void Big(benchmark::State& state) { TransmitToReceive(state, layout::testing::BigLayout()); }
BENCHMARK(Simple)->Arg(1)->Arg(32)->UseRealTime();
BENCHMARK(Big)->Arg(32)->UseRealTime();

// A lease of one queue pair from request to rings that a driver can use, and back.
void OpenAndClose(benchmark::State& state) {
  const layout::VerifiedLayout layout = layout::testing::SimpleLayout();
  const auto nics = Pair(layout);
  device::QueueRequest request{.lease = 1, .layout = layout};
  request.rx_queues = request.tx_queues = {0};
  request.regions.push_back({.region = 1,
                             .memory = qsplit::testing::RegionMemfd(4 << 20),
                             .length_bytes = 4 << 20,
                             .iova = NicClient::kIova});
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(OrDie(nics[0]->OpenQueues(request)));
    if (!nics[0]->CloseQueues(1).ok()) state.SkipWithError("close failed");
  }
}
BENCHMARK(OpenAndClose)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace qsplit::softnic

BENCHMARK_MAIN();
