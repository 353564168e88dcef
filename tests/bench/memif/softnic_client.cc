// A program with both ends of a wire between two software NICs, for throughput.py, which says what
// is compared.
//
//   softnic_client RUNTIME_DIR LAYOUT wire|forward|latency BYTES SECONDS
//
//   wire     sends on nic1 as fast as it can, and receives on nic0
//   forward  a generator on nic1 sends and receives; a forwarder on nic0 sends back what it
//   received latency  one packet at a time, nic1 to nic0
//
// Both NICs have one MAC address, so that what is forwarded arrives as it is. One thread does all
// of it, and never sleeps. Prints packets/s of what
// arrived, or nanoseconds at the median and the 99.9th percentile.
#include <qsplit/qsplit.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kBurst = 32;
constexpr uint32_t kSlots = 512;
constexpr uint32_t kWrittenBytes = 64;
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

struct Way {
  std::string layout;
  uint32_t bytes = 0;
  double seconds = 0;
};

Lease Acquire(const Session& session, const char* device, const Way& way, uint32_t rx,
              uint32_t tx) {
  const LeaseOptions options{.rx_queues = rx,
                             .tx_queues = tx,
                             .rx_slots = rx == 0 ? 0 : kSlots,
                             .tx_slots = tx == 0 ? 0 : kSlots,
                             // Some layouts have several buffers in a slot.
                             .buffers_per_pair = 8 * kSlots,
                             .layout = way.layout};
  return OrDie(OrDie(session.OpenDevice(device)).Acquire(options));
}

// Sends what fits; the headers of each packet are written anew, as testpmd's are.
class Generator {
 public:
  Generator(TxQueue* tx, uint32_t bytes)
      : tx_(tx), frame_(Datagram(kAskerPort, kEchoPort, std::string(bytes - 42, 'b'))) {}

  size_t Send(size_t most) {
    size_t n = 0;
    for (; n < most; ++n) {
      packets_[n] = tx_->Allocate(static_cast<uint32_t>(frame_.size()));
      if (!packets_[n]) break;
      packets_[n].CopyFrom(std::as_bytes(std::span(frame_)).first(kWrittenBytes));
    }
    return tx_->Send(std::span(packets_).first(n));
  }

 private:
  TxQueue* const tx_;
  const std::string frame_;
  std::array<Packet, kBurst> packets_;
};

// Calls step(), which returns packets that came, until time is over; packets/s.
template <typename Step>
double Rate(double seconds, Step&& step) {
  const Clock::time_point begin = Clock::now();
  while (Since(begin) < kWarmingSeconds) step();
  uint64_t came = 0;
  const Clock::time_point counting = Clock::now();
  double passed = 0;
  while (passed < seconds) {
    for (int i = 0; i < 64; ++i) came += step();
    passed = Since(counting);
  }
  return static_cast<double>(came) / passed;
}

double Wire(const Session& session, const Way& way) {
  Lease out = Acquire(session, "nic1", way, 0, 1);
  Lease in = Acquire(session, "nic0", way, 1, 0);
  OrDie(in.AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0")));
  Generator generator(&out.tx(0), way.bytes);
  std::array<Packet, kBurst> taken;
  uint64_t under_way = 0;
  return Rate(way.seconds, [&] {
    // No more under way than there are buffers for: what is lost is not sent for nothing.
    if (under_way <= kSlots - 1 - 2 * kBurst) under_way += generator.Send(kBurst);
    const size_t n = in.rx(0).Receive(taken);
    under_way -= n;
    return n;
  });
}

double Forward(const Session& session, const Way& way) {
  Lease end = Acquire(session, "nic1", way, 1, 1);
  Lease middle = Acquire(session, "nic0", way, 1, 1);
  const std::string rule = absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0");
  OrDie(end.AddRule(rule));
  OrDie(middle.AddRule(rule));
  Generator generator(&end.tx(0), way.bytes);
  std::array<Packet, kBurst> taken, back;
  uint64_t under_way = 0;
  return Rate(way.seconds, [&] {
    if (under_way <= kSlots - 1 - 2 * kBurst) under_way += generator.Send(kBurst);
    const size_t n = middle.rx(0).Receive(taken);
    const size_t sent = middle.tx(0).Send(std::span(taken).first(n));
    under_way -= n - sent;  // what does not fit is lost
    const size_t came = end.rx(0).Receive(back);
    under_way -= came;
    return came;
  });
}

void Latency(const Session& session, const Way& way) {
  Lease out = Acquire(session, "nic1", way, 0, 1);
  Lease in = Acquire(session, "nic0", way, 1, 0);
  OrDie(in.AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0")));
  Generator generator(&out.tx(0), way.bytes);
  std::array<Packet, 1> taken;
  std::vector<double> ns;
  const Clock::time_point begin = Clock::now();
  double passed = 0;
  while (passed < kWarmingSeconds + way.seconds) {
    passed = Since(begin);
    const Clock::time_point sent = Clock::now();
    if (generator.Send(1) != 1) continue;
    while (in.rx(0).Receive(taken) == 0) {
    }
    if (passed > kWarmingSeconds) ns.push_back(Since(sent) * 1e9);
    out.tx(0).Reclaim();
  }
  std::sort(ns.begin(), ns.end());
  std::printf("%.0f %.0f\n", ns[ns.size() / 2], ns[ns.size() * 999 / 1000]);
}

int Main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr,
                 "usage: softnic_client RUNTIME_DIR LAYOUT wire|forward|latency BYTES SECONDS\n");
    return 2;
  }
  const std::string_view mode = argv[3];
  const Way way{argv[2], static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)),
                std::strtod(argv[5], nullptr)};
  const Session session =
      OrDie(Session::Connect({.runtime_dir = argv[1], .program = "softnic_client"}));
  if (mode == "latency") {
    Latency(session, way);
  } else {
    std::printf("%.0f\n", mode == "forward" ? Forward(session, way) : Wire(session, way));
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) { return qsplit::testing::Main(argc, argv); }
