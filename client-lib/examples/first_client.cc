// A first client: echoes UDP datagrams to port 4242 of a device, without the kernel in between.
#include <qsplit/qsplit.h>

#include <algorithm>
#include <array>
#include <iostream>

absl::Status Run() {
  absl::StatusOr<qsplit::Session> session = qsplit::Session::Connect();
  if (!session.ok()) return session.status();
  absl::StatusOr<qsplit::Device> device = session->OpenDevice("nic0");
  if (!device.ok()) return device.status();
  absl::StatusOr<qsplit::Lease> lease = device->Acquire({});  // one queue pair
  if (!lease.ok()) return lease.status();
  absl::StatusOr<uint32_t> rule = lease->AddRule("flow-type udp4 dst-port 4242 action 0");
  if (!rule.ok()) return rule.status();

  std::array<qsplit::Packet, 32> packets;
  while (true) {
    absl::Status status = lease->rx(0).Wait(absl::InfiniteDuration());
    if (!status.ok()) return status;
    const size_t n = lease->rx(0).Receive(packets);
    for (qsplit::Packet& packet : std::span(packets).first(n)) {
      auto bytes = packet.bytes();                           // what the rule let in:
      std::swap_ranges(&bytes[0], &bytes[6], &bytes[6]);     // Ethernet,
      std::swap_ranges(&bytes[26], &bytes[30], &bytes[30]);  // IPv4
      std::swap_ranges(&bytes[34], &bytes[36], &bytes[36]);  // and UDP
    }
    lease->tx(0).Send(std::span(packets).first(n));  // the same buffers, no copy
  }
}

int main() {
  std::cerr << Run() << "\n";
  return 1;
}
