// A client that sends and receives as it is told, and says what the device did for it: it reads
// deeds from stdin, a line each, and answers each with a line of JSON on stdout, {"error": "…"} for
// what it could not do. It knows the public library and no device; frames come with the deed.
//
//   offload_client --device NAME
//
//   device                       whether its link is up, and its address
//   lease [rss layout=NAME rx=ROLE… tx=ROLE…]
//                                a pair of queues, instead of the last; what Acquire's answer says
//   rule WORDS…                  brings traffic, in ethtool's words
//   send ASK CUT FRAME           ASK: of "34", which layers' checksums; "-" none. CUT: bytes of
//                                segments, 0 none. FRAME in hexadecimal
//   receive N MS                 so many packets, or those that came in time
#include <qsplit/qsplit.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace qsplit {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);

struct Options {
  std::string runtime_dir;
  std::string device = "nic0";
  int ready_fd = -1;
};

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::CHexEscape(text), "\"");
}
std::string QuotedList(const std::vector<std::string>& list) {
  return absl::StrCat("[",
                      absl::StrJoin(list, ", ",
                                    [](std::string* out, const std::string& text) {
                                      absl::StrAppend(out, Quoted(text));
                                    }),
                      "]");
}
std::string Word(bool is) { return is ? "true" : "false"; }
std::string Word(ChecksumState state) {
  static constexpr std::array kWords = {"unknown", "good", "bad"};
  return Quoted(kWords.at(static_cast<size_t>(state)));
}
std::string Hex(std::span<const std::byte> bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}
std::string AllBytes(const Packet& packet) {
  std::vector<std::byte> all(packet.length());
  packet.CopyTo(all);
  return Hex(all);
}

