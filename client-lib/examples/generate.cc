// generate: sends UDP datagrams over IPv4 from a queue of its own and says how many a second.
//
// Each carries the text "qsplit", a 64-bit sequence number and the time of sending in nanoseconds
// behind the UDP header, as far as it is long enough.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cinttypes>

#include "client-lib/examples/packet.h"

namespace qsplit::examples {
namespace {

constexpr uint32_t kHeaders = kEthernetBytes + 20 + 8;

struct Options {
  std::string runtime_dir;
  std::string device = "nic0";
  std::string src_ip = "10.9.0.1";
  std::string dst_ip;
  std::string src_mac;
  std::string dst_mac;
  uint16_t src_port = 4000;
  uint16_t dst_port = 4242;
  uint32_t size = 60;
  double rate = 0;
  uint64_t count = 0;
  double seconds = 0;
  int vlan = -1;
  uint32_t burst = 32;
  bool no_checksums = false;
  bool timestamps = false;
  // Of the above, read.
  Ip src, dst;
  Mac from{}, to{};
};

// How long packets took from their being filled in to the wire, as the device's clock has it.
class Delays {
 public:
  // The next packet that asks was filled in at `now_ns`.
  void Asked(uint64_t now_ns) { asked_ns_[asked_++ % asked_ns_.size()] = now_ns; }
  void Collect(TxQueue& tx) {
    std::array<TxTimestamp, 64> times;
    while (const size_t n = tx.TakeTimestamps(times)) {
      for (const TxTimestamp& one : std::span(times).first(n)) {
        if (!one.time_ns.has_value() || delays_ns_.size() == kMost) continue;
        const uint64_t asked_ns = asked_ns_[one.number % asked_ns_.size()];
        delays_ns_.push_back(static_cast<int64_t>(*one.time_ns - asked_ns));
      }
    }
  }
  void Print() {
    std::printf("left: %zu of %" PRIu64 " packets are known", delays_ns_.size(), asked_);
    if (!delays_ns_.empty()) {
      const auto middle = delays_ns_.begin() + static_cast<std::ptrdiff_t>(delays_ns_.size() / 2);
      std::nth_element(delays_ns_.begin(), middle, delays_ns_.end());
      // A clock of the NIC's own begins anywhere.
      if (std::abs(*middle) > 1000000000) {
        std::printf(", on a clock of the device's own");
      } else {
        std::printf(", median %.1f us after they were filled in",
                    static_cast<double>(*middle) / 1000);
      }
    }
    std::printf("\n");
  }

