#include "daemon/backend/vfio/igb/address_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {

void AddressTable::Start(RegisterWindow& registers, uint32_t entries, const device::MacAddress& own,
                         bool pooled) {
  pooled_ = pooled;
  entries_.assign(entries, {});
  entries_[0] = {.mac = own, .pools = 0, .used = true};
  for (uint32_t i = 0; i < entries; ++i) Write(registers, i);
}

uint32_t AddressTable::PoolsOf(const device::MacAddress& mac) const {
  for (const Entry& entry : entries_) {
    if (entry.used && entry.mac == mac) return entry.pools;
  }
  return 0;
}

absl::Status AddressTable::SetPools(RegisterWindow& registers, const device::MacAddress& mac,
                                    uint32_t pools) {
  auto at = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.used && entry.mac == mac; });
  if (at == entries_.end()) {
    if (pools == 0) return absl::OkStatus();
    at = std::ranges::find(entries_, false, &Entry::used);
    if (at == entries_.end()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "all ", entries_.size(), " filters for addresses are in use; remove a rule"));
    }
  }
  const bool own = at == entries_.begin();
  *at = {.mac = mac, .pools = pools, .used = own || pools != 0};
  Write(registers, static_cast<uint32_t>(at - entries_.begin()));
  return absl::OkStatus();
}

void AddressTable::Write(RegisterWindow& registers, uint32_t index) const {
  const Entry& entry = entries_[index];
  const device::MacAddress& mac = entry.mac;
  // RAH.AV: not valid while the two halves do not belong together.
  registers.Write32(Rah(index), 0);
  registers.Write32(Ral(index), uint32_t{mac[0]} | uint32_t{mac[1]} << 8 | uint32_t{mac[2]} << 16 |
                                    uint32_t{mac[3]} << 24);
  if (!entry.used || (pooled_ && entry.pools == 0)) return;
  registers.Write32(Rah(index), uint32_t{mac[4]} | uint32_t{mac[5]} << 8 |
                                    entry.pools << kRahPoolShift | kRahValid);
}

}  // namespace qsplit::vfio::igb
