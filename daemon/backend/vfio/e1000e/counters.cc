// Statistics: registers that a read clears, and that stick when they are full. They are gathered
// ten times a second (Service), which leaves them room. Sections: registers.h.
#include "daemon/backend/vfio/e1000e/driver.h"
#include "daemon/backend/vfio/e1000e/registers.h"

namespace qsplit::vfio::e1000e {
namespace {

constexpr uint64_t kCrcBytes = 4;  // counted by the hardware, seen by no ring

uint64_t WithoutCrc(uint64_t octets, uint64_t packets) {
  return octets > kCrcBytes * packets ? octets - kCrcBytes * packets : 0;
}

}  // namespace

void Driver::Gather() {
  if (registers_->Read32(kStatus) == kGone) return;
  const auto octets = [&](uint64_t offset) {
    const uint64_t low = registers_->Read32(offset);
    return low | uint64_t{registers_->Read32(offset + 4)} << 32;
  };
  const uint64_t received = registers_->Read32(kGoodReceived);
  const uint64_t sent = registers_->Read32(kGoodSent);
  totals_.rx_packets += received;
  totals_.rx_bytes += WithoutCrc(octets(kOctetsReceived), received);
  totals_.tx_packets += sent;
  totals_.tx_bytes += WithoutCrc(octets(kOctetsSent), sent);
  totals_.malformed += uint64_t{registers_->Read32(kCrcErrors)} +
                       registers_->Read32(kReceiveErrors) + registers_->Read32(kLengthErrors);
  totals_.missed += registers_->Read32(kMissed);
}

// Missed packets found no room in the FIFO, which both queues share: they are the first queue's for
// want of a better one.
void Driver::ReadCounters(device::DeviceCounters* counters) {
  Gather();
  counters->wire_rx_packets += totals_.rx_packets;
  counters->wire_rx_bytes += totals_.rx_bytes;
  counters->wire_tx_packets += totals_.tx_packets;
  counters->wire_tx_bytes += totals_.tx_bytes;
  counters->drops_malformed += totals_.malformed;
  if (!counters->rx.empty()) counters->rx[0].drops_no_descriptor += totals_.missed;
}

}  // namespace qsplit::vfio::e1000e
