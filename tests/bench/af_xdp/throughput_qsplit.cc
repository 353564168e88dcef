// Through a lease: the way of any unprivileged program.
#include <qsplit/qsplit.h>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "tests/bench/af_xdp/throughput_frame.h"
#include "tests/bench/af_xdp/throughput_ways.h"

namespace qsplit::throughput {
namespace {

constexpr uint32_t kSlots = 2048;

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die("qsplit", value.status().ToString().c_str());
  return *std::move(value);
}

Lease Acquire(const Place& place, const LeaseOptions& options) {
  const Session session =
      OrDie(Session::Connect({.runtime_dir = place.runtime_dir, .program = "throughput"}));
  return OrDie(OrDie(session.OpenDevice("eth")).Acquire(options));
}

void Receive(const Place& place, Window& window, std::string_view rule) {
  Lease lease = Acquire(
      place, {.rx_queues = 1, .tx_queues = 0, .first_rx_queue = place.queue, .rx_slots = kSlots});
  OrDie(lease.AddRule(rule));
  SayReady();
  RxQueue& rx = lease.rx(0);
  std::array<Packet, kBurst> packets;
  for (uint64_t count = 0; !window.Over(count);) {
    const size_t n = rx.Receive(packets);
    for (const Packet& packet : std::span(packets).first(n)) {
      const std::span<const std::byte> bytes = packet.bytes();
      count += IsFrame(bytes.data(), bytes.size()) ? 1 : 0;
    }
  }
  if (!lease.ok()) Die("qsplit", lease.status().ToString().c_str());
}

}  // namespace

void ReceiveByQsplit(const Place& place, Window& window) {
  Receive(place, window, absl::StrCat("flow-type udp4 dst-port ", kPort, " action 0"));
}
void ReceiveQueueByQsplit(const Place& place, Window& window) {
  Receive(place, window, "flow-type ether action 0");
}

void SendByQsplit(const Place& place) {
  Lease lease = Acquire(
      place, {.rx_queues = 0, .tx_queues = 1, .first_tx_queue = place.queue, .tx_slots = kSlots});
  const Frame frame = MakeFrame(kNobody);
  SayReady();
  TxQueue& tx = lease.tx(0);
  std::array<Packet, kBurst> packets;
  while (stop == 0) {
    const std::span<Packet> burst = std::span(packets).first(tx.Allocate(packets, kFrameBytes));
    for (Packet& packet : burst) std::memcpy(packet.bytes().data(), frame.data(), frame.size());
    tx.Send(burst);
  }
  if (!lease.ok()) Die("qsplit", lease.status().ToString().c_str());
}

}  // namespace qsplit::throughput
