// responder: answers ARP, ping and UDP on queues of its own, in place: a frame goes back in the
// buffer that it came in. Needs no privilege.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <thread>

#include "client-lib/examples/packet.h"

namespace qsplit::examples {
namespace {

struct Options {
  std::string runtime_dir;
  std::string device = "nic0";
  std::string ip_text;
  Ip ip;
  uint16_t udp_port = 4242;
  uint32_t queues = 1;
  bool arp = false;
  bool no_icmp = false;
  bool busy_poll = false;
  std::vector<std::string> rules;
  std::string mac_text;
  bool rss = false;
  uint64_t count = 0;
  int ready_fd = -1;
  Mac mac{};
};

struct Answered {
  std::atomic<uint64_t> arp = 0;
  std::atomic<uint64_t> echo = 0;
  std::atomic<uint64_t> udp = 0;
  std::atomic<uint64_t> ignored = 0;
  std::atomic<uint64_t> all = 0;
};

bool AnswerArp(Bytes b, const Options& options) {
  constexpr size_t kArp = kEthernetBytes;
  if (b.size() < kArp + 28 || options.ip.v6) return false;
  const bool request_for_us = U16(b, kArp) == 1 && U16(b, kArp + 2) == kEtherIp4 &&
                              U16(b, kArp + 6) == 1 &&
                              Equal(b, kArp + 24, options.ip.bytes.data(), 4);
  if (!request_for_us) return false;
  Put16(b, kArp + 6, 2);                         // a reply
  std::copy_n(&b[kArp + 8], 10, &b[kArp + 18]);  // to the one who asked
  PutBytes(b, kArp + 8, options.mac.data(), 6);
  PutBytes(b, kArp + 14, options.ip.bytes.data(), 4);
  return true;
}

// The transport part of a frame whose IP header ends at `at`. Addresses are swapped by the caller.
bool AnswerTransport(Bytes b, size_t at, uint8_t protocol, const Options& options,
                     Answered& answered) {
  constexpr uint8_t kIcmp = 1, kUdp = 17, kIcmp6 = 58;
  if (protocol == kUdp && b.size() >= at + 8) {
    const uint16_t port = U16(b, at + 2);
    if (port < options.udp_port || port >= options.udp_port + options.queues) return false;
    Swap(b, at, at + 2, 2);  // the checksum is the same for swapped words
    answered.udp.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  const uint16_t request = protocol == kIcmp ? 0x0800 : 0x8000;
  const uint16_t reply = protocol == kIcmp ? 0x0000 : 0x8100;
  if ((protocol == kIcmp || protocol == kIcmp6) && b.size() >= at + 8 && U16(b, at) == request) {
    Put16(b, at, reply);
    Put16(b, at + 2, ChecksumAfter(U16(b, at + 2), request, reply));
    answered.echo.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

bool AnswerIp4(Bytes b, const Options& options, Answered& answered) {
  constexpr size_t kIp = kEthernetBytes;
  if (b.size() < kIp + 20 || options.ip.v6) return false;
  const size_t header = (U8(b, kIp) & 15u) * 4;
  if (U8(b, kIp) >> 4 != 4 || header < 20 || b.size() < kIp + header ||
      !Equal(b, kIp + 16, options.ip.bytes.data(), 4)) {
    return false;
  }
  // Later fragments of what we answer go back as they are, for the sender to put together.
  const bool later_fragment = (U16(b, kIp + 6) & 0x1fff) != 0;
  if (!later_fragment && !AnswerTransport(b, kIp + header, U8(b, kIp + 9), options, answered)) {
    return false;
  }
  Swap(b, kIp + 12, kIp + 16, 4);
  return true;
}

// A neighbour solicitation for our address becomes an advertisement. The request and the reply have
// the same length, so the checksum follows from the words that change.
bool AnswerSolicitation(Bytes b, const Options& options) {
  constexpr size_t kIp = kEthernetBytes, kIcmp = kIp + 40;
  // 24 bytes, and the option with the sender's link-layer address, which becomes ours.
  if (b.size() < kIcmp + 32 || U8(b, kIcmp) != 135 || U8(b, kIcmp + 24) != 1 ||
      U8(b, kIcmp + 25) != 1 || !Equal(b, kIcmp + 8, options.ip.bytes.data(), 16)) {
    return false;
  }
  uint16_t checksum = U16(b, kIcmp + 2);
  const auto put = [&](size_t at, uint16_t value) {
    checksum = ChecksumAfter(checksum, U16(b, at), value);
    Put16(b, at, value);
  };
  put(kIcmp, 0x8800);      // advertisement,
  put(kIcmp + 4, 0x6000);  // solicited, override
  put(kIcmp + 24, 0x0201);
  for (size_t i = 0; i < 6; i += 2) {
    put(kIcmp + 26 + i, static_cast<uint16_t>(options.mac[i] << 8 | options.mac[i + 1]));
  }
  for (size_t i = 0; i < 16; i += 2) put(kIp + 24 + i, U16(b, kIp + 8 + i));  // to: from
  for (size_t i = 0; i < 16; i += 2) {
    put(kIp + 8 + i, static_cast<uint16_t>(options.ip.bytes[i] << 8 | options.ip.bytes[i + 1]));
  }
  Put16(b, kIcmp + 2, checksum);
  return true;
}

bool AnswerIp6(Bytes b, const Options& options, Answered& answered) {
  constexpr size_t kIp = kEthernetBytes;
  if (b.size() < kIp + 40 || !options.ip.v6) return false;
  const uint8_t next = U8(b, kIp + 6);
  if (next == 58 && AnswerSolicitation(b, options)) {
    answered.arp.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  if (!Equal(b, kIp + 24, options.ip.bytes.data(), 16) ||
      !AnswerTransport(b, kIp + 40, next, options, answered)) {
    return false;
  }
  Swap(b, kIp + 8, kIp + 24, 16);
  return true;
}

// Turns a frame into its answer. False: there is none.
bool Answer(Packet& packet, const Options& options, Answered& answered) {
  const Bytes b = packet.bytes();
  if (b.size() < kEthernetBytes) return false;
  bool done = false;
  switch (U16(b, 12)) {
    case kEtherArp:
      done = AnswerArp(b, options);
      if (done) answered.arp.fetch_add(1, std::memory_order_relaxed);
      break;
    case kEtherIp4:
      done = AnswerIp4(b, options, answered);
      break;
    case kEtherIp6:
      done = AnswerIp6(b, options, answered);
      break;
    default:
      break;
  }
  if (!done) return false;
  std::copy_n(&b[6], 6, &b[0]);
  PutBytes(b, 6, options.mac.data(), 6);
  return true;
}

// One thread for each queue pair.
absl::Status Serve(Lease& lease, uint32_t i, const Options& options, Answered& answered) {
  RxQueue& rx = lease.rx(i);
  TxQueue& tx = lease.tx(i);
  std::array<Packet, 32> packets;
  while (!stop_requested && lease.ok()) {
    if (!options.busy_poll) {
      absl::Status status = rx.Wait(absl::Milliseconds(200));
      if (absl::IsDeadlineExceeded(status)) continue;
      if (!status.ok()) return status;
    }
    const size_t n = rx.Receive(packets);
    size_t answers = 0;
    for (size_t p = 0; p < n; ++p) {
      if (Answer(packets[p], options, answered)) {
        if (p != answers) packets[answers] = std::move(packets[p]);
        ++answers;
      } else {
        answered.ignored.fetch_add(1, std::memory_order_relaxed);
      }
    }
    std::span<Packet> left = std::span(packets).first(answers);
    while (!left.empty() && lease.ok()) {
      left = left.subspan(tx.Send(left));
      if (!left.empty() && !tx.Wait(absl::Seconds(1)).ok()) break;
    }
    if (answered.all.fetch_add(answers) + answers >= options.count && options.count != 0) {
      tx.Flush(absl::Seconds(1)).IgnoreError();
      stop_requested = true;
    }
  }
  return lease.status();
}

// What brings it its packets. Where a device steers by MAC address alone, by its own.
std::vector<std::string> RulesOf(const Options& options) {
  if (options.rss) return options.rules;
  if (!options.mac_text.empty()) {
    std::vector<std::string> rules = {"flow-type ether dst " + options.mac_text + " action 0"};
    rules.insert(rules.end(), options.rules.begin(), options.rules.end());
    return rules;
  }
  const std::string ip = options.ip.text();
  const char* v = options.ip.v6 ? "6" : "4";
  std::vector<std::string> rules;
  for (uint32_t i = 0; i < options.queues; ++i) {
    rules.push_back(std::string("flow-type udp") + v + " dst-ip " + ip + " dst-port " +
                    std::to_string(options.udp_port + i) + " action " + std::to_string(i));
  }
  if (!options.no_icmp) {
    rules.push_back(std::string("flow-type ip") + v + " dst-ip " + ip + " l4proto " +
                    (options.ip.v6 ? "58" : "1") + " action 0");
  }
  if (options.arp && !options.ip.v6) rules.push_back("flow-type ether proto 0x806 action 0");
  if (options.arp && options.ip.v6) {
    Ip group = *ParseIp("ff02::1:ff00:0");
    std::copy_n(&options.ip.bytes[13], 3, &group.bytes[13]);
    rules.push_back("flow-type ip6 dst-ip " + group.text() + " l4proto 58 action 0");
  }
  rules.insert(rules.end(), options.rules.begin(), options.rules.end());
  return rules;
}

int Run(Options& options) {
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = options.runtime_dir, .program = "qsplit-responder"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice(options.device);
  if (!device.ok()) return Fail(device.status());
  if (options.mac_text.empty()) options.mac = device->info().mac;
  // Tags stand beside the bytes, whether the device takes them out or the library.
  absl::StatusOr<Lease> lease = device->Acquire({.rx_queues = options.queues,
                                                 .tx_queues = options.queues,
                                                 .rx_roles = {"vlan.tci"},
                                                 .rx_fields = PacketField::kVlan,
                                                 .join_rss = options.rss});
  if (!lease.ok()) return Fail(lease.status());
  PrintLease(stdout, *lease);
  std::vector<std::string> rules = RulesOf(options);
  if (device->info().rule_capacity == 0) {
    std::printf("rules: the device has none; all that reaches it is for whoever leases it\n");
    rules = options.rules;
  }
  for (const std::string& rule : rules) {
    if (absl::Status status = AddAndPrint(stdout, *lease, rule); !status.ok()) return Fail(status);
  }
  std::printf("ready: %s answers as uid %u\n", options.ip.text().c_str(), ::getuid());
  std::fflush(stdout);
  if (options.ready_fd >= 0) {
    if (::write(options.ready_fd, "ready\n", 6) != 6) std::perror("--ready-fd");
    ::close(options.ready_fd);
  }

  Answered answered;
  std::vector<absl::Status> results(options.queues);
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < options.queues; ++i) {
    threads.emplace_back([&, i] { results[i] = Serve(*lease, i, options, answered); });
  }
  results[0] = Serve(*lease, 0, options, answered);
  for (std::thread& thread : threads) thread.join();
  std::printf("answered: %llu udp, %llu echo, %llu arp; ignored: %llu\n",
              static_cast<unsigned long long>(answered.udp),
              static_cast<unsigned long long>(answered.echo),
              static_cast<unsigned long long>(answered.arp),
              static_cast<unsigned long long>(answered.ignored));
  for (const absl::Status& status : results) {
    if (!status.ok()) return Fail(status);
  }
  if (absl::Status status = lease->Release(); !status.ok()) return Fail(status);
  return 0;
}

}  // namespace
}  // namespace qsplit::examples

int main(int argc, char** argv) {
  using namespace qsplit::examples;
  Options options;
  CLI::App app(
      "Answers ping, UDP and, if asked to, ARP on queues of its own.\n"
      "Adds the rules that bring it these packets, where the device has any; they go when it does.",
      "qsplit-responder");
  app.footer(
      "Examples:\n"
      "  qsplit-responder --device nic0 --ip 10.9.0.2 --udp-port 4242 --arp\n"
      "  qsplit-responder --ip 10.9.0.2 --queues 2       UDP ports 4242 and 4243, a thread each\n"
      "  qsplit-responder --ip 2001:db8::2 --arp         answers neighbour solicitations, once "
      "the\n"
      "                    device takes multicast: qsplit device set nic0 --allmulti on\n"
      "Exit status: 0 stopped by a signal or --count, 1 an error, 2 wrong usage.");
  app.add_option("--runtime-dir", options.runtime_dir,
                 "Folder of the daemon's sockets [$QSPLIT_RUNTIME_DIR or /run/qsplit]");
  app.add_option("--device", options.device, "Device")->capture_default_str();
  app.add_option("--ip", options.ip_text, "Address to answer for, IPv4 or IPv6")->required();
  app.add_option("--udp-port", options.udp_port, "UDP port; queue i takes port + i")
      ->capture_default_str();
  app.add_option("--queues", options.queues, "Queue pairs, each with a thread")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_flag("--arp", options.arp,
               "Take ARP (IPv6: neighbour solicitations); only one program can");
  app.add_flag("--no-icmp", options.no_icmp, "Do not take ping");
  app.add_option("--rule", options.rules, "Another rule, in ethtool's words; repeatable")
      ->take_all();
  app.add_option("--mac", options.mac_text,
                 "Answer as this MAC address, and take what is sent to it instead of what is for "
                 "the IP address and port");
  app.add_flag("--rss", options.rss, "Take its share of RSS instead of adding rules");
  app.add_flag("--busy-poll", options.busy_poll, "Never sleep");
  app.add_option("--count", options.count, "Stop after so many answers [never]");
  app.add_option("--ready-fd", options.ready_fd, "Write \"ready\" to this descriptor when it is");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const std::optional<Ip> ip = ParseIp(options.ip_text);
  if (!ip.has_value()) {
    std::fprintf(stderr, "--ip '%s' is neither an IPv4 nor an IPv6 address\n",
                 options.ip_text.c_str());
    return 2;
  }
  options.ip = *ip;
  if (!options.mac_text.empty()) {
    const std::optional<Mac> mac = ParseMac(options.mac_text);
    if (!mac.has_value()) {
      std::fprintf(stderr, "--mac '%s' is no MAC address such as 02:00:00:00:00:01\n",
                   options.mac_text.c_str());
      return 2;
    }
    options.mac = *mac;
  }
  StopOnSignals();
  return Run(options);
}
