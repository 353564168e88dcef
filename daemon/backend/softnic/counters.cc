#include "daemon/backend/softnic/counters.h"

namespace qsplit::softnic {

device::DeviceCounters NicStats::Read() const {
  device::DeviceCounters out;
  for (const QueueStats& queue : rx) out.rx.push_back(queue.Read());
  for (const QueueStats& queue : tx) out.tx.push_back(queue.Read());
  out.wire_rx_packets = wire_rx_packets.Read();
  out.wire_rx_bytes = wire_rx_bytes.Read();
  out.wire_tx_packets = wire_tx_packets.Read();
  out.wire_tx_bytes = wire_tx_bytes.Read();
  out.drops_mac_filter = drops_mac_filter.Read();
  out.drops_rule = drops_rule.Read();
  out.drops_malformed = drops_malformed.Read();
  out.drops_wire = drops_wire.Read();
  out.representor_rx_packets = representor_rx_packets.Read();
  out.representor_tx_packets = representor_tx_packets.Read();
  out.drops_representor = drops_representor.Read();
  return out;
}

}  // namespace qsplit::softnic
