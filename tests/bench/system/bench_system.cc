// qsplit-bench: what the whole system does, through a qsplitd of its own, as programs meet it: two
// software NICs wired to each other, on one device thread. It and the client's have a processor
// each, where there are two.
//
//   qsplit_bench [--quick]        a row for each measure: name, value, unit, how it was taken
//   qsplit_bench LAYOUT ...       half a second of packets of each of these layouts, and no more
//
// Rows are separated by tabs, for scripts/bench to make a table of. Not a test: it judges nothing,
// but it ends with status 1 if a packet was lost or something of a dead client stayed.
#include <pthread.h>
#include <qsplit/qsplit.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/hostile/kill_steps.h"
#include "tests/hostile/kills.h"
#include "tests/support/system/daemon.h"
#include "tests/support/system/traffic.h"

namespace qsplit::testing {
namespace {

constexpr uint32_t kFrameBytes = 60;  // 64 with the frame check sequence
constexpr uint32_t kBurst = 32;
constexpr uint32_t kSlots = 512;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "error: %s\n", value.status().ToString().c_str());
  std::exit(1);
}

void Row(const std::string& what, double value, const char* unit, const std::string& how) {
  std::printf("%s\t%.*f\t%s\t%s\n", what.c_str(), value < 100 ? 2 : 0, value, unit, how.c_str());
  std::fflush(stdout);
}

void Quantiles(const std::string& what, std::vector<double> ms, const std::string& how) {
  std::sort(ms.begin(), ms.end());
  const std::string times = absl::StrCat(how, "; ", ms.size(), " times");
  Row(what + ", median", ms[ms.size() / 2], "ms", times);
  Row(what + ", 99th percentile", ms[ms.size() * 99 / 100], "ms", times);
}

bool HasTwoProcessors() { return ::sysconf(_SC_NPROCESSORS_ONLN) > 1; }

// Where both threads are on one, as schedulers have it now and then, other figures come out.
std::string Devices() {
  if (!HasTwoProcessors()) return PeerDevices();
  return absl::StrReplaceAll(PeerDevices(), {{"worker = \"w\"\n", "worker = \"w\"\ncpu = 1\n"}});
}

// This thread, as long as it lives.
class OnFirstProcessor {
 public:
  OnFirstProcessor() {
    if (!HasTwoProcessors()) return;
    (void)::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof first, &first);
  }
  ~OnFirstProcessor() {
    if (HasTwoProcessors()) {
      (void)::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_);
    }
  }
  OnFirstProcessor(const OnFirstProcessor&) = delete;
  OnFirstProcessor& operator=(const OnFirstProcessor&) = delete;

 private:
  cpu_set_t before_;
};

// One client thread sends on nic0 and receives on nic1. Returns packets per second.
double TransmitToReceive(const Session& session, const std::string& layout, absl::Duration time) {
  LeaseOptions send{.rx_queues = 0, .tx_queues = 1, .tx_slots = kSlots, .layout = layout};
  // Enough that all slots are posted, where a layout has a ring of its own for buffers behind the
  // first, or several buffers in a slot.
  LeaseOptions take{.rx_queues = 1,
                    .tx_queues = 0,
                    .rx_slots = kSlots,
                    .buffers_per_pair = 8 * kSlots,
                    .layout = layout};
  Lease out = OrDie(OrDie(session.OpenDevice("nic1")).Acquire(send));
  Lease in = OrDie(OrDie(session.OpenDevice("nic0")).Acquire(take));
  OrDie(in.AddRule(absl::StrCat("flow-type udp4 dst-port ", kEchoPort, " action 0")));
  const OnFirstProcessor here;
  const std::string frame = Datagram(kAskerPort, kEchoPort, std::string(kFrameBytes - 42, 'b'));
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(frame.data()),
                                         frame.size());
  std::array<Packet, kBurst> sending, taken;
  uint64_t sent = 0, received = 0;
  const auto receive = [&] { received += in.rx(0).Receive(taken); };
  const absl::Time begin = absl::Now();
  const absl::Time end = begin + time;
  while (absl::Now() < end) {
    for (int bursts = 0; bursts < 64; ++bursts) {
      // No more on the way than the receiver has buffers for: nothing may be lost.
      if (sent - received <= kSlots - 1 - 2 * kBurst) {
        size_t n = 0;
        for (; n < kBurst; ++n) {
          sending[n] = out.tx(0).Allocate(kFrameBytes);
          if (!sending[n]) break;
          sending[n].CopyFrom(bytes);
        }
        sent += out.tx(0).Send(std::span(sending).first(n));
      }
      receive();
    }
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const uint64_t in_time = received;
  Eventually(absl::Seconds(2), [&] {
    receive();
    return received == sent;
  });
  if (received != sent) {
    std::fprintf(stderr, "error: %s: %llu of %llu packets were lost\n", layout.c_str(),
                 static_cast<unsigned long long>(sent - received),
                 static_cast<unsigned long long>(sent));
    std::exit(1);
  }
  return static_cast<double>(in_time) / seconds;
}

void Packets(const Session& session, std::span<const std::string> layouts, absl::Duration time) {
  for (const std::string& layout : layouts) {
    TransmitToReceive(session, layout, absl::Milliseconds(200));  // warm
    Row("64-byte packets, transmit to receive, " + layout, TransmitToReceive(session, layout, time),
        "packets/s", "one client thread, one device thread, through libqsplit and qsplitd");
  }
}

int RunPackets(std::span<const std::string> layouts) {
  const auto daemon = OrDie(Daemon::Start(Devices()));
  Packets(OrDie(Session::Connect(daemon->Options("bench"))), layouts, absl::Milliseconds(500));
  return 0;
}

int Run(bool quick) {
  const auto daemon = OrDie(Daemon::Start(Devices()));
  {
    const Session session = OrDie(Session::Connect(daemon->Options("bench")));
    Packets(session, OrDie(session.OpenDevice("nic0")).info().layouts,
            quick ? absl::Seconds(1) : absl::Seconds(5));
  }
  const auto step =
      std::find(kKillSteps.begin(), kKillSteps.end(), std::string_view("library: traffic runs")) -
      kKillSteps.begin();
  const KillReport report = KillClients(
      *daemon, {.kills = quick ? 10 : 50, .at_once = 1, .step = static_cast<int>(step)});
  for (const std::string& problem : report.problems) {
    std::fprintf(stderr, "error: %s\n", problem.c_str());
  }
  if (!report.problems.empty()) return 1;
  Quantiles("Client, from SIGKILL to nothing left", report.took_ms,
            "lease, rule, region and traffic; asked over an open connection");
  if (const absl::Status stopped = daemon->StopGently(); !stopped.ok()) {
    std::fprintf(stderr, "error: %s\n", stopped.ToString().c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool quick = words.size() == 1 && words[0] == "--quick";
  if (words.empty() || quick) return qsplit::testing::Run(quick);
  if (words[0].starts_with('-')) {
    std::fprintf(stderr, "usage: qsplit_bench [--quick | LAYOUT ...]\n");
    return 2;
  }
  return qsplit::testing::RunPackets(words);
}
