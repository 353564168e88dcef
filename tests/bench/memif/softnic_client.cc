// A program with both ends of a wire between two software NICs, for throughput.py, which says what
// is compared.
//
//   softnic_client RUNTIME_DIR LAYOUT MODE BYTES SECONDS SLOTS BURST
//
// wire: sends on nic1 as fast as it can, and receives on nic0.
// forward: a generator on nic1 sends and receives, a forwarder on nic0 sends back what it received;
// each packet is of another of 1,024 flows than the one before, as flowgen's are.
// forward_one: the same with one flow.
// latency: one packet at a time, nic1 to nic0 and back; half of the time.
// one_way: nic1 to nic0.
// waking: the same, 5 ms after the one before, so that the device's thread sleeps.
// idle: has its leases, says so in a line, and waits for the end of its input.
//
// Both NICs have one MAC address, so that what is forwarded arrives as it is. One thread does all
// of it, and never sleeps but when idle. Prints packets/s of what arrived, or nanoseconds at the
// median and the 99.9th percentile. Buffers stand in huge pages where there are any, as memif's do.
#include <qsplit/qsplit.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kMaxBurst = 128;
constexpr uint32_t kWrittenBytes = 64;
constexpr uint32_t kFlows = 1024;  // testpmd's --flowgen-flows, if nothing is said
constexpr double kWarmingSeconds = 0.3;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "error: %s\n", value.status().ToString().c_str());
  std::exit(1);
}

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A clock that costs little, as memif_ping's: the processor's counter, which runs evenly.
class Ticks {
 public:
  Ticks() {
    const Clock::time_point begin = Clock::now();
    const uint64_t from = Now();
    while (Since(begin) < 0.05) {
    }
    ns_ = Since(begin) * 1e9 / static_cast<double>(Now() - from);
  }
  static uint64_t Now() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<uint64_t>(Clock::now().time_since_epoch().count());
#endif
  }
  double Nanoseconds(uint64_t ticks) const { return static_cast<double>(ticks) * ns_; }

 private:
  double ns_ = 1;
};

struct Way {
  std::string layout;
  uint32_t bytes = 0;
  double seconds = 0;
  uint32_t slots = 0;  // of each ring
  uint32_t burst = 0;  // packets, kMaxBurst at most
  // No more packets under way than there are buffers for: what is lost is not sent for nothing.
  bool HasRoom(uint64_t under_way) const { return under_way + 2 * burst < slots; }
};

Lease Acquire(const Session& session, const char* device, const Way& way, uint32_t rx,
              uint32_t tx) {
  // Some layouts have several buffers in a slot.
  const uint32_t buffers = 8 * way.slots;
  LeaseOptions options{.rx_queues = rx,
                       .tx_queues = tx,
                       .rx_slots = rx == 0 ? 0 : way.slots,
                       .tx_slots = tx == 0 ? 0 : way.slots,
                       .buffer_bytes = 2048,
                       .buffers_per_pair = buffers,
                       .rx_fields = {},  // testpmd has none of memif either
                       .layout = way.layout};
  auto huge = session.RegisterRegion(
      {.bytes = uint64_t{buffers} * options.buffer_bytes, .hugepages = true, .name = device});
  if (huge.ok()) options.region = *std::move(huge);
  return OrDie(OrDie(session.OpenDevice(device)).Acquire(options));
}

constexpr size_t kIpAt = 14;
constexpr size_t kIpBytes = 20;

// A header's checksum, in the order of its bytes, of a header whose own is 0.
uint16_t IpChecksum(const std::byte* header) {
  uint32_t sum = 0;
  for (size_t i = 0; i < kIpBytes; i += 2) {
    uint16_t word;
    std::memcpy(&word, header + i, sizeof word);
    sum += word;
  }
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~(sum + (sum >> 16)));
}

// Sends what fits; the headers of each packet are written anew, as testpmd's are. Flows differ in
// their destination, by testpmd's flowgen's way: address and checksum are of the packet.
class Generator {
 public:
  Generator(TxQueue* tx, uint32_t bytes, uint32_t flows = 1)
      : tx_(tx),
        flows_(flows),
        frame_(Datagram(kAskerPort, kEchoPort, std::string(bytes - 42, 'b'))) {}

  size_t Send(size_t most) {
    const auto packets = std::span(packets_).first(most);
    const size_t n = tx_->Allocate(packets, static_cast<uint32_t>(frame_.size()));
    for (Packet& packet : packets.first(n)) {
      std::memcpy(packet.bytes().data(), frame_.data(), kWrittenBytes);
      if (flows_ > 1) NextFlow(packet.bytes().data() + kIpAt);
    }
    return tx_->Send(packets.first(n));
  }

 private:
  void NextFlow(std::byte* header) {
    flow_ = flow_ + 1 == flows_ ? 0 : flow_ + 1;
    header[18] = static_cast<std::byte>(flow_ >> 8);
    header[19] = static_cast<std::byte>(flow_);
    header[10] = header[11] = std::byte{0};
    const uint16_t checksum = IpChecksum(header);
    std::memcpy(header + 10, &checksum, sizeof checksum);
  }

  TxQueue* const tx_;
  const uint32_t flows_;
  uint32_t flow_ = 0;
  const std::string frame_;
  std::array<Packet, kMaxBurst> packets_;
};

