#include "daemon/backend/vfio/igb/statistics.h"

#include <algorithm>

#include "daemon/backend/vfio/igb/queues.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

constexpr std::array<uint32_t, 4> kPoolOffsets = {kPoolRx, kPoolTx, kPoolRxBytes, kPoolTxBytes};

// 8.19: the low half first; reading the high one clears both.
uint64_t Read64(const RegisterWindow& registers, uint32_t offset) {
  const uint64_t low = registers.Read32(offset);
  return low | uint64_t{registers.Read32(offset + 4)} << 32;
}

}  // namespace

void PoolCounters::Start(const RegisterWindow& registers) {
  totals_ = {};
  for (size_t i = 0; i < kPoolOffsets.size(); ++i) {
    last_[i] = registers.Read32(base_ + kPoolOffsets[i]);
  }
}

void PoolCounters::Read(const RegisterWindow& registers) {
  for (size_t i = 0; i < kPoolOffsets.size(); ++i) {
    const uint32_t now = registers.Read32(base_ + kPoolOffsets[i]);
    totals_[i] += now - last_[i];  // modulo 2^32, as they wrap
    last_[i] = now;
  }
}

void PfStatistics::Start(const RegisterWindow& registers, const QueueMap& map, bool per_queue) {
  rx_queues_ = map.rx_count();
  queues_.clear();
  for (uint32_t queue = 0; queue < map.count(); ++queue) {
    queues_.push_back({.hardware = map.Hardware(queue)});
  }
  pools_.clear();
  if (per_queue || map.pooled) {
    const uint32_t count = per_queue ? map.count() : map.pools();
    for (uint32_t queue = 0; queue < count; ++queue) {
      pools_.emplace_back(PoolStatistics(map.Hardware(queue)));
      pools_.back().Start(registers);
    }
  }
  // 4.5 (statistics): what was counted before is read away.
  Accumulate(registers);
  wire_ = {};
  for (QueueTotals& queue : queues_) queue.drops_no_descriptor = 0;
}

void PfStatistics::Accumulate(const RegisterWindow& registers) {
  if (registers.Read32(kStatus) == kGone) return;
  wire_.wire_rx_packets += registers.Read32(kGoodRx);
  wire_.wire_rx_bytes += Read64(registers, kGoodRxBytes);
  wire_.wire_tx_packets += registers.Read32(kGoodTx);
  wire_.wire_tx_bytes += Read64(registers, kGoodTxBytes);
  wire_.drops_wire += registers.Read32(kMissed);
  // Without RUC: emulated NICs count there short packets that they pad and take.
  for (const uint32_t counter :
       {kCrcErrors, kRxErrors, kLengthErrors, kFragments, kOversized, kJabbers}) {
    wire_.drops_malformed += registers.Read32(counter);
  }
  for (QueueTotals& queue : queues_) {
    queue.drops_no_descriptor += registers.Read32(kPfBank.Rx(queue.hardware) + kRqdpc);
  }
  for (PoolCounters& pool : pools_) pool.Read(registers);
}

void PfStatistics::Read(const RegisterWindow& registers, device::DeviceCounters* counters) {
  Accumulate(registers);
  counters->wire_rx_packets += wire_.wire_rx_packets;
  counters->wire_rx_bytes += wire_.wire_rx_bytes;
  counters->wire_tx_packets += wire_.wire_tx_packets;
  counters->wire_tx_bytes += wire_.wire_tx_bytes;
  counters->drops_wire += wire_.drops_wire;
  counters->drops_malformed += wire_.drops_malformed;
  counters->rx.resize(std::max<size_t>(counters->rx.size(), rx_queues_));
  counters->tx.resize(std::max(counters->tx.size(), queues_.size()));
  for (size_t i = 0; i < queues_.size(); ++i) {
    (i < rx_queues_ ? counters->rx[i].drops_no_descriptor : counters->drops_rule) +=
        queues_[i].drops_no_descriptor;
  }
  for (size_t i = 0; i < pools_.size(); ++i) {
    if (i < rx_queues_) {
      counters->rx[i].packets += pools_[i].rx_packets();
      counters->rx[i].bytes += pools_[i].rx_bytes();
    }
    counters->tx[i].packets += pools_[i].tx_packets();
    counters->tx[i].bytes += pools_[i].tx_bytes();
  }
}

}  // namespace qsplit::vfio::igb
