#include "daemon/backend/softnic/counters.h"

namespace qsplit::softnic {

void NicStats::AddTo(device::DeviceCounters* sum) const {
  sum->wire_rx_packets += wire_rx_packets.Read();
  sum->wire_rx_bytes += wire_rx_bytes.Read();
  sum->wire_tx_packets += wire_tx_packets.Read();
  sum->wire_tx_bytes += wire_tx_bytes.Read();
  sum->drops_mac_filter += drops_mac_filter.Read();
  sum->drops_rule += drops_rule.Read();
  sum->drops_malformed += drops_malformed.Read();
  sum->drops_wire += drops_wire.Read();
  sum->representor_rx_packets += representor_rx_packets.Read();
  sum->representor_tx_packets += representor_tx_packets.Read();
  sum->drops_representor += drops_representor.Read();
}

}  // namespace qsplit::softnic
