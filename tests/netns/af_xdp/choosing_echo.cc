// A client that insists on choices of its layout's features and sends UDP datagrams back with
// checksums put in by whoever the lease has for that. For features.py.
//
// choosing_echo --runtime-dir DIR --ready-fd FD --rule WORDS [--feature NAME=CHOICE]...
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "client-lib/examples/packet.h"

namespace qsplit::examples {
namespace {

constexpr size_t kIp = kEthernetBytes, kUdp = kIp + 20;

// A datagram over IPv4 without options becomes its answer, without checksums. False: it is none.
bool Answer(Bytes b) {
  if (b.size() < kUdp + 8 || U16(b, 12) != kEtherIp4 || U8(b, kIp) != 0x45) return false;
  Swap(b, 0, 6, 6);
  Swap(b, kIp + 12, kIp + 16, 4);
  Swap(b, kUdp, kUdp + 2, 2);
  Put16(b, kIp + 10, 0);
  Put16(b, kUdp + 6, 0);
  return true;
}

int Run(const std::string& runtime_dir, const std::string& rule,
        const std::vector<std::string>& features, int ready_fd) {
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = runtime_dir, .program = "choosing_echo"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice("eth");
  if (!device.ok()) return Fail(device.status());
  absl::StatusOr<Lease> lease = device->Acquire({.features = features});
  if (!lease.ok()) return Fail(lease.status());
  for (const std::string& feature : lease->features()) std::printf("%s\n", feature.c_str());
  std::printf("transport checksums by the %s\n",
              lease->tx(0).offloads_checksum_l4() ? "device" : "library");
  if (absl::Status status = AddAndPrint(stdout, *lease, rule); !status.ok()) return Fail(status);
  std::fflush(stdout);
  if (::write(ready_fd, "ready\n", 6) != 6) return 1;

  std::array<Packet, 32> packets;
  while (!stop_requested && lease->ok()) {
    const absl::Status status = lease->rx(0).Wait(absl::Milliseconds(50));
    if (absl::IsDeadlineExceeded(status)) continue;
    if (!status.ok()) return Fail(status);
    const size_t n = lease->rx(0).Receive(packets);
    for (size_t i = 0; i < n; ++i) {
      Packet one = std::move(packets[i]);
      if (!Answer(one.bytes())) continue;
      one.RequestChecksums();
      TxQueue& tx = lease->tx(0);
      while (tx.Send(std::span(&one, 1)) == 0 && tx.Wait(absl::Seconds(1)).ok()) {
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace qsplit::examples

int main(int argc, char** argv) {
  using namespace qsplit::examples;
  CLI::App app("Sends datagrams back, with choices of the layout's features.");
  std::string runtime_dir, rule;
  std::vector<std::string> features;
  int ready_fd = -1;
  app.add_option("--runtime-dir", runtime_dir)->required();
  app.add_option("--rule", rule)->required();
  app.add_option("--feature", features);
  app.add_option("--ready-fd", ready_fd)->required();
  CLI11_PARSE(app, argc, argv);
  StopOnSignals();
  return Run(runtime_dir, rule, features, ready_fd);
}