// Calls step(), which returns packets that came, until time is over; packets/s.
template <typename Step>
double Rate(double seconds, Step&& step) {
  const Clock::time_point begin = Clock::now();
  const auto next = [&step] {
    const uint64_t n = step();
    if (n == 0) Relax();
    return n;
  };
  while (Since(begin) < kWarmingSeconds) next();
  uint64_t came = 0;
  const Clock::time_point counting = Clock::now();
  double passed = 0;
  while (passed < seconds) {
    for (int i = 0; i < 64; ++i) came += next();
    passed = Since(counting);
  }
  return static_cast<double>(came) / passed;
}

double Wire(const Session& session, const Way& way) {
  Lease out = Acquire(session, "nic1", way, 0, 1);
  Lease in = Acquire(session, "nic0", way, 1, 0);
  OrDie(in.AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0")));
  Generator generator(&out.tx(0), way.bytes);
  RxQueue& rx = in.rx(0);
  std::array<Packet, kMaxBurst> taken;
  uint64_t under_way = 0;
  return Rate(way.seconds, [&] {
    if (way.HasRoom(under_way)) under_way += generator.Send(way.burst);
    const size_t n = rx.Receive(std::span(taken).first(way.burst));
    under_way -= n;
    return n;
  });
}

double Forward(const Session& session, const Way& way, uint32_t flows) {
  Lease end = Acquire(session, "nic1", way, 1, 1);
  Lease middle = Acquire(session, "nic0", way, 1, 1);
  const std::string rule = absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0");
  OrDie(end.AddRule(rule));
  OrDie(middle.AddRule(rule));
  Generator generator(&end.tx(0), way.bytes, flows);
  std::array<Packet, kMaxBurst> taken, back;
  uint64_t under_way = 0;
  return Rate(way.seconds, [&] {
    if (way.HasRoom(under_way)) under_way += generator.Send(way.burst);
    const size_t n = middle.rx(0).Receive(std::span(taken).first(way.burst));
    const size_t sent = middle.tx(0).Send(std::span(taken).first(n));
    under_way -= n - sent;  // what does not fit is lost
    const size_t came = end.rx(0).Receive(std::span(back).first(way.burst));
    under_way -= came;
    return came;
  });
}

// Of single packets, each of which `carry` brings to its goal; prints how long they took.
template <typename Carry>
void Times(double seconds, Clock::duration gap, Generator& generator, TxQueue& tx, Carry&& carry) {
  const Ticks ticks;
  std::vector<double> ns;
  const Clock::time_point begin = Clock::now();
  double passed = 0;
  while (passed < kWarmingSeconds + seconds) {
    const uint64_t sent = Ticks::Now();
    if (generator.Send(1) != 1) continue;
    const double share = carry();
    const uint64_t came = Ticks::Now();
    passed = Since(begin);
    if (passed > kWarmingSeconds) ns.push_back(ticks.Nanoseconds(came - sent) * share);
    tx.Reclaim();
    for (const Clock::time_point end = Clock::now() + gap; Clock::now() < end;) Relax();
  }
  std::sort(ns.begin(), ns.end());
  std::printf("%.0f %.0f\n", ns[ns.size() / 2], ns[ns.size() * 999 / 1000]);
}

void Receive(RxQueue& rx, std::span<Packet> one) {
  while (rx.Receive(one) == 0) {
  }
}

void OneWay(const Session& session, const Way& way, Clock::duration gap) {
  Lease out = Acquire(session, "nic1", way, 0, 1);
  Lease in = Acquire(session, "nic0", way, 1, 0);
  OrDie(in.AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0")));
  Generator generator(&out.tx(0), way.bytes);
  std::array<Packet, 1> taken;
  Times(way.seconds, gap, generator, out.tx(0), [&] {
    Receive(in.rx(0), taken);
    return 1.0;
  });
}

void ThereAndBack(const Session& session, const Way& way) {
  Lease end = Acquire(session, "nic1", way, 1, 1);
  Lease middle = Acquire(session, "nic0", way, 1, 1);
  const std::string rule = absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0");
  OrDie(end.AddRule(rule));
  OrDie(middle.AddRule(rule));
  Generator generator(&end.tx(0), way.bytes);
  std::array<Packet, 1> taken, back;
  Times(way.seconds, {}, generator, end.tx(0), [&] {
    Receive(middle.rx(0), taken);
    while (middle.tx(0).Send(taken) == 0) {
    }
    Receive(end.rx(0), back);
    return 0.5;
  });
}

void Idle(const Session& session, const Way& way) {
  const Lease end = Acquire(session, "nic1", way, 1, 1);
  const Lease middle = Acquire(session, "nic0", way, 1, 1);
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

int Main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(
        stderr,
        "usage: softnic_client RUNTIME_DIR LAYOUT "
        "wire|forward|forward_one|latency|one_way|waking|idle BYTES SECONDS SLOTS BURST\n");
    return 2;
  }
  const std::string_view mode = argv[3];
  const Way way{argv[2], static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)),
                std::strtod(argv[5], nullptr),
                static_cast<uint32_t>(std::strtoul(argv[6], nullptr, 10)),
                std::min(static_cast<uint32_t>(std::strtoul(argv[7], nullptr, 10)), kMaxBurst)};
  const Session session =
      OrDie(Session::Connect({.runtime_dir = argv[1], .program = "softnic_client"}));
  if (mode == "latency") {
    ThereAndBack(session, way);
  } else if (mode == "one_way" || mode == "waking") {
    OneWay(session, way, std::chrono::milliseconds(mode == "waking" ? 5 : 0));
  } else if (mode == "idle") {
    Idle(session, way);
  } else {
    std::printf("%.0f\n", mode == "forward"       ? Forward(session, way, kFlows)
                          : mode == "forward_one" ? Forward(session, way, 1)
                                                  : Wire(session, way));
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) { return qsplit::testing::Main(argc, argv); }