 private:
  static constexpr size_t kMost = 1000000;
  std::vector<uint64_t> asked_ns_ = std::vector<uint64_t>(65536);  // more than a ring has slots
  uint64_t asked_ = 0;
  std::vector<int64_t> delays_ns_;
};

void FillFrame(Bytes b, const Options& o, uint64_t sequence, uint64_t now_ns) {
  PutBytes(b, 0, o.to.data(), 6);
  PutBytes(b, 6, o.from.data(), 6);
  Put16(b, 12, kEtherIp4);
  Bytes ip = b.subspan(kEthernetBytes);
  Put16(ip, 0, 0x4500);
  Put16(ip, 2, static_cast<uint16_t>(b.size() - kEthernetBytes));
  Put32(ip, 4, 0x00004000);  // id 0, do not fragment
  Put16(ip, 8, 64 << 8 | 17);
  Put16(ip, 10, 0);
  PutBytes(ip, 12, o.src.bytes.data(), 4);
  PutBytes(ip, 16, o.dst.bytes.data(), 4);
  Bytes udp = ip.subspan(20);
  Put16(udp, 0, o.src_port);
  Put16(udp, 2, o.dst_port);
  Put16(udp, 4, static_cast<uint16_t>(udp.size()));
  Put16(udp, 6, 0);
  Bytes payload = udp.subspan(8);
  std::fill(payload.begin(), payload.end(), std::byte{0});
  if (payload.size() >= 6) PutBytes(payload, 0, "qsplit", 6);
  if (payload.size() >= 14) Put64(payload, 6, sequence);
  if (payload.size() >= 22) Put64(payload, 14, now_ns);
}

// An IPv4 header has no checksum of its own that may be left out.
void PutIp4Checksum(Bytes b) {
  uint16_t checksum = 0xffff;
  for (size_t at = 0; at < 20; at += 2) {
    checksum = ChecksumAfter(checksum, 0, U16(b, kEthernetBytes + at));
  }
  Put16(b, kEthernetBytes + 10, checksum);
}

int Run(Options& options) {
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = options.runtime_dir, .program = "qsplit-generate"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice(options.device);
  if (!device.ok()) return Fail(device.status());
  if (options.src_mac.empty()) options.from = device->info().mac;
  LeaseOptions wanted{.rx_queues = 0, .tx_queues = 1};
  if (options.timestamps) wanted.tx_roles = {"timestamp"};
  wanted.buffer_bytes = std::max(2048u, std::bit_ceil(options.size + 64));
  absl::StatusOr<Lease> lease = device->Acquire(wanted);
  if (!lease.ok()) return Fail(lease.status());
  PrintLease(stdout, *lease);
  TxQueue& tx = lease->tx(0);
  std::printf("checksums by %s\n", options.no_checksums ? "nobody (UDP)"
                                   : tx.offloads_checksum_l3() && tx.offloads_checksum_l4()
                                       ? "the device"
                                       : "the library");
  std::fflush(stdout);

  std::vector<Packet> packets(options.burst);
  uint64_t sent = 0;
  uint64_t reported = 0;
  Delays delays;
  const absl::Time begin = absl::Now();
  absl::Time next_report = begin + absl::Seconds(1);
  while (!stop_requested && lease->ok() && (options.count == 0 || sent < options.count)) {
    const absl::Time now = absl::Now();
    const double elapsed = absl::ToDoubleSeconds(now - begin);
    if (options.seconds > 0 && elapsed >= options.seconds) break;
    if (now >= next_report) {
      std::printf("%" PRIu64 " packets/s\n", sent - reported);
      std::fflush(stdout);
      reported = sent;
      next_report += absl::Seconds(1);
    }
    uint64_t due = options.burst;
    if (options.rate > 0) {
      const auto target = static_cast<uint64_t>(elapsed * options.rate) + 1;
      due = target > sent ? std::min<uint64_t>(due, target - sent) : 0;
      if (due == 0) {
        absl::SleepFor(std::min(absl::Milliseconds(1), absl::Seconds(0.5 / options.rate)));
        continue;
      }
    }
    if (options.count != 0) due = std::min(due, options.count - sent);
    size_t n = 0;
    for (; n < due; ++n) {
      packets[n] = tx.Allocate(options.size);
      if (!packets[n]) break;
      FillFrame(packets[n].bytes(), options, sent + n,
                static_cast<uint64_t>(absl::ToUnixNanos(now)));
      if (options.no_checksums) {
        PutIp4Checksum(packets[n].bytes());
      } else {
        packets[n].RequestChecksums();
      }
      packets[n].RequestTimestamp(options.timestamps);
      if (options.vlan >= 0) packets[n].set_vlan(static_cast<uint16_t>(options.vlan));
    }
    const size_t taken = tx.Send(std::span(packets).first(n));
    sent += taken;
    if (options.timestamps) {
      for (size_t i = 0; i < taken; ++i)
        delays.Asked(static_cast<uint64_t>(absl::ToUnixNanos(now)));
      delays.Collect(tx);
    }
    if (taken == 0) {
      const absl::Status status = tx.Wait(absl::Milliseconds(200));
      if (!status.ok() && !absl::IsDeadlineExceeded(status)) return Fail(status);
    }
  }
  if (absl::Status status = tx.Flush(absl::Seconds(5)); !status.ok()) return Fail(status);
  const double elapsed = absl::ToDoubleSeconds(absl::Now() - begin);
  std::printf("sent %" PRIu64 " packets of %u bytes in %.3f s: %.0f packets/s\n", sent,
              options.size, elapsed, elapsed > 0 ? static_cast<double>(sent) / elapsed : 0.0);
  if (options.timestamps) {
    delays.Collect(tx);
    delays.Print();
  }
  if (tx.counters().refused > 0) {
    std::fprintf(stderr, "error: the device can never send %" PRIu64 " of them\n",
                 tx.counters().refused);
    return 1;
  }
  return 0;
}

// False: `text` is wrong, and that was said.
bool ReadAddresses(Options& options) {
  const auto bad = [](const char* option, const std::string& text, const char* what) {
    std::fprintf(stderr, "%s '%s' is no %s\n", option, text.c_str(), what);
    return false;
  };
  const std::optional<Ip> src = ParseIp(options.src_ip);
  const std::optional<Ip> dst = ParseIp(options.dst_ip);
  if (!src.has_value() || src->v6) return bad("--src-ip", options.src_ip, "IPv4 address");
  if (!dst.has_value() || dst->v6) return bad("--dst-ip", options.dst_ip, "IPv4 address");
  options.src = *src;
  options.dst = *dst;
  const std::optional<Mac> to = ParseMac(options.dst_mac);
  if (!to.has_value()) return bad("--dst-mac", options.dst_mac, "Ethernet address");
  options.to = *to;
  if (options.src_mac.empty()) return true;
  const std::optional<Mac> from = ParseMac(options.src_mac);
  if (!from.has_value()) return bad("--src-mac", options.src_mac, "Ethernet address");
  options.from = *from;
  return true;
}

}  // namespace
}  // namespace qsplit::examples

