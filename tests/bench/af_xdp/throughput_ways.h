// The ways between a program and a netdev that the throughput benchmark compares, each as well as
// its author's documentation says to use it: bursts of 64, no sleep, no system call that can be
// left out. "Polling": the kernel is to look for packets in the program's calls
// (SO_PREFER_BUSY_POLL).
//
// Each function owns its sockets and memory, and runs on the thread that calls it until its time is
// over or a signal came. What goes wrong is printed, and ends the program with status 1.
#ifndef QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_WAYS_H_
#define QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_WAYS_H_

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace qsplit::throughput {

struct Place {
  const char* netdev = "";
  uint32_t queue = 0;
  // Of the daemon, for the way that has one.
  const char* runtime_dir = "";
};

// When to count: for some time, from 300 ms after the first packet on.
class Window {
 public:
  explicit Window(double seconds) : seconds_(seconds) {}

  // True: time is over. `packets`: all that came so far. Asked once for each burst, it looks at the
  // clock every 16th time.
  bool Over(uint64_t packets) { return ++asked_ % 16 == 0 && Look(packets); }
  double packets_per_second() const { return rate_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase : uint8_t { kNothingCame, kWarming, kCounting };
  static constexpr double kWarmingSeconds = 0.3;
  static constexpr double kPatienceSeconds = 5;

  bool Look(uint64_t packets) {
    const Clock::time_point now = Clock::now();
    const double passed = std::chrono::duration<double>(now - since_).count();
    switch (phase_) {
      case Phase::kNothingCame:
        if (packets > 0) return Next(Phase::kWarming, now, packets);
        if (passed < kPatienceSeconds) return false;
        std::fprintf(stderr, "error: no packet in %.0f s\n", kPatienceSeconds);
        std::exit(1);
      case Phase::kWarming:
        return passed >= kWarmingSeconds && Next(Phase::kCounting, now, packets);
      case Phase::kCounting:
        if (passed < seconds_) return false;
        rate_ = static_cast<double>(packets - before_) / passed;
        return true;
    }
    return true;
  }
  bool Next(Phase phase, Clock::time_point now, uint64_t packets) {
    phase_ = phase;
    since_ = now;
    before_ = packets;
    return false;
  }

  const double seconds_;
  uint32_t asked_ = 0;
  Phase phase_ = Phase::kNothingCame;
  Clock::time_point since_ = Clock::now();
  uint64_t before_ = 0;
  double rate_ = 0;
};

// Set by SIGTERM: senders stop.
extern volatile std::sig_atomic_t stop;

// Prints errno's text, or the given one, and exits.
[[noreturn]] void Die(const char* what);
[[noreturn]] void Die(const char* what, const char* why);
// Tells who started the program that its way is open.
void SayReady();

void ReceiveByQsplit(const Place& place, Window& window);
void ReceiveQueueByQsplit(const Place& place, Window& window);
void SendByQsplit(const Place& place);
void ReceiveByLibxdp(const Place& place, Window& window);
void ReceiveByLibxdpPolling(const Place& place, Window& window);
void ReceivePortByLibxdp(const Place& place, Window& window);
void SendByLibxdp(const Place& place);
void ReceiveByTpacket3(const Place& place, Window& window);
void SendByTpacket3(const Place& place);
void ReceiveByUdp(const Place& place, Window& window);
void SendByUdp(const Place& place);

}  // namespace qsplit::throughput

#endif  // QSPLIT_TESTS_BENCH_AF_XDP_THROUGHPUT_WAYS_H_
