// capture: writes what arrives in a queue of its own to a pcap file, tags put back in.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cinttypes>

#include "client-lib/examples/packet.h"

namespace qsplit::examples {
namespace {

struct Options {
  std::string runtime_dir;
  std::string device = "nic0";
  std::string file = "-";
  std::vector<std::string> rules;
  bool rss = false;
  uint64_t count = 0;
  double seconds = 0;
  uint32_t snaplen = 65535;
  int ready_fd = -1;
};

// A pcap file with nanoseconds, in this machine's byte order, as the format allows.
class PcapWriter {
 public:
  PcapWriter(std::FILE* out, uint32_t snaplen) : out_(out), snaplen_(snaplen) {
    constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;
    constexpr uint32_t kVersion = 2 | 4 << 16;
    constexpr uint32_t kEthernet = 1;
    const uint32_t header[] = {kNanosecondMagic, kVersion, 0, 0, snaplen, kEthernet};
    Write(header, sizeof header);
  }

  void Add(const Packet& packet) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ns =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
    // A tag that the device took out goes back behind the addresses.
    const bool tagged = packet.vlan().has_value() && packet.length() >= 12;
    const uint32_t length = packet.length() + (tagged ? 4 : 0);
    const uint32_t kept = std::min(length, snaplen_);
    const uint32_t header[] = {static_cast<uint32_t>(ns / 1000000000),
                               static_cast<uint32_t>(ns % 1000000000), kept, length};
    Write(header, sizeof header);
    bytes_.resize(length);
    if (tagged) {
      packet.CopyTo(Bytes(bytes_).first(12));
      Put16(bytes_, 12, 0x8100);
      Put16(bytes_, 14, *packet.vlan());
      packet.CopyTo(Bytes(bytes_).subspan(16), 12);
    } else {
      packet.CopyTo(bytes_);
    }
    Write(bytes_.data(), kept);
  }

  // False: the disk is full, or the reader of the pipe is gone.
  bool ok() const { return ok_; }
  void Flush() { ok_ = ok_ && std::fflush(out_) == 0; }

 private:
  void Write(const void* data, size_t size) {
    ok_ = ok_ && std::fwrite(data, 1, size, out_) == size;
  }
  std::FILE* out_;
  uint32_t snaplen_;
  bool ok_ = true;
  std::vector<std::byte> bytes_;
};

int Run(const Options& options) {
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = options.runtime_dir, .program = "qsplit-capture"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice(options.device);
  if (!device.ok()) return Fail(device.status());
  absl::StatusOr<Lease> lease =
      device->Acquire({.tx_queues = 0, .rx_fields = PacketField::kVlan, .join_rss = options.rss});
  if (!lease.ok()) return Fail(lease.status());
  PrintLease(stderr, *lease);
  for (const std::string& rule : options.rules) {
    if (absl::Status status = AddAndPrint(stderr, *lease, rule); !status.ok()) return Fail(status);
  }
  std::FILE* out = options.file == "-" ? stdout : std::fopen(options.file.c_str(), "wb");
  if (out == nullptr) {
    std::fprintf(stderr, "error: %s: %s\n", options.file.c_str(), std::strerror(errno));
    return 1;
  }
  PcapWriter writer(out, options.snaplen);
  writer.Flush();
  std::fprintf(stderr, "ready\n");
  if (options.ready_fd >= 0) {
    if (::write(options.ready_fd, "ready\n", 6) != 6) std::perror("--ready-fd");
    ::close(options.ready_fd);
  }

  RxQueue& rx = lease->rx(0);
  std::array<Packet, 64> packets;
  uint64_t written = 0;
  const absl::Time end =
      options.seconds > 0 ? absl::Now() + absl::Seconds(options.seconds) : absl::InfiniteFuture();
  while (!stop_requested && writer.ok() && absl::Now() < end &&
         (options.count == 0 || written < options.count)) {
    const absl::Status status = rx.Wait(absl::Milliseconds(200));
    if (absl::IsDeadlineExceeded(status)) continue;
    if (!status.ok()) return Fail(status);
    size_t most = packets.size();
    if (options.count != 0) most = std::min<uint64_t>(most, options.count - written);
    const size_t n = rx.Receive(std::span(packets).first(most));
    for (size_t i = 0; i < n; ++i) writer.Add(packets[i]);
    written += n;
    writer.Flush();
  }
  std::fprintf(stderr, "%" PRIu64 " packets\n", written);
  const bool ok = writer.ok();
  if (out != stdout) std::fclose(out);
  if (!ok) {
    std::fprintf(stderr, "error: %s: %s\n", options.file.c_str(), std::strerror(errno));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::examples

int main(int argc, char** argv) {
  using namespace qsplit::examples;
  Options options;
  CLI::App app("Writes what arrives in a queue of its own to a pcap file (nanoseconds).",
               "qsplit-capture");
  app.footer(
      "Examples:\n"
      "  qsplit-capture --rule 'flow-type udp4 dst-port 53 action 0' --write dns.pcap\n"
      "  qsplit-capture --rule 'flow-type ip4 action 0' --write - | tshark -r -\n"
      "  qsplit-capture --rss --count 100 --write all.pcap    what no rule takes, if policy "
      "allows\n"
      "Captured packets go to the file and nowhere else. Exit status: 0, 1 an error, 2 wrong "
      "usage.");
  app.add_option("--runtime-dir", options.runtime_dir,
                 "Folder of the daemon's sockets [$QSPLIT_RUNTIME_DIR or /run/qsplit]");
  app.add_option("--device", options.device, "Device")->capture_default_str();
  app.add_option("--write", options.file, "File; - is standard output")->capture_default_str();
  app.add_option("--rule", options.rules, "What to capture, in ethtool's words; repeatable")
      ->take_all();
  app.add_flag("--rss", options.rss, "Take part in RSS: a share of what no rule takes");
  app.add_option("--count", options.count, "Stop after so many packets [never]");
  app.add_option("--seconds", options.seconds, "Stop after so long [never]");
  app.add_option("--snaplen", options.snaplen, "Most bytes kept of a packet")
      ->capture_default_str()
      ->check(CLI::Range(1, 262144));
  app.add_option("--ready-fd", options.ready_fd, "Write \"ready\" to this descriptor when it is");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.rules.empty() && !options.rss) {
    std::fprintf(stderr, "nothing would arrive: give --rule or --rss\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  StopOnSignals();
  return Run(options);
}