int main(int argc, char** argv) {
  using namespace qsplit::examples;
  Options options;
  CLI::App app("Sends UDP datagrams over IPv4 from a queue of its own.", "qsplit-generate");
  app.footer(
      "Examples:\n"
      "  qsplit-generate --dst-ip 10.9.0.2 --dst-mac 02:00:00:00:00:02 --count 1000 --rate 100\n"
      "  qsplit-generate --device nic1 --dst-ip 10.9.0.2 --dst-mac 02:00:00:00:00:02 --seconds 5\n"
      "Exit status: 0 all sent, 1 an error, 2 wrong usage.");
  app.add_option("--runtime-dir", options.runtime_dir,
                 "Folder of the daemon's sockets [$QSPLIT_RUNTIME_DIR or /run/qsplit]");
  app.add_option("--device", options.device, "Device")->capture_default_str();
  app.add_option("--src-ip", options.src_ip, "Source address")->capture_default_str();
  app.add_option("--dst-ip", options.dst_ip, "Destination address")->required();
  app.add_option("--src-mac", options.src_mac, "Source Ethernet address [the device's]");
  app.add_option("--dst-mac", options.dst_mac, "Destination Ethernet address")->required();
  app.add_option("--src-port", options.src_port, "Source port")->capture_default_str();
  app.add_option("--dst-port", options.dst_port, "Destination port")->capture_default_str();
  app.add_option("--size", options.size, "Bytes of a frame, without frame check sequence")
      ->capture_default_str()
      ->check(CLI::Range(kHeaders, 16000u));
  app.add_option("--rate", options.rate, "Packets a second [as fast as possible]")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--count", options.count, "Stop after so many [never]");
  app.add_option("--seconds", options.seconds, "Stop after so long [never]");
  app.add_option("--vlan", options.vlan, "Tag: 802.1Q priority and id as one number")
      ->check(CLI::Range(0, 65535));
  app.add_option("--burst", options.burst, "Packets handed over at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_flag("--no-checksums", options.no_checksums, "UDP without a checksum");
  app.add_flag("--timestamps", options.timestamps,
               "Ask for each packet when it left, and say how long that took");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!ReadAddresses(options)) return 2;
  StopOnSignals();
  return Run(options);
}