class Client {
 public:
  absl::Status Start(const Options& options) {
    absl::StatusOr<Session> session =
        Session::Connect({.runtime_dir = options.runtime_dir, .program = "offload_client"});
    if (!session.ok()) return session.status();
    session_.emplace(*std::move(session));
    absl::StatusOr<Device> device = session_->OpenDevice(options.device);
    if (!device.ok()) return device.status();
    device_.emplace(*std::move(device));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Do(const std::string& deed, std::istream& words) {
    if (deed == "device") return ShowDevice();
    if (deed == "lease") return Acquire(words);
    if (!lease_.has_value()) return absl::FailedPreconditionError("no lease");
    if (deed == "rule") return AddRule(words);
    if (deed == "send") return Send(words);
    if (deed == "receive") return Receive(words);
    return absl::InvalidArgumentError(absl::StrCat("no deed ", deed));
  }

 private:
  absl::StatusOr<std::string> ShowDevice() {
    if (absl::Status status = device_->Refresh(); !status.ok()) return status;
    const DeviceInfo& info = device_->info();
    return absl::StrCat("{\"link\": ", Word(info.link_up),
                        ", \"mac\": ", Quoted(Hex(std::as_bytes(std::span(info.mac)))), "}");
  }

  absl::StatusOr<std::string> Acquire(std::istream& words) {
    LeaseOptions options;
    for (std::string word; words >> word;) {
      if (word.starts_with("rx=")) options.rx_roles.push_back(word.substr(3));
      if (word.starts_with("tx=")) options.tx_roles.push_back(word.substr(3));
      if (word.starts_with("layout=")) options.layout = word.substr(7);
      if (word == "rss") options.join_rss = true;
    }
    lease_.reset();
    absl::StatusOr<Lease> lease = device_->Acquire(options);
    if (!lease.ok()) return lease.status();
    lease_.emplace(*std::move(lease));
    const TxQueue& tx = lease_->tx(0);
    return absl::StrCat("{\"layout\": ", Quoted(lease_->layout()),
                        ", \"protection\": ", Quoted(ProtectionModeName(lease_->protection())),
                        ", \"software\": ", QuotedList(lease_->roles_in_software()),
                        ", \"l3\": ", Word(tx.offloads_checksum_l3()),
                        ", \"l4\": ", Word(tx.offloads_checksum_l4()),
                        ", \"segments\": ", Word(tx.offloads_segments()), "}");
  }

  absl::StatusOr<std::string> AddRule(std::istream& words) {
    std::string rule;
    std::getline(words >> std::ws, rule);
    absl::StatusOr<uint32_t> location = lease_->AddRule(rule);
    if (!location.ok()) return location.status();
    return absl::StrCat("{\"location\": ", *location, "}");
  }

  absl::StatusOr<std::string> Send(std::istream& words) {
    std::string ask, hex;
    uint16_t cut = 0;
    words >> ask >> cut >> hex;
    const std::string frame = absl::HexStringToBytes(hex);
    TxQueue& tx = lease_->tx(0);
    Packet packet = tx.Allocate(static_cast<uint32_t>(frame.size()));
    if (!packet) return absl::ResourceExhaustedError("no buffers");
    packet.CopyFrom(std::as_bytes(std::span(frame)));
    packet.RequestChecksums(ask.find('3') != ask.npos, ask.find('4') != ask.npos);
    packet.RequestSegments(cut);
    if (!tx.Send(std::move(packet))) return absl::UnavailableError("the ring is full");
    if (absl::Status status = tx.Flush(kPatience); !status.ok()) return status;
    return absl::StrCat("{\"sent\": ", tx.counters().packets,
                        ", \"refused\": ", tx.counters().refused, "}");
  }

  absl::StatusOr<std::string> Receive(std::istream& words) {
    size_t wanted = 0;
    int64_t ms = 0;
    words >> wanted >> ms;
    const absl::Time deadline = absl::Now() + absl::Milliseconds(ms);
    std::vector<std::string> came;
    while (came.size() < wanted) {
      const absl::Status status = lease_->rx(0).Wait(deadline - absl::Now());
      if (absl::IsDeadlineExceeded(status)) break;
      if (!status.ok()) return status;
      std::array<Packet, 1> packets;
      if (lease_->rx(0).Receive(packets) == 0) continue;
      const Packet& packet = packets[0];
      came.push_back(absl::StrCat("{\"frame\": ", Quoted(AllBytes(packet)),
                                  ", \"l3\": ", Word(packet.checksum_l3()),
                                  ", \"l4\": ", Word(packet.checksum_l4()), ", \"computed\": ",
                                  Word(packet.computed(PacketField::kChecksumL3) ||
                                       packet.computed(PacketField::kChecksumL4)),
                                  "}"));
    }
    return absl::StrCat("[", absl::StrJoin(came, ", "), "]");
  }

  std::optional<Session> session_;
  std::optional<Device> device_;
  std::optional<Lease> lease_;
};

std::string ErrorJson(const absl::Status& status) {
  return absl::StrCat("{\"error\": ", Quoted(std::string(status.message())),
                      ", \"code\": ", Quoted(absl::StatusCodeToString(status.code())), "}");
}

int Run(const Options& options) {
  Client client;
  if (absl::Status status = client.Start(options); !status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  if (options.ready_fd >= 0) {
    if (::write(options.ready_fd, "ready\n", 6) != 6) std::perror("--ready-fd");
    ::close(options.ready_fd);
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string deed;
    words >> deed;
    const absl::StatusOr<std::string> answer = client.Do(deed, words);
    std::cout << (answer.ok() ? *answer : ErrorJson(answer.status())) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace qsplit

int main(int argc, char** argv) {
  qsplit::Options options;
  CLI::App app("Sends and receives as it is told, and says what the device did for it.");
  app.add_option("--runtime-dir", options.runtime_dir, "Folder of the daemon's sockets");
  app.add_option("--device", options.device, "Device");
  app.add_option("--ready-fd", options.ready_fd, "Write \"ready\" to this descriptor when it is");
  CLI11_PARSE(app, argc, argv);
  return qsplit::Run(options);
}
