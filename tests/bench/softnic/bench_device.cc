// What the software NIC's thread does by itself: packets/s from a transmit ring to a receive ring
// over a peer wire, behind a driver that is written by hand for one layout (intel.ixgbe.advanced),
// so that the device's side is what takes the time. Client on CPU 0, device on CPU 1.
//
//   sent     the client writes each packet anew, and reads the first bytes of what arrives
//   still    it does neither: what the rings and the device cost, without the packets' cache lines
//   flows    as that, each packet of another flow than the one before; with so many steering rules
//   unknown  the client makes of each packet one of a flow that was never seen
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

struct Traffic {
  uint32_t frame_bytes = 60;
  bool touch = false;
  uint32_t flows = 1;
  uint32_t rules = 0;
  bool unknown = false;
};

// Of UDP over IPv4, with eight masks; about half of the flows are some rule's.
device::FlowRule Rule(uint32_t number) {
  device::FlowRule rule;
  rule.location = number;
  device::FlowKey& value = rule.match.value;
  device::FlowKey& mask = rule.match.mask;
  value.ip_version = 4;
  value.l4_protocol = 17;
  value.has_ports = 1;
  value.src_port = static_cast<uint16_t>(1 + number);
  mask.ip_version = mask.l4_protocol = mask.has_ports = 0xff;
  mask.src_port = 0xffff;
  value.src_ip = {10, 0, 0, 1};
  for (uint32_t i = 0; i < 4; ++i) {
    mask.src_ip[i] = i < number % 8 / 2 + 1 ? 0xff : 0;
    value.src_ip[i] &= mask.src_ip[i];
  }
  if (number % 2 != 0) {
    value.dst_port = 9;  // nobody's
    mask.dst_port = 0xffff;
  }
  rule.action.queue = 0;
  return rule;
}

void Device(benchmark::State& state, const Traffic& traffic) {
  const uint32_t frame_bytes = traffic.frame_bytes;
  const bool touch = traffic.touch;
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
  for (uint32_t i = 0; i < traffic.rules; ++i) {
    if (!nics[1]->AddRule(Rule(i)).ok()) return state.SkipWithError("a rule was refused");
  }
  const auto frame_of = [&](uint32_t flow) {
    return qsplit::testing::MakeFrame({.dst = kRight,
                                       .src_port = static_cast<uint16_t>(1 + flow),
                                       .payload = qsplit::testing::Bytes(frame_bytes - 42, 1)});
  };
  const qsplit::testing::Bytes frame = frame_of(0);
  const Ring tx(*sender, sender->grant().tx[0].rings[0]);
  const Ring rx(*receiver, receiver->grant().rx[0].rings[0]);
  const auto address = [](uint32_t slot) { return NicClient::kIova + slot * kBufferBytes; };
  for (uint32_t i = 0; i < kSlots; ++i) {
    const qsplit::testing::Bytes of_flow = frame_of(i % traffic.flows);
    std::memcpy(sender->region() + i * kBufferBytes, of_flow.data(), of_flow.size());
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
      if (traffic.unknown) {  // its source's address and port
        const uint64_t number = (sent + i) * 0x9e3779b97f4a7c15u >> 32;
        std::memcpy(sender->region() + slot * kBufferBytes + 27, &number, 3);
        std::memcpy(sender->region() + slot * kBufferBytes + 34, &number, 2);
      }
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

BENCHMARK_CAPTURE(Device, sent_64, Traffic{.touch = true})->UseRealTime();
BENCHMARK_CAPTURE(Device, still_64, Traffic{})->UseRealTime();
BENCHMARK_CAPTURE(Device, sent_1500, Traffic{.frame_bytes = 1496, .touch = true})->UseRealTime();
BENCHMARK_CAPTURE(Device, still_1500, Traffic{.frame_bytes = 1496})->UseRealTime();
BENCHMARK_CAPTURE(Device, flows, Traffic{.flows = 512})->UseRealTime();
BENCHMARK_CAPTURE(Device, unknown, Traffic{.touch = true, .unknown = true})->UseRealTime();
BENCHMARK_CAPTURE(Device, flows_1_rule, Traffic{.flows = 512, .rules = 1})->UseRealTime();
BENCHMARK_CAPTURE(Device, flows_32_rules, Traffic{.flows = 512, .rules = 32})->UseRealTime();
BENCHMARK_CAPTURE(Device, flows_1024_rules, Traffic{.flows = 512, .rules = 1024})->UseRealTime();

}  // namespace
}  // namespace qsplit::softnic

BENCHMARK_MAIN();
