// What packets are taken, and which queue they go to. Sections: registers.h.
#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/e1000e/driver.h"
#include "daemon/backend/vfio/e1000e/registers.h"

namespace qsplit::vfio::e1000e {
namespace {

// RCTL.BSEX and BSIZE: 2048, 1024, 512, 256, or sixteen times the last three.
uint32_t SizeBits(uint32_t bytes) {
  const bool extended = bytes > 2048;
  const auto log2 = static_cast<uint32_t>(std::countr_zero(extended ? bytes / 16 : bytes));
  return (11 - log2) << kRctlSizeShift | (extended ? kRctlSizeExtended : 0);
}

}  // namespace

uint32_t Driver::ReceiveControl() const {
  uint32_t value = kRctlBroadcast | kRctlStripCrc | SizeBits(buffer_bytes_);
  if (promiscuous_) value |= kRctlUnicastPromiscuous | kRctlMulticastPromiscuous;
  if (all_multicast_) value |= kRctlMulticastPromiscuous;
  if (mtu_bytes_ > 1500) value |= kRctlLongPackets;
  if (AnyRunning(false) && !rss_drops_all_) value |= kRctlEnable;
  return value;
}

// 7.1.1: one exact address, a table of hashes for multicast. RSS begins off.
void Driver::SetUpFilters() {
  for (uint32_t i = 1; i < kReceiveAddresses; ++i) {
    registers_->Write32(Rah(i), 0);
    registers_->Write32(Ral(i), 0);
  }
  registers_->Write32(Rah(0), 0);
  registers_->Write32(Ral(0), uint32_t{mac_[0]} | uint32_t{mac_[1]} << 8 | uint32_t{mac_[2]} << 16 |
                                  uint32_t{mac_[3]} << 24);
  registers_->Write32(Rah(0), uint32_t{mac_[4]} | uint32_t{mac_[5]} << 8 | kRahValid);
  WriteMulticast();
  registers_->Write32(kMrqc, 0);
}

// RCTL.MO = 0: bits 47:36 of the address, as it stands on the wire with its first byte lowest.
void Driver::WriteMulticast() {
  std::array<uint32_t, kMulticastWords> table{};
  for (const device::MacAddress& mac : multicast_) {
    const uint32_t hash = (uint32_t{mac[4]} >> 4 | uint32_t{mac[5]} << 4) & 0xfff;
    table[hash >> 5] |= 1u << (hash & 31);
  }
  for (uint32_t i = 0; i < kMulticastWords; ++i) {
    registers_->Write32(kMulticastTable + 4 * uint64_t{i}, table[i]);
  }
}

absl::Status Driver::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes > facts_.max_mtu_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the MTU of ", *settings.mtu_bytes,
                                                   " bytes is more than the 82574's ",
                                                   facts_.max_mtu_bytes));
  }
  if (settings.multicast.has_value() &&
      std::any_of(settings.multicast->begin(), settings.multicast->end(),
                  [](const device::MacAddress& mac) { return (mac[0] & 1) == 0; })) {
    return absl::InvalidArgumentError("an address of the multicast list is a unicast address");
  }
  mtu_bytes_ = settings.mtu_bytes.value_or(mtu_bytes_);
  promiscuous_ = settings.promiscuous.value_or(promiscuous_);
  all_multicast_ = settings.all_multicast.value_or(all_multicast_);
  if (settings.multicast.has_value()) {
    multicast_ = *settings.multicast;
    WriteMulticast();
  }
  registers_->Write32(kRctl, ReceiveControl());
  return absl::OkStatus();
}

// 7.1.11. The table may change while packets arrive; the key may not, and reception pauses for it.
// The hardware drops nothing by hash: all entries name a queue, or none does and all reception
// ends.
absl::Status Driver::SetRss(const device::RssConfig& config) {
  if (config.indirection.size() != kRetaEntries) {
    return absl::InvalidArgumentError(absl::StrCat("an RSS table of ", config.indirection.size(),
                                                   " entries: the 82574's has ", kRetaEntries));
  }
  const auto none = static_cast<size_t>(
      std::count(config.indirection.begin(), config.indirection.end(), device::kNoQueue));
  if (none != 0 && none != kRetaEntries) {
    return absl::UnimplementedError(
        absl::StrCat("the 82574 drops nothing by RSS hash: ", none, " of ", kRetaEntries,
                     " entries name no queue; let each name one, or none of them"));
  }
  std::array<uint32_t, kRetaEntries / 4> table{};
  for (uint32_t i = 0; i < kRetaEntries && none == 0; ++i) {
    const uint32_t queue = config.indirection[i];
    if (queue >= kQueues) {
      return absl::InvalidArgumentError(absl::StrCat("entry ", i, " of the RSS table names queue ",
                                                     queue, "; the 82574 has ", kQueues));
    }
    table[i / 4] |= queue << (kRetaQueueShift + 8 * (i % 4));
  }
  const bool new_key = config.key != rss_key_;
  if (new_key && AnyRunning(false)) {
    if (absl::Status status = Pause(false); !status.ok()) return status;
  }
  for (uint32_t i = 0; i < table.size(); ++i) {
    registers_->Write32(kReta + 4 * uint64_t{i}, table[i]);
  }
  for (uint32_t i = 0; i < device::kRssKeyBytes / 4 && new_key; ++i) {
    const uint8_t* bytes = config.key.data() + size_t{4} * i;
    registers_->Write32(kRssKey + 4 * uint64_t{i}, uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 |
                                                       uint32_t{bytes[2]} << 16 |
                                                       uint32_t{bytes[3]} << 24);
  }
  registers_->Write32(kMrqc, kMrqcRss);
  rss_key_ = config.key;
  rss_drops_all_ = none != 0;
  Resume(false);
  return absl::OkStatus();
}

absl::Status Driver::AddRule(const device::FlowRule& /*rule*/) {
  return absl::UnimplementedError(
      "the 82574 has no filters that choose a queue: packets find theirs by RSS alone");
}

absl::Status Driver::RemoveRule(uint32_t location) {
  return absl::NotFoundError(absl::StrCat("no rule at location ", location,
                                          ": the 82574 has no filters that choose a queue"));
}

}  // namespace qsplit::vfio::e1000e
