// A client that insists on hearing when its packets left. Sends one after the other, each when the
// one before has come back, and prints for each: its number, the time before and after on the clock
// that is asked for, and when it left; all in nanoseconds. For timestamps.py.
//
// timed_sender --runtime-dir DIR --device NAME --dst-mac MAC --clock realtime|tai --count N
#include <time.h>

#include <CLI/CLI.hpp>
#include <cinttypes>

#include "client-lib/examples/packet.h"

namespace qsplit::examples {
namespace {

// For local experiments (IEEE 802).
constexpr uint16_t kEtherTest = 0x88b5;

struct Options {
  std::string runtime_dir, device = "eth", dst_mac, clock = "realtime";
  uint32_t count = 20;
};

uint64_t Now(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

int Run(const Options& options, const Mac& to) {
  const clockid_t clock = options.clock == "tai" ? CLOCK_TAI : CLOCK_REALTIME;
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = options.runtime_dir, .program = "timed_sender"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice(options.device);
  if (!device.ok()) return Fail(device.status());
  absl::StatusOr<Lease> lease =
      device->Acquire({.rx_queues = 0, .tx_queues = 1, .tx_roles = {"timestamp"}});
  if (!lease.ok()) return Fail(lease.status());
  for (const std::string& feature : lease->features()) std::printf("%s\n", feature.c_str());
  TxQueue& tx = lease->tx(0);
  std::printf("times by the %s\n", tx.offloads_timestamps() ? "device" : "nobody");
  for (uint32_t i = 0; i < options.count; ++i) {
    Packet packet = tx.Allocate(64);
    if (!packet) return Fail(absl::InternalError("no buffer"));
    const Bytes b = packet.bytes();
    std::fill(b.begin(), b.end(), std::byte{0});
    PutBytes(b, 0, to.data(), 6);
    PutBytes(b, 6, device->info().mac.data(), 6);
    Put16(b, 12, kEtherTest);
    Put32(b, kEthernetBytes, i);
    packet.RequestTimestamp();
    const uint64_t before = Now(clock);
    if (!tx.Send(std::move(packet))) return Fail(absl::InternalError("no room"));
    if (absl::Status status = tx.Flush(absl::Seconds(5)); !status.ok()) return Fail(status);
    const uint64_t after = Now(clock);
    TxTimestamp time;
    if (tx.TakeTimestamps(std::span(&time, 1)) != 1) return Fail(absl::InternalError("no answer"));
    std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", time.number, before, after,
                time.time_ns.value_or(0));
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::examples

int main(int argc, char** argv) {
  using namespace qsplit::examples;
  CLI::App app("Hears when its packets left.");
  Options options;
  app.add_option("--runtime-dir", options.runtime_dir)->required();
  app.add_option("--device", options.device);
  app.add_option("--dst-mac", options.dst_mac)->required();
  app.add_option("--clock", options.clock)->check(CLI::IsMember({"realtime", "tai"}));
  app.add_option("--count", options.count);
  CLI11_PARSE(app, argc, argv);
  const std::optional<Mac> to = ParseMac(options.dst_mac);
  return to.has_value() ? Run(options, *to) : 2;
}
